"""Quotes, trades and sizes of one session's contracts and shares, vectorised. Prices are whole ten-thousandths.

Each contract draws from its own hash of seed, symbol, day and second: what else is looked at changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.options.contracts import Contract
from actors.options.settlement import closing_instant, settles_at
from bridge.paper.synthetic.instruments import SESSIONS, Instrument, dividends_between
from bridge.paper.synthetic.path import Floats, Session, number
from bridge.paper.synthetic.surface import at_the_money, value

Integers = NDArray[np.int64]

#: Ten-thousandths of a dollar.
UNIT = 10000
_YEAR = 365.0 * 24 * 3600
#: Seconds between looks at the size of a quote.
_SIZES = 300


class QuoteRows(NamedTuple):
    """Rows of quotes: bar and contract by position, bid open high low close and ask alike, sizes. A bid of 0
    says that nobody bids."""

    bar: Integers
    which: Integers
    bids: Integers
    asks: Integers
    sizes: Integers


class TradeRows(NamedTuple):
    """Rows of trades: bar and contract by position, open high low close, contracts or shares."""

    bar: Integers
    which: Integers
    prices: Integers
    volume: Integers


class Spots(NamedTuple):
    """An underlying by bar: open, high, low and close, volatility factor, stress, and seconds from the open to the
    bar's end. Bars after the close of shares stand still."""

    prices: Floats
    factor: Floats
    stress: Floats
    ends: Integers
    variance: Floats


def spots_of(session: Session, logs: Floats, place: int, step: int, bars: int) -> Spots:
    """The bars of one instrument from its log prices by second."""
    second = np.exp(logs[place]).reshape(-1, step)
    first = float(np.exp(session.logs[place, 0]))
    close = second[:, -1]
    opens = np.concatenate(([first], close[:-1]))
    prices = np.stack((opens, np.maximum(opens, second.max(axis=1)), np.minimum(opens, second.min(axis=1)), close))
    ends = (np.arange(bars, dtype=np.int64) + 1) * step
    minute = np.minimum((ends + 59) // 60, session.minutes)
    late = bars - prices.shape[1]
    if late > 0:
        prices = np.concatenate((prices, np.repeat(prices[:, -1:][[3, 3, 3, 3]], late, axis=1)), axis=1)
    variance = session.deviations[place] ** 2
    return Spots(
        prices[:, :bars], session.volatility[minute], session.stress[minute], ends,
        (variance / variance.mean())[minute - 1],
    )  # fmt: skip


class Board:
    """One instrument's contracts through one session, in steps of `step` seconds."""

    def __init__(
        self, seed: int, session: Session, instrument: Instrument, contracts: Sequence[Contract], spots: Spots,
        step: int,
    ) -> None:  # fmt: skip
        date = session.date
        opens = SESSIONS.open(date)
        self._instrument = instrument
        self._spots = spots
        self._step = step
        self._strikes = np.array([float(contract.strike) for contract in contracts])
        self._is_call = np.array([contract.right == "C" for contract in contracts], dtype=np.bool_)
        ends = {
            key: (
                (settles_at(contract, SESSIONS) - opens).total_seconds(),
                _closing_second(contract, session),
                dividends_between(instrument.ticker, date, contract.expiry),
            )
            for key, contract in {(contract.root, contract.expiry): contract for contract in contracts}.items()
        }
        rows = np.array([ends[contract.root, contract.expiry] for contract in contracts]).reshape(-1, 3)
        self._settles, self._closes, self._paid = rows.T
        keys = [number(seed, contract.symbol, date.isoformat()) for contract in contracts]
        self._keys = np.array(keys, dtype=np.uint64)
        # Cents and nickels for stocks' classes, nickels and dimes for the index's; from 3.00 on the larger.
        self._ticks = (500, 1000) if instrument.is_index else (100, 500)
        self._rate = self._popularity(session, float(spots.prices[0, 0]))
        count = len(contracts)
        self._last = (np.full((2, count), -1, dtype=np.int64), np.zeros((2, count), dtype=np.int64))

    def _popularity(self, session: Session, spot: float) -> Floats:
        """Trades a minute that each contract draws on average."""
        time = np.maximum(self._settles / _YEAR, 1.0 / 365.0)
        width = 1.3 * np.sqrt(at_the_money(self._instrument, session.volatility[:1], time)) + 0.01
        near = np.exp(-((np.log(self._strikes / spot) / width) ** 2))
        return 0.5 * near / (1.0 + 12.0 * time)

    def rows(self, first: int, last: int) -> tuple[QuoteRows, TradeRows]:
        """Rows of the bars from `first` up to but not including `last`; bars are asked for in order, each once."""
        spots, here = self._spots, slice(first, last)
        ends = spots.ends[here]
        time = (self._settles[np.newaxis, :] - ends[:, np.newaxis]) / _YEAR
        factor = spots.factor[here, np.newaxis]
        worth = value(
            self._instrument, spots.prices[:, here, np.newaxis], self._strikes, self._is_call, time[np.newaxis],
            self._paid, factor,
        )  # fmt: skip
        half = self._half(worth[3], spots.prices[3, here, np.newaxis], here)
        bids = np.maximum(self._on_tick((worth - half) * UNIT, np.floor), 0)
        asks = np.maximum(self._on_tick((worth + half) * UNIT, np.ceil), self._ticks[0])
        bids = np.where(bids[3] > 0, np.maximum(bids, self._ticks[0]), 0)
        sizes = self._sizes(ends, spots.stress[here])
        sizes[0][bids[3] == 0] = 0
        bids, asks = _ordered(bids), _ordered(asks)
        open_now = ends[:, np.newaxis] <= self._closes[np.newaxis, :]
        changed = self._changed(bids, asks, sizes) & open_now
        bar, which = np.nonzero(changed)
        quotes = QuoteRows(
            bar + first, which, bids[:, bar, which], asks[:, bar, which],
            np.stack((sizes[0][bar, which], sizes[1][bar, which])),
        )  # fmt: skip
        return quotes, self._trades(first, ends, bids[3], asks[3], open_now, spots.variance[here])

    def _half(self, worth: Floats, spot: Floats, here: slice) -> Floats:
        """Half the width of quotes: wide after the open, in stress and when volatility is high."""
        spots, instrument = self._spots, self._instrument
        base = instrument.half + instrument.spread * np.minimum(worth, 0.06 * spot)
        early = np.exp(-spots.ends[here] / 480.0)
        high = np.maximum(np.exp(spots.factor[here]) - 1.0, 0.0)
        return base * (1.0 + 2.2 * early + 0.7 * spots.stress[here] + 0.5 * high)[:, np.newaxis]

    def _on_tick(self, wanted: Floats, direction: np.ufunc) -> Integers:
        small, large = self._ticks
        tick = np.where(wanted >= 3 * UNIT, float(large), float(small))
        return (direction(wanted / tick) * tick).astype(np.int64)

    def _sizes(self, ends: Integers, stress: Floats) -> tuple[Integers, Integers]:
        """Contracts offered on both sides: looked at again every five minutes, at each contract's own second."""
        phase = (self._keys % np.uint64(_SIZES)).astype(np.int64)
        epoch = (ends[:, np.newaxis] + phase[np.newaxis, :]) // _SIZES
        calm = 1.0 / (1.0 + 0.8 * stress[:, np.newaxis])
        return tuple(  # type: ignore[return-value]
            (1 + 120 * calm * _uniform(self._keys, epoch, salt) ** 2).astype(np.int64) for salt in (1, 2)
        )

    def _changed(self, bids: Integers, asks: Integers, sizes: tuple[Integers, Integers]) -> NDArray[np.bool_]:
        """Where a row says anything that the last one did not."""
        (last_bid, last_ask), (last_bid_size, last_ask_size) = self._last
        changed = np.zeros(bids[3].shape, dtype=np.bool_)
        for side, last in ((bids, last_bid), (asks, last_ask)):
            before = np.concatenate((last[np.newaxis], side[3][:-1]))
            changed |= (side[1] != before) | (side[2] != before)
        for size, last in zip(sizes, (last_bid_size, last_ask_size), strict=True):
            changed |= size != np.concatenate((last[np.newaxis], size[:-1]))
        self._last = (np.stack((bids[3][-1], asks[3][-1])), np.stack((sizes[0][-1], sizes[1][-1])))
        return changed

    def _trades(
        self, first: int, ends: Integers, bid: Integers, ask: Integers, open_now: NDArray[np.bool_], variance: Floats
    ) -> TradeRows:
        when = ends[:, np.newaxis]
        chance = 1.0 - np.exp(-self._rate * (self._step / 60.0) * variance[:, np.newaxis])
        bar, which = np.nonzero((_uniform(self._keys, when, 3) < chance) & open_now)
        keys, at = self._keys[which], ends[bar]
        taken = _uniform_at(keys, at, 4)
        low, high = bid[bar, which], ask[bar, which]
        low = np.where(low > 0, low, high)
        tick = self._ticks[0]
        middle = np.clip((low + high) // 2 // tick * tick, low, high)
        price = np.where(taken < 0.45, low, np.where(taken < 0.9, high, middle))
        volume = 1 + np.floor(-6.0 * np.log(np.maximum(_uniform_at(keys, at, 5), 1e-12))).astype(np.int64)
        return TradeRows(bar + first, which, np.stack((price,) * 4), volume)


class Shares:
    """An underlying through one session: an index's level, or a stock's quotes and trades."""

    def __init__(self, seed: int, session: Session, instrument: Instrument, spots: Spots, step: int) -> None:
        self._instrument = instrument
        self._spots = spots
        self._step = step
        self._bars = session.minutes * 60 // step
        self._keys = np.array([number(seed, instrument.ticker, session.date.isoformat())], dtype=np.uint64)

    def rows(self, first: int, last: int) -> tuple[QuoteRows | None, TradeRows]:
        """Rows of the bars from `first` up to but not including `last`; none after the close of shares."""
        last = min(last, self._bars)
        here = slice(first, max(first, last))
        spots = self._spots
        cents = np.rint(spots.prices[:, here] * 100).astype(np.int64) * 100
        bar = np.arange(here.start, here.stop, dtype=np.int64)
        none = np.zeros_like(bar)
        if self._instrument.is_index:
            return None, TradeRows(bar, none, cents, none)
        ends = spots.ends[here]
        half = 0.006 * (1.0 + 2.0 * np.exp(-ends / 480.0) + 0.8 * spots.stress[here])
        bids = np.floor((spots.prices[:, here] - half) * 100).astype(np.int64) * 100
        asks = np.ceil((spots.prices[:, here] + half) * 100).astype(np.int64) * 100
        draws = [_uniform(self._keys, ends[:, np.newaxis], salt)[:, 0] for salt in (1, 2, 3)]
        sizes = np.stack([(1 + np.floor(12.0 * draw**2)).astype(np.int64) * 100 for draw in draws[:2]])
        expected = self._instrument.share_volume * spots.variance[here] * (0.4 + 1.2 * draws[2]) * self._step / 60.0
        volume = 1 + expected.astype(np.int64)
        return QuoteRows(bar, none, bids, asks, sizes), TradeRows(bar, none, cents, volume)


def open_interest(seed: int, instrument: Instrument, contract: Contract, spot: float, days: int) -> int:
    """Contracts open on the morning of a session `days` before the expiry, at the last close: most at the money and at
    round strikes, more as time passes."""
    draw = number(seed, "interest", contract.symbol) / 2**64
    away = abs(float(np.log(float(contract.strike) / spot))) / (instrument.implied * 0.35)
    round_strike = 2.0 if contract.strike % (4 * instrument.step) == 0 else 1.0
    age = 1.0 / (1.0 + days / 25.0)
    return int(instrument.interest * (0.1 + draw**2) * np.exp(-away * away) * round_strike * age)


def _closing_second(contract: Contract, session: Session) -> float:
    """Seconds after the open until which the contract trades in a session; negative where it does not any more."""
    opens = SESSIONS.open(session.date)
    if session.date > contract.expiry or settles_at(contract, SESSIONS) <= opens:
        return -1.0
    return (closing_instant(contract, session.date, SESSIONS) - opens).total_seconds()


def _ordered(side: Integers) -> Integers:
    """Open, high, low, close from four values of which any may be the highest: a put falls as its stock rises."""
    return np.stack((side[0], side.max(axis=0), side.min(axis=0), side[3]))


_GOLDEN, _FIRST, _SECOND = (np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def _uniform(keys: NDArray[np.uint64], at: Integers, salt: int) -> Floats:
    """Numbers in [0, 1) by key (columns) and instant (rows). Source: splitmix64 (Steele, Lea, Flood 2014)."""
    return _uniform_at(keys[np.newaxis, :], at, salt)


def _uniform_at(keys: NDArray[np.uint64], at: Integers, salt: int) -> Floats:
    with np.errstate(over="ignore"):
        mixed = keys + (at.astype(np.uint64) * np.uint64(8) + np.uint64(salt)) * _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
