"""Bodies that people write, in requests and scripts, checked by their types; unknown fields are errors."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from actors.messages.orders import Amendment, OrderBody, OrderLeg

#: Beyond these no order is meant: what is beyond them is a slip of the hand, or an attack.
_MOST_PRICE = Decimal(1_000_000)
_MOST_PLACES = 6

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]
Symbol = Annotated[str, msgspec.Meta(min_length=1, max_length=24)]
Tag = Annotated[str, msgspec.Meta(max_length=200)]


class LegBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One leg: `ratio` is signed, + buys and - sells."""

    symbol: Symbol
    ratio: Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]


class SubmitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new order; `order_id` is the key under which it is made once. Prices as in the desk's order body."""

    order_id: Id
    legs: Annotated[tuple[LegBody, ...], msgspec.Meta(max_length=16)]
    quantity: Quantity
    type: Literal["market", "limit", "stop", "market_on_close"] = "limit"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    leg_limits: Annotated[tuple[Decimal, ...], msgspec.Meta(max_length=16)] | None = None
    time_in_force: Literal["day", "gtc"] = "day"
    priority: Annotated[int, msgspec.Meta(ge=-1000, le=1000)] = 0
    ttl_seconds: Annotated[float, msgspec.Meta(gt=0, le=31_536_000)] | None = None
    position_id: Annotated[str, msgspec.Meta(max_length=100)] = ""
    tag: Tag = ""
    allow_netting: bool = False

    def __post_init__(self) -> None:
        _check_prices((self.limit_price, self.stop_price, *(self.leg_limits or ())))

    def body(self) -> OrderBody:
        """As the core takes it."""
        return OrderBody(
            tuple(OrderLeg(leg.symbol, leg.ratio) for leg in self.legs), self.quantity, self.type, self.limit_price,
            self.stop_price, self.leg_limits, self.time_in_force, self.priority, self.ttl_seconds, self.position_id,
            self.tag, self.allow_netting,
        )  # fmt: skip


class AmendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What changes; `quantity` is the new total, what is filled included."""

    quantity: Quantity | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    leg_limits: Annotated[tuple[Decimal, ...], msgspec.Meta(max_length=16)] | None = None
    tag: Tag | None = None

    def __post_init__(self) -> None:
        _check_prices((self.limit_price, self.stop_price, *(self.leg_limits or ())))

    def change(self) -> Amendment:
        """As the core takes it."""
        return Amendment(self.quantity, self.limit_price, self.stop_price, self.leg_limits, self.tag)


class HaltBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Raise the breaker to `level`, 1 to 5, and why."""

    level: Annotated[int, msgspec.Meta(ge=1, le=5)]
    reason: Reason


class ResetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """First step: `reason`. Second step: the `phrase` that the first gave."""

    reason: Annotated[str, msgspec.Meta(max_length=400)] = ""
    phrase: Annotated[str, msgspec.Meta(max_length=100)] = ""


class SkipBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sign a stopped actor past what it failed on: `seq` as the tree shows it (`failed_at`), and why."""

    seq: Annotated[int, msgspec.Meta(ge=0, le=2**62)]
    reason: Reason


class ExerciseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Exercise `quantity` long contracts of `symbol`; `exercise_id` is the key under which it is done once."""

    exercise_id: Id
    symbol: Symbol
    quantity: Quantity
    tag: Tag = ""


class SettleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An operator's word on an order of unknown outcome; the reason stays in the journal."""

    outcome: Literal["canceled", "rejected", "accepted"]
    reason: Reason


class MendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An operator's word on legs that stand unequal: complete them, take the surplus back, or keep them so."""

    way: Literal["complete", "unwind", "keep"]
    reason: Reason


class CloseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Close a position, or `units` of it, by one order. Without `limit_price` the price is taken from the market when
    the order is made: `price` says whether the middle or what fills now. `order_id` is the key.

    `legs`: where a broker may fill legs apart, closing a spread whole could leave its short leg naked and does not pass
    a halt; buying back its `short` legs does, and selling its `long` ones after that.
    """

    order_id: Id
    legs: Literal["all", "short", "long"] = "all"
    units: Quantity | None = None
    limit_price: Decimal | None = None
    price: Literal["mid", "natural"] = "mid"
    time_in_force: Literal["day", "gtc"] = "day"
    tag: Tag = ""

    def __post_init__(self) -> None:
        _check_prices((self.limit_price,))


def _check_prices(prices: Iterable[Decimal | None]) -> None:
    """Raise ValueError for a price that no order can have: none, beyond any, or finer than any tick."""
    for price in prices:
        if price is None:
            continue
        if not price.is_finite() or abs(price) > _MOST_PRICE:
            raise ValueError(f"price {price} is not a number from -{_MOST_PRICE} to {_MOST_PRICE}")
        exponent = price.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > _MOST_PLACES:
            raise ValueError(f"price {price} has more than {_MOST_PLACES} places")
