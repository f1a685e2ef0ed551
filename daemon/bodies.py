"""Bodies that people write, in requests and scripts, checked by their types; unknown fields are errors."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from actors.messages.orders import Amendment, OrderBody, OrderLeg


class LegBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One leg: `ratio` is signed, + buys and - sells."""

    symbol: str
    ratio: int


class SubmitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new order; `order_id` is the key under which it is made once. Prices as in the desk's order body."""

    order_id: str
    legs: tuple[LegBody, ...]
    quantity: int
    type: Literal["market", "limit", "stop", "market_on_close"] = "limit"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    leg_limits: tuple[Decimal, ...] | None = None
    time_in_force: Literal["day", "gtc"] = "day"
    priority: int = 0
    ttl_seconds: float | None = None
    position_id: str = ""
    tag: str = ""
    allow_netting: bool = False

    def body(self) -> OrderBody:
        """As the core takes it."""
        return OrderBody(
            tuple(OrderLeg(leg.symbol, leg.ratio) for leg in self.legs), self.quantity, self.type, self.limit_price,
            self.stop_price, self.leg_limits, self.time_in_force, self.priority, self.ttl_seconds, self.position_id,
            self.tag, self.allow_netting,
        )  # fmt: skip


class AmendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What changes; `quantity` is the new total, what is filled included."""

    quantity: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    leg_limits: tuple[Decimal, ...] | None = None
    tag: str | None = None

    def change(self) -> Amendment:
        """As the core takes it."""
        return Amendment(self.quantity, self.limit_price, self.stop_price, self.leg_limits, self.tag)


class HaltBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Raise the breaker to `level`, 1 to 5, and why."""

    level: int
    reason: str


class ResetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """First step: `reason`. Second step: the `phrase` that the first gave."""

    reason: str = ""
    phrase: str = ""
