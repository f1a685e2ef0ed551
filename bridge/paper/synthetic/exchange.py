"""The synthetic exchange of one seed: what it lists each morning, and what a session brings for chosen symbols."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from actors.options.contracts import Contract, parse_symbol
from bridge.paper.data import Listed, MarketHours
from bridge.paper.synthetic.instruments import (
    BY_ROOT,
    BY_TICKER,
    INSTRUMENTS,
    SESSIONS,
    expiries,
    listed_on,
)
from bridge.paper.synthetic.path import FIRST_DATE, Path, index_number
from bridge.paper.synthetic.quotes import Board, QuoteRows, Shares, TradeRows, open_interest, spots_of
from bridge.paper.synthetic.sessions import LAST_YEAR, hours_entries

#: Cells of bars and contracts that are made at once: a chunk takes some hundredths of a second.
_CELLS = 20000


class SyntheticError(ValueError):
    """A date, a ticker, a root or a step that the synthetic market does not have."""


class Chunk(NamedTuple):
    """Rows of some bars of one instrument: of its shares (one symbol) or of its contracts, named by `symbols`."""

    symbols: tuple[str, ...]
    quotes: QuoteRows | None
    trades: TradeRows


class Exchange:
    """Everything a seed decides. The same for whoever asks, whatever is asked for, as often as it is asked."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.path = Path(seed)
        self.hours = MarketHours(hours_entries())
        self._listing = lru_cache(maxsize=64)(self._list)
        #: (root, date) -> the same as a set.
        self.known = lru_cache(maxsize=8)(self._set)

    def check(self, first: dt.date, last: dt.date, symbols: Iterable[str]) -> None:
        """Raise SyntheticError for dates or symbols that are not of this market."""
        if first < FIRST_DATE or last.year > LAST_YEAR:
            span = f"{FIRST_DATE} to {LAST_YEAR}-12-31"
            raise SyntheticError(f"{first} to {last} is not within the synthetic market's {span}")
        for symbol in symbols:
            parsed = parse_symbol(symbol)
            known = BY_ROOT if isinstance(parsed, Contract) else BY_TICKER
            name = parsed.root if isinstance(parsed, Contract) else parsed
            if name not in known:
                raise SyntheticError(f"the synthetic market has no {name}; it has {', '.join(known)}")

    def listed(self, root: str, date: dt.date) -> Listed:
        """The contracts of a root on the morning of a date, and the last close. Raises SyntheticError for no root."""
        if root not in BY_ROOT:
            raise SyntheticError(f"the synthetic market has no {root} options; it has {', '.join(BY_ROOT)}")
        return self._listing(root, date if SESSIONS.is_session(date) else SESSIONS.next(date))

    def _list(self, root: str, date: dt.date) -> Listed:
        instrument = BY_ROOT[root]
        place = index_number(instrument.ticker)
        morning = SESSIONS.previous(date)
        contracts: list[Contract] = []
        for expiry in expiries(root, date):
            lowest, highest = self.path.range(place, listed_on(expiry), morning)
            step = instrument.step
            first = max(int(lowest * (1 - instrument.reach) / float(step)), 1)
            last = int(highest * (1 + instrument.reach) / float(step)) + 1
            for number in range(first, last + 1):
                strike = (number * step).normalize() + Decimal(0)
                contracts += (Contract(root, expiry, "C", strike), Contract(root, expiry, "P", strike))
        return Listed(self.close(instrument.ticker, morning), tuple(contracts))

    def _set(self, root: str, date: dt.date) -> frozenset[Contract]:
        return frozenset(self.listed(root, date).contracts)

    def close(self, ticker: str, date: dt.date) -> float:
        """The last price of a session, to the cent."""
        return round(float(self.path.close(date)[index_number(ticker)]) * 100) / 100

    def interest(self, contract: Contract, date: dt.date) -> int:
        """Open interest of a contract on the morning of a session."""
        instrument = BY_ROOT[contract.root]
        spot = self.close(instrument.ticker, SESSIONS.previous(date))
        return open_interest(self.seed, instrument, contract, spot, (contract.expiry - date).days)

    def session(
        self, date: dt.date, symbols: Iterable[str], step: int, bars: int
    ) -> Iterator[tuple[range, list[Chunk]]]:
        """What a session brings for these symbols: stretches of bars of `step` seconds from the open on.
        Nothing of contracts that are not listed; beyond the close of shares quotes of what still trades."""
        session = self.path.session(date)
        logs = self.path.seconds(session)
        names: dict[str, list[str]] = {}
        contracts: dict[str, list[Contract]] = {}
        for symbol in symbols:
            parsed = parse_symbol(symbol)
            if isinstance(parsed, Contract):
                if parsed not in self.known(parsed.root, date):
                    continue
                contracts.setdefault(parsed.underlying, []).append(parsed)
            else:
                names[parsed] = [parsed]
        sources: list[tuple[tuple[str, ...], Shares | Board]] = []
        for place, instrument in enumerate(INSTRUMENTS):
            spots = spots_of(session, logs, place, step, bars)
            if instrument.ticker in names:
                sources.append(((instrument.ticker,), Shares(self.seed, session, instrument, spots, step)))
            mine = contracts.get(instrument.ticker)
            if mine:
                board = Board(self.seed, session, instrument, mine, spots, step)
                sources.append((tuple(contract.symbol for contract in mine), board))
        count = sum(len(symbols) for symbols, _ in sources)
        size = max(1, _CELLS // max(count, 1))
        for first in range(0, bars, size):
            last = min(first + size, bars)
            yield range(first, last), [Chunk(symbols, *source.rows(first, last)) for symbols, source in sources]


def whole(values: np.ndarray) -> list[float]:
    """Whole ten-thousandths as dollars, the float that a reader of files gets."""
    return (values / 10000).tolist()
