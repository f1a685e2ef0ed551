"""LEAN's default fees: Interactive Brokers' tiers for options and stocks, nothing for index options."""

from __future__ import annotations

from decimal import Decimal

from actors.options.contracts import Contract, is_index, parse_symbol

_OPTION_MINIMUM = Decimal("1.00")
_SHARE = Decimal("0.005")
_SHARE_MINIMUM = Decimal("1.00")
_SHARE_MAXIMUM = Decimal("0.005")


def lean_fee(symbol: str, quantity: int, order_price: Decimal) -> Decimal:
    """Dollars for filling `quantity` (signed) of a symbol in one leg order.

    `order_price` is what LEAN's fee model takes for the premium: the order's own limit (a combo's net limit, which
    may be
    negative), else the quote. Options: 0.65 a contract from a premium of 0.10, 0.50 from 0.05, 0.25 below, at least
    1.00 an order. Stock: 0.005 a share, at least 1.00, at most 0.5 % of the value.
    """
    size = abs(quantity)
    parsed = parse_symbol(symbol)
    if isinstance(parsed, Contract):
        if is_index(parsed.underlying):
            return Decimal(0)
        rate = "0.65" if order_price >= Decimal("0.10") else "0.50" if order_price >= Decimal("0.05") else "0.25"
        return max(size * Decimal(rate), _OPTION_MINIMUM).normalize() + 0
    maximum = abs(order_price) * size * _SHARE_MAXIMUM
    return min(max(size * _SHARE, _SHARE_MINIMUM), max(maximum, _SHARE_MINIMUM)).normalize() + 0
