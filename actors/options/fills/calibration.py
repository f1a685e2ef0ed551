"""How well chances came true: Brier score against the base rate, reliability curve. Pure counting, no belief here.

Attempts that ended unfilled before the horizon tell nothing of the rest of it. They are not counted as misses: those
whose fate is known stand in for them, weighted by one over the share not yet cancelled (Graf et al. 1999).
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import msgspec

from actors.options.fills.evidence import Attempt


class Forecast(msgspec.Struct, frozen=True):
    """A chance in [0, 1] given beforehand, what came of it, and how many attempts it stands for."""

    chance: float
    filled: bool
    weight: float = 1.0


class Bin(msgspec.Struct, frozen=True):
    """One point of the reliability curve: mean chance given, share filled, weight."""

    chance: float
    filled: float
    weight: float


class Calibration(msgspec.Struct, frozen=True):
    """`brier`: weighted mean of (chance - outcome) squared, 0 is perfect. `base`: the same for whoever always says the
    base rate. `skill`: 1 - brier / base, 0 where all or none filled. `count`: forecasts whose fate is known."""

    brier: float
    base: float
    skill: float
    base_rate: float
    count: int
    curve: tuple[Bin, ...]


def forecasts(chances: Sequence[float], attempts: Sequence[Attempt], horizon: float) -> tuple[Forecast, ...]:
    """Chances of filling within `horizon` seconds beside what came of them; attempts cancelled before it carry no
    weight and are left out. Raises ValueError where the two differ in length."""
    if len(chances) != len(attempts):
        raise ValueError(f"{len(chances)} chances for {len(attempts)} attempts")
    remaining = _Remaining(attempts)
    result: list[Forecast] = []
    for chance, attempt in zip(chances, attempts, strict=True):
        if attempt.filled and attempt.seconds <= horizon:
            result.append(Forecast(chance, True, 1 / remaining.at(attempt.seconds)))
        elif attempt.seconds >= horizon - 1e-9:
            result.append(Forecast(chance, False, 1 / remaining.at(horizon)))
    return tuple(result)


def calibrate(made: Sequence[Forecast], bins: int = 10) -> Calibration:
    """Scores and the reliability curve over `bins` even bins of chance; empty bins are left out. Raises ValueError
    without a forecast."""
    weight = sum(each.weight for each in made)
    if not weight > 0:
        raise ValueError("no forecast whose fate is known")
    rate = sum(each.weight * each.filled for each in made) / weight
    brier = sum(each.weight * (each.chance - each.filled) ** 2 for each in made) / weight
    base = rate * (1 - rate)
    curve: list[Bin] = []
    for number in range(bins):
        inside = [each for each in made if min(bins - 1, int(each.chance * bins)) == number]
        total = sum(each.weight for each in inside)
        if inside:
            chance = sum(each.weight * each.chance for each in inside) / total
            curve.append(Bin(chance, sum(each.weight * each.filled for each in inside) / total, total))
    return Calibration(brier, base, 1 - brier / base if base else 0.0, rate, len(made), tuple(curve))


class _Remaining:
    """Share of attempts not cancelled before a time (Kaplan and Meier, with cancels as the events)."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self._times: list[float] = []
        self._shares: list[float] = [1.0]
        left = len(attempts)
        # Who fills at the very moment of another's cancel was not cancelled then.
        for attempt in sorted(attempts, key=lambda each: (each.seconds, not each.filled)):
            if not attempt.filled:
                self._times.append(attempt.seconds)
                self._shares.append(self._shares[-1] * (1 - 1 / left))
            left -= 1

    def at(self, seconds: float) -> float:
        return self._shares[bisect.bisect_left(self._times, seconds - 1e-9)]
