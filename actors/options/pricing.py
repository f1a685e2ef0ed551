"""Black-76 on forwards, vectorised over a chain: prices, greeks, implied volatility, forwards from parity. float64.

Per-share values with the time in years; `Greeks` are in the desk's units per share (see its docstring). No clock:
times come in. Source: F. Black, The pricing of commodity contracts, Journal of Financial Economics 3 (1976).
"""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from actors.options.measures import DAYS, POINTS, YEAR_MINUTES, Curvature, Greeks

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SQRT_2PI = float(np.sqrt(2 * np.pi))
_TINY = 1e-12


def years(now: dt.datetime, settles_at: dt.datetime) -> float:
    """Time to a fixing in years, ACT/365 to the minute; 0 once it is past. Both aware."""
    return max(0.0, (settles_at - now).total_seconds() // 60 / YEAR_MINUTES)


def discount(rate: ArrayLike, time: ArrayLike) -> Floats:
    """The value now of one dollar after `time` years at a continuously compounded rate, which may be negative."""
    return np.exp(-np.asarray(rate, dtype=np.float64) * np.asarray(time, dtype=np.float64))


def forward_from_parity(strikes: ArrayLike, calls: ArrayLike, puts: ArrayLike, factor: float) -> float:
    """The forward that put-call parity implies, dollars per share: the median of K + (C - P) / discount over the
    strikes nearest to the money, so that dividends and borrow fall out. NaN where no strike has both sides.

    `strikes`, `calls`, `puts` are arrays of one length (mids, NaN for none), `factor` the discount factor to expiry.
    """
    strike = np.asarray(strikes, dtype=np.float64)
    gap = np.asarray(calls, dtype=np.float64) - np.asarray(puts, dtype=np.float64)
    known = np.isfinite(gap)
    if not known.any():
        return float("nan")
    strike, gap = strike[known], gap[known]
    nearest = np.argsort(np.abs(gap), kind="stable")[:5]
    return float(np.median(strike[nearest] + gap[nearest] / factor))


def black76(
    forward: ArrayLike,
    strike: ArrayLike,
    time: ArrayLike,
    volatility: ArrayLike,
    factor: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Option prices per share; arrays broadcast together. Limits are exact: at no time or no volatility, intrinsic
    value."""
    forward, strike, time, volatility, factor, call = _arrays(forward, strike, time, volatility, factor, is_call)
    deviation = volatility * np.sqrt(time)
    upper, lower = _d(forward, strike, deviation)
    sign = np.where(call, 1.0, -1.0)
    value = factor * sign * (forward * ndtr(sign * upper) - strike * ndtr(sign * lower))
    intrinsic = factor * np.maximum(sign * (forward - strike), 0.0)
    return np.where(deviation > _TINY, np.maximum(value, intrinsic), intrinsic)


def black76_greeks(
    forward: ArrayLike, strike: ArrayLike, time: ArrayLike, volatility: ArrayLike, factor: ArrayLike, is_call:
    ArrayLike, *, spot: ArrayLike | None = None,
) -> Greeks:  # fmt: skip
    """Price and first-order greeks (and gamma), in the units of `Greeks`; arrays broadcast together.

    With `spot`, delta and gamma are against spot, through F = S x growth at fixed growth; without, against the forward.
    Theta holds the forward's growth and the volatility fixed. At no time or no volatility gamma, vega and theta are 0.
    """
    forward, strike, time, volatility, factor, call = _arrays(forward, strike, time, volatility, factor, is_call)
    growth = np.ones(()) if spot is None else forward / np.asarray(spot, dtype=np.float64)
    root = np.sqrt(time)
    deviation = volatility * root
    upper, lower = _d(forward, strike, deviation)
    sign = np.where(call, 1.0, -1.0)
    alive = deviation > _TINY
    n_upper, n_lower = ndtr(sign * upper), ndtr(sign * lower)
    density = np.exp(-0.5 * np.minimum(upper * upper, 1400.0)) / _SQRT_2PI
    intrinsic = factor * np.maximum(sign * (forward - strike), 0.0)
    price = np.maximum(factor * sign * (forward * n_upper - strike * n_lower), intrinsic)
    reach = factor * sign * n_upper
    delta = reach * growth
    whole = bool(alive.all())
    # At no time or no volatility limits are put in place of what would divide by 0.
    safe, safe_time = (deviation, time) if whole else (np.where(alive, deviation, 1.0), np.where(time > 0, time, 1.0))
    gamma = factor * density / (forward * safe) * growth * growth
    bell = factor * forward * density
    rate = -np.log(factor) / safe_time
    # The forward drifts to spot as time passes: its growth is carried by delta, the discounting by the price.
    carry = 0.0 if spot is None else np.log(np.where(growth > 0, growth, 1.0)) / safe_time
    vega = bell * root
    theta = rate * price - bell * volatility / (2 * (root if whole else np.sqrt(safe_time))) - carry * forward * reach
    rho = time * (reach * forward - price)
    if not whole:
        price, gamma = np.where(alive, price, intrinsic), np.where(alive, gamma, 0.0)
        vega, theta = np.where(alive, vega, 0.0), np.where(alive, theta, 0.0)
        rho = np.where(time > 0, time * (reach * forward - price), 0.0)
    if spot is None:
        rho = -time * price
    return Greeks(price, delta, gamma, vega / POINTS, theta / DAYS, rho / POINTS)


def black76_curvature(
    forward: ArrayLike, strike: ArrayLike, time: ArrayLike, volatility: ArrayLike, factor: ArrayLike, is_call:
    ArrayLike, *, spot: ArrayLike | None = None,
) -> Curvature:  # fmt: skip
    """Second-order greeks and those of gamma, in the units of `Curvature`; arrays broadcast together.

    With `spot` against spot, through F = S x growth with the carry rate held; without, against the forward. All 0 at no
    time or no volatility. Source: E. Haug, The complete guide to option pricing formulas, 2nd ed. (2007), chapter 2.
    """
    forward, strike, time, volatility, factor, call = _arrays(forward, strike, time, volatility, factor, is_call)
    growth = np.ones_like(forward) if spot is None else forward / np.asarray(spot, dtype=np.float64)
    at = forward / growth
    root = np.sqrt(time)
    deviation = volatility * root
    upper, lower = _d(forward, strike, deviation)
    alive = deviation > _TINY
    upper, lower = np.where(alive, upper, 0.0), np.where(alive, lower, 0.0)
    density = np.where(alive, np.exp(-0.5 * np.minimum(upper * upper, 1400.0)) / _SQRT_2PI, 0.0)
    sigma, safe, safe_time = (np.where(alive, value, 1.0) for value in (volatility, deviation, time))
    rate = -np.log(factor) / safe_time
    carry = np.log(growth) / safe_time
    sign = np.where(call, 1.0, -1.0)
    reach = np.where(alive, ndtr(sign * upper), 0.0)
    vega = factor * forward * density * root
    gamma = factor * density * growth * growth / (forward * safe)
    both = upper * lower
    # What moves d1 as a day passes, besides the spread of the distribution: the forward coming down to spot.
    drift = rate - carry + carry * upper / safe
    vanna = -factor * growth * density * lower / sigma
    charm = factor * growth * (density * (lower / (2 * safe_time) - carry / safe) + (rate - carry) * sign * reach)
    veta = vega * (drift - (1.0 + both) / (2 * safe_time))
    bend = np.where(alive, np.exp(-0.5 * np.minimum(lower * lower, 1400.0)) / _SQRT_2PI, 0.0)
    vera = -time * vega if spot is None else -time * strike * factor * bend * upper / sigma
    speed = -gamma / at * (upper / safe + 1.0)
    zomma = gamma * (both - 1.0) / sigma
    color = gamma * (drift + (1.0 - both) / (2 * safe_time))
    return Curvature(
        vanna / POINTS, vega * both / sigma / (POINTS * POINTS), charm / DAYS, veta / (POINTS * DAYS),
        vera / (POINTS * POINTS), speed, zomma / POINTS, color / DAYS,
    )  # fmt: skip


def implied_volatility(
    price: ArrayLike, forward: ArrayLike, strike: ArrayLike, time: ArrayLike, factor: ArrayLike, is_call: ArrayLike,
    *, tick: ArrayLike = 0.01, highest: float = 5.0,
) -> Floats:  # fmt: skip
    """Volatility as a fraction a year at which Black-76 gives `price`; NaN ('none') where there is none.

    None means: no price or time, less than a tick of value beyond intrinsic, above what `highest` gives, or no vega to
    speak of. In-the-money contracts are inverted as their out-of-the-money twin through parity, where the price's
    digits still tell of volatility. Newton on log price with a bisection bracket, converged to 1e-10 of price; arrays
    broadcast.
    """
    price, forward, strike, time, factor, least = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (price, forward, strike, time, factor, tick))
    )
    call = np.broadcast_to(np.asarray(is_call, dtype=np.bool_), price.shape)
    result = np.full(price.shape, np.nan)
    with np.errstate(invalid="ignore"):
        sign = np.where(call, 1.0, -1.0)
        undiscounted = price / factor
        extrinsic = undiscounted - np.maximum(sign * (forward - strike), 0.0)
        usable = (
            np.isfinite(undiscounted) & (time > 0) & (forward > 0) & (strike > 0)
            & (extrinsic * factor >= least) & (extrinsic < np.minimum(forward, strike))
        )  # fmt: skip
    if not usable.any():
        return result
    f, k, t = forward[usable], strike[usable], time[usable]
    # Beyond intrinsic call and put are worth the same: invert the side that is out of the money.
    result[usable] = _invert(extrinsic[usable], f, k, np.sqrt(t), highest)
    return result


def implied_bounds(
    bid: ArrayLike, ask: ArrayLike, forward: ArrayLike, strike: ArrayLike, time: ArrayLike, factor: ArrayLike, is_call:
    ArrayLike, *, tick: ArrayLike = 0.01, highest: float = 5.0,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Lowest and highest volatility (fractions a year) that a quote allows, known even where its middle has none: what
    the bid implies, 0 where it holds less than a tick beyond intrinsic; what the ask implies, `highest` where more.
    NaN where there is no ask, forward or time; arrays broadcast.
    """
    bid, ask, forward, strike, time, factor, call, tick = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (bid, ask, forward, strike, time, factor, is_call, tick))
    )
    sides = implied_volatility(
        np.stack((bid, ask)), forward, strike, time, factor, call != 0, tick=tick, highest=highest
    )  # fmt: skip
    with np.errstate(invalid="ignore"):
        known = (ask > 0) & np.isfinite(forward) & (forward > 0) & (strike > 0) & (time > 0)
        intrinsic = factor * np.maximum(np.where(call != 0, forward - strike, strike - forward), 0.0)
        ask_empty = ask - intrinsic < tick
        low = np.where(np.isfinite(sides[0]), sides[0], np.where(bid - intrinsic >= tick, highest, 0.0))
        high = np.where(np.isfinite(sides[1]), sides[1], np.where(ask_empty, 0.0, highest))
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def _invert(target: Floats, forward: Floats, strike: Floats, root: Floats, highest: float) -> Floats:
    moneyness = np.log(forward / strike)
    geometric = np.sqrt(forward * strike)
    beta = target / geometric
    x = -np.abs(moneyness)
    # Where the price has its inflection in total deviation; Newton on the price converges from there on both sides.
    inflection = np.sqrt(2.0 * np.abs(x))
    deviation = np.maximum(inflection, _SQRT_2PI * beta)
    low, high = np.zeros_like(x), highest * root
    deviation = np.minimum(deviation, high)
    half = np.exp(0.5 * x)
    other = 1.0 / half
    active = np.arange(x.size)
    result = deviation.copy()
    for _ in range(24):
        s, b, xa = result[active], beta[active], x[active]
        ratio = xa / s
        value = half[active] * ndtr(ratio + 0.5 * s) - other[active] * ndtr(ratio - 0.5 * s)
        slope = np.exp(-0.5 * (ratio * ratio + 0.25 * s * s)) / _SQRT_2PI
        error = value - b
        below = error < 0
        low[active] = np.where(below, s, low[active])
        high[active] = np.where(below, high[active], s)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # Beyond the inflection, and below the target, the price itself is the straighter curve; else its logarithm.
            straight = (value < b) | (s >= inflection[active]) | ~(value > 0)
            logged = np.asarray(-np.log(value / b) * value / slope, dtype=np.float64)
            step = np.asarray(np.where(straight, -error / slope, logged), dtype=np.float64)
            curvature: Floats = ratio * ratio / s - 0.25 * s
            bend: Floats = np.minimum(np.maximum(step * curvature, -0.5), 0.5)
            halley = np.asarray(step / (1.0 + 0.5 * bend), dtype=np.float64)
        candidate = s + np.where(np.isfinite(halley), halley, 0.0)
        outside = ~np.isfinite(halley) | (candidate < low[active]) | (candidate > high[active])
        candidate = np.where(outside, 0.5 * (low[active] + high[active]), candidate)
        moved = np.abs(candidate - s)
        result[active] = candidate
        going = moved > 1e-11 * np.maximum(candidate, 1e-3)
        if not going.any():
            break
        active = active[going]
    volatility = result / root
    return np.where(result < highest * root * (1 - 1e-9), volatility, np.nan)


def _d(forward: Floats, strike: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore"):
        ratio = np.log(forward / strike)
    if (deviation > _TINY).all():
        upper = ratio / deviation + 0.5 * deviation
        return upper, upper - deviation
    safe = np.where(deviation > _TINY, deviation, 1.0)
    upper = np.where(deviation > _TINY, ratio / safe + 0.5 * safe, np.where(ratio >= 0, np.inf, -np.inf))
    lower = np.where(deviation > _TINY, upper - safe, upper)
    return upper, lower


def _arrays(
    forward: ArrayLike,
    strike: ArrayLike,
    time: ArrayLike,
    volatility: ArrayLike,
    factor: ArrayLike,
    is_call: ArrayLike,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Bools]:
    forward, strike, time, volatility, factor = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (forward, strike, time, volatility, factor))
    )
    call = np.broadcast_to(np.asarray(is_call, dtype=np.bool_), forward.shape)
    return forward, strike, time, volatility, factor, call
