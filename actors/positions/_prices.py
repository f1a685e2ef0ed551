"""What an order that mends may cost: its limit from the market view, or why there is none. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from math import gcd
from typing import Any

import msgspec

from actors.messages.orders import OrderLeg
from actors.options.contracts import Contract, is_option, multiplier_of, parse_symbol, underlying_of
from actors.options.ticks import round_signed, tick
from actors.positions._broken import Broken, Quantities
from config.desk import DeskRules

#: The least that a price may be off, in dollars per share, and what an option must be worth to be sold.
_DIME, _WORTHLESS = Decimal("0.10"), Decimal("0.05")
#: Tries after which taking back gives up, the last of them beyond natural.
MOST_TRIES = 6
#: Ratios that brokers take, and legs.
_MOST_RATIO, _MOST_LEGS = 3, 4


class Unpriced(msgspec.Struct, frozen=True):
    """Why there is no price; `final` where waiting will not bring one."""

    reason: str
    final: bool = False


class Portion(msgspec.Struct, frozen=True):
    """Legs for one order: `legs` with their ratios, `quantity` units; `size` is dollars per unit and per dollar of its
    price."""

    legs: tuple[OrderLeg, ...]
    quantity: int
    size: int

    @property
    def quantities(self) -> Quantities:
        """Signed, by symbol."""
        return {leg.symbol: leg.ratio * self.quantity for leg in self.legs}


def portion(wanted: Mapping[str, int]) -> Portion:
    """What goes first of what is wanted: all purchases, else all sales; one leg alone where a broker would not take
    them in one order."""
    buys = {symbol: quantity for symbol, quantity in wanted.items() if quantity > 0}
    side = dict(sorted((buys or wanted).items()))
    units = gcd(*side.values())
    ratios = [abs(quantity) // units for quantity in side.values()]
    kinds = {symbol: is_option(symbol) for symbol in side}
    if max(ratios) > _MOST_RATIO or len(side) > _MOST_LEGS or len(dict.fromkeys(kinds.values())) > 1:
        symbol = next(iter(side))
        side, units = {symbol: side[symbol]}, abs(side[symbol])
    legs = tuple(OrderLeg(symbol, quantity // units) for symbol, quantity in side.items())
    return Portion(legs, units, max(multiplier_of(leg.symbol) for leg in legs))


def completing(
    record: Broken, part: Portion, missing: Quantities, market: Any, now: dt.datetime, rules: DeskRules, *,
    reducing: bool,
) -> Decimal | Unpriced:  # fmt: skip
    """The limit that completes: at most natural, at most max(0.10, the allowance of the middle) beyond the middle, and
    at most what the order's own limit leaves, with the same allowance on it, once everything else that is missing is
    paid at natural. One that would not even pay the middle is not tried."""
    fresh = None if reducing else rules.entry_quote_age_seconds
    priced = _priced(missing, market, now, fresh)
    if isinstance(priced, Unpriced):
        return priced
    share = part.quantity * part.size
    natural, middle = (_sum(part.quantities, {s: p[side] for s, p in priced.items()}) / share for side in (0, 1))
    limit = min(natural, middle + max(_DIME, rules.mend_allowance_fraction * abs(middle)))
    if record.limit is not None:
        size = 100 if any(is_option(leg.symbol) for leg in record.legs) else 1
        allowance = max(_DIME * size, rules.mend_allowance_fraction * abs(record.limit))
        others = {symbol: quantity for symbol, quantity in missing.items() if symbol not in part.quantities}
        later = _sum(others, {symbol: price for symbol, (price, _) in priced.items()})
        left = record.units * (record.limit + allowance) - record.paid - later
        limit = min(limit, left / share)
    if limit < middle:
        return Unpriced(f"completing at {_cents(limit)} is all that the order's limit leaves, the middle is "
                        f"{_cents(middle)}", True)  # fmt: skip
    return round_signed(limit, _step(part, limit), opening=not reducing)


def unwinding(
    record: Broken, part: Portion, market: Any, now: dt.datetime, rules: DeskRules
) -> Decimal | Unpriced:  # fmt: skip
    """The limit that takes back: purchases at natural and a tick at once, sales from the middle to there in six tries;
    at most the budget beyond the middle: a part of the width between the order's strikes, or of the price where it has
    none."""
    priced = _priced(part.quantities, market, now, None)
    if isinstance(priced, Unpriced):
        return priced
    share = part.quantity * part.size
    natural, middle = (_sum(part.quantities, {s: p[side] for s, p in priced.items()}) / share for side in (0, 1))
    sells = part.legs[0].ratio < 0
    if sells and is_option(part.legs[0].symbol) and -middle <= _WORTHLESS:
        return Unpriced(f"worth {_cents(-middle)}, no more than {_WORTHLESS}: left", True)
    width = max(_width(record), _DIME)
    budget = rules.unwind_budget_fraction * (width if width > _DIME else abs(middle))
    step = _step(part, natural)
    farthest = min(natural + step, middle + max(_DIME, budget))
    steps = Decimal(min(record.tries, MOST_TRIES - 1)) / (MOST_TRIES - 1) if sells else Decimal(1)
    return round_signed(middle + (farthest - middle) * steps, step, opening=False)


def _priced(
    wanted: Mapping[str, int], market: Any, now: dt.datetime, fresh: float | None
) -> dict[str, tuple[Decimal, Decimal]] | Unpriced:
    """Natural and middle of each symbol per share. With `fresh` both sides must be quoted, and the feed alive within
    so many seconds."""
    if market is None:
        return Unpriced("no market was seen yet")
    found: dict[str, tuple[Decimal, Decimal]] = {}
    for symbol, quantity in wanted.items():
        name, quote = symbol.strip(), market.base.quote(symbol)
        bid, ask = (side if side is not None and side > 0 else None for side in (quote.bid, quote.ask))
        if underlying_of(symbol) not in market.base.open:
            return Unpriced(f"the session of {name} is not open")
        if bid is not None and ask is not None and bid > ask:
            return Unpriced(f"{name} is crossed: bid {bid}, ask {ask}")
        natural = ask if quantity > 0 else bid
        if natural is None or (fresh is not None and ask is None):
            return Unpriced(f"{name} has no {'ask' if quantity > 0 or bid is not None else 'bid'}")
        if fresh is not None and (now - quote.at).total_seconds() > fresh:
            return Unpriced(f"{name} was last alive {(now - quote.at).total_seconds():.0f} s ago")
        middle = bid if ask is None else ((bid or 0.0) + ask) / 2
        found[symbol] = (_exact(natural), _exact(natural if middle is None else middle))
    return found


def _sum(quantities: Mapping[str, int], prices: Mapping[str, Decimal]) -> Decimal:
    """Dollars, positive paid."""
    return sum(
        (quantity * prices[symbol] * multiplier_of(symbol) for symbol, quantity in quantities.items()), Decimal(0)
    )


def _step(part: Portion, price: Decimal) -> Decimal:
    combo = len(part.legs) > 1
    return max(tick(leg.symbol, price, complex_order=combo) for leg in part.legs)


def _width(record: Broken) -> Decimal:
    """The widest distance between strikes of one right, per share."""
    strikes: dict[str, list[Decimal]] = {}
    for leg in record.legs:
        parsed = parse_symbol(leg.symbol)
        if isinstance(parsed, Contract):
            strikes.setdefault(parsed.right, []).append(parsed.strike)
    return max((max(each) - min(each) for each in strikes.values()), default=Decimal(0))


def _exact(price: float) -> Decimal:
    return Decimal(repr(round(price, 6)))


def _cents(price: Decimal) -> Decimal:
    return price.quantize(Decimal("0.01"))
