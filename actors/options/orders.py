"""Arithmetic of an order's legs: what is a valid body, and its net price. Ticks are in ticks.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import gcd

import msgspec

from actors.options.contracts import is_option, multiplier_of, underlying_of


class LegsError(ValueError):
    """Legs that do not make one normalised order."""


class OrderLeg(msgspec.Struct, frozen=True):
    """One leg: `ratio` contracts or shares per unit of the order, + bought, - sold."""

    symbol: str
    ratio: int


def validate_legs(legs: Sequence[OrderLeg]) -> None:
    """Raise LegsError unless there is a leg, no ratio is 0, symbols differ, ratios are coprime, one underlying.

    Shares count like contracts in the common divisor: a covered call is +100 and -1. Raises SymbolError too.
    """
    if not legs:
        raise LegsError("an order needs at least 1 leg, got 0")
    seen: dict[str, None] = {}
    for leg in legs:
        if leg.ratio == 0:
            raise LegsError(f"{leg.symbol} has ratio 0")
        if leg.symbol in seen:
            raise LegsError(f"{leg.symbol} appears in more than 1 leg")
        seen[leg.symbol] = None
    first = underlying_of(legs[0].symbol)
    for leg in legs[1:]:
        if underlying_of(leg.symbol) != first:
            raise LegsError(f"{leg.symbol} is not on {first}: one order has 1 underlying")
    divisor = gcd(*(leg.ratio for leg in legs))
    if divisor != 1:
        raise LegsError(f"ratios have the common divisor {divisor}, which must be 1")


def net_price(legs: Sequence[OrderLeg], prices: Mapping[str, Decimal]) -> Decimal:
    """Dollars per share of one unit, positive paid: sum of ratio x price, a stock leg / 100 beside options.

    Raises KeyError for a leg without a price.
    """
    mixed = any(is_option(leg.symbol) for leg in legs)
    total = Decimal(0)
    for leg in legs:
        value = leg.ratio * prices[leg.symbol]
        total += value if is_option(leg.symbol) or not mixed else value / 100
    return total


def cash_of(legs: Sequence[OrderLeg], net: Decimal, quantity: int) -> Decimal:
    """Dollars that leave the account (negative: come in) for `quantity` units at `net`, before fees."""
    return net * quantity * max(multiplier_of(leg.symbol) for leg in legs)
