"""An order as LEAN's session keeps it: one ticket a leg, ids counted from 1, one state for the group."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

from bridge.protocol import PlaceOrder

Status = Literal["new", "submitted", "filled", "canceled", "invalid", "limbo"]


class PaperLeg(msgspec.Struct):
    """One leg's ticket: LEAN's order id, events counted so far, its own tag."""

    symbol: str
    ratio: int
    lean_id: int
    tag: str
    events: int = 0
    filled: int = 0


class PaperOrder(msgspec.Struct):
    """A working or ended order. Prices as in PlaceOrder: signed net, or one positive price a leg."""

    order_id: str
    attempt: int
    legs: list[PaperLeg]
    quantity: int
    type: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    leg_limits: list[Decimal] | None
    sell_group: bool
    combo: bool
    placed_at: dt.datetime
    status: Status = "new"
    day: bool = False
    cancel_asked: bool = False
    update_asked: bool = False

    def wanted(self, leg: PaperLeg) -> int:
        """Signed quantity of a leg."""
        return leg.ratio * self.quantity

    @property
    def working(self) -> bool:
        """Whether it may still fill."""
        return self.status == "submitted"


def paper_order(frame: PlaceOrder, first_id: int, at: dt.datetime) -> PaperOrder:
    """The order that a frame asks for, its legs numbered from `first_id`."""
    legs = [PaperLeg(leg.symbol, leg.ratio, first_id + index, frame.tag) for index, leg in enumerate(frame.legs)]
    return PaperOrder(
        frame.order_id, frame.attempt, legs, frame.quantity, frame.type, frame.limit_price, frame.stop_price,
        None if frame.leg_limits is None else list(frame.leg_limits), frame.sell_group, frame.combo, at,
        day=frame.time_in_force == "day",
    )  # fmt: skip
