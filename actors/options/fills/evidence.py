"""What attempts teach about the hazard: a Gaussian belief, folded attempt by attempt. No prices, no advice.

Each attempt multiplies the belief by its likelihood; the product is replaced by the Gaussian at its mode with its
curvature (Laplace). Time without a fill is evidence only of that much time: an attempt that was cancelled, replaced or
lost sight of is censored at its end, never counted as one that would not have filled.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri  # pyright: ignore[reportUnknownVariableType, reportMissingTypeStubs]

from actors.options.fills.model import PARAMETERS, Conditions, features

_Array = NDArray[np.float64]
_COUNT = len(PARAMETERS)
_BOUND = 30.0
_STEPS = 50


class Exposure(msgspec.Struct, frozen=True):
    """Some seconds (above 0) in which an order could have filled under nearly constant conditions, and whether some of
    it did. A fill ends its exposure; what is left of the order goes on in the next one, with its smaller size."""

    conditions: Conditions
    seconds: float
    filled: bool


class Attempt(msgspec.Struct, frozen=True):
    """One working order from acceptance to its end, at `at` (aware; its end). Not filled at its end: censored there.

    A late fill, after a cancel was asked, is a fill of the exposure in which it happened. A refused order is no
    attempt.
    """

    at: dt.datetime
    exposures: tuple[Exposure, ...]

    @property
    def filled(self) -> bool:
        """Whether any of it filled."""
        return any(each.filled for each in self.exposures)

    @property
    def seconds(self) -> float:
        """Seconds to the first fill, or to the end where there was none."""
        total = 0.0
        for each in self.exposures:
            total += each.seconds
            if each.filled:
                break
        return total


class Prior(msgspec.Struct, frozen=True):
    """What is believed before any evidence, in the order of PARAMETERS, and how evidence ages.

    Evidence weighs half after `half_life_days` (above 0): the belief drifts back to the prior where nothing new comes.
    The defaults are a desk's judgement, wide enough to be overruled by some dozen attempts: at the middle of a market
    5 ticks wide about one in three combos fills within a minute, nearly all fill within seconds at natural.
    """

    mean: tuple[float, ...] = (-5.0, 10.0, -0.4, -0.5, 0.0, 0.0, 0.5)
    deviation: tuple[float, ...] = (1.5, 4.0, 0.5, 0.5, 0.7, 0.7, 0.7)
    half_life_days: float = 60.0


class Belief(msgspec.Struct, frozen=True):
    """A Gaussian over the parameters: mean, and precision (inverse covariance) row by row. `at` is the last evidence's
    time, None without any; `attempts` and `fills` count what was folded, faded or not."""

    prior: Prior
    mean: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    at: dt.datetime | None = None
    attempts: int = 0
    fills: int = 0


class Interval(msgspec.Struct, frozen=True):
    """A parameter's mean and the bounds within which it lies with the wanted probability."""

    name: str
    mean: float
    low: float
    high: float


def believe(prior: Prior | None = None) -> Belief:
    """The belief before any attempt. Raises ValueError for a prior of the wrong length or without a width."""
    prior = Prior() if prior is None else prior
    if len(prior.mean) != _COUNT or len(prior.deviation) != _COUNT:
        raise ValueError(f"a prior has {_COUNT} means and deviations, not {len(prior.mean)}, {len(prior.deviation)}")
    if min(prior.deviation) <= 0 or prior.half_life_days <= 0:
        raise ValueError("deviations and half life of a prior must be above 0")
    return Belief(prior, prior.mean, _rows(_prior_precision(prior)))


def learn(belief: Belief, attempt: Attempt) -> Belief:
    """The belief after one more attempt: old evidence faded to the attempt's time, then its likelihood taken in.

    An attempt older than the last one fades nothing. Raises ValueError for a condition that is nan or seconds not
    above 0.
    """
    mean, precision = _faded(belief, attempt.at)
    x, seconds, filled = _columns((attempt,))
    if len(x):
        mean, precision = _laplace(mean, precision, x, seconds, filled, np.ones(len(x)))
    at = attempt.at if belief.at is None else max(belief.at, attempt.at)
    return Belief(
        belief.prior, tuple(map(float, mean)), _rows(precision), at, belief.attempts + 1, belief.fills + attempt.filled
    )  # fmt: skip


def fit(prior: Prior, attempts: Sequence[Attempt]) -> Belief:
    """The same evidence at once, faded to the newest attempt: the mode of the whole posterior, which folding
    approximates. For a history, and to check the fold."""
    belief = believe(prior)
    if not attempts:
        return belief
    at = max(each.at for each in attempts)
    x, seconds, filled = _columns(attempts)
    weights = np.repeat(
        [_fading(prior, at - each.at) for each in attempts], [len(each.exposures) for each in attempts]
    )  # fmt: skip
    mean, precision = _laplace(np.array(prior.mean), _prior_precision(prior), x, seconds, filled, weights)
    fills = sum(each.filled for each in attempts)
    return Belief(prior, tuple(map(float, mean)), _rows(precision), at, len(attempts), fills)


def _faded(belief: Belief, at: dt.datetime) -> tuple[_Array, _Array]:
    """Mean (7,) and precision (7, 7) as they are at `at`: evidence beyond the prior has faded by its age."""
    mean, precision = np.array(belief.mean), np.array(belief.precision)
    if belief.at is None or at <= belief.at:
        return mean, precision
    keep, prior = _fading(belief.prior, at - belief.at), _prior_precision(belief.prior)
    start = prior @ np.array(belief.prior.mean)
    aged = prior + keep * (precision - prior)
    return np.asarray(np.linalg.solve(aged, start + keep * (precision @ mean - start)), dtype=np.float64), aged


def covariance(belief: Belief) -> _Array:
    """Covariance (7, 7) of the parameters."""
    return np.linalg.inv(np.array(belief.precision))


def intervals(belief: Belief, level: float = 0.95) -> tuple[Interval, ...]:
    """Each parameter's credible interval at `level` in (0, 1)."""
    width = float(ndtri((1 + level) / 2)) * np.sqrt(np.diag(covariance(belief)))
    return tuple(
        Interval(name, mean, mean - float(half), mean + float(half))
        for name, mean, half in zip(PARAMETERS, belief.mean, width, strict=True)
    )


# --- parts ------------------------------------------------------------------------------------------------------


def _rows(matrix: _Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in matrix)


def _prior_precision(prior: Prior) -> _Array:
    return np.diag(1 / np.square(np.array(prior.deviation)))


def _fading(prior: Prior, age: dt.timedelta) -> float:
    return 0.5 ** (age.total_seconds() / 86400 / prior.half_life_days)


def _columns(attempts: Iterable[Attempt]) -> tuple[_Array, _Array, NDArray[np.bool_]]:
    exposures = [each for attempt in attempts for each in attempt.exposures]
    wrong = [each.seconds for each in exposures if not each.seconds > 0]
    if wrong:
        raise ValueError(f"an exposure's seconds must be above 0, not {wrong[0]}")
    x = np.array([features(each.conditions) for each in exposures]).reshape(-1, _COUNT)
    return x, np.array([each.seconds for each in exposures]), np.array([each.filled for each in exposures], dtype=bool)


def _loss(
    b: _Array, mean: _Array, precision: _Array, x: _Array, seconds: _Array, filled: NDArray[np.bool_], weights: _Array
) -> float:
    """Minus the log posterior, up to a constant."""
    mu = np.maximum(seconds * np.exp(np.clip(x @ b, -_BOUND, _BOUND)), 1e-300)
    away = b - mean
    gain = np.where(filled, np.log(-np.expm1(-mu)), -mu)
    return float(0.5 * away @ precision @ away - weights @ gain)


def _laplace(
    mean: _Array, precision: _Array, x: _Array, seconds: _Array, filled: NDArray[np.bool_], weights: _Array
) -> tuple[_Array, _Array]:
    """Mode and curvature of Gaussian times likelihood, by Newton's method with step halving: the log likelihood of
    the complementary log-log link is concave, so there is one mode."""
    b, curvature = mean.copy(), precision
    loss = _loss(b, mean, precision, x, seconds, filled, weights)
    for _ in range(_STEPS):
        mu = seconds * np.exp(np.clip(x @ b, -_BOUND, _BOUND))
        # For a fill: d/d eta log(1 - exp(-mu)) = r, with r = mu / (exp(mu) - 1) and slope r (1 - mu - r).
        ratio = np.where(mu < 1e-8, 1.0 - mu / 2, mu / np.maximum(np.expm1(np.minimum(mu, 500.0)), 1e-300))
        slope = np.where(filled, ratio, -mu)
        bend = np.where(filled, np.maximum(0.0, -ratio * (1.0 - mu - ratio)), mu)
        gradient = precision @ (b - mean) - x.T @ (weights * slope)
        curvature = precision + (x.T * (weights * bend)) @ x
        step = np.linalg.solve(curvature, gradient)
        scale = 1.0
        while scale > 1e-6:
            tried = b - scale * step
            value = _loss(tried, mean, precision, x, seconds, filled, weights)
            if value <= loss + 1e-12:
                break
            scale /= 2
        else:
            break
        b, loss = tried, value
        if float(np.max(np.abs(scale * step))) < 1e-9:
            break
    return b, curvature
