"""How prices move: one path a seed, session after session, the same whatever is looked at or for how long.

Minutes are drawn for every session since the beginning, seconds inside them only for sessions that are played.
"""

from __future__ import annotations

import datetime as dt
import hashlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridge.paper.synthetic.instruments import INDEX, INSTRUMENTS, SESSIONS, dividend_on

Floats = NDArray[np.float64]

#: The first session of the path, and the first that may be played: strikes listed then look back on closes.
BEGINNING = dt.date(2023, 1, 3)
FIRST_DATE = dt.date(2024, 1, 2)

_YEAR = 252.0
#: The market's volatility a year in quiet times, and how its logarithm comes home, wanders, and answers to returns.
_QUIET, _HOME, _WANDER, _ANSWER = 0.125, 3.5, 0.9, 4.0
#: Part of a day's variance that happens overnight, and jumps of the whole market a year.
_OVERNIGHT, _MARKET_JUMPS = 0.22, 7.0
#: How strongly prices are drawn back to where they began, a year.
_PULL = 0.8
#: Minutes in which stress after a jump halves.
_STRESS_HALVES = 25.0
SECONDS = 60


class Session(msgspec.Struct, frozen=True, eq=False):
    """One session: log prices by minute from the open's print on (index 0), by instrument; log of the volatility
    factor and stress by minute. `deviations` are the standard deviations of each minute's return."""

    date: dt.date
    logs: Floats
    volatility: Floats
    stress: Floats
    deviations: Floats

    @property
    def minutes(self) -> int:
        """How many minutes the session has."""
        return self.logs.shape[1] - 1

    def closes(self) -> Floats:
        """Closing prices by instrument."""
        return np.exp(self.logs[:, -1])


class Path:
    """The market's path of one seed, made session by session and kept as far as it was asked for."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._date = SESSIONS.previous(BEGINNING)
        self._logs = np.log(np.array([each.start for each in INSTRUMENTS]))
        self._home = self._logs.copy()
        self._factor = 0.0
        self._sessions: dict[dt.date, Session] = {}
        self._closes: dict[dt.date, Floats] = {self._date: np.exp(self._logs)}

    def session(self, date: dt.date) -> Session:
        """The session of a date. Raises ValueError before the path's beginning or on a day without one."""
        if date < BEGINNING or not SESSIONS.is_session(date):
            raise ValueError(f"the synthetic market has no session on {date}; its first is {BEGINNING}")
        while self._date < date:
            self._advance()
        found = self._sessions.get(date)
        if found is None:
            # It was let go: only what is played backwards needs it, so all of it is made again.
            again = Path(self.seed)
            return again.session(date)
        return found

    def close(self, date: dt.date) -> Floats:
        """Closing prices by instrument of a session."""
        if date not in self._closes:
            self.session(date)
        return self._closes[date]

    def range(self, number: int, first: dt.date, last: dt.date) -> tuple[float, float]:
        """Lowest and highest close of an instrument over the sessions between two dates, the last included."""
        if self._date < last:
            self.session(last)
        closes = [float(close[number]) for date, close in self._closes.items() if first <= date <= last]
        return min(closes), max(closes)

    def seconds(self, session: Session) -> Floats:
        """Log prices by instrument at every second after the open's print: bridges between the minutes."""
        rng = generator(self.seed, "seconds", session.date.isoformat())
        draws = rng.standard_normal((len(INSTRUMENTS), session.minutes, SECONDS))
        walk = np.cumsum(draws, axis=2) / np.sqrt(SECONDS)
        part = np.arange(1, SECONDS + 1) / SECONDS
        bridge = (walk - walk[:, :, -1:] * part) * session.deviations[:, :, np.newaxis]
        base = session.logs[:, :-1, np.newaxis]
        line = base + (session.logs[:, 1:, np.newaxis] - base) * part
        return (line + bridge).reshape(len(INSTRUMENTS), -1)

    def _advance(self) -> None:
        date = SESSIONS.next(self._date)
        minutes = int((SESSIONS.close(date) - SESSIONS.open(date)).total_seconds() // 60)
        rng = generator(self.seed, "path", date.isoformat())
        count = len(INSTRUMENTS)
        overnight = rng.standard_normal(count + 1)
        draws = rng.standard_normal((count + 2, minutes))
        market_jumps = _jumps(rng, minutes, _MARKET_JUMPS, -0.006, 0.009)
        own_jumps = np.array([_jumps(rng, minutes, each.jumps, 0.0, each.jump) for each in INSTRUMENTS])

        level = _QUIET * np.exp(self._factor)
        shape = _shape(minutes)
        day = 1.0 / _YEAR
        step = np.sqrt((1.0 - _OVERNIGHT) * day * shape)
        nights = min((date - self._date).days, 3)
        gap = level * np.sqrt(_OVERNIGHT * day * (0.75 + 0.25 * nights))
        market = level * step * draws[0] + market_jumps
        gaps = np.empty(count)
        returns = np.empty((count, minutes))
        deviations = np.empty((count, minutes))
        for number, each in enumerate(INSTRUMENTS):
            own = each.own * np.exp(0.5 * self._factor)
            gaps[number] = each.beta * gap * overnight[0] + own * np.sqrt(_OVERNIGHT * day) * overnight[number + 1]
            returns[number] = each.beta * market + own * step * draws[number + 1] + own_jumps[number]
            deviations[number] = step * np.hypot(each.beta * level, own)
        pull = _PULL * (self._home - self._logs) * day
        first = self._logs + gaps + pull
        for number, each in enumerate(INSTRUMENTS):
            paid = float(dividend_on(each.ticker, date))
            if paid:
                first[number] = np.log(np.exp(first[number]) - paid)
        logs = np.empty((count, minutes + 1))
        logs[:, 0] = first
        logs[:, 1:] = first[:, np.newaxis] + np.cumsum(returns, axis=1)

        moved = np.concatenate(([gap * overnight[0]], market))
        shock = _WANDER * np.sqrt(day) * np.concatenate(([0.0], draws[-1] / np.sqrt(minutes)))
        factor = self._factor * (1.0 - _HOME * day) + np.cumsum(shock - _ANSWER * moved)
        hit = np.abs(market_jumps) + np.abs(own_jumps).max(axis=0) * 0.5
        stress = _decaying(np.concatenate(([0.0], 100.0 * hit)), _STRESS_HALVES)
        session = Session(date, logs, np.clip(factor, -0.75, 1.6), stress, deviations)
        self._factor = float(session.volatility[-1])
        self._logs = logs[:, -1].copy()
        self._date = date
        self._closes[date] = session.closes()
        self._sessions[date] = session
        if len(self._sessions) > 5:
            del self._sessions[next(iter(self._sessions))]


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for each purpose: what one draws never shifts another's."""
    return np.random.Generator(np.random.PCG64(number(seed, *names)))


def number(seed: int, *names: str) -> int:
    """64 bits that belong to a seed and these names."""
    text = "|".join((str(seed), *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _jumps(rng: np.random.Generator, minutes: int, a_year: float, mean: float, deviation: float) -> Floats:
    """Jumps of a session by minute: at most one a minute."""
    chance = rng.random(minutes)
    sizes = mean + deviation * rng.standard_normal(minutes)
    return np.where(chance < a_year / _YEAR / 390.0, sizes, 0.0)


def _shape(minutes: int) -> Floats:
    """Parts of the session's variance by minute: a U, high after the open and before the close; its mean is 1."""
    at = (np.arange(minutes) + 0.5) / minutes
    shape = 0.65 + 1.9 * np.exp(-at * 14.0) + 0.75 * np.exp(-(1.0 - at) * 9.0)
    return shape / shape.sum()


def _decaying(hits: Floats, halves: float) -> Floats:
    """Sum of hits that each halve in so many minutes."""
    decay = 0.5 ** (np.arange(len(hits)) / halves)
    return np.cumsum(hits / decay) * decay


def index_number(ticker: str) -> int:
    """The place of an instrument in every array by instrument."""
    return next(place for place, each in enumerate(INSTRUMENTS) if each.ticker == ticker)


assert index_number(INDEX.ticker) == 0
