"""The instants of a run but for what a day holds: dates, midnights, which securities are subscribed, and the end."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from decimal import Decimal

from actors.options.contracts import Contract, is_index, parse_symbol, underlying_of
from bridge.paper.bars import Instant
from bridge.paper.data.folder import dates
from bridge.paper.data.hours import MarketHours
from bridge.paper.data.universe import Listed, select
from bridge.protocol import ChainFilter


class Instants(ABC):
    """Streams a run day by day. `pinned` symbols stay subscribed though a filter drops them (held, or with an order).

    Who inherits says what is listed on a morning and what a day brings.
    """

    def __init__(
        self,
        hours: MarketHours,
        first: dt.date,
        last: dt.date,
        *,
        underlyings: Iterable[str] = (),
        chains: Iterable[ChainFilter] = (),
        symbols: Iterable[str] = (),
    ) -> None:
        self._hours = hours
        self._first, self._last = first, last
        self._chains = tuple(chains)
        self._asked = dict.fromkeys(symbols)
        roots = (Contract(chain.root, first, "C", 1).underlying for chain in self._chains)  # type: ignore[arg-type]
        self._underlyings = dict.fromkeys([*underlyings, *roots, *(underlying_of(symbol) for symbol in self._asked)])
        self.pinned: set[str] = set()
        self._subscribed: dict[str, None] = {}
        self._begun = False

    @property
    def underlyings(self) -> tuple[str, ...]:
        """Stocks and indexes of this run."""
        return tuple(self._underlyings)

    def __iter__(self) -> Iterator[Instant]:
        told: dt.datetime | None = None
        for date in dates(self._first, self._last):
            for instant in self._midnight(date):
                told = instant.at
                yield instant
            for instant in self._day(date):
                told = instant.at
                yield instant
            self._close_day()
        yield from self._end(told)

    @abstractmethod
    def _listed(self, root: str, date: dt.date) -> Listed | None:
        """The contracts of a root known on the morning of a date; None where nobody knows."""

    @abstractmethod
    def _dividend(self, ticker: str, date: dt.date) -> Decimal:
        """Dollars a share of a stock whose ex-date this is; else 0."""

    @abstractmethod
    def _day(self, date: dt.date) -> Iterator[Instant]:
        """The instants of a date with a session, for what is subscribed."""

    @abstractmethod
    def _close_day(self) -> None:
        """The day is over: let go of what it needed."""

    # --- subscriptions ----------------------------------------------------------------------------------------

    def _wanted(self, date: dt.date) -> dict[str, None]:
        wanted = dict(self._underlyings)
        for symbol in self._asked:
            if _alive(symbol, date):
                wanted[symbol] = None
        for chain in self._chains:
            listed = self._listed(chain.root, date)
            if listed is not None:
                wanted |= {contract.symbol: None for contract in select(listed, chain, date)}
            else:
                wanted |= {symbol: None for symbol in self._subscribed if _of(chain, symbol) and _alive(symbol, date)}
        for symbol in self._subscribed:
            if symbol in self.pinned and _alive(symbol, date):
                wanted[symbol] = None
        return wanted

    def _midnight(self, date: dt.date) -> Iterator[Instant]:
        """00:00 of every exchange zone among what is subscribed, earliest first; selection happens at the first."""
        trading = any(self._hours.session(symbol, date) is not None for symbol in self._underlyings)
        listed: tuple[str, ...] = ()
        unlisted: tuple[str, ...] = ()
        before = dict(self._subscribed)
        if trading or not self._begun:
            wanted = self._wanted(date)
            listed = tuple(symbol for symbol in wanted if symbol not in before)
            unlisted = tuple(symbol for symbol in before if symbol not in wanted and _alive(symbol, date))
        zones = {self._hours.zone(symbol): None for symbol in (*self._underlyings, *before)}
        midnights = sorted({dt.datetime.combine(date, dt.time(), zone).astimezone(dt.UTC) for zone in zones})
        gone = {symbol for symbol in before if not _alive(symbol, date)} | set(unlisted)
        for number, at in enumerate(midnights):
            final = number == len(midnights) - 1
            yield Instant(
                at, "midnight", {}, frozenset(), listed if final else (), unlisted if final else (),
                dividends=self._dividends(date, at),
            )  # fmt: skip
        self._subscribed = {symbol: None for symbol in before if symbol not in gone}
        self._subscribed |= dict.fromkeys(listed)
        self._begun = True

    def _dividends(self, date: dt.date, at: dt.datetime) -> dict[str, Decimal]:
        """Dividends of the stocks for whose exchange a date begins at this instant."""
        stocks = (ticker for ticker in self._underlyings if not is_index(ticker))
        return {
            ticker: paid
            for ticker in stocks
            if dt.datetime.combine(date, dt.time(), self._hours.zone(ticker)) == at
            and (paid := self._dividend(ticker, date))
        }

    def _end(self, told: dt.datetime | None) -> Iterator[Instant]:
        """Where the last data is an index's the run ends with the last instant told, its last bar on a day with a
        session; else at midnight New York after it."""
        if all(is_index(symbol) for symbol in self._underlyings):
            at = told or dt.datetime.combine(self._last, dt.time(), dt.UTC)
            yield Instant(at, "end", {}, frozenset())
            return
        after = self._last + dt.timedelta(days=1)
        zone = self._hours.zone(next(symbol for symbol in self._underlyings if not is_index(symbol)))
        at = dt.datetime.combine(after, dt.time(), zone).astimezone(dt.UTC)
        yield Instant(at, "midnight", {}, frozenset())
        yield Instant(at, "end", {}, frozenset())


def _of(chain: ChainFilter, symbol: str) -> bool:
    parsed = parse_symbol(symbol)
    return isinstance(parsed, Contract) and parsed.root == chain.root


def _alive(symbol: str, date: dt.date) -> bool:
    """Whether a symbol can still trade on a date."""
    parsed = parse_symbol(symbol)
    return not isinstance(parsed, Contract) or parsed.expiry >= date
