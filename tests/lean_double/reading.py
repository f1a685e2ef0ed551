"""Slices, chains, securities and the portfolio as LEAN shows them: views of the embedded market's floor and session."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from actors.options.contracts import Contract, parse_symbol
from bridge.paper import Market
from bridge.paper.floor import tick
from bridge.paper.prices import Prices
from tests.lean_double.names import LeanDictionary, SecurityType, SettlementType, Symbol

if TYPE_CHECKING:
    from tests.lean_double.engine import Engine


def number(value: float) -> float:
    """LEAN shows 0 where there is nothing."""
    return value if value == value else 0.0


def decimal(value: float) -> Decimal:
    """A float of LEAN's as its shortest spelling says."""
    return Decimal(str(value))


class _Zone:
    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return self._name


class _Hours:
    def __init__(self, market: Market, symbol: str) -> None:
        self._market, self._symbol = market, symbol

    def is_open(self, local: dt.datetime, extended: bool) -> bool:
        floor = self._market.floor
        session = floor.hours.session(self._symbol, local.date())
        at = local.replace(tzinfo=floor.hours.zone(self._symbol)).astimezone(dt.UTC)
        return session is not None and session[0] <= at < session[1]

    def get_next_market_close(self, local: dt.datetime, extended: bool) -> dt.datetime:
        floor = self._market.floor
        for days in range(10):
            session = floor.hours.session(self._symbol, local.date() + dt.timedelta(days=days))
            if session is not None:
                close = session[1].astimezone(floor.hours.zone(self._symbol)).replace(tzinfo=None)
                if close > local:
                    return close
        raise ValueError(f"{self._symbol} never trades after {local}")


class _Exchange:
    def __init__(self, market: Market, symbol: str) -> None:
        self.hours = _Hours(market, symbol)
        self._market, self._zone = market, market.floor.hours.zone(symbol)
        self.time_zone = _Zone(self._zone.key)

    @property
    def local_time(self) -> dt.datetime:
        return self._market.floor.now.astimezone(self._zone).replace(tzinfo=None)


class _Properties:
    def __init__(self, symbol: str) -> None:
        parsed = parse_symbol(symbol)
        self.contract_multiplier = float(parsed.multiplier) if isinstance(parsed, Contract) else 1.0
        self.minimum_price_variation = float(tick(symbol))


class Security:
    """One security, its prices those of the floor now."""

    def __init__(self, market: Market, symbol: Symbol) -> None:
        self._market, self.symbol, self.type = market, symbol, symbol.security_type
        self.exchange = _Exchange(market, symbol.value)
        self.symbol_properties = _Properties(symbol.value)
        self.number = 0
        cash = self.type == SecurityType.INDEX_OPTION
        self.exercise_settlement = SettlementType.CASH if cash else SettlementType.PHYSICAL_DELIVERY

    @property
    def _prices(self) -> Prices:
        return self._market.floor.prices_of(self.symbol.value)

    @property
    def underlying(self) -> Security:
        return Security(self._market, self.symbol.underlying)

    @property
    def strike_price(self) -> float:
        contract = parse_symbol(self.symbol.value)
        assert isinstance(contract, Contract)
        return float(contract.strike)

    @property
    def price(self) -> float:
        return self._prices.price

    @property
    def close(self) -> float:
        return number(self._prices.last)

    @property
    def bid_price(self) -> float:
        return number(self._prices.bid)

    @property
    def ask_price(self) -> float:
        return number(self._prices.ask)

    @property
    def bid_size(self) -> float:
        return self._prices.bid_size

    @property
    def ask_size(self) -> float:
        return self._prices.ask_size

    @property
    def open_interest(self) -> float:
        return number(self._prices.open_interest)


class OptionContract:
    """One contract of a slice's chain."""

    __slots__ = ("_now", "_prices", "symbol")

    def __init__(self, symbol: Symbol, prices: Prices, now: dt.datetime) -> None:
        self.symbol, self._prices, self._now = symbol, prices, now

    @property
    def bid_price(self) -> float:
        return number(self._prices.bid)

    @property
    def ask_price(self) -> float:
        return number(self._prices.ask)

    @property
    def bid_size(self) -> int:
        return int(self._prices.bid_size)

    @property
    def ask_size(self) -> int:
        return int(self._prices.ask_size)

    @property
    def last_price(self) -> float:
        return number(self._prices.last)

    @property
    def volume(self) -> int:
        """Of this minute's bar; a bar that only fills forward has none."""
        fresh = self._prices.trade is not None and self._prices.traded_at == self._now
        return int(self._prices.trade.volume) if fresh and self._prices.trade is not None else 0

    @property
    def open_interest(self) -> int:
        return int(number(self._prices.open_interest))


class OptionChain:
    """A root's contracts in this slice."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.contracts: list[OptionContract] = []

    def __iter__(self) -> Iterator[OptionContract]:
        return iter(self.contracts)


class _Bar:
    is_fill_forward = False

    def __init__(self, close: float, volume: float) -> None:
        self.close, self.volume = close, volume


class Slice:
    """What on_data is handed."""

    def __init__(self, chains: dict[Symbol, OptionChain], bars: dict[Symbol, _Bar]) -> None:
        self.option_chains = chains
        self.bars = bars
        self.quote_bars: dict[Symbol, _Bar] = {}
        self.ticks: dict[Symbol, list[_Bar]] = {}


def slice_of(market: Market, now: dt.datetime, trading: bool) -> Slice:
    """The slice at this moment: every listed contract by its root, and the bars of stocks and indexes; nothing
    where nothing trades."""
    chains: dict[Symbol, OptionChain] = {}
    bars: dict[Symbol, _Bar] = {}
    at = now.replace(tzinfo=dt.UTC)
    for text in market.listed() if trading else ():
        prices = market.floor.prices_of(text)
        symbol = Symbol(text)
        if len(text) > 15:
            if prices.updated_at is None and prices.open_interest != prices.open_interest:
                continue  # nothing ever came of it
            canonical = Symbol(f"?{symbol.root}")
            chain = chains.get(canonical)
            if chain is None:
                chain = chains[canonical] = OptionChain(canonical)
            chain.contracts.append(OptionContract(symbol, prices, at))
        elif prices.trade is not None and prices.traded_at == at:
            bars[symbol] = _Bar(prices.trade.close, prices.trade.volume)
    return Slice(chains, bars)


class _Holding:
    def __init__(self, symbol: str, quantity: float, average: float, price: float) -> None:
        self.symbol, self.quantity, self.average_price, self.price = Symbol(symbol), quantity, average, price
        self.invested = bool(quantity)


class Portfolio:
    """The session's account as LEAN's portfolio shows it."""

    def __init__(self, engine: Engine, cash_book: LeanDictionary) -> None:
        self._engine = engine
        self.cash_book = cash_book

    @property
    def _account(self) -> Any:
        with self._engine.lock:
            return self._engine.market.session.account()

    def __getitem__(self, symbol: Symbol) -> _Holding:
        return next(
            (held for held in self.values() if held.symbol.value == symbol.value), _Holding(symbol.value, 0.0, 0.0, 0.0)
        )

    def values(self) -> list[_Holding]:
        return [
            _Holding(held.symbol, float(held.quantity), float(held.average), float(held.price))
            for held in self._account.holdings
        ]

    @property
    def cash(self) -> float:
        return float(self._engine.market.session.portfolio.cash)

    @property
    def unsettled_cash(self) -> float:
        return 0.0

    @property
    def total_portfolio_value(self) -> float:
        return float(self._account.value)

    @property
    def total_margin_used(self) -> float:
        return float(self._account.margin_used)

    @property
    def margin_remaining(self) -> float:
        return float(self._account.margin_remaining)

    @property
    def total_fees(self) -> float:
        return float(self._engine.market.session.portfolio.fees)
