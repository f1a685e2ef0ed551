"""Legs that an ended order left unequal: how tests come by them, and what they ask about them."""

from __future__ import annotations

from typing import Any

from kit import CALLS, Desk

from actors.messages.order_state import Order

SPREAD = ((CALLS[1], 1), (CALLS[2], -1))


def left(filled: tuple[int, int], desk: Desk | None = None, limit: str = "1.00") -> Desk:
    """A spread of two units that was canceled with so much filled of its legs."""
    desk = Desk() if desk is None else desk
    desk.submit("o", *SPREAD, limit=limit, quantity=2)
    desk.accept("o")
    for leg, quantity in enumerate(filled):
        if quantity:
            desk.fill("o", leg, quantity)
    canceled(desk, "o")
    return desk


def canceled(desk: Desk, order_id: str) -> None:
    """The other end says that the rest is gone."""
    for leg, each in enumerate(desk.order(order_id).body.legs):
        desk.event(order_id, leg, each.symbol, "canceled")


def of(desk: Desk, kind: type) -> list[Any]:
    """Facts of a kind so far."""
    return [each.fact for each in desk.facts if isinstance(each.fact, kind)]


def mends(desk: Desk) -> list[Order]:
    """Orders wanted for what is broken."""
    return [order for name, order in desk.core.state("orders").table.orders.items() if ".mend" in name]


def legs(order: Order) -> dict[str, int]:
    return {leg.symbol: leg.ratio * order.body.quantity for leg in order.body.legs}


def works(desk: Desk, order: Order) -> None:
    desk.sent()
    desk.accept(order.order_id)
