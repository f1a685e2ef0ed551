"""Price increments of option classes, and LEAN's own silent rounding. Whole orders' arithmetic is in orders.py."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import msgspec

from actors.options.contracts import Contract, is_index, parse_symbol

_CENT, _NICKEL, _DIME = Decimal("0.01"), Decimal("0.05"), Decimal("0.10")
#: The price, in dollars per share, from which the coarser increment holds.
STEP_UP = Decimal(3)
#: Increments that exist, finest first.
STEPS = (_CENT, _NICKEL, _DIME)

_RULE = "Cboe Exchange Rule 5.4 (6.42 before 2019)"
_DESK = "the desk's rules, section 6"


class TickRule(msgspec.Struct, frozen=True):
    """Increments of a class in dollars per share: of a single order below 3.00 and from there, and of a complex order's
    net; who says so, and on which date that was read."""

    below: Decimal
    above: Decimal
    complex_order: Decimal
    source: str
    as_of: dt.date


def _rule(below: Decimal, above: Decimal, complex_order: Decimal, source: str) -> TickRule:
    return TickRule(below, above, complex_order, source, dt.date(2026, 11, 25))


_FUND = _rule(_CENT, _CENT, _CENT, f"{_RULE} (a)(3): QQQ, IWM and SPY in cents at all prices")
_MINI = _rule(_CENT, _CENT, _CENT, "Cboe, XSP product specification: 0.01 for all series")
_SPX = _rule(_NICKEL, _DIME, _NICKEL, f"{_RULE} (a)(1), (2); complex orders: Cboe circular RG10-125 and {_DESK}")
_INDEX = _rule(_NICKEL, _DIME, _NICKEL, f"{_RULE} (a)(1), (2); complex orders: taken as SPX's, {_DESK}")

#: Increments by root, where they are not those of all other classes.
TABLE: dict[str, TickRule] = {
    "SPY": _FUND, "QQQ": _FUND, "IWM": _FUND, "XSP": _MINI, "SPX": _SPX, "SPXW": _SPX,
    "NDX": _INDEX, "NDXP": _INDEX, "RUT": _INDEX, "RUTW": _INDEX, "VIX": _INDEX, "VIXW": _INDEX,
}  # fmt: skip

#: Classes in the penny interval programme. Which those are changes each January: the broker or the chain says it.
PENNY = _rule(_CENT, _NICKEL, _CENT, f"{_RULE} (a)(3), penny interval programme")
#: All other classes. Treating a penny class so is safe: the coarser grid lies on the finer one.
OTHER = _rule(_NICKEL, _DIME, _CENT, f"{_RULE} (a)(1), (2); complex orders (4): any net price in cents")


def tick_rule(root: str, *, penny: bool = False) -> TickRule:
    """The rule of a class; `penny` says that it is in the penny programme, which no root of `TABLE` asks."""
    return TABLE.get(root) or (PENNY if penny else OTHER)


def tick(symbol: str, price: Decimal, *, penny: bool = False, complex_order: bool = False) -> Decimal:
    """The increment, in dollars per share, that `price` of a symbol must be a multiple of; 0.01 for stocks.

    The size of `price` counts, not its sign; a `complex_order`'s net has one increment at all prices. Raises
    SymbolError.
    """
    contract = parse_symbol(symbol)
    if not isinstance(contract, Contract):
        return _CENT
    rule = tick_rule(contract.root, penny=penny)
    if complex_order:
        return rule.complex_order
    return rule.below if abs(price) < STEP_UP else rule.above


def coarser(step: Decimal) -> Decimal | None:
    """The next coarser increment, for the one retry of a reducing order that was rejected for its increment; None
    beyond 0.10. Raises ValueError for a step that does not exist."""
    if step not in STEPS:
        raise ValueError(f"tick {step} is none of {', '.join(map(str, STEPS))}")
    place = STEPS.index(step) + 1
    return STEPS[place] if place < len(STEPS) else None


def round_signed(price: Decimal, step: Decimal, *, opening: bool) -> Decimal:
    """A signed limit (positive paid) on the grid: away from filling when opening, toward it when closing.

    Even money becomes one step: received when opening, paid when closing. Raises ValueError if `step` is not above 0.
    """
    if step <= 0:
        raise ValueError(f"tick {step} must be above 0")
    rounded = (price / step).to_integral_value(ROUND_FLOOR if opening else ROUND_CEILING) * step
    return rounded if rounded else (-step if opening else step)


def lean_round(symbol: str, price: Decimal) -> Decimal:
    """`price` as LEAN rounds it without a word: to 0.05 for index options, to 0.01 else; halves go to even."""
    contract = parse_symbol(symbol)
    index = isinstance(contract, Contract) and is_index(contract.underlying)
    step = _NICKEL if index else _CENT
    return (price / step).to_integral_value(ROUND_HALF_EVEN) * step
