"""The instants of a run over a LEAN folder: session minutes by the hours database, and what the files have for each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal

from actors.options.contracts import Contract, parse_symbol
from bridge.paper.bars import Instant, Update
from bridge.paper.data.folder import LeanFolder, minute_of, quote_bar, scale_of, trade_bar
from bridge.paper.data.hours import MarketHours
from bridge.paper.data.instants import Instants
from bridge.paper.data.newcomers import Newcomers
from bridge.paper.data.universe import Listed
from bridge.protocol import ChainFilter

_MINUTE = dt.timedelta(minutes=1)
_DAY = dt.timedelta(days=1)
_LONGEST_PAUSE = dt.timedelta(days=10)


class Feed(Instants):
    """A LEAN folder's run. Files only change values: the minutes come from the sessions of what is subscribed, days
    without files included."""

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
        super().__init__(hours, first, last, underlyings=underlyings, chains=chains, symbols=symbols)
        self._folder = folder

    def _listed(self, root: str, date: dt.date) -> Listed | None:
        return self._folder.listed(root, date)

    def _dividend(self, ticker: str, date: dt.date) -> Decimal:
        if self._hours.session(ticker, date) is None:
            return Decimal(0)
        before = date - _DAY
        while self._hours.session(ticker, before) is None and date - before < _LONGEST_PAUSE:
            before -= _DAY
        return self._folder.dividend(ticker, before)

    def _close_day(self) -> None:
        self._folder.close_day()

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


def _update(symbol: str, raw: list[bytes | None]) -> Update:
    scale = scale_of(symbol)
    quote, trade = raw
    return Update(
        None if quote is None else quote_bar(quote, scale), None if trade is None else trade_bar(trade, scale)
    )
