"""Volatility across expiries and strikes, as single numbers: constant maturity, term slope, 25-delta skew.

Volatilities are fractions a year, what is called points is 100 of them; days are calendar days of ACT/365.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from actors.options.measures import DAYS, POINTS
from actors.options.smile import Smile

#: The maturity whose volatility is observed each session, in days.
TARGET_DAYS = 30.0
#: An expiry nearer than this says more of the day than of the month.
_NEAREST_DAYS = 1.0


class Skew(msgspec.Struct, frozen=True):
    """Volatility in points at the 25-delta put, call and at the forward. `risk_reversal` is put less call (positive:
    downside dearer), `butterfly` their mean less the forward's, both in points; `strikes` in dollars, put then call."""

    put: float
    call: float
    at_forward: float
    strikes: tuple[float, float]

    @property
    def risk_reversal(self) -> float:
        """Put less call, in volatility points."""
        return self.put - self.call

    @property
    def butterfly(self) -> float:
        """Mean of put and call less the volatility at the forward, in points."""
        return 0.5 * (self.put + self.call) - self.at_forward


def constant_maturity(points: Sequence[tuple[float, float]], days: float = TARGET_DAYS) -> float | None:
    """Volatility for exactly `days` ahead from `points` of (days to expiry, at-the-money volatility), in any order.

    Total variance is linear in time between the nearest expiries on both sides; expiries under a day away and unknown
    (NaN) volatilities are left out. None where the rest does not enclose `days`: nothing is extrapolated, and where
    total variance would be negative. Source: Cboe, VIX white paper (the interpolation, not the index).
    """
    known = sorted((left, level) for left, level in points if math.isfinite(level) and math.isfinite(left))
    below = [point for point in known if _NEAREST_DAYS <= point[0] <= days]
    above = [point for point in known if point[0] > days]
    if below and below[-1][0] == days:
        return below[-1][1]
    if not below or not above:
        return None
    (near, first), (far, second) = below[-1], above[0]
    weight = (far - days) / (far - near)
    variance = weight * first * first * near + (1 - weight) * second * second * far
    return math.sqrt(variance / days)


def smile_points(smiles: Sequence[Smile]) -> tuple[tuple[float, float], ...]:
    """Days to expiry and volatility at the forward of each smile, by rising time: the points of `constant_maturity`."""
    ordered = sorted(smiles, key=lambda smile: smile.time)
    return tuple((smile.time * DAYS, float(smile.volatility(smile.forward))) for smile in ordered)


def term_slope(points: Sequence[tuple[float, float]], near: float = 30.0, far: float = 90.0) -> float | None:
    """Constant-maturity volatility at `far` less that at `near` days, in points: positive where the far one is dearer
    (contango). None where either is. Raises ValueError unless 0 < near < far."""
    if not 0 < near < far:
        raise ValueError(f"near {near} and far {far} days must be 0 < near < far")
    first, second = constant_maturity(points, near), constant_maturity(points, far)
    return None if first is None or second is None else POINTS * (second - first)


def skew(smile: Smile, delta: float = 0.25, *, spot: float | None = None) -> Skew | None:
    """The skew of an expiry at `delta` (0 to 0.5; against spot where given, else the discounted forward's).

    None where a strike of that delta does not exist or lies outside the strikes that the fit saw: a wing that was
    never quoted says nothing. Raises ValueError for a delta outside 0 to 0.5.
    """
    if not 0 < delta < 0.5:
        raise ValueError(f"delta {delta} must be between 0 and 0.5")
    put, call = smile.strike_at_delta(-delta, spot=spot), smile.strike_at_delta(delta, spot=spot)
    if put is None or call is None:
        return None
    if smile.report.contracts and not smile.report.lowest <= put <= call <= smile.report.highest:
        return None
    low, high, middle = (POINTS * float(smile.volatility(strike)) for strike in (put, call, smile.forward))
    return Skew(low, high, middle, (put, call))
