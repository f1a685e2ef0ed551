"""Price increments of option classes, and LEAN's own silent rounding. Whole orders' arithmetic is in orders.py."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from actors.options.contracts import Contract, is_index, parse_symbol

_CENT, _NICKEL, _DIME, _THREE = Decimal("0.01"), Decimal("0.05"), Decimal("0.10"), Decimal(3)

#: Roots quoted in cents at every price. The desk's rules, entered 2026-11-24; not yet checked with an exchange's list.
CENT_ROOTS = frozenset({"SPY", "QQQ", "IWM", "XSP"})


def tick(symbol: str, price: Decimal, *, penny: bool = False, complex_order: bool = False) -> Decimal:
    """The increment, in dollars per share, that `price` of a symbol must be a multiple of.

    `penny` says that the class is in the penny programme (0.01 below 3.00, 0.05 from there).
    A complex order's net
    steps by 0.05 on an index other than XSP, by 0.01 else. The size of `price` counts, not its sign. Raises
    SymbolError.
    """
    contract = parse_symbol(symbol)
    if not isinstance(contract, Contract) or contract.root in CENT_ROOTS:
        return _CENT
    if complex_order:
        return _NICKEL if is_index(contract.underlying) else _CENT
    if penny:
        return _CENT if abs(price) < _THREE else _NICKEL
    return _NICKEL if abs(price) < _THREE else _DIME


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
