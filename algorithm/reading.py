"""Reads LEAN's objects into the wire's vocabulary: securities, chains, the account, order events. Never greeks.

LEAN's types are named for the checker alone. What each read costs is why chains are read by position.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bridge import protocol
from bridge.lean_quotes import NAN, QuoteTable, Row
from bridge.lean_words import Heard, Known, unmarked

if TYPE_CHECKING:
    from AlgorithmImports import Order, OrderEvent, QCAlgorithm, Security, SecurityChanges, Slice

#: LEAN's enumerations by their numbers (Common/Orders/OrderTypes.cs, Common/Global.cs).
STATUSES = {
    0: "new", 1: "submitted", 2: "partially_filled", 3: "filled", 5: "canceled", 6: "new", 7: "invalid",
    8: "cancel_pending", 9: "update_submitted",
}  # fmt: skip
_ORDER_TYPES: dict[int, protocol.OrderType] = {1: "limit", 2: "stop", 5: "market_on_close", 9: "limit", 10: "limit"}
_OPTION_EXERCISE, _COMBO_TYPES = 6, (8, 9, 10)
_EQUITY, _OPTION, _INDEX, _INDEX_OPTION = 1, 2, 9, 10
#: Seconds that a slice may come late.
_LATE = 15.0
_KINDS = {_EQUITY: "equity", _OPTION: "option", _INDEX: "index", _INDEX_OPTION: "index_option"}


def exact(value: float) -> Decimal:
    """A number of LEAN's, which Python sees as a float, to a millionth."""
    return Decimal(repr(round(float(value), 6)))


def aware(at: dt.datetime) -> dt.datetime:
    """LEAN's naive UTC."""
    return at.replace(tzinfo=dt.UTC)


class Reading:
    """Keeps the table of quotes up to date from what LEAN hands over."""

    def __init__(self, algorithm: QCAlgorithm, quotes: QuoteTable, period: float = 60.0) -> None:
        self._algorithm = algorithm
        self._quotes = quotes
        #: Seconds after which a feed that brought nothing new is stale, and when each underlying's last did.
        self._lively = dt.timedelta(seconds=period + _LATE)
        self._news: dict[str, dt.datetime] = {}
        self._exchanges: dict[str, Any] = {}
        self._singles: dict[str, int] = {}
        self._options: set[str] = set()
        self._chains: dict[str, tuple[list[str], list[int]]] = {}
        self._look = 0
        self._day: dt.date | None = None
        self._volume: dict[int, float] = {}
        self._assigned: set[int] = set()

    # --- securities and quotes --------------------------------------------------------------------------------

    def changed(self, changes: SecurityChanges) -> None:
        """Securities joined or left."""
        self._chains.clear()
        for security in changes.added_securities:
            symbol = security.symbol
            if not symbol.is_canonical() and self._quotes.number(symbol.value) is None:
                number = self._quotes.next_number()
                self._quotes.list(_identity(number, security))
                if int(security.type) in (_OPTION, _INDEX_OPTION):
                    self._options.add(symbol.value)
                else:
                    self._singles[symbol.value] = number
                    self._exchanges[symbol.value] = security.exchange
        for security in changes.removed_securities:
            value = security.symbol.value
            self._quotes.unlist(value)
            self._singles.pop(value, None)
            self._exchanges.pop(value, None)
            self._options.discard(value)

    def slice(self, data: Slice) -> None:
        """Take the newest prices of everything."""
        today = self._algorithm.utc_time.date()
        if today != self._day:
            self._day = today
            self._volume.clear()
        unread = set(self._options)
        for chain in data.option_chains.values():
            self._quotes.update(self._chain_rows(chain, unread))
        securities = self._algorithm.securities
        self._quotes.update(
            (number, self._row(securities[symbol], data, number)) for symbol, number in self._singles.items()
        )
        singles = [(symbol, self._quotes.number(symbol)) for symbol in unread]
        self._quotes.update(
            (number, self._row(securities[symbol], data, number)) for symbol, number in singles if number is not None
        )
        if self._algorithm.live_mode:
            now = self._algorithm.utc_time
            self._news |= {symbol: now for symbol in self._singles if _brings_news(data, securities[symbol].symbol)}

    def _chain_rows(self, chain: Any, unread: set[str]) -> list[tuple[int, Row]]:
        contracts = list(chain)
        names, numbers = self._positions(chain.symbol.value, contracts)
        unread.difference_update(names)
        volume, rows = self._volume, list[tuple[int, Row]]()
        for number, contract in zip(numbers, contracts, strict=True):
            bid, ask, last, traded = (
                contract.bid_price, contract.ask_price, contract.last_price, contract.volume
            )  # fmt: skip
            if traded:
                volume[number] = volume.get(number, 0.0) + traded
            row = (
                bid or NAN, ask or NAN, float(contract.bid_size), float(contract.ask_size), last or NAN,
                volume.get(number, 0.0), float(contract.open_interest) or NAN,
            )  # fmt: skip
            rows.append((number, row))
        return rows

    def _positions(self, canonical: str, contracts: list[Any]) -> tuple[list[str], list[int]]:
        """Names and numbers by position. The order stays as it is until securities change; the count, both ends and
        one more, another one each time, are looked at."""
        known = self._chains.get(canonical)
        if known is not None and len(known[0]) == len(contracts) and contracts:
            self._look = (self._look + 1) % len(contracts)
            if all(contracts[at].symbol.value == known[0][at] for at in (0, self._look, -1)):
                return known
        names = [contract.symbol.value for contract in contracts]
        numbers = list[int]()
        for name, contract in zip(names, contracts, strict=True):
            number = self._quotes.number(name)
            if number is None:
                number = self._quotes.next_number()
                self._quotes.list(_identity(number, self._algorithm.securities[contract.symbol]))
                self._options.add(name)
            numbers.append(number)
        self._chains[canonical] = names, numbers
        return names, numbers

    def _row(self, security: Security, data: Slice, number: int) -> Row:
        bar = data.bars.get(security.symbol)
        if bar is not None:
            self._volume[number] = self._volume.get(number, 0.0) + float(bar.volume)
        last = security.close if bar is None else bar.close
        return (
            security.bid_price or NAN, security.ask_price or NAN, float(security.bid_size), float(security.ask_size),
            last or NAN, self._volume.get(number, 0.0), float(security.open_interest) or NAN,
        )  # fmt: skip

    def open_now(self) -> tuple[str, ...]:
        """Stocks and indexes whose regular session covered the moment before now. On any thread."""
        return tuple(
            symbol
            for symbol, exchange in list(self._exchanges.items())
            if exchange.hours.is_open(exchange.local_time - dt.timedelta(seconds=1), False)
        )

    def stale(self, open_now: Sequence[str]) -> tuple[str, ...]:
        """Those of which no slice brought anything new for longer than slices are apart. LEAN fills a dead feed
        forward: that slices come says nothing. On any thread."""
        since = self._algorithm.utc_time - self._lively
        return tuple(symbol for symbol in open_now if self._news.get(symbol, since) <= since)

    # --- the account ------------------------------------------------------------------------------------------

    def account(self, seen: int) -> protocol.Account:
        """The portfolio as it is now."""
        portfolio = self._algorithm.portfolio
        holdings = [
            protocol.Holding(
                held.symbol.value, exact(held.quantity), exact(held.average_price), exact(held.price)
            )
            for held in portfolio.values()
            if held.invested
        ]  # fmt: skip
        return protocol.Account(
            exact(portfolio.cash), exact(portfolio.unsettled_cash), exact(portfolio.total_portfolio_value),
            exact(portfolio.total_margin_used), exact(portfolio.margin_remaining), exact(portfolio.total_fees),
            tuple(sorted(holdings, key=lambda held: held.symbol)), seen,
        )  # fmt: skip

    # --- orders -----------------------------------------------------------------------------------------------

    def heard(self, event: OrderEvent, order: Order | None) -> Heard:
        """An order event in the wire's terms. `order` is None where LEAN no longer knows it."""
        exercise = order is not None and int(order.type) == _OPTION_EXERCISE
        if event.is_assignment:
            self._assigned.add(event.order_id)
        own = "assignment" if event.order_id in self._assigned else "expiry" if exercise else ""
        return Heard(
            aware(event.utc_time), event.order_id, event.id, event.symbol.value, STATUSES[int(event.status)],
            exact(event.fill_price), round(event.fill_quantity), round(event.quantity),
            exact(event.order_fee.value.amount), event.message or "", (order and order.tag) or "", own,
            () if order is None else tuple(order.broker_id), event.is_in_the_money,
            self._settlement(event) if exercise and event.is_in_the_money else Decimal(0),
        )  # fmt: skip

    def _settlement(self, event: OrderEvent) -> Decimal:
        """Cash per share that a cash-settled contract pays beside the event's price of 0."""
        security: Any = self._algorithm.securities[event.symbol]
        if int(security.type) != _INDEX_OPTION:
            return Decimal(0)
        return abs(exact(security.underlying.price) - exact(security.strike_price))

    def open_orders(self) -> list[Known]:
        """Orders that LEAN took over from the broker, ours by their tag."""
        groups: dict[int, list[Order]] = {}
        for order in self._algorithm.transactions.get_open_orders():
            group = order.group_order_manager
            groups.setdefault(order.id if group is None else -1 - group.id, []).append(order)
        return [_known(sorted(orders, key=lambda order: order.id)) for orders in groups.values()]


def _known(orders: list[Order]) -> Known:
    group: Any = orders[0].group_order_manager
    first: Any = orders[0]
    parts = (round(each.quantity) for each in orders)
    unit = (abs(round(group.quantity)) if group is not None else math.gcd(*parts)) or 1
    legs = tuple(protocol.Leg(each.symbol.value, round(each.quantity) // unit) for each in orders)
    sell = group is not None and group.quantity < 0
    limit = None
    if group is not None and group.limit_price:
        limit = exact(group.limit_price) * (-1 if sell else 1)
    elif group is None and int(first.type) == 1:
        limit = exact(first.limit_price) * (1 if first.quantity > 0 else -1)
    order_id, tag = unmarked(first.tag or "")
    known = Known(
        order_id, 0, legs, unit, _ORDER_TYPES.get(int(first.type), "market"), int(first.type) in _COMBO_TYPES, sell,
        limit, tag, tuple(each.id for each in orders),
    )  # fmt: skip
    known.told = {index: STATUSES[int(each.status)] for index, each in enumerate(orders)}
    known.broker_ids = tuple(id for each in orders for id in each.broker_id)
    return known


def _brings_news(data: Slice, symbol: Any) -> bool:
    """Whether a slice has ticks of it, or a bar that LEAN did not fill forward."""
    bars = (data.bars.get(symbol), data.quote_bars.get(symbol))
    return bool(data.ticks.get(symbol)) or any(bar is not None and not bar.is_fill_forward for bar in bars)


def _identity(number: int, security: Any) -> protocol.Security:
    symbol = security.symbol
    kind: Any = _KINDS[int(security.type)]
    tick = exact(security.symbol_properties.minimum_price_variation)
    if int(security.type) not in (_OPTION, _INDEX_OPTION):
        return protocol.Security(number, symbol.value, kind, symbol.value, 1, "", "", tick)
    hours, expiry = security.exchange.hours, symbol.id.date
    close = hours.get_next_market_close(expiry, False).replace(tzinfo=ZoneInfo(str(security.exchange.time_zone)))
    closes = close.astimezone(dt.UTC)
    return protocol.Security(
        number, symbol.value, kind, symbol.underlying.value,
        round(security.symbol_properties.contract_multiplier),
        "european" if int(symbol.id.option_style) else "american",
        "cash" if int(security.exercise_settlement) else "physical", tick, closes, closes,
    )  # fmt: skip
