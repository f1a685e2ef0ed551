"""Attempts as a market of known truth would have answered them; chance comes from the generator passed in."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np

from actors.options.fills.evidence import Attempt, Exposure
from actors.options.fills.model import Conditions, FillTruth, log_hazard, probability

_SESSION = 390.0


def simulate(
    truth: FillTruth, generator: np.random.Generator, at: dt.datetime, *, seconds: float = 60.0, step: float = 5.0,
    wander: float = 0.15, cancelled: float = 0.3,
) -> Attempt:  # fmt: skip
    """One attempt that ends before `at` + `seconds`, looked at each `step` seconds, its order left alone.

    Conditions are drawn wide: aggressiveness even in [0, 1], spreads of 1 to 40 ticks and a tenth to three times the
    displayed size (even in logs), any minute of a session of 390; the combo's value wanders by `wander` half spreads a
    root second, and its quotes with it. With chance `cancelled` it is cancelled at an even moment before `seconds`.
    """
    aggressive = float(generator.uniform(0, 1))
    spread = math.exp(generator.uniform(0, math.log(40)))
    size = math.exp(generator.uniform(math.log(0.1), math.log(3)))
    minute = float(generator.uniform(0, _SESSION))
    cut = float(generator.uniform(0, seconds)) if generator.uniform() < cancelled else seconds
    exposures: list[Exposure] = []
    passed = moved = 0.0
    while passed < cut - 1e-9:
        took = min(step, cut - passed)
        now = minute + passed / 60
        place = min(1.0, aggressive + moved / 2)
        conditions = Conditions(place, spread, size, now, max(0.0, _SESSION - now), moved)
        filled = bool(generator.uniform() < probability(log_hazard(truth, conditions), took))
        exposures.append(Exposure(conditions, took, filled))
        passed += took
        if filled:
            break
        moved = min(3.0, max(-3.0, moved + float(generator.normal(0, wander * math.sqrt(took)))))
    return Attempt(at + dt.timedelta(seconds=passed), tuple(exposures))
