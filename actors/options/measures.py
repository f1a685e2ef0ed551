"""The desk's measures and their units, stated once: what a greek of one contract is, and what sums of them are.

Per contract: delta in shares; gamma in shares per $1; vega in $ per volatility point; theta in $ per calendar day (long
options negative), under one day to the fixing; rho in $ per 1 % of rate. Positions are sums over signed contracts.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

#: A volatility or a rate as a fraction, times this, is in points (0.01 a year is one point).
POINTS = 100.0
#: Calendar days a year of theta, charm and time (ACT/365).
DAYS = 365.0
#: Minutes a year of ACT/365, the grain in which time to a fixing is counted.
YEAR_MINUTES = 365 * 24 * 60


class Greeks(msgspec.Struct, frozen=True, eq=False):
    """Price and sensitivities per share, arrays of one shape.

    delta: shares per share, against spot or the forward as the function that made it says; gamma: delta per $1; vega: $
    per volatility point (0.01); theta: $ per calendar day (negative for what decays); rho: $ per 1 % of rate.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats


class Curvature(msgspec.Struct, frozen=True, eq=False):
    """Second-order sensitivities per share, and the three of gamma, arrays of one shape.

    vanna: delta per volatility point; volga (vomma): vega per volatility point; charm: delta per calendar day; veta:
    vega per calendar day; vera: rho per volatility point; speed: gamma per $1; zomma: gamma per volatility point;
    color: gamma per calendar day. Days pass: what decays is negative.
    """

    vanna: Floats
    volga: Floats
    charm: Floats
    veta: Floats
    vera: Floats
    speed: Floats
    zomma: Floats
    color: Floats


def contract_greeks(
    greeks: Greeks, forward: ArrayLike, strike: ArrayLike, time: ArrayLike, factor: ArrayLike, is_call: ArrayLike, *,
    multiplier: ArrayLike = 100,
) -> Greeks:  # fmt: skip
    """`greeks` per share (pricing's `Greeks`) as the desk counts them for one contract of `multiplier` shares.

    All are multiplied; theta of contracts with less than a day to live (`time` in years) is what decays to the fixing:
    discounted intrinsic value at the forward less price, never more than there is left. Arrays broadcast. No errors.
    """
    shares = np.asarray(multiplier, dtype=np.float64)
    at, level, left = (np.asarray(value, dtype=np.float64) for value in (forward, strike, time))
    sign = np.where(np.asarray(is_call, dtype=np.bool_), 1.0, -1.0)
    intrinsic = np.asarray(factor, dtype=np.float64) * np.maximum(sign * (at - level), 0.0)
    theta = np.where(left < 1.0 / DAYS, np.minimum(intrinsic - greeks.price, 0.0), greeks.theta)
    return Greeks(
        greeks.price * shares, greeks.delta * shares, greeks.gamma * shares, greeks.vega * shares, theta * shares,
        greeks.rho * shares,
    )  # fmt: skip


def signed_sum(values: ArrayLike, contracts: ArrayLike) -> float:
    """A position's measure: per-contract `values` times signed `contracts`, summed; one length each. NaN (unknown) as
    soon as a contract that is held has an unknown value, never 0 in its place."""
    held = np.asarray(contracts, dtype=np.float64)
    each = np.asarray(values, dtype=np.float64)
    return float(np.sum(np.where(held == 0, 0.0, held * each)))


def delta_dollars(delta: ArrayLike, spot: ArrayLike) -> Floats:
    """Dollars of underlying that `delta` shares are at `spot` dollars. Arrays broadcast."""
    return np.asarray(delta, dtype=np.float64) * np.asarray(spot, dtype=np.float64)


def gamma_per_percent(gamma: ArrayLike, spot: ArrayLike) -> Floats:
    """Shares of delta gained when the underlying rises by 1 % of `spot`, from gamma in shares per $1."""
    return np.asarray(gamma, dtype=np.float64) * np.asarray(spot, dtype=np.float64) / 100.0


def beta_delta(delta: float, spot: float, beta: float | None, reference: float) -> float | None:
    """`delta` shares at `spot` dollars as shares of the reference (SPY) at `reference` dollars: delta x spot x beta /
    reference. None where beta is unknown: it is shown as missing, never taken as 1. Raises ValueError unless
    `reference` is above 0."""
    if not reference > 0:
        raise ValueError(f"reference price {reference} must be above 0")
    return None if beta is None else delta * spot * beta / reference


def lean_theta(theta: ArrayLike) -> Floats:
    """LEAN's theta (dollars per share and year) as the desk's (per share and calendar day)."""
    return np.asarray(theta, dtype=np.float64) / DAYS
