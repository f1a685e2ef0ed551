"""The volatility smile of an expiry: its shape, what it says of prices and probabilities, its fit, its arbitrage.

Total variance over log-moneyness k = ln(K / F), always in Gatheral's SVI form. float64, no I/O, no chance, no clock.
Sources: J. Gatheral and A. Jacquier, Arbitrage-free SVI volatility surfaces, Quantitative Finance 14 (2014);
V. Durrleman, thesis, Princeton (2003) for g(k); R. Lee, Mathematical Finance 14 (2004) for the slopes of the wings.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from actors.options.pricing import Floats, black76, black76_greeks

Form = Literal["svi", "tightened", "ssvi", "flat"]
Kind = Literal["vertical", "butterfly", "calendar"]

_SQRT_2PI = float(np.sqrt(2 * np.pi))
_SLACK = 1e-9


class FitReport(msgspec.Struct, frozen=True):
    """How a smile came about. `form`: 'svi' the best fit; 'tightened' refitted because that had butterfly arbitrage;
    'ssvi' three parameters, free of it by construction; 'flat' was given. `contracts` used; `rms` and `worst` residual
    of mids in volatility points; `lowest` and `highest` strike used; `notes` in words."""

    form: Form
    contracts: int
    rms: float
    worst: float
    lowest: float
    highest: float
    notes: tuple[str, ...] = ()


class Smile(msgspec.Struct, frozen=True):
    """Total variance w(k) = level + (left (h - x) + right (h + x)) / 2; x = k - centre and h = sqrt(x^2 + width^2).

    That is raw SVI with b = (left + right) / 2 and rho = (right - left) / (right + left): `left` and `right` are the
    slopes of the wings. Dollars per share and years, as in `Quotes`. Undiscounted probabilities, at expiry.
    """

    forward: float
    time: float
    factor: float
    level: float
    left: float
    right: float
    centre: float
    width: float
    report: FitReport

    def moneyness(self, strike: ArrayLike) -> Floats:
        """Log-moneyness ln(K / F) of strikes above 0."""
        return np.log(np.asarray(strike, dtype=np.float64) / self.forward)

    def total_variance(self, k: ArrayLike) -> Floats:
        """Variance to expiry (volatility^2 x years) at log-moneyness `k`."""
        return svi_variance(_row(self), np.atleast_1d(np.asarray(k, dtype=np.float64)))[0].reshape(np.shape(k))

    def volatility(self, strike: ArrayLike) -> Floats:
        """Volatility as a fraction a year at strikes above 0."""
        return np.sqrt(self.total_variance(self.moneyness(strike)) / self.time)

    def price(self, strike: ArrayLike, is_call: ArrayLike) -> Floats:
        """Black-76 value now, dollars per share, at the smile's volatility."""
        return black76(self.forward, strike, self.time, self.volatility(strike), self.factor, is_call)

    def probability_below(self, strike: ArrayLike) -> Floats:
        """Risk-neutral probability that the price at expiry is below a strike: the slope of the undiscounted put,
        N(-d2) + n(d2) d sqrt(w) / dk. 0 at and below strike 0."""
        shape = np.shape(strike)
        flat = np.atleast_1d(np.asarray(strike, dtype=np.float64)).ravel()
        found = np.zeros(flat.shape)
        positive = flat > 0
        variance, slope, _ = svi_variance(_row(self), self.moneyness(flat[positive]))
        deviation = np.sqrt(variance)
        lower = -self.moneyness(flat[positive]) / deviation - 0.5 * deviation
        found[positive] = ndtr(-lower) + normal_density(lower) * slope / (2.0 * deviation)
        return np.minimum(np.maximum(found, 0.0), 1.0).reshape(shape)

    def density(self, strike: ArrayLike) -> Floats:
        """Risk-neutral density of the price at expiry per dollar (Breeden and Litzenberger): g(k) n(d2) / (K sqrt(w)).
        Negative where the smile has butterfly arbitrage; not cut off there."""
        at = np.asarray(strike, dtype=np.float64)
        k = self.moneyness(at)
        deviation = np.sqrt(self.total_variance(k))
        return self.durrleman(k) * normal_density(k / deviation + 0.5 * deviation) / (at * deviation)

    def durrleman(self, k: ArrayLike) -> Floats:
        """Durrleman's g at log-moneyness `k`: the density over that of the lognormal. At least 0 without butterfly
        arbitrage."""
        return durrleman(_row(self), np.atleast_1d(np.asarray(k, dtype=np.float64))).reshape(np.shape(k))

    def delta(self, strike: ArrayLike, is_call: ArrayLike, *, spot: float | None = None) -> Floats:
        """Black-76 delta at the smile's volatility of that strike, which is held fixed ('sticky strike'): against spot
        in shares per share where `spot` is given, discounted forward delta otherwise."""
        return black76_greeks(
            self.forward, strike, self.time, self.volatility(strike), self.factor, is_call, spot=spot
        ).delta

    def strike_at_delta(self, delta: float, *, spot: float | None = None) -> float | None:
        """The strike in dollars of the call (delta > 0) or put (< 0) with this `delta`, by bisection within eight
        deviations of the forward; None where no strike there has it."""
        call = delta > 0
        reach = 8.0 * float(np.sqrt(self.total_variance(0.0))) + 0.5
        low, high = -reach, reach
        ends = self.delta(self.forward * np.exp(np.array([low, high])), call, spot=spot) - delta
        # Delta falls as the strike rises, for calls from 1 to 0 and for puts from 0 to -1.
        if not (ends[0] > 0 > ends[1]):
            return None
        for _ in range(60):
            middle = 0.5 * (low + high)
            if float(self.delta(self.forward * np.exp(middle), call, spot=spot)) > delta:
                low = middle
            else:
                high = middle
        return float(self.forward * np.exp(0.5 * (low + high)))


class Violation(msgspec.Struct, frozen=True):
    """An arbitrage in fitted smiles: at which `time` to expiry (the later one for calendars) and log-moneyness it is
    worst, and by how much: negative g for butterflies, probability outside [0, 1] for verticals, missing total variance
    for calendars."""

    kind: Kind
    time: float
    k: float
    amount: float


def flat_smile(forward: float, time: float, volatility: float, factor: float = 1.0) -> Smile:
    """A smile of one volatility (a fraction a year): the lognormal. Raises ValueError unless all are above 0."""
    if not (forward > 0 and time > 0 and volatility > 0 and factor > 0):
        raise ValueError(
            f"forward {forward}, time {time}, volatility {volatility}, factor {factor} must all be above 0"
        )
    report = FitReport("flat", 0, 0.0, 0.0, forward, forward)
    return Smile(forward, time, factor, volatility * volatility * time, 0.0, 0.0, 0.0, 0.1, report)


def violations(smiles: Sequence[Smile], *, reach: float | None = None) -> tuple[Violation, ...]:
    """Arbitrage in smiles of one underlying, by rising time: each kind and expiry at most once, where it is worst.

    Butterfly and vertical are looked for where the fit saw strikes, or within `reach` deviations of the forward where
    given; calendar (total variance that falls with time at equal forward moneyness) where both neighbours saw strikes.
    A grid of 201 points: what happens between two of them is not seen.
    """
    found: list[Violation] = []
    ordered = sorted(smiles, key=lambda smile: smile.time)
    for smile in ordered:
        low, high = _range(smile, reach)
        k = np.linspace(low, high, 201)
        g = smile.durrleman(k)
        worst = int(np.argmin(g))
        if g[worst] < -_SLACK:
            found.append(Violation("butterfly", smile.time, float(k[worst]), float(g[worst])))
        variance, slope, _ = svi_variance(_row(smile), k)
        deviation = np.sqrt(variance)
        lower = -k / deviation - 0.5 * deviation
        below = ndtr(-lower) + normal_density(lower) * slope / (2.0 * deviation)
        outside = np.maximum(-below, below - 1.0)
        worst = int(np.argmax(outside))
        if outside[worst] > _SLACK:
            found.append(Violation("vertical", smile.time, float(k[worst]), float(outside[worst])))
    for near, far in itertools.pairwise(ordered):
        (low, high), (other_low, other_high) = _range(near, reach), _range(far, reach)
        if max(low, other_low) >= min(high, other_high):
            continue
        k = np.linspace(max(low, other_low), min(high, other_high), 201)
        missing = near.total_variance(k) - far.total_variance(k)
        worst = int(np.argmax(missing))
        if missing[worst] > _SLACK:
            found.append(Violation("calendar", far.time, float(k[worst]), float(missing[worst])))
    return tuple(found)


def _range(smile: Smile, reach: float | None) -> tuple[float, float]:
    if reach is None and smile.report.contracts:
        low, high = smile.moneyness(np.array([smile.report.lowest, smile.report.highest]))
        return float(low), float(high)
    across = (5.0 if reach is None else reach) * float(np.sqrt(smile.total_variance(0.0)))
    return -across, across


# --- the form ---------------------------------------------------------------------------------------------------------


def _row(smile: Smile) -> Floats:
    return np.array([smile.level, smile.left, smile.right, smile.centre, smile.width])


def svi_variance(parameters: Floats, k: Floats) -> tuple[Floats, Floats, Floats]:
    """Total variance w and its first and second derivative in k.

    `parameters` is an array (..., 5) of level, left, right, centre, width; `k` (..., n); so are all three.
    """
    level, left, right, centre, width = (parameters[..., i, np.newaxis] for i in range(5))
    x = k - centre
    h = np.sqrt(x * x + width * width)
    ratio = x / h
    value = level + 0.5 * (left * (h - x) + right * (h + x))
    first = 0.5 * (left * (ratio - 1.0) + right * (ratio + 1.0))
    second = 0.5 * (left + right) * width * width / (h * h * h)
    return value, first, second


def durrleman(parameters: Floats, k: Floats) -> Floats:
    """Durrleman's g(k), below 0 where there is butterfly arbitrage; shapes as in `svi_variance`."""
    value, first, second = svi_variance(parameters, k)
    half = 1.0 - 0.5 * k * first / value
    return half * half - 0.25 * first * first * (1.0 / value + 0.25) + 0.5 * second


def normal_density(x: Floats) -> Floats:
    """The standard normal density, of any shape."""
    return np.exp(-0.5 * np.minimum(x * x, 1400.0)) / _SQRT_2PI
