"""The mark of a contract: what the desk holds it to be worth, and how good that value is. Vectorised, float64.

Never the last trade, never the natural price. A missing quote is data: the mark says so in its flag.
"""

from __future__ import annotations

import enum

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.int8]

#: A quote is wide above the largest of 3 ticks, this part of its middle, and this many times its usual width.
WIDE_FRACTION = 0.25
WIDE_TICKS = 3.0
WIDE_TIMES_MEDIAN = 2.0


class MarkFlag(enum.IntEnum):
    """How a mark came about."""

    GOOD = 0
    MODEL = 1
    STALE = 2
    NONE = 3


class Marks(msgspec.Struct, frozen=True, eq=False):
    """Marks per share and their flags, one row a contract; `last_good` is the last good mark and `marked_at` its epoch
    second (NaN where there never was one): a stale mark's age is now less that."""

    value: Floats
    flag: Flags
    marked_at: Floats
    last_good: Floats


def mark(
    bid: Floats, ask: Floats, fresh: NDArray[np.bool_], tick: Floats, median_width: Floats, model: Floats,
    previous: Marks | None, now: float,
) -> Marks:  # fmt: skip
    """Marks of contracts from their quotes; all arrays of one length, NaN for what is not there.

    A good mark is the middle of a two-sided, uncrossed, fresh quote no wider than the largest of 3 ticks, 25 % of the
    middle and twice `median_width`. Else `model` clamped to [bid, ask] (MODEL); else the last good mark (STALE).
    With an ask and no bid: min(ask / 2, model), MODEL. `previous` holds the marks of the same rows before; `now` is
    epoch seconds. Never the last trade, never the natural price.
    """
    with np.errstate(invalid="ignore"):
        two_sided = (bid > 0) & (ask > 0) & (bid <= ask) & fresh
        middle = 0.5 * (bid + ask)
        usual = np.where(np.isfinite(median_width), WIDE_TIMES_MEDIAN * median_width, 0.0)
        limit = np.maximum(np.maximum(WIDE_TICKS * tick, WIDE_FRACTION * middle), usual)
        good = two_sided & (ask - bid <= limit + 1e-9)
        no_bid = fresh & ~(bid > 0) & (ask > 0)
        # A crossed quote still says where the value lies: between its two sides.
        low, high = np.where(bid > 0, bid, 0.0), np.where(ask > 0, ask, np.inf)
        clamped = np.minimum(np.maximum(model, np.minimum(low, high)), np.maximum(low, high))
        modelled = ~good & ~no_bid & np.isfinite(model) & fresh
    value = np.where(good, middle, np.nan)
    flag = np.where(good, np.int8(MarkFlag.GOOD), np.int8(MarkFlag.NONE)).astype(np.int8)
    value = np.where(modelled, clamped, value)
    flag[modelled] = MarkFlag.MODEL
    value = np.where(no_bid, np.fmin(ask / 2, model), value)
    flag[no_bid] = MarkFlag.MODEL
    marked_at, last_good = np.where(good, now, np.nan), np.where(good, value, np.nan)
    if previous is not None:
        marked_at = np.where(good, now, previous.marked_at)
        last_good = np.where(good, value, previous.last_good)
        lost = ~np.isfinite(value) & np.isfinite(last_good)
        value = np.where(lost, last_good, value)
        flag[lost] = MarkFlag.STALE
    return Marks(value, flag, marked_at, last_good)
