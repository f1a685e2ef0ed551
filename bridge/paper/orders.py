"""What the broker keeps of an order, and its executions. Nothing of LEAN's ids, tickets or event numbers."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

from bridge.protocol import OrderType, PlaceOrder

Status = Literal["new", "submitted", "filled", "canceled", "invalid"]
Kind = Literal["order", "assignment", "exercise", "expiry", "margin_call", "external"]


class BrokerLeg(msgspec.Struct):
    """One leg: signed ratio per unit, signed contracts or shares filled so far."""

    symbol: str
    ratio: int
    filled: int = 0


class BrokerOrder(msgspec.Struct):
    """A working or ended order. Prices as in PlaceOrder: signed net, or one positive price a leg.

    `order_id` is the client's own id, which this broker keeps; '' for an order that nobody of ours gave.
    """

    broker_id: str
    order_id: str
    legs: list[BrokerLeg]
    quantity: int
    type: OrderType
    limit_price: Decimal | None
    stop_price: Decimal | None
    leg_limits: list[Decimal] | None
    sell_group: bool
    combo: bool
    placed_at: dt.datetime
    tag: str = ""
    status: Status = "new"
    day: bool = False
    reason: str = ""
    #: Middle of the unit when the order came, signed dollars per share; None where it was not known.
    middle: float | None = None
    #: When it last became another.
    changed_at: dt.datetime | None = None

    def wanted(self, leg: BrokerLeg) -> int:
        """Signed quantity of a leg."""
        return leg.ratio * self.quantity

    def left(self, leg: BrokerLeg) -> int:
        """Signed quantity of a leg that has not filled."""
        return leg.ratio * self.quantity - leg.filled

    @property
    def complete(self) -> bool:
        """Whether every leg has filled what it wanted."""
        return all(not self.left(leg) for leg in self.legs)

    @property
    def working(self) -> bool:
        """Whether it may still fill."""
        return self.status == "submitted"


class Execution(msgspec.Struct, frozen=True):
    """Something that moved holdings and cash: signed quantity at a price per share, fee in dollars.

    `settlement` per share is cash beside the price (cash-settled exercise). `leg` is -1 where no order of ours asked.
    `closes` is the signed option quantity that an exercise, assignment or expiry is about. What has one `batch`
    happened at once. `id` is the broker's own, for ever; '' where this broker keeps no ledger.
    """

    id: str
    at: dt.datetime
    kind: Kind
    broker_id: str
    order_id: str
    leg: int
    symbol: str
    quantity: int
    price: Decimal
    fee: Decimal
    batch: int
    settlement: Decimal = Decimal(0)
    closes: int = 0
    contract: str = ""
    message: str = ""
    tag: str = ""
    in_the_money: bool = False


def broker_order(frame: PlaceOrder, at: dt.datetime) -> BrokerOrder:
    """The order that a frame asks for, not yet at the broker."""
    return BrokerOrder(
        "", frame.order_id, [BrokerLeg(leg.symbol, leg.ratio) for leg in frame.legs], frame.quantity, frame.type,
        frame.limit_price, frame.stop_price, None if frame.leg_limits is None else list(frame.leg_limits),
        frame.sell_group, frame.combo, at, frame.tag, day=frame.time_in_force == "day",
    )  # fmt: skip
