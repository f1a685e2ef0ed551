"""Chances of a fill from a belief over some time, while the market stands still or wanders. Arrays; no prices here.

A forward recursion: the value wanders over a grid, step by step, and at each step a share of what has not filled yet
fills. The belief's uncertainty is that of the log hazard in the conditions at the start.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri  # pyright: ignore[reportUnknownVariableType, reportMissingTypeStubs]

from actors.options.fills.evidence import Belief, covariance
from actors.options.fills.model import FARTHEST_PLACE, PARAMETERS

Array = NDArray[np.float64]

_AGGRESSIVENESS, _MOVE = PARAMETERS.index("aggressiveness"), PARAMETERS.index("move")
_RULE = np.polynomial.hermite_e.hermegauss(9)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_NODES: Array = np.asarray(_RULE[0], dtype=np.float64)  # pyright: ignore[reportUnknownArgumentType]
_SHARES: Array = np.asarray(_RULE[1], dtype=np.float64) / math.sqrt(2 * math.pi)  # pyright: ignore[reportUnknownArgumentType]
_BOUND = 30.0
_FARTHEST_MOVE = 3.0
#: Steps of time, and places of the value: four deviations of its end either way.
_STEPS, _PLACES, _REACH = 12, 33, 4.0


def chances(belief: Belief, rows: Array, seconds: float, wander: float, level: float) -> tuple[Array, Array, Array]:
    """Mean, low and high chance in [0, 1] of each row of features (n, 7) within `seconds`.

    `wander` is the deviation of the unit's value in half spreads a root second; quotes move with it. Low and high are
    the bounds of the belief's interval at `level`.
    """
    rows = np.asarray(rows, dtype=np.float64)
    mean = np.array(belief.mean)
    width = np.sqrt(np.maximum(0.0, np.einsum("ij,jk,ik->i", rows, covariance(belief), rows)))
    reach = float(ndtri((1 + level) / 2))
    shifts = np.array([*_NODES, -reach, reach])
    end = wander * math.sqrt(max(0.0, seconds))
    places = np.linspace(-_REACH * end, _REACH * end, _PLACES) if end > 0 else np.zeros(1)
    moved = rows[:, None, :] + 0.0 * places[None, :, None]
    # Half a spread of value is half of the way from far to natural.
    moved[:, :, _AGGRESSIVENESS] = np.clip(
        rows[:, None, _AGGRESSIVENESS] + places[None, :] / 2, FARTHEST_PLACE - 0.5, 0.5
    )
    moved[:, :, _MOVE] = np.clip(rows[:, None, _MOVE] + places[None, :], -_FARTHEST_MOVE, _FARTHEST_MOVE)
    hazard = (moved @ mean)[:, None, :] + (width[:, None] * shifts[None, :])[:, :, None]
    filled = _filled(hazard.reshape(-1, len(places)), places, end, max(0.0, seconds)).reshape(len(rows), len(shifts))
    return np.clip(filled[:, :-2] @ _SHARES, 0.0, 1.0), filled[:, -2], filled[:, -1]


def _filled(log_hazard: Array, places: Array, end: float, seconds: float) -> Array:
    """Share filled within `seconds` from the middle place, a row of log hazards by place."""
    steps = _STEPS if len(places) > 1 else 1
    stay = np.exp(-seconds / steps * np.exp(np.clip(log_hazard, -_BOUND, _BOUND)))
    left = np.zeros_like(log_hazard)
    left[:, len(places) // 2] = 1.0
    if steps == 1:
        return 1 - (left * stay).sum(axis=1)
    # Hazards are taken in the middle of each step: half a step of wandering first.
    left = left @ _wander(places, end * math.sqrt(0.5 / steps)) * stay
    whole = _wander(places, end * math.sqrt(1 / steps))
    for _ in range(steps - 1):
        left = left @ whole * stay
    return 1 - left.sum(axis=1)


def _wander(places: Array, deviation: float) -> Array:
    """Chances of going from place to place (rows sum to 1): a normal step, cut into the places' cells. A cell's own
    width is part of the step's variance."""
    cell = float(places[1] - places[0])
    narrow = math.sqrt(max(deviation**2 - cell**2 / 12, 0.01 * cell**2))
    edges = np.concatenate(([-np.inf], (places[1:] + places[:-1]) / 2, [np.inf]))
    below = np.asarray(ndtr((edges[None, :] - places[:, None]) / narrow), dtype=np.float64)
    return np.diff(below, axis=1)
