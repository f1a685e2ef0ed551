"""Volatility: prices each chain on a view (forward, implied volatility, greeks, marks), and one observation a session.

The derivation is a pure function of quotes and its own last result; the actor only records observations.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.messages.market import MarketQuotes, SecuritySeen
from actors.messages.positions import VolatilityObserved
from actors.options.marks import Marks, mark
from actors.options.measures import DAYS
from actors.options.pricing import (
    Floats,
    Greeks,
    black76,
    black76_greeks,
    discount,
    forward_from_parity,
    implied_volatility,
    years,
)
from actors.options.term import constant_maturity
from actors.runtime import CoreActor, Decision, Derive, Recorded, ViewChanged, Write
from config.calendar import NEW_YORK, Sessions

Rows = NDArray[np.intp]
#: Minutes of quote widths that the usual width is the median of.
_WIDTHS = 20
_SAMPLE_BEFORE_CLOSE = dt.timedelta(minutes=15)
#: Without a rate curve money is taken to cost nothing; parity puts the error into the forward, where it cancels.
_RATE = 0.0


class Expiry(msgspec.Struct, frozen=True, eq=False):
    """Contracts of one underlying and fixing: their positions in the chain, and pairs of call and put of one strike."""

    underlying: str
    settles_at: dt.datetime
    members: Rows
    calls: Rows
    puts: Rows
    strikes: Floats


class Index(msgspec.Struct, frozen=True, eq=False):
    """What of a listing never changes: the option rows of the view, strikes, sides, ticks, and the expiries."""

    listing: int
    rows: Rows
    strikes: Floats
    is_call: NDArray[np.bool_]
    ticks: Floats
    underlyings: tuple[str, ...]
    expiries: tuple[Expiry, ...]
    symbols: tuple[str, ...]


class Chain(msgspec.Struct, frozen=True, eq=False):
    """All options of a view, priced: arrays in `index` order, per share. `value` and `flag` are marks by row of
    the view, stocks and indexes included. `forwards` and `volatilities` (at the money) are by expiry of the index."""

    index: Index
    forward: Floats
    time: Floats
    volatility: Floats
    greeks: Greeks
    marks: Marks
    widths: NDArray[np.float64]
    last_volatility: Floats
    forwards: tuple[float, ...]
    volatilities: tuple[float, ...]
    value: Floats
    flag: NDArray[np.int8]


def price_chain(previous: Chain | None, quotes: MarketQuotes, now: dt.datetime) -> Chain:
    """Price every option of a view. NaN wherever a quote, a forward or an implied volatility is missing."""
    index = previous.index if previous is not None and previous.index.listing == quotes.listing else _index(quotes)
    before = None if previous is None else _carry(previous, index)
    bid, ask = quotes.bid[index.rows], quotes.ask[index.rows]
    middle = 0.5 * (bid + ask)
    forward, time = np.full(middle.shape, np.nan), np.zeros(middle.shape)
    forwards: list[float] = []
    factor = np.ones(middle.shape)
    for expiry in index.expiries:
        left = years(now, expiry.settles_at)
        worth = float(discount(_RATE, left))
        implied = forward_from_parity(expiry.strikes, middle[expiry.calls], middle[expiry.puts], worth)
        if implied != implied:
            spot = quotes.price(expiry.underlying)
            implied = float("nan") if spot is None else spot / worth
        forwards.append(implied)
        forward[expiry.members], time[expiry.members], factor[expiry.members] = implied, left, worth
    volatility = implied_volatility(middle, forward, index.strikes, time, factor, index.is_call, tick=index.ticks)
    last = volatility if before is None else np.where(np.isfinite(volatility), volatility, before.last_volatility)
    spots = np.array([_spot(quotes, underlying) for underlying in index.underlyings])
    known = np.where(np.isfinite(forward) & np.isfinite(spots), forward, 1.0)
    greeks = black76_greeks(
        known, index.strikes, time, np.where(np.isfinite(volatility), volatility, 0.0), factor, index.is_call,
        spot=np.where(np.isfinite(spots), spots, 1.0),
    )  # fmt: skip
    blank = np.where(np.isfinite(volatility) & np.isfinite(forward), 0.0, np.nan)
    greeks = Greeks(*(getattr(greeks, field) + blank for field in Greeks.__struct_fields__))
    model = np.where(
        np.isfinite(last) & np.isfinite(forward),
        black76(known, index.strikes, time, np.where(np.isfinite(last), last, 0.0), factor, index.is_call),
        np.nan,
    )
    widths = _widths(before, ask - bid)
    fresh = np.array([_alive(quotes, underlying, now) for underlying in index.underlyings], dtype=np.bool_)
    median = _median(widths)
    marks = mark(bid, ask, fresh, index.ticks, median, model, None if before is None else before.marks, now.timestamp())
    value, flag = _by_row(quotes, index, marks)
    at_money = tuple(
        _at_the_money(volatility, index, expiry, level) for expiry, level in zip(index.expiries, forwards, strict=True)
    )
    return Chain(index, forward, time, volatility, greeks, marks, widths, last, tuple(forwards), at_money, value, flag)


DERIVATIONS = (Derive("chain", price_chain, eager=True),)


def _index(quotes: MarketQuotes) -> Index:
    options = [
        (row, security)
        for row, security in enumerate(quotes.securities)
        if security.kind in ("option", "index_option") and security.settles_at is not None
    ]
    strikes = np.array([float(_strike(security)) for _, security in options])
    is_call = np.array([security.symbol[12] == "C" for _, security in options], dtype=np.bool_)
    groups: dict[tuple[str, dt.datetime], list[int]] = {}
    for position, (_, security) in enumerate(options):
        assert security.settles_at is not None
        groups.setdefault((security.underlying, security.settles_at), []).append(position)
    expiries = tuple(
        _expiry(underlying, settles_at, members, strikes, is_call)
        for (underlying, settles_at), members in sorted(groups.items())
    )
    return Index(
        quotes.listing,
        np.array([row for row, _ in options], dtype=np.intp),
        strikes,
        is_call,
        np.array([float(security.tick) for _, security in options]),
        tuple(security.underlying for _, security in options),
        expiries,
        tuple(security.symbol for _, security in options),
    )


def _expiry(
    underlying: str, settles_at: dt.datetime, members: list[int], strikes: Floats, is_call: NDArray[np.bool_]
) -> Expiry:
    calls = {strikes[position]: position for position in members if is_call[position]}
    puts = {strikes[position]: position for position in members if not is_call[position]}
    both = sorted(strike for strike in calls if strike in puts)
    return Expiry(
        underlying, settles_at, np.array(members, dtype=np.intp),
        np.array([calls[strike] for strike in both], dtype=np.intp),
        np.array([puts[strike] for strike in both], dtype=np.intp),
        np.array(both, dtype=np.float64),
    )  # fmt: skip


def _strike(security: SecuritySeen) -> float:
    return int(security.symbol[13:]) / 1000


def _carry(previous: Chain, index: Index) -> Chain:
    """The last result in the order of a new listing: contracts that stayed keep their memory."""
    if previous.index is index:
        return previous
    places = {symbol: position for position, symbol in enumerate(previous.index.symbols)}
    source = np.array([places.get(symbol, -1) for symbol in index.symbols], dtype=np.intp)
    gone = source < 0

    def moved(values: Floats) -> Floats:
        if not values.size:
            return np.full(source.shape, np.nan)
        return np.where(gone, np.nan, values[source])

    flags = previous.marks.flag[source] if previous.marks.flag.size else np.zeros(source.shape, dtype=np.int8)
    before = previous.marks
    marks = Marks(moved(before.value), flags, moved(before.marked_at), moved(before.last_good))
    widths = np.array([moved(row) for row in previous.widths]).reshape(len(previous.widths), len(source))
    return msgspec.structs.replace(
        previous, index=index, marks=marks, widths=widths, last_volatility=moved(previous.last_volatility)
    )


def _widths(before: Chain | None, width: Floats) -> NDArray[np.float64]:
    fresh = width[np.newaxis, :]
    return fresh if before is None else np.concatenate((before.widths[-(_WIDTHS - 1) :], fresh))


def _median(widths: NDArray[np.float64]) -> Floats:
    """Median of each column, NaN entries sorted last and left out; NaN where a column has none."""
    ordered = np.sort(widths, axis=0)
    count = np.isfinite(widths).sum(axis=0)
    middle = np.maximum(count - 1, 0) // 2
    found = np.take_along_axis(ordered, middle[np.newaxis, :], axis=0)[0] if widths.size else np.empty(0)
    return np.where(count > 0, found, np.nan)


def _spot(quotes: MarketQuotes, underlying: str) -> float:
    price = quotes.price(underlying)
    return float("nan") if price is None else price


def _alive(quotes: MarketQuotes, underlying: str, now: dt.datetime) -> bool:
    alive = quotes.alive.get(underlying)
    return alive is not None and (now - alive).total_seconds() <= 60.0


def _by_row(quotes: MarketQuotes, index: Index, marks: Marks) -> tuple[Floats, NDArray[np.int8]]:
    """Marks by row of the view: options as marked, all others by their middle, else their last level."""
    with np.errstate(invalid="ignore"):
        middle = 0.5 * (quotes.bid + quotes.ask)
    value = np.where(np.isfinite(middle), middle, quotes.last)
    flag = np.where(np.isfinite(value), 0, 3).astype(np.int8)
    value[index.rows], flag[index.rows] = marks.value, marks.flag
    return value, flag


def _at_the_money(volatility: Floats, index: Index, expiry: Expiry, forward: float) -> float:
    """Volatility at the forward: between the two strikes around it, calls and puts averaged where both are known."""
    if forward != forward or expiry.strikes.size < 2:
        return float("nan")
    calls, puts = volatility[expiry.calls], volatility[expiry.puts]
    both = np.where(
        np.isfinite(calls) & np.isfinite(puts),
        0.5 * (calls + puts),
        np.where(np.isfinite(calls), calls, puts),
    )
    known = np.isfinite(both)
    if known.sum() < 2 or not expiry.strikes[known][0] <= forward <= expiry.strikes[known][-1]:
        return float("nan")
    return float(np.interp(forward, expiry.strikes[known], both[known]))


def thirty_day(chain: Chain, underlying: str) -> float | None:
    """Constant-maturity 30-day at-the-money volatility, total variance linear in time between the expiries around 30
    days; None where they do not enclose it."""
    return constant_maturity(
        [
            (float(chain.time[expiry.members[0]]) * DAYS, level)
            for expiry, level in zip(chain.index.expiries, chain.volatilities, strict=True)
            if expiry.underlying == underlying
        ]
    )


class VolatilityState(msgspec.Struct):
    """Observations by underlying and session."""

    observed: dict[str, dict[dt.date, float]] = msgspec.field(default_factory=dict)


class Volatility(CoreActor[VolatilityState]):
    """One observation a session and underlying, 15 minutes before the close, where the quotes allow it."""

    name = "volatility"
    group = "book"
    folds = (VolatilityObserved,)
    views = True

    def __init__(self, sessions: Sessions | None = None) -> None:
        self._sessions = sessions

    def initial(self) -> VolatilityState:
        return VolatilityState()

    def evolve(self, state: VolatilityState, recorded: Recorded) -> VolatilityState:
        fact = recorded.fact
        assert isinstance(fact, VolatilityObserved)
        state.observed.setdefault(fact.underlying, {})[fact.session] = fact.volatility
        return state

    def decide(self, state: VolatilityState, message: Any, now: dt.datetime, market: Any) -> Decision:
        if not isinstance(message, ViewChanged) or self._sessions is None:
            return Decision()
        session = now.astimezone(NEW_YORK).date()
        if not self._sessions.is_session(session):
            return Decision()
        close = self._sessions.close(session)
        if not close - _SAMPLE_BEFORE_CLOSE <= now < close:
            return Decision()
        return Decision(tuple(self._observe(state, market, session)))

    def _observe(self, state: VolatilityState, market: Any, session: dt.date) -> Iterable[Write]:
        chain: Chain = market.derived("chain")
        for underlying in dict.fromkeys(expiry.underlying for expiry in chain.index.expiries):
            if underlying not in market.base.open or session in state.observed.get(underlying, {}):
                continue
            level = thirty_day(chain, underlying)
            if level is not None:
                fact = VolatilityObserved(underlying, session, round(level, 6), "own quotes")
                yield Write(f"volatility/{underlying}", fact)
