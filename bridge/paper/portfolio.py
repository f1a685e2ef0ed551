"""What the broker holds for us: cash, holdings and averages, as LEAN's portfolio books them. Money is Decimal."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from actors.options.contracts import multiplier_of


class HeldLot(msgspec.Struct):
    """A holding: signed quantity and average price per share."""

    quantity: int
    average: Decimal


class Portfolio:
    """Cash and holdings. A fill moves both at once."""

    def __init__(self, cash: Decimal) -> None:
        self.cash = cash
        self.fees = Decimal(0)
        self.holdings: dict[str, HeldLot] = {}

    def quantities(self) -> dict[str, int]:
        """Signed quantities of what is held, by symbol."""
        return {symbol: held.quantity for symbol, held in self.holdings.items()}

    def quantity(self, symbol: str) -> int:
        """Signed quantity held."""
        held = self.holdings.get(symbol)
        return 0 if held is None else held.quantity

    def fill(self, symbol: str, quantity: int, price: Decimal, fee: Decimal, settlement: Decimal = Decimal(0)) -> None:
        """Book an execution; `settlement` per share is cash beside the price (cash-settled exercise)."""
        self.cash -= quantity * (price + settlement) * multiplier_of(symbol) + fee
        self.fees += fee
        held = self.holdings.get(symbol)
        if held is None:
            self.holdings[symbol] = HeldLot(quantity, price)
            return
        total = held.quantity + quantity
        if total == 0:
            del self.holdings[symbol]
        elif held.quantity * quantity > 0:
            held.average = (held.average * held.quantity + price * quantity) / total
            held.quantity = total
        else:
            if held.quantity * total < 0:
                held.average = price
            held.quantity = total

    def value(self, prices: dict[str, float]) -> Decimal:
        """Cash plus holdings at these prices, in dollars."""
        total = self.cash
        for symbol, held in self.holdings.items():
            total += held.quantity * Decimal(repr(round(prices[symbol], 6))) * multiplier_of(symbol)
        return total
