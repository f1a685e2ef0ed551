"""Payoff at expiry of any legs with stock: exact, piecewise linear, in dollars. Cash paid or received is not in it.

Legs that expire apart have no payoff of this kind: that needs a model, and lives elsewhere.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Literal

import msgspec

from actors.options.contracts import Contract, parse_symbol


class Unlimited(enum.Enum):
    """A profit or loss without bound: a value of its own, never a big number."""

    UNLIMITED = "unlimited"

    def __repr__(self) -> str:
        return "UNLIMITED"


UNLIMITED: Final = Unlimited.UNLIMITED
Amount = Decimal | Literal[Unlimited.UNLIMITED]


class MixedExpiries(ValueError):
    """Legs that expire at different times have no common payoff at expiry."""


class MixedUnderlyings(ValueError):
    """Legs on different underlyings have no common payoff."""


class Leg(msgspec.Struct, frozen=True):
    """A signed quantity of a symbol: contracts of an option, shares of a stock."""

    symbol: str
    quantity: int


class Payoff(msgspec.Struct, frozen=True):
    """Dollars at expiry as a function of the underlying's price from 0 on.

    `spots` are the kinks in rising order, the first 0; `values` the dollars there; `slope` is dollars per dollar beyond
    the last. Between kinks it is linear.
    """

    spots: tuple[Decimal, ...]
    values: tuple[Decimal, ...]
    slope: Decimal

    def at(self, spot: Decimal) -> Decimal:
        """Dollars at this price. Raises ValueError below 0."""
        if spot < 0:
            raise ValueError(f"spot {spot} is below 0")
        index = bisect_right(self.spots, spot) - 1
        start, value = self.spots[index], self.values[index]
        return value + (spot - start) * self.slope_after(index)

    def slope_after(self, index: int) -> Decimal:
        """Dollars per dollar between kink `index` and the next, or beyond the last."""
        if index == len(self.spots) - 1:
            return self.slope
        return (self.values[index + 1] - self.values[index]) / (self.spots[index + 1] - self.spots[index])

    @property
    def slope_below(self) -> Decimal:
        """Dollars per dollar from 0 to the first strike (beyond the last where there is none)."""
        return self.slope_after(0)

    @property
    def minimum(self) -> Amount:
        """The worst value, UNLIMITED where it falls without end above the last strike."""
        return UNLIMITED if self.slope < 0 else min(self.values)

    @property
    def maximum(self) -> Amount:
        """The best value, UNLIMITED where it rises without end."""
        return UNLIMITED if self.slope > 0 else max(self.values)

    @property
    def maximum_loss(self) -> Amount:
        """Dollars lost at worst, before cash: the minimum with its sign turned (negative: it can't lose)."""
        worst = self.minimum
        return worst if isinstance(worst, Unlimited) else -worst

    @property
    def maximum_profit(self) -> Amount:
        """Dollars won at best, before cash."""
        return self.maximum

    def break_evens(self, cash: Decimal = Decimal(0)) -> tuple[Decimal, ...]:
        """Prices at which value plus `cash` (received positive) crosses or leaves zero, rising. Flat stretches at zero
        give their ends."""
        found: list[Decimal] = []
        values = [value + cash for value in self.values]
        for index, (spot, value) in enumerate(zip(self.spots, values, strict=True)):
            if value == 0:
                found.append(spot)
            slope = self.slope_after(index)
            if slope == 0 or value == 0:
                continue
            root = spot - value / slope
            end = self.spots[index + 1] if index + 1 < len(self.spots) else None
            if root > spot and (end is None or root < end):
                found.append(root)
        return tuple(found)

    def vertices(self, low: Decimal, high: Decimal, cash: Decimal = Decimal(0)) -> tuple[tuple[Decimal, Decimal], ...]:
        """What to draw between two prices: (price, dollars with `cash`) at both ends, every kink and every break-even
        between, rising. Straight lines through them are the payoff itself.

        Raises ValueError unless 0 <= low < high.
        """
        if not 0 <= low < high:
            raise ValueError(f"can't draw from {low} to {high}: needs 0 <= low < high")
        inner = [spot for spot in (*self.spots, *self.break_evens(cash)) if low < spot < high]
        return tuple((spot, self.at(spot) + cash) for spot in (low, *sorted(dict.fromkeys(inner)), high))


def payoff(legs: Iterable[Leg]) -> Payoff:
    """The payoff of legs on one underlying that expire together; stock and no options at all are fine.

    Raises MixedExpiries or MixedUnderlyings. An empty book pays 0.
    """
    options: list[tuple[Contract, int]] = []
    shares = 0
    expiries, underlyings = dict[object, None](), dict[str, None]()
    for leg in legs:
        if leg.quantity == 0:
            continue
        parsed = parse_symbol(leg.symbol)
        if isinstance(parsed, Contract):
            options.append((parsed, leg.quantity))
            expiries[parsed.expiry] = None
            underlyings[parsed.underlying] = None
        else:
            shares += leg.quantity
            underlyings[parsed] = None
    if len(underlyings) > 1:
        raise MixedUnderlyings(f"legs on {' and '.join(underlyings)} have no common payoff")
    if len(expiries) > 1:
        raise MixedExpiries(f"legs expire on {len(expiries)} dates; a payoff at expiry needs one")
    return _piecewise(options, shares)


def _piecewise(options: Sequence[tuple[Contract, int]], shares: int) -> Payoff:
    spots = [Decimal(0), *sorted(dict.fromkeys(contract.strike for contract, _ in options))]
    values = [_value(options, shares, spot) for spot in spots]
    slope = Decimal(shares)
    for contract, quantity in options:
        if contract.right == "C":
            slope += quantity * contract.multiplier
    return Payoff(tuple(spots), tuple(values), slope)


def _value(options: Sequence[tuple[Contract, int]], shares: int, spot: Decimal) -> Decimal:
    total = shares * spot
    for contract, quantity in options:
        intrinsic = spot - contract.strike if contract.right == "C" else contract.strike - spot
        if intrinsic > 0:
            total += quantity * contract.multiplier * intrinsic
    return total
