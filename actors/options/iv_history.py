"""Where today's implied volatility stands in its own history: rank and percentile, one observation a session.

Histories exclude today. Never a number where there is none: no history is None, and is said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Literal

import msgspec

#: Sessions looked back upon, and how many of them must have an observation.
WINDOW, FEWEST = 252, 126
#: Rank and percentile that differ by more than this many points are shown as such: one spike rules the rank.
APART = 25.0

Source = Literal["own", "proxy", "none"]


class Standing(msgspec.Struct, frozen=True):
    """Rank and percentile, 0 to 100, both None without enough history or where it never moved. `samples` observations
    among the last 252 sessions; `lowest` and `highest` of them; `apart`: rank and percentile differ by over 25 points;
    `source`: whose history ('proxy': an index of other options, labelled); `reason` in words where there is none."""

    rank: float | None
    percentile: float | None
    samples: int
    lowest: float | None
    highest: float | None
    apart: bool
    source: Source
    reason: str = ""


def standing(today: float | None, history: Sequence[float | None], *, source: Source = "own") -> Standing:
    """Where `today` stands among `history`, an entry a session from the oldest on, None (or NaN) for one without a sane
    quote; only the last 252 entries count. Any unit, the same for all.

    Rank = 100 (today - lowest) / (highest - lowest), clamped to 0..100; percentile = share of sessions below today,
    ties half. None below 126 observations, where highest equals lowest, or without today. Raises nothing.
    """
    known = [value for value in history[-WINDOW:] if value is not None and isfinite(value)]
    count = len(known)
    if count < FEWEST:
        return Standing(None, None, count, None, None, False, source, f"no_iv_history: {count} of {FEWEST} sessions")
    lowest, highest = min(known), max(known)
    if today is None or not isfinite(today):
        return Standing(None, None, count, lowest, highest, False, source, "no volatility today")
    if highest == lowest:
        return Standing(None, None, count, lowest, highest, False, source, f"volatility never moved from {lowest:g}")
    rank = min(100.0, max(0.0, 100.0 * (today - lowest) / (highest - lowest)))
    below = sum(value < today for value in known) + 0.5 * sum(value == today for value in known)
    percentile = 100.0 * below / count
    return Standing(rank, percentile, count, lowest, highest, abs(rank - percentile) > APART, source)


def standing_of(
    today: float | None, own: Sequence[float | None], proxy_today: float | None, proxy: Sequence[float | None]
) -> Standing:
    """The standing by own observations once there are 126 of them, before that by a proxy's (an index such as VIX for
    SPY) compared with the proxy's own today: the two are never mixed. Sequences as in `standing`."""
    by_own = standing(today, own)
    if by_own.samples >= FEWEST:
        return by_own
    by_proxy = standing(proxy_today, proxy, source="proxy")
    if by_proxy.samples >= FEWEST:
        return by_proxy
    return msgspec.structs.replace(by_own, source="none")
