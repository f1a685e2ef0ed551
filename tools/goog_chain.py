"""The GOOG chain of 2015-12-24 in the LEAN sample data, as the options library takes it. For tools, tests, benches."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import numpy as np

from actors.options.chain import ChainSnapshot, quotes_of, smiles_of, with_smiles
from actors.options.smile_fit import Quotes
from bridge.paper.bars import Update
from bridge.paper.data import LeanFolder, MarketHours
from bridge.paper.data.folder import minute_of, quote_bar, trade_bar
from bridge.paper.prices import Prices
from config.calendar import ExchangeSessions

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data" / "lean"
DATE = dt.date(2015, 12, 24)
UNDERLYING = "GOOG"
SESSIONS = ExchangeSessions()
_SCALE = 0.0001


class GoogDay:
    """One day's minute files of every GOOG contract and of the stock; prices as LEAN keeps them at any minute."""

    def __init__(self) -> None:
        self.folder = LeanFolder(DATA)
        self.contracts = tuple(sorted(self.folder.first_quotes(UNDERLYING, DATE)))
        session = MarketHours.load(DATA).session(UNDERLYING, DATE)
        assert session is not None
        self.opens = session[0]
        zone = MarketHours.load(DATA).data_zone(UNDERLYING)
        self._midnight = dt.datetime.combine(DATE, dt.time(), zone).astimezone(dt.UTC)
        self._rows: dict[str, list[tuple[dt.datetime, list[bytes | None]]]] = {}
        self._states: dict[str, tuple[dt.datetime, int, Prices]] = {}
        self.open_interest = {
            contract.symbol: float(rows[0].split(b",")[1])
            for contract in self.contracts
            if (rows := self.folder.rows(contract.symbol, DATE, "openinterest"))
        }

    def prices(self, symbol: str, at: dt.datetime) -> Prices:
        """The state of a symbol once all minutes that end by `at` (aware) were told; it moves on with later calls."""
        told, place, state = self._states.get(symbol) or (self.opens, 0, Prices(quoted=symbol != UNDERLYING))
        if at < told:
            place, state = 0, Prices(quoted=symbol != UNDERLYING)
        bars = self._bars(symbol)
        while place < len(bars) and bars[place][0] <= at:
            ended, (quote, trade) = bars[place]
            state.update(
                ended,
                Update(
                    None if quote is None else quote_bar(quote, _SCALE),
                    None if trade is None else trade_bar(trade, _SCALE),
                ),
            )
            place += 1
        self._states[symbol] = (at, place, state)
        return state

    def snapshot(self, at: dt.datetime) -> ChainSnapshot:
        """The whole chain at a minute, without deltas; each quote as old as the feed, which is alive every minute."""
        states = [self.prices(contract.symbol, at) for contract in self.contracts]
        stock = self.prices(UNDERLYING, at)

        def column(name: str) -> np.ndarray:
            return np.array([getattr(state, name) for state in states], dtype=np.float64)

        interest = np.array([self.open_interest.get(contract.symbol, np.nan) for contract in self.contracts])
        return ChainSnapshot(
            UNDERLYING, Decimal(repr(stock.price)), DATE, self.contracts, column("bid"), column("ask"),
            open_interest=interest, volume=column("volume"), bid_size=column("bid_size"), ask_size=column("ask_size"),
            age=np.zeros(len(states)), spot_bid=stock.bid, spot_ask=stock.ask,
            since_open=(at - self.opens).total_seconds(),
        )  # fmt: skip

    def _bars(self, symbol: str) -> list[tuple[dt.datetime, list[bytes | None]]]:
        """Rows of the regular session by the instant at which their bar ends: quote and trade."""
        if symbol not in self._rows:
            found: dict[int, list[bytes | None]] = {}
            for slot, what in enumerate(("quote", "trade")):
                for row in self.folder.rows(symbol, DATE, what):
                    found.setdefault(minute_of(row) + 60_000, [None, None])[slot] = row
            ended = [(self._midnight + dt.timedelta(milliseconds=at), found[at]) for at in sorted(found)]
            self._rows[symbol] = [(at, rows) for at, rows in ended if at > self.opens]
        return self._rows[symbol]


@lru_cache(maxsize=1)
def goog_day() -> GoogDay:
    """The day, read once a process."""
    return GoogDay()


@lru_cache(maxsize=4)
def goog_quotes(at: dt.datetime) -> tuple[Quotes, ...]:
    """The quotes of each expiry at a minute, as smiles are fitted to them."""
    return tuple(quotes_of(goog_day().snapshot(at), at, SESSIONS).values())


@lru_cache(maxsize=4)
def goog_chain(at: dt.datetime) -> ChainSnapshot:
    """The chain at a minute with deltas and volatilities from smiles fitted to its quotes."""
    chain = goog_day().snapshot(at)
    return with_smiles(chain, smiles_of(chain, at, SESSIONS))
