"""The market as decisions see it: securities and columns of quotes at one instant. Immutable; float64, NaN for none."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.messages.common import Evidence, QuoteSeen

Floats = NDArray[np.float64]


class SecuritySeen(msgspec.Struct, frozen=True):
    """A security as LEAN listed it. `last_trade` and `settles_at` are None for what does not expire."""

    number: int
    symbol: str
    kind: Literal["equity", "index", "option", "index_option"]
    underlying: str
    multiplier: int
    style: Literal["", "american", "european"]
    settlement: Literal["", "physical", "cash"]
    tick: Decimal
    last_trade: dt.datetime | None
    settles_at: dt.datetime | None


class MarketQuotes(msgspec.Struct, frozen=True, eq=False):
    """Quotes of all listed securities, one row each, at `at`. Arrays are never written after they are made.

    `rows` gives the row of a symbol. Prices are per share. `changed_at` is the epoch second of a row's last change;
    `alive` the instant at which the feed was last known alive for an underlying. `open` names the underlyings whose
    regular session is open. `listing` counts the changes of the list of securities.
    """

    number: int
    at: dt.datetime
    listing: int
    securities: tuple[SecuritySeen, ...]
    rows: dict[str, int]
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    last: Floats
    volume: Floats
    open_interest: Floats
    changed_at: Floats
    alive: dict[str, dt.datetime]
    open: frozenset[str]

    def security(self, symbol: str) -> SecuritySeen | None:
        """The security of this symbol, or None where it is not listed."""
        row = self.rows.get(symbol)
        return None if row is None else self.securities[row]

    def quote(self, symbol: str) -> QuoteSeen:
        """Bid and ask of a symbol, None where there is none, with the instant the feed was last alive for it."""
        row = self.rows.get(symbol)
        if row is None:
            return QuoteSeen(symbol, None, None, self.at)
        alive = self.alive.get(self.securities[row].underlying, dt.datetime.fromtimestamp(0, dt.UTC))
        return QuoteSeen(symbol, _some(self.bid[row]), _some(self.ask[row]), alive)

    def price(self, symbol: str) -> float | None:
        """The last level of a stock or an index: its last trade, else the middle of its quote."""
        row = self.rows.get(symbol)
        if row is None:
            return None
        last = _some(self.last[row])
        if last is not None:
            return last
        bid, ask = _some(self.bid[row]), _some(self.ask[row])
        return None if bid is None or ask is None else (bid + ask) / 2

    def evidence(self, symbols: tuple[str, ...]) -> Evidence:
        """What a decision on these symbols looked at."""
        return Evidence(self.number, tuple(self.quote(symbol) for symbol in symbols))


def _some(value: float) -> float | None:
    return None if value != value else float(value)


def no_market(at: dt.datetime) -> MarketQuotes:
    """The market before anything was seen."""
    none = np.empty(0)
    return MarketQuotes(0, at, 0, (), {}, none, none, none, none, none, none, none, none, {}, frozenset())
