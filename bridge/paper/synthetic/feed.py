"""The synthetic market's instants: a LEAN folder's feed without a folder, in steps of a minute or finer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal

import numpy as np

from actors.options.contracts import Contract, parse_symbol
from bridge.paper.bars import Instant, QuoteBar, TradeBar, Update
from bridge.paper.data import Instants, Listed
from bridge.paper.synthetic.exchange import Chunk, Exchange, SyntheticError, whole
from bridge.paper.synthetic.instruments import dividend_on
from bridge.paper.synthetic.quotes import QuoteRows, TradeRows
from bridge.protocol import ChainFilter


class SyntheticFeed(Instants):
    """A seed's run. A price at an instant depends on the seed alone: not on what is subscribed, where the run began, or
    how long it goes on. `step` is in seconds and divides 60; a minute gives the bars that an export writes.

    Raises SyntheticError for dates, symbols or a step that the market does not have.
    """

    def __init__(
        self,
        exchange: Exchange,
        first: dt.date,
        last: dt.date,
        *,
        underlyings: Iterable[str] = (),
        chains: Iterable[ChainFilter] = (),
        symbols: Iterable[str] = (),
        step: int = 60,
    ) -> None:
        if step < 1 or 60 % step:
            raise SyntheticError(f"a step of {step} seconds does not divide a minute")
        super().__init__(exchange.hours, first, last, underlyings=underlyings, chains=chains, symbols=symbols)
        exchange.check(first, last, (*self._underlyings, *self._asked))
        for chain in self._chains:
            exchange.listed(chain.root, first)
        self._exchange = exchange
        self._step = step

    def _listed(self, root: str, date: dt.date) -> Listed | None:
        return self._exchange.listed(root, date)

    def _dividend(self, ticker: str, date: dt.date) -> Decimal:
        return dividend_on(ticker, date)

    def _close_day(self) -> None:
        pass

    def _day(self, date: dt.date) -> Iterator[Instant]:
        sessions = {
            symbol: session for symbol in self._subscribed if (session := self._hours.session(symbol, date)) is not None
        }
        if not sessions:
            return
        begin = min(opens for opens, _ in sessions.values())
        end = max(closes for _, closes in sessions.values())
        spans: dict[dt.datetime, list[str]] = {}
        for symbol, (_, closes) in sessions.items():
            spans.setdefault(closes, []).append(symbol)
        sets = {closes: frozenset(symbols) for closes, symbols in spans.items()}
        interest = self._interest(date, sessions)
        step = dt.timedelta(seconds=self._step)
        bars = int((end - begin).total_seconds()) // self._step
        at = begin
        for stretch, chunks in self._exchange.session(date, sessions, self._step, bars):
            for updates in _by_bar(chunks, stretch):
                open_now = frozenset[str]().union(*(names for closes, names in sets.items() if at < closes))
                at += step
                yield Instant(at, "bars", updates, open_now, open_interest=interest)
                interest = {}

    def _interest(self, date: dt.date, symbols: Iterable[str]) -> dict[str, float]:
        contracts = {symbol: parsed for symbol in symbols if isinstance(parsed := parse_symbol(symbol), Contract)}
        known = {root: self._exchange.known(root, date) for root in {each.root for each in contracts.values()}}
        return {
            symbol: float(self._exchange.interest(contract, date))
            for symbol, contract in contracts.items()
            if contract in known[contract.root]
        }


def _by_bar(chunks: list[Chunk], bars: range) -> list[dict[str, Update]]:
    """Updates of each bar of one stretch."""
    result: list[dict[str, Update]] = [{} for _ in bars]
    for chunk in chunks:
        symbols = chunk.symbols
        if chunk.quotes is not None:
            where = (chunk.quotes.bar - bars.start).tolist()
            for bar, which, quote in zip(where, chunk.quotes.which.tolist(), _quotes(chunk.quotes), strict=True):
                result[bar][symbols[which]] = Update(quote, None)
        where = (chunk.trades.bar - bars.start).tolist()
        for bar, which, trade in zip(where, chunk.trades.which.tolist(), _trades(chunk.trades), strict=True):
            known = result[bar].get(symbols[which])
            result[bar][symbols[which]] = Update(None if known is None else known.quote, trade)
    return result


def _quotes(rows: QuoteRows) -> Iterator[QuoteBar]:
    sizes = rows.sizes.astype(np.float64)
    columns = [*whole(rows.bids), sizes[0].tolist(), *whole(rows.asks), sizes[1].tolist()]
    return map(QuoteBar, *columns)


def _trades(rows: TradeRows) -> Iterator[TradeBar]:
    columns = [*whole(rows.prices), rows.volume.astype(np.float64).tolist()]
    return map(TradeBar, *columns)
