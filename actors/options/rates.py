"""What money costs: a history of a policy rate by date, and a discount curve by time. Rows come in as data; no files.

Rates are continuously compounded fractions a year and may be negative. Without rows money costs nothing, and parity
puts the error into the forward, where it cancels.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable
from math import isfinite

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from actors.options.pricing import Floats


class RateError(ValueError):
    """A row of rates, or a node of a curve, that cannot be read."""


class DiscountCurve(msgspec.Struct, frozen=True):
    """Zero rates at `times` (years, rising, above 0). Between nodes the logarithm of the discount factor is linear in
    time (constant forward rates); before the first and beyond the last the zero rate is flat. No nodes: rate 0."""

    times: tuple[float, ...] = ()
    rates: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.times) != len(self.rates):
            raise RateError(f"{len(self.times)} times and {len(self.rates)} rates must be as many")
        if not all(isfinite(value) for value in (*self.times, *self.rates)):
            raise RateError("a time or rate of the curve is not finite")
        if any(second <= first for first, second in zip((0.0, *self.times), self.times, strict=False)):
            raise RateError(f"times of a curve must rise from above 0, got {self.times}")

    def rate(self, time: ArrayLike) -> Floats:
        """Zero rates, continuously compounded, at `time` in years, of its shape."""
        at = np.asarray(time, dtype=np.float64)
        if not self.times:
            return np.zeros_like(at)
        nodes, rates = np.array(self.times), np.array(self.rates)
        inner = np.minimum(np.maximum(at, nodes[0]), nodes[-1])
        return np.interp(inner, nodes, nodes * rates) / inner

    def factor(self, time: ArrayLike) -> Floats:
        """The value now of a dollar after `time` years, of its shape; 1 at 0."""
        at = np.asarray(time, dtype=np.float64)
        return np.exp(-self.rate(at) * at)


NO_RATES = DiscountCurve()


def flat_curve(rate: float) -> DiscountCurve:
    """A curve of one continuously compounded rate. Raises RateError where it is not finite."""
    return DiscountCurve((1.0,), (rate,))


class RateHistory(msgspec.Struct, frozen=True):
    """A rate that holds from its date on until the next (a step function), as fractions a year by rising date."""

    dates: tuple[dt.date, ...] = ()
    rates: tuple[float, ...] = ()

    def on(self, day: dt.date) -> float:
        """The rate in force on a day: the last at or before it, the first before any; 0 without rows."""
        if not self.dates:
            return 0.0
        return self.rates[max(bisect_right(self.dates, day) - 1, 0)]

    def curve(self, day: dt.date) -> DiscountCurve:
        """The flat curve of the rate in force on a day, read as continuously compounded (as LEAN reads it)."""
        return flat_curve(self.on(day)) if self.dates else NO_RATES


def parse_rates(lines: Iterable[str]) -> RateHistory:
    """A history from the lines of LEAN's interest-rate.csv: a header, then date (ISO) and rate in percent.

    Empty lines and dates out of order are fine; a date twice takes the later line. Raises RateError naming the line.
    """
    found: dict[dt.date, float] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or (number == 1 and not text[0].isdigit()):
            continue
        date, _, rate = text.partition(",")
        try:
            day, percent = dt.date.fromisoformat(date.strip()), float(rate)
        except ValueError:
            raise RateError(f"line {number} is not a date and a rate in percent: {text!r}") from None
        if not isfinite(percent):
            raise RateError(f"line {number} has rate {rate.strip()}, which is not a number")
        found[day] = percent / 100.0
    days = tuple(sorted(found))
    return RateHistory(days, tuple(found[day] for day in days))
