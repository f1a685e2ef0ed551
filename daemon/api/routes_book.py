"""The book over HTTP: account, holdings, positions with their reasons, closing one, and the three columns."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec
from starlette.responses import Response

from actors.messages.book import Position
from actors.messages.order_state import Order
from actors.messages.orders import OrderBody, OrderLeg
from actors.messages.positions import MendPosition
from actors.options.contracts import multiplier_of
from actors.runtime import CommandConflict, Refusal
from daemon.api.answers import answer
from daemon.api.desk import Desk, content_tag
from daemon.api.routes_orders import WaitQuery, location, submit
from daemon.api.routing import Call, Endpoint
from daemon.bodies import CloseBody, MendBody
from daemon.views_desk import (
    AccountShown,
    HeldShown,
    ReconciliationShown,
    account_shown,
    holdings_shown,
    reconciliation_shown,
)
from daemon.views_orders import OrderShown, order_shown
from daemon.views_positions import PositionShown, position_shown, positions_shown, units_of, value

_CENT = Decimal("0.01")
#: Rules of the desk that no actor here has yet: said, so that nobody relies on them.
_ABSENT = (
    "profit_target", "stop", "trailing_stop", "dte_close", "roll", "expiry_desk", "ex_dividend", "assigned",
)  # fmt: skip


class RuleShown(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that can act on this position: what it looks at, where it fires, how far away that is, and what it does.
    `value`, `limit` and `distance` are null where they can't be known now."""

    rule: str
    scope: Literal["position", "account"]
    looks_at: str
    value: str | None
    limit: str | None
    distance: str | None
    unit: str
    does: str


class ExplainShown(msgspec.Struct, frozen=True, kw_only=True):
    """Why a position is as it is: the rules that exist, and in `absent` those that this daemon does not have yet."""

    position_id: str
    rules: tuple[RuleShown, ...]
    absent: tuple[str, ...]
    resting: tuple[str, ...]


class PositionsQuery(msgspec.Struct, frozen=True):
    """Only those on an underlying, or of a campaign."""

    underlying: str | None = None
    campaign_id: str | None = None


class BookRoutes:
    """The handlers; `endpoints` declares them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every route of this module."""
        one = "/api/v1/positions/{position_id}"
        return (
            Endpoint(method="GET", path="/api/v1/account", role="viewer", handler=self.account,
                     answers={200: AccountShown}, summary="Money: ours and LEAN's"),
            Endpoint(method="GET", path="/api/v1/holdings", role="viewer", handler=self.holdings,
                     answers={200: tuple[HeldShown, ...], 304: None}, headers=("if-none-match",),
                     summary="What is held, net"),
            Endpoint(method="GET", path="/api/v1/positions", role="viewer", handler=self.positions,
                     query=PositionsQuery, answers={200: tuple[PositionShown, ...]},
                     summary="Open positions, by underlying and campaign"),
            Endpoint(method="GET", path=one, role="viewer", handler=self.position, answers={200: PositionShown},
                     refuses=(404,), summary="One open position"),
            Endpoint(method="GET", path=one + "/explain", role="viewer", handler=self.explain,
                     answers={200: ExplainShown}, refuses=(404,),
                     summary="The rules that can act on it, each with its distance to firing"),
            Endpoint(method="POST", path=one + "/close", role="trader", handler=self.close, query=WaitQuery,
                     body=CloseBody, answers={200: OrderShown, 201: OrderShown, 202: OrderShown}, refuses=(404, 409),
                     summary="Close it, or some units, by one order; order_id is the key"),
            Endpoint(method="POST", path=one + "/mend", role="trader", handler=self.mend, body=MendBody,
                     answers={200: PositionShown}, refuses=(404, 409), headers=("idempotency-key",),
                     summary="Complete or unwind legs that stand unequal, or keep them as they are"),
            Endpoint(method="GET", path="/api/v1/reconciliation", role="viewer", handler=self.reconciliation,
                     answers={200: ReconciliationShown}, summary="Our book, LEAN's and the broker's"),
        )  # fmt: skip

    async def account(self, call: Call) -> Response:
        return answer(account_shown(self._desk.views, self._desk.market))

    async def holdings(self, call: Call) -> Response:
        found = holdings_shown(self._desk.views)
        tag = {"etag": content_tag(found)}
        if call.header("if-none-match") == tag["etag"]:
            return Response(None, 304, tag)
        return answer(found, headers=tag)

    async def positions(self, call: Call) -> Response:
        query: PositionsQuery = call.query
        found = positions_shown(self._desk.views, self._desk.market, self._desk.now)
        return answer(tuple(
            each for each in found
            if query.underlying in (None, each.underlying) and query.campaign_id in (None, each.campaign_id)
        ))  # fmt: skip

    async def position(self, call: Call) -> Response:
        return answer(self._shown(self._known(call)))

    async def explain(self, call: Call) -> Response:
        position = self._known(call)
        shown = self._shown(position)
        return answer(ExplainShown(
            position_id=position.position_id, rules=self._rules(shown), absent=_ABSENT,
            resting=tuple(each.order_id for each in shown.resting),
        ))  # fmt: skip

    async def close(self, call: Call) -> Response:
        body: CloseBody = call.body
        made = self._desk.views.orders.get(body.order_id)
        if made is not None and _is_close(made, call.path("position_id"), body):
            # The price of a first try came from the market then: a repeat is that order, not another body.
            return answer(order_shown(made), 200, {"location": location(made)})
        position = self._known(call)
        try:
            return await submit(self._desk, call, body.order_id, self._closing(position, body), call.query)
        except CommandConflict:
            made = self._desk.views.orders.get(body.order_id)
            if made is None or not _is_close(made, position.position_id, body):
                raise
            return answer(order_shown(made), 200, {"location": location(made)})

    async def mend(self, call: Call) -> Response:
        position, body = self._known(call), call.body
        await self._desk.give(call, MendPosition(position.position_id, body.way, body.reason))
        return answer(self._shown(position))

    async def reconciliation(self, call: Call) -> Response:
        return answer(reconciliation_shown(self._desk.views, self._desk.now))

    # --- helpers ----------------------------------------------------------------------------------------------

    def _known(self, call: Call) -> Position:
        position_id = call.path("position_id")
        position = self._desk.views.book.positions.get(position_id)
        if position is None:
            closed = position_id in self._desk.views.book.closed
            raise Refusal(
                "not_found", f"position {position_id!r} is closed" if closed else f"no position {position_id!r}"
            )
        return position

    def _shown(self, position: Position) -> PositionShown:
        live = self._desk.views.orders.live.values()
        broken = self._desk.views.broken.get(position.position_id, {}).values()
        return position_shown(position, self._desk.market, live, self._desk.now, broken)

    def _closing(self, position: Position, body: CloseBody) -> OrderBody:
        """One order against the position's legs, at the price asked for or the market's now. Raises Refusal."""
        whole = units_of(position.holdings)
        if body.units is not None and body.units > whole:
            raise Refusal("invalid", f"{body.units} units to close, {whole} held")
        holdings = {
            symbol: quantity
            for symbol, quantity in position.holdings.items()
            if body.legs == "all" or (quantity < 0) == (body.legs == "short")
        }
        if not holdings:
            raise Refusal("invalid", f"position {position.position_id!r} has no {body.legs} leg")
        held = units_of(holdings)
        units = held if body.units is None else held * body.units // whole
        legs = tuple(OrderLeg(symbol, -quantity // held) for symbol, quantity in sorted(holdings.items()))
        price = body.limit_price
        if price is None:
            valued = value(self._desk.market, holdings)
            worth = valued.mark if body.price == "mid" else valued.natural
            if worth is None:
                names = ", ".join(symbol.strip() for symbol in sorted(holdings))
                raise Refusal("invalid", f"no {body.price} price of {names} is known; give limit_price")
            size = max(multiplier_of(symbol) for symbol in holdings)
            price = (-worth / (held * size)).quantize(_CENT)
        return OrderBody(
            legs, units, "limit", price, time_in_force=body.time_in_force, position_id=position.position_id,
            tag=body.tag,
        )  # fmt: skip

    def _rules(self, shown: PositionShown) -> tuple[RuleShown, ...]:
        rules, views = self._desk.rules, self._desk.views
        found: list[RuleShown] = []
        if rules.automatic_breaker:
            equity = views.equity
            start = None if equity is None else equity.value - equity.day_result
            limit = None if start is None else (start * rules.daily_loss_fraction).quantize(_CENT)
            lost = None if equity is None else (-equity.day_result).quantize(_CENT)
            found.append(RuleShown(
                rule="daily_loss", scope="account", looks_at="the day's result on marks, recorded each minute",
                value=None if lost is None else str(lost), limit=None if limit is None else str(limit),
                distance=None if limit is None or lost is None else str(limit - lost), unit="dollars lost",
                does=f"raises the breaker to {rules.daily_loss_level}: entries are canceled, reducing orders kept",
            ))  # fmt: skip
        seconds = None if shown.last_trade is None else (shown.last_trade - self._desk.now).total_seconds()
        found.append(RuleShown(
            rule="expiry", scope="position", looks_at="the first of its contracts to trade last",
            value=None if seconds is None else f"{seconds / 86400:.4f}", limit="0",
            distance=None if seconds is None else f"{seconds / 86400:.4f}", unit="days to last trade",
            does="nothing by itself: what LEAN or the broker does then (assignment, exercise) is booked",
        ))  # fmt: skip
        return tuple(found)


def _is_close(order: Order, position_id: str, body: CloseBody) -> bool:
    """Whether an order is what this body asked for before."""
    sides = {leg.ratio > 0 for leg in order.body.legs}
    return (
        order.body.position_id == position_id
        and (body.legs == "all" or sides == {body.legs == "short"})
        and order.body.time_in_force == body.time_in_force
        and order.body.tag == body.tag
        and (body.units is None or body.legs != "all" or body.units == order.body.quantity)
        and (body.limit_price is None or body.limit_price == order.body.limit_price)
    )
