"""What a book of legs on one underlying is worth before expiry, by the fitted smiles: today's curve and, where legs
expire apart, the value at the nearest expiry. Estimates: each says the assumption it rests on.

Spot moves all forwards in proportion; each contract keeps its own volatility (sticky strike). Payoffs at one expiry are
exact and live in `payoff`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from actors.options.contracts import Contract, parse_symbol
from actors.options.payoff import Leg, MixedUnderlyings
from actors.options.pricing import Floats, black76
from actors.options.smile import Smile


class NoModel(ValueError):
    """A leg whose expiry has no smile, so that the book has no model value; the message names it."""


class Option(msgspec.Struct, frozen=True):
    """An option leg beside its smile: signed shares (contracts x multiplier), strike in dollars, volatility a year."""

    shares: float
    strike: float
    is_call: bool
    smile: Smile
    volatility: float


class BookModel(msgspec.Struct, frozen=True):
    """Legs on one underlying with what prices them. `spot` in dollars per share; `stock` signed shares; `nearest` years
    to the first expiry among the options; `apart`: they expire at more than one time, so that what is said of the
    nearest expiry is an estimate."""

    spot: float
    stock: float
    options: tuple[Option, ...]
    nearest: float
    apart: bool

    def value(self, spots: ArrayLike, after: float = 0.0) -> Floats:
        """Dollars the book is worth at each of `spots` (any shape, above 0), `after` years from now, at most `nearest`:
        options expiring then pay their intrinsic value. Raises ValueError for a time outside 0 to `nearest`."""
        if not 0.0 <= after <= self.nearest + 1e-12:
            raise ValueError(f"{after} years from now is outside 0 to the nearest expiry, {self.nearest}")
        at = np.asarray(spots, dtype=np.float64)
        total = self.stock * at
        for option in self.options:
            smile = option.smile
            left = max(smile.time - after, 0.0)
            if left < 1e-12:
                sign = 1.0 if option.is_call else -1.0
                total = total + option.shares * np.maximum(sign * (at - option.strike), 0.0)
                continue
            # The forward's carry and the discounting run off in proportion to time.
            share = left / smile.time
            forward = at * (smile.forward / self.spot) ** share
            total = total + option.shares * black76(
                forward, option.strike, left, option.volatility, smile.factor**share, option.is_call
            )
        return total

    @property
    def anchor(self) -> Smile | None:
        """The smile of the nearest expiry; None without options."""
        return min((option.smile for option in self.options), key=lambda smile: smile.time, default=None)


def book_model(legs: Sequence[Leg], spot: float, smiles: Mapping[dt.date, Smile]) -> BookModel:
    """The model of legs (signed contracts and shares) on one underlying; `smiles` by the contracts' expiry date.

    Raises NoModel for a leg without a smile, MixedUnderlyings, SymbolError, ValueError unless spot is above 0.
    """
    if not spot > 0:
        raise ValueError(f"spot {spot} must be above 0")
    stock, options = 0.0, list[Option]()
    names = dict[str, None]()
    for leg in legs:
        if leg.quantity == 0:
            continue
        parsed = parse_symbol(leg.symbol)
        names[parsed.underlying if isinstance(parsed, Contract) else parsed] = None
        if not isinstance(parsed, Contract):
            stock += leg.quantity
            continue
        smile = smiles.get(parsed.expiry)
        if smile is None:
            raise NoModel(f"{leg.symbol}: no smile for its expiry {parsed.expiry}")
        strike = float(parsed.strike)
        level = float(smile.volatility(strike))
        options.append(Option(float(leg.quantity * parsed.multiplier), strike, parsed.right == "C", smile, level))
    if len(names) > 1:
        raise MixedUnderlyings(f"legs on {' and '.join(names)} have no common model")
    times = sorted(dict.fromkeys(option.smile.time for option in options))
    return BookModel(spot, stock, tuple(options), times[0] if times else 0.0, len(times) > 1)


class Curve(msgspec.Struct, frozen=True, eq=False):
    """Profit and loss in dollars at `spots` (dollars per share): `now`, and at the nearest expiry (`expiry`; `estimate`
    where legs expire apart and a model stands in for the later ones)."""

    spots: Floats
    now: Floats
    expiry: Floats
    estimate: bool


def curve(model: BookModel, cash: float, *, reach: float = 0.2, points: int = 81) -> Curve:
    """Today's curve and that of the nearest expiry, over spots from 1 - `reach` to 1 + `reach` times the spot.

    `cash` in dollars is what was paid (negative) or received (positive) for the book, fees taken off. Raises ValueError
    for a reach outside 0 to 1 or fewer than 2 points.
    """
    if not 0 < reach < 1 or points < 2:
        raise ValueError(f"reach {reach} must be between 0 and 1, points {points} at least 2")
    spots = model.spot * np.linspace(1 - reach, 1 + reach, points)
    return Curve(spots, model.value(spots) + cash, model.value(spots, model.nearest) + cash, model.apart)
