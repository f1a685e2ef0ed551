"""The floor: time, prices and what is open, as broker and session both see them. No orders, no account."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from actors.options.contracts import Contract, is_index, is_option, parse_symbol
from bridge.paper.bars import Instant
from bridge.paper.data import MarketHours
from bridge.paper.fills import market_price
from bridge.paper.prices import Prices


class Floor:
    """The market as it is at `now`. An instant moves it whole."""

    def __init__(self, hours: MarketHours) -> None:
        self.hours = hours
        self.now = dt.datetime(1998, 1, 1, tzinfo=dt.UTC)
        self.open: frozenset[str] = frozenset()
        self.prices: dict[str, Prices] = {}
        #: When bars last came before these.
        self.previous: dt.datetime | None = None
        self._minute: dt.datetime | None = None
        self._day: dt.date | None = None

    def minute(self, instant: Instant) -> None:
        """Take the bars of a minute."""
        self.previous, self._minute = self._minute, instant.at
        day = instant.at.date()
        if day != self._day:
            self._day = day
            for prices in self.prices.values():
                prices.new_day()
        for symbol, update in instant.updates.items():
            self.prices_of(symbol).update(instant.at, update)
        for symbol, interest in instant.open_interest.items():
            self.prices_of(symbol).open_interest = interest
        self.open = instant.open

    def prices_of(self, symbol: str) -> Prices:
        """Its prices, made where there were none."""
        prices = self.prices.get(symbol)
        if prices is None:
            prices = self.prices[symbol] = Prices(quoted=is_option(symbol))
        return prices

    def price(self, symbol: str) -> float:
        """LEAN's price per share; 0 where nothing came yet."""
        prices = self.prices.get(symbol)
        return 0.0 if prices is None else prices.price

    def natural(self, symbol: str, quantity: int) -> float:
        """What closing a holding costs or brings per share: the ask for a short one, the bid for a long one."""
        price = market_price(self.prices[symbol], -quantity or -1)
        return self.price(symbol) if price is None else price

    def trades(self, symbols: Iterable[str]) -> bool:
        """Whether all of them trade now."""
        return all(symbol in self.open for symbol in symbols)

    def local_date(self, symbol: str, at: dt.datetime) -> dt.date:
        """The date at the symbol's exchange."""
        return at.astimezone(self.hours.zone(symbol)).date()

    def expired(self, symbol: str, at: dt.datetime) -> bool:
        """Whether a contract's last day is over."""
        contract = parse_symbol(symbol)
        assert isinstance(contract, Contract)
        return contract.expiry < self.local_date(symbol, at)

    def midnight_of(self, symbol: str, at: dt.datetime) -> bool:
        """Whether it is 00:00 at the symbol's exchange."""
        return at.astimezone(self.hours.zone(symbol)).time() == dt.time()


def decimal(value: float) -> Decimal:
    """A price as the decimal that its millionths say."""
    return Decimal(repr(round(value, 6)))


def tick(symbol: str) -> Decimal:
    """The step that LEAN rounds to: 0.05 for index options, 0.01 else."""
    parsed = parse_symbol(symbol)
    return Decimal("0.05") if isinstance(parsed, Contract) and is_index(parsed.underlying) else Decimal("0.01")
