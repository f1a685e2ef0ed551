"""Bodies that people write, in requests and scripts, checked by their types; unknown fields are errors."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

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


class ExerciseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Exercise `quantity` long contracts of `symbol`; `exercise_id` is the key under which it is done once."""

    exercise_id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    symbol: str
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    tag: Annotated[str, msgspec.Meta(max_length=200)] = ""


class SettleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An operator's word on an order of unknown outcome; the reason stays in the journal."""

    outcome: Literal["canceled", "rejected", "accepted"]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class CloseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Close a position, or `units` of it, by one order. Without `limit_price` the price is taken from the market when
    the order is made: `price` says whether the middle or what fills now. `order_id` is the key."""

    order_id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    units: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    limit_price: Decimal | None = None
    price: Literal["mid", "natural"] = "mid"
    time_in_force: Literal["day", "gtc"] = "day"
    tag: Annotated[str, msgspec.Meta(max_length=200)] = ""
