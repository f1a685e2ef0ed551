"""The surface of QCAlgorithm that `algorithm/main.py` uses: each call becomes one of the double's engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

from bridge import protocol
from tests.lean_double.names import (
    ArgumentException,
    LeanDictionary,
    Leg,
    OrderEvent,
    OrderStatus,
    SecurityChanges,
    Symbol,
)
from tests.lean_double.reading import Portfolio, Slice, decimal
from tests.lean_double.tickets import Order, OrderTicket

if TYPE_CHECKING:
    from tests.lean_double.engine import Engine

_NEW_YORK = ZoneInfo("America/New_York")


class _Cash:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_amount(self, amount: float) -> float:
        session = self._engine.market.session
        session.run(protocol.MoveCash(decimal(amount), "cash book"))
        return float(session.portfolio.cash)


class _Transactions:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get_order_by_id(self, order_id: int) -> Order | None:
        return self._engine.orders.get(order_id)

    def get_order_ticket(self, order_id: int) -> OrderTicket:
        engine = self._engine
        return engine.tickets.setdefault(order_id, OrderTicket(engine, order_id, engine.orders[order_id]))

    def get_open_orders(self) -> list[Order]:
        working = (OrderStatus.NEW, OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCEL_PENDING)
        return [order for order in self._engine.orders.values() if order.status in working]


class Schedule:
    """Rules in the order in which they were made; a time rule gives the instants of a date, naive UTC."""

    def __init__(self) -> None:
        self.rules: list[tuple[TimeRule, Callable[[], None]]] = []

    def on(self, days: Any, times: TimeRule, callback: Callable[[], None]) -> None:
        self.rules.append((times, callback))


class TimeRule:
    """When on a date: every so often from the exchange's midnight, or at instants."""

    def __init__(self, times: Callable[[dt.date], Iterable[dt.datetime]], interval: dt.timedelta | None = None) -> None:
        self.times, self.interval = times, interval


class _DateRules:
    def every_day(self) -> None:
        return None


class _TimeRules:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def every(self, interval: dt.timedelta) -> TimeRule:
        count = int(dt.timedelta(days=1) / interval)

        def times(date: dt.date) -> list[dt.datetime]:
            begin = self._utc(dt.datetime.combine(date, dt.time()))
            return [begin + interval * number for number in range(count)]

        return TimeRule(times, interval)

    def at(self, hour: int, minute: int, second: int = 0) -> TimeRule:
        return TimeRule(lambda date: [self._utc(dt.datetime.combine(date, dt.time(hour, minute, second)))])

    def after_market_open(self, symbol: str, minutes: float) -> TimeRule:
        return TimeRule(lambda date: self._session(symbol, date, 0, minutes))

    def before_market_close(self, symbol: str, minutes: float) -> TimeRule:
        return TimeRule(lambda date: self._session(symbol, date, 1, -minutes))

    def _session(self, symbol: str, date: dt.date, end: int, minutes: float) -> list[dt.datetime]:
        session = self._engine.market.floor.hours.session(symbol, date)
        return [] if session is None else [session[end].replace(tzinfo=None) + dt.timedelta(minutes=minutes)]

    def _utc(self, local: dt.datetime) -> dt.datetime:
        return local.replace(tzinfo=_NEW_YORK).astimezone(dt.UTC).replace(tzinfo=None)


class _Store(dict[str, bytes]):
    contains_key = dict.__contains__

    def save_bytes(self, key: str, content: Iterable[int]) -> bool:
        self[key] = bytes(content)
        return True

    def read_bytes(self, key: str) -> list[int]:
        return list(self[key])


class _Universe:
    """Records what a filter function asks for."""

    def __init__(self, root: str) -> None:
        self.fields: dict[str, Any] = {"root": root, "expiries": "weeklys"}

    def include_weeklys(self) -> _Universe:
        self.fields["expiries"] = "weeklys"
        return self

    def standards_only(self) -> _Universe:
        self.fields["expiries"] = "standards"
        return self

    def strikes(self, low: int, high: int) -> _Universe:
        self.fields |= {"min_strike": low, "max_strike": high}
        return self

    def expiration(self, first: int, last: int) -> _Universe:
        self.fields |= {"min_days": first, "max_days": last}
        return self


class _Option:
    def __init__(self, engine: Engine, root: str) -> None:
        self._engine, self._root = engine, root

    def set_filter(self, choose: Callable[[_Universe], _Universe]) -> None:
        chosen = choose(_Universe(self._root))
        self._engine.wanted.chains[self._root] = protocol.ChainFilter(**chosen.fields)


class QCAlgorithm:
    """The part of LEAN's base class that our algorithm uses."""

    def attach(self, engine: Engine) -> None:
        """The double's own: become the algorithm of this engine."""
        self._engine = engine
        self.live_mode = engine.live
        self.securities: LeanDictionary = LeanDictionary()
        self.portfolio = Portfolio(engine, LeanDictionary({"USD": _Cash(engine)}))
        self.transactions = _Transactions(engine)
        self.schedule, self.date_rules, self.time_rules = Schedule(), _DateRules(), _TimeRules(engine)
        self.object_store = _Store()
        self.account_currency = "USD"
        self.logged: list[str] = []
        self.plotted: list[tuple[str, str, float]] = []

    @property
    def utc_time(self) -> dt.datetime:
        return self._engine.now

    def get_parameter(self, name: str, default: Any = None) -> Any:
        return self._engine.parameters.get(name, default)

    def set_start_date(self, year: int, month: int, day: int) -> None:
        self._engine.wanted.first = dt.date(year, month, day)

    def set_end_date(self, year: int, month: int, day: int) -> None:
        self._engine.wanted.last = dt.date(year, month, day)

    def set_cash(self, cash: float) -> None:
        self._engine.wanted.cash = decimal(cash).normalize() + Decimal(0)

    def set_brokerage_model(self, *model: Any) -> None:
        pass

    def set_brokerage_message_handler(self, handler: Any) -> None:
        self._engine.handler = handler

    def add_equity(self, ticker: str, *more: Any, **named: Any) -> None:
        self._engine.wanted.underlyings[ticker] = None

    def add_index(self, ticker: str, *more: Any) -> None:
        self._engine.wanted.underlyings[ticker] = None

    def add_option(self, root: str, *more: Any) -> _Option:
        return _Option(self._engine, root)

    def add_index_option(self, index: str, root: str, *more: Any) -> _Option:
        return _Option(self._engine, root)

    def add_option_contract(self, symbol: Symbol, *more: Any) -> None:
        self._engine.wanted.symbols[symbol.value] = None

    add_index_option_contract = add_option_contract

    # --- orders -----------------------------------------------------------------------------------------------

    def market_order(
        self, symbol: Any, quantity: int, asynchronous: bool = False, tag: str = "", properties: Any = None
    ):
        ticket = self._single(symbol, quantity, "market", asynchronous, tag, properties)
        if self.live_mode and not asynchronous:
            self._engine.wait_for_fill(ticket)
        return ticket

    def limit_order(
        self,
        symbol: Any,
        quantity: int,
        price: float,
        asynchronous: bool = False,
        tag: str = "",
        properties: Any = None,
    ):
        side = -1 if quantity < 0 else 1
        return self._single(symbol, quantity, "limit", asynchronous, tag, properties, limit=side * decimal(price))

    def stop_market_order(
        self,
        symbol: Any,
        quantity: int,
        price: float,
        asynchronous: bool = False,
        tag: str = "",
        properties: Any = None,
    ):
        return self._single(symbol, quantity, "stop", asynchronous, tag, properties, stop=decimal(price))

    def market_on_close_order(
        self, symbol: Any, quantity: int, asynchronous: bool = False, tag: str = "", properties: Any = None
    ):
        return self._single(symbol, quantity, "market_on_close", asynchronous, tag, properties)

    def _single(
        self, symbol: Any, quantity: int, kind: protocol.OrderType, asynchronous: bool, tag: str, properties: Any,
        **prices: Any,
    ) -> OrderTicket:  # fmt: skip
        symbol = Symbol(symbol) if isinstance(symbol, str) else symbol
        return self._engine.submit([(symbol, 1)], int(quantity), kind, tag, properties, False, **prices)[0]

    def combo_market_order(
        self, legs: list[Leg], quantity: int, asynchronous: bool = False, tag: str = "", properties: Any = None
    ):
        return self._combo(legs, quantity, "market", tag, properties)

    def combo_limit_order(
        self,
        legs: list[Leg],
        quantity: int,
        price: float,
        asynchronous: bool = False,
        tag: str = "",
        properties: Any = None,
    ):
        if any(leg.order_price is not None for leg in legs):
            raise ArgumentException("ComboLimitOrder does not support limit prices for individual legs")
        side = -1 if quantity < 0 else 1
        return self._combo(legs, quantity, "limit", tag, properties, limit=side * decimal(price))

    def combo_leg_limit_order(
        self, legs: list[Leg], quantity: int, asynchronous: bool = False, tag: str = "", properties: Any = None
    ):
        limits = tuple(decimal(cast(float, leg.order_price)) for leg in legs)
        return self._combo(legs, quantity, "limit", tag, properties, leg_limits=limits)

    def _combo(
        self, legs: list[Leg], quantity: int, kind: protocol.OrderType, tag: str, properties: Any, **prices: Any
    ) -> list[OrderTicket]:
        if not legs:
            raise ArgumentException("The list of values cannot be empty")
        ratios = [(leg.symbol, leg.quantity) for leg in legs]
        return self._engine.submit(ratios, int(quantity), kind, tag, properties, True, **prices)

    def exercise_option(self, symbol: Any, quantity: int, asynchronous: bool = False, tag: str = "") -> OrderTicket:
        symbol = Symbol(symbol) if isinstance(symbol, str) else symbol
        return self._engine.exercise(symbol, int(quantity), tag)

    # --- the rest ---------------------------------------------------------------------------------------------

    def plot(self, chart: str, series: str, value: float) -> None:
        self.plotted.append((chart, series, value))

    def quit(self, message: str = "") -> None:
        self._engine.market.session.quit = message

    def log(self, message: str) -> None:
        self.logged.append(message)

    def initialize(self) -> None: ...
    def on_warmup_finished(self) -> None: ...
    def on_securities_changed(self, changes: SecurityChanges) -> None: ...
    def on_data(self, slice: Slice) -> None: ...
    def on_order_event(self, order_event: OrderEvent) -> None: ...
    def on_assignment_order_event(self, event: OrderEvent) -> None: ...
    def on_delistings(self, delistings: Any) -> None: ...

    def on_dividends(self, dividends: Any) -> None: ...
    def on_margin_call(self, requests: Any) -> Any:
        return requests

    def on_end_of_algorithm(self) -> None: ...
