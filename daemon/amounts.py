"""How dollars and prices are written in answers: decimal strings, never floats, never an exponent."""

from __future__ import annotations

from decimal import Decimal

from actors.options.payoff import Amount, Unlimited

_CENT = Decimal("0.01")


def dollars(value: Decimal) -> str:
    """A decimal string in cents, or exactly where there are parts of cents."""
    cents = value.quantize(_CENT) + 0
    return str(cents) if cents == value else plain(value)


def amount(value: Amount | None) -> str | None:
    """Dollars that may have no bound: a decimal string, 'unlimited', or None where they are not known."""
    return None if value is None else "unlimited" if isinstance(value, Unlimited) else dollars(value)


def plain(value: Decimal) -> str:
    """Without an exponent, and without zeros that say nothing."""
    return f"{value.normalize():f}"
