"""Realised volatility from daily bars, and its forecast. float64 arrays by rising session; no calendar, no files.

Sources: D. Yang and Q. Zhang, Drift-independent volatility estimation, Journal of Business 73 (2000); L. Rogers and
S. Satchell, Annals of Applied Probability 1 (1991); F. Corsi, A simple approximate long-memory model of realized
volatility, Journal of Financial Econometrics 7 (2009).
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from actors.options.pricing import Floats

#: Sessions a year: what a session's variance is multiplied by.
SESSIONS = 252
#: Sessions of a week and of a month in the forecast's regression, and observations that it must have.
_WEEK, _MONTH, _FEWEST = 5, 22, 100


class BarsError(ValueError):
    """Bars that cannot be read: lengths that differ, prices at or below 0, or a close outside its high and low."""


class Bars(msgspec.Struct, frozen=True, eq=False):
    """Daily bars of one underlying, adjusted for splits and dividends, dollars per share, arrays of one length."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats

    def __post_init__(self) -> None:
        sizes = [np.shape(side) for side in (self.open, self.high, self.low, self.close)]
        if len(set(sizes)) != 1 or len(sizes[0]) != 1:
            raise BarsError(f"open, high, low, close must be arrays of one length, got {sizes}")
        every = np.stack((self.open, self.high, self.low, self.close))
        wrong = ~np.isfinite(every).all(axis=0) | ~(every > 0).all(axis=0)
        wrong |= (self.high < np.maximum(self.open, self.close)) | (self.low > np.minimum(self.open, self.close))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise BarsError(f"bar {row} is no bar: open, high, low, close {every[:, row].tolist()}")


def bars(opens: ArrayLike, highs: ArrayLike, lows: ArrayLike, closes: ArrayLike) -> Bars:
    """Bars from anything array-like, dollars per share. Raises BarsError."""
    return Bars(*(np.asarray(side, dtype=np.float64) for side in (opens, highs, lows, closes)))


def yang_zhang(days: Bars, *, sessions: int = SESSIONS) -> float | None:
    """Realised volatility a year of the bars after the first (whose close starts the first night), as a fraction.

    The variance of nights, plus k that of open to close, plus 1 - k Rogers and Satchell's; independent of drift and of
    jumps at the open. None with fewer than 3 bars.
    """
    n = days.close.size - 1
    if n < 2:
        return None
    night = np.log(days.open[1:] / days.close[:-1])
    day = np.log(days.close[1:] / days.open[1:])
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    inside = float(np.mean(_rogers_satchell(days)[1:]))
    variance = float(np.var(night, ddof=1)) + k * float(np.var(day, ddof=1)) + (1 - k) * inside
    return float(np.sqrt(sessions * variance))


def session_variance(days: Bars) -> Floats:
    """A variance for each bar after the first (one fewer than the bars): the night's square plus Rogers and Satchell's
    of the day. Per session, as a squared fraction."""
    night = np.log(days.open[1:] / days.close[:-1])
    return night * night + _rogers_satchell(days)[1:]


def _rogers_satchell(days: Bars) -> Floats:
    up, down = np.log(days.high / days.open), np.log(days.low / days.open)
    end = np.log(days.close / days.open)
    return np.maximum(up * (up - end) + down * (down - end), 0.0)


class Forecast(msgspec.Struct, frozen=True):
    """Volatility to be realised over the next `horizon` sessions, a fraction a year. `low` and `high`: the forecast
    over and under one residual standard deviation in variance; `samples` in the regression, `fit` its R squared."""

    volatility: float
    low: float
    high: float
    horizon: int
    samples: int
    fit: float


def har_forecast(variances: ArrayLike, horizon: int = 21, *, sessions: int = SESSIONS) -> Forecast | None:
    """Corsi's HAR: mean variance of the next `horizon` sessions on that of the last session, week and month.

    `variances` by rising session, per session (`session_variance`). Least squares; the forecast is kept between the
    smallest and largest mean that was seen (no negative variance). None with fewer than 100 usable sessions. Windows
    overlap, so that residuals are correlated and the band is a rough one. Raises ValueError for a horizon below 1, or
    variances that are negative or not finite.
    """
    values = np.asarray(variances, dtype=np.float64)
    if horizon < 1:
        raise ValueError(f"horizon {horizon} must be at least 1 session")
    if values.ndim != 1 or not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError("variances must be one row of finite numbers at or above 0")
    samples = values.size - _MONTH - horizon + 1
    if samples < _FEWEST:
        return None
    total = np.concatenate((np.zeros(1), np.cumsum(values)))

    def mean(window: int) -> Floats:
        """Mean of the last `window` sessions, from the first that has a month before it."""
        last = np.arange(_MONTH, values.size + 1)
        return np.asarray((total[last] - total[last - window]) / window, dtype=np.float64)

    features = np.stack((np.ones(values.size - _MONTH + 1), mean(1), mean(_WEEK), mean(_MONTH)), axis=-1)
    starts = np.arange(_MONTH, values.size - horizon + 1)
    target = np.asarray((total[starts + horizon] - total[starts]) / horizon, dtype=np.float64)
    known = features[: target.size]
    weights = np.linalg.lstsq(known, target, rcond=None)[0]
    residual = target - known @ weights
    spread = float(np.std(residual, ddof=4))
    centre = float(np.clip(features[-1] @ weights, target.min(), target.max()))
    low, high = max(centre - spread, 0.0), centre + spread
    whole = float(np.var(target))
    fit = 1.0 - float(np.var(residual)) / whole if whole > 0 else 1.0
    return Forecast(
        float(np.sqrt(sessions * centre)), float(np.sqrt(sessions * low)), float(np.sqrt(sessions * high)), horizon,
        samples, fit,
    )  # fmt: skip
