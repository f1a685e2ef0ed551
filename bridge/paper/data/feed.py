"""The instants of a run: session minutes by the hours database, what the files have for each, and the midnights
between."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from actors.options.contracts import Contract, is_index, parse_symbol, underlying_of
from bridge.paper.bars import Instant, Update
from bridge.paper.data.folder import LeanFolder, dates, minute_of, quote_bar, scale_of, trade_bar
from bridge.paper.data.hours import MarketHours
from bridge.paper.data.newcomers import Newcomers
from bridge.paper.data.universe import select
from bridge.protocol import ChainFilter

_MINUTE = dt.timedelta(minutes=1)


class Feed:
    """Streams a run day by day. `pinned` symbols stay subscribed though a filter drops them (held, or with an order).

    Files only change values: the minutes come from the sessions of what is subscribed, days without files included.
    """

    def __init__(
        self,
        folder: LeanFolder,
        hours: MarketHours,
        first: dt.date,
        last: dt.date,
        *,
        underlyings: Iterable[str] = (),
        chains: Iterable[ChainFilter] = (),
        symbols: Iterable[str] = (),
    ) -> None:
        self._folder = folder
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
            self._folder.close_day()
        yield from self._end(told)

    # --- subscriptions ----------------------------------------------------------------------------------------

    def _wanted(self, date: dt.date) -> dict[str, None]:
        wanted = dict(self._underlyings)
        for symbol in self._asked:
            if _alive(symbol, date):
                wanted[symbol] = None
        for chain in self._chains:
            listed = self._folder.listed(chain.root, date)
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
            yield Instant(at, "midnight", {}, frozenset(), listed if final else (), unlisted if final else ())
        self._subscribed = {symbol: None for symbol in before if symbol not in gone}
        self._subscribed |= dict.fromkeys(listed)
        self._begun = True

    # --- a day ------------------------------------------------------------------------------------------------

    def _day(self, date: dt.date) -> Iterator[Instant]:
        sessions = {
            symbol: session for symbol in self._subscribed if (session := self._hours.session(symbol, date)) is not None
        }
        if not sessions:
            return
        rows = self._rows(date, sessions)
        interest = self._open_interest(date, sessions)
        begin = min(opens for opens, _ in sessions.values())
        end = max(closes for _, closes in sessions.values())
        spans: dict[tuple[dt.datetime, dt.datetime], list[str]] = {}
        for symbol, session in sessions.items():
            spans.setdefault(session, []).append(symbol)
        sets = {span: frozenset(symbols) for span, symbols in spans.items()}
        newcomers = [
            Newcomers(self._folder, self._hours, chain, date)
            for chain in self._chains
            if self._folder.listed(chain.root, date) is None
        ]
        at = begin
        while at < end:
            open_now = frozenset[str]().union(*(names for (o, c), names in sets.items() if o <= at < c))
            at += _MINUTE
            updates = {symbol: _update(symbol, raw) for symbol, raw in rows.pop(at, {}).items()}
            joined: list[str] = []
            for each in newcomers:
                joined += each.join(at, updates, self._subscribed)
            for symbol in joined:
                self._subscribed[symbol] = None
                session = self._hours.session(symbol, date)
                assert session is not None
                sets[session] = sets.get(session, frozenset()) | {symbol}
                for ended, raw in self._rows(date, {symbol: session}).items():
                    rows.setdefault(ended, {}).update(raw)
                updates |= {
                    symbol: _update(symbol, raw) for symbol, raw in rows.get(at, {}).items() if symbol in joined
                }
            open_now |= {symbol for symbol in joined if self._in_session(symbol, date, at)}
            rows.pop(at, None)
            yield Instant(at, "bars", updates, open_now, tuple(joined), open_interest=interest)
            interest = {}

    def _in_session(self, symbol: str, date: dt.date, ended: dt.datetime) -> bool:
        session = self._hours.session(symbol, date)
        return session is not None and session[0] < ended <= session[1]

    def _rows(
        self, date: dt.date, sessions: dict[str, tuple[dt.datetime, dt.datetime]]
    ) -> dict[dt.datetime, dict[str, list[bytes | None]]]:
        """Raw rows by the instant at which their bar ends, for bars that begin inside the regular session."""
        by_end: dict[dt.datetime, dict[str, list[bytes | None]]] = {}
        ends: dict[tuple[str, int], dt.datetime] = {}
        for symbol, (opens, closes) in sessions.items():
            zone = self._hours.data_zone(symbol)
            midnight = dt.datetime.combine(date, dt.time(), zone).astimezone(dt.UTC)
            lowest = int((opens - midnight).total_seconds() * 1000)
            highest = int((closes - midnight).total_seconds() * 1000)
            for slot, what in enumerate(("quote", "trade")):
                for row in self._folder.rows(symbol, date, what):
                    begins = minute_of(row)
                    if not lowest <= begins < highest:
                        continue
                    key = (zone.key, begins)
                    end = ends.get(key)
                    if end is None:
                        end = ends[key] = midnight + dt.timedelta(milliseconds=begins) + _MINUTE
                    bucket = by_end.get(end)
                    if bucket is None:
                        bucket = by_end[end] = {}
                    pair = bucket.get(symbol)
                    if pair is None:
                        pair = bucket[symbol] = [None, None]
                    pair[slot] = row
        return by_end

    def _open_interest(self, date: dt.date, sessions: dict[str, tuple[dt.datetime, dt.datetime]]) -> dict[str, float]:
        """The morning's open interest of contracts, known before the first minute."""
        interest: dict[str, float] = {}
        for symbol in sessions:
            if isinstance(parse_symbol(symbol), Contract):
                for row in self._folder.rows(symbol, date, "openinterest")[:1]:
                    interest[symbol] = float(row.split(b",")[1])
        return interest

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


def _update(symbol: str, raw: list[bytes | None]) -> Update:
    scale = scale_of(symbol)
    quote, trade = raw
    return Update(
        None if quote is None else quote_bar(quote, scale), None if trade is None else trade_bar(trade, scale)
    )
