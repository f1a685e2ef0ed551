"""Margin as the broker looks at it: the model it asks, and what it closes by itself where equity does not cover that.
Pure; the broker trades."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from bridge.paper.floor import Floor
from bridge.paper.portfolio import Portfolio

#: (holdings, price of a symbol, natural price of closing it) -> dollars of margin.
MarginModel = Callable[[Mapping[str, int], Callable[[str], float], Callable[[str], float]], Decimal]


def margin_calls(portfolio: Portfolio, floor: Floor, margin: MarginModel) -> list[tuple[str, int]]:
    """What must be traded (symbol, signed quantity) where margin used is above equity: largest requirement first, as
    much as is missing."""
    holdings = portfolio.quantities()
    if not holdings:
        return []

    def natural(symbol: str) -> float:
        return floor.natural(symbol, portfolio.quantity(symbol))

    used = margin(holdings, floor.price, natural)
    missing = used - portfolio.value({symbol: floor.price(symbol) for symbol in holdings})
    if missing <= 0:
        return []
    alone = {symbol: margin({symbol: quantity}, floor.price, natural) for symbol, quantity in holdings.items()}
    calls: list[tuple[str, int]] = []
    for symbol in sorted(alone, key=lambda each: (-alone[each], each)):
        if missing <= 0 or alone[symbol] <= 0:
            break
        unit = alone[symbol] / abs(holdings[symbol])
        size = min(abs(holdings[symbol]), int((missing / unit).to_integral_value("ROUND_CEILING")))
        calls.append((symbol, -size if holdings[symbol] > 0 else size))
        missing -= size * unit
    return calls
