"""Fits the smile of every expiry of a chain at once, from quotes to parameters. What a smile is lives in `smile`.

Source: J. Gatheral and A. Jacquier, Arbitrage-free SVI volatility surfaces, Quantitative Finance 14 (2014).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.options.pricing import Bools, Floats, implied_volatility
from actors.options.smile import FitReport, Form, Smile, durrleman, normal_density, svi_variance

#: Fewer usable strikes than this carry no smile; fewer than `_FULL` none with five parameters.
_FEWEST, _FULL = 5, 8
#: A wing steeper than 2 has no first moment (Lee); the rest is room for rounding.
_STEEPEST = 1.98
#: What a mid is trusted to at best, in volatility: quotes a tick wide at the money must not own the whole fit.
_FINEST = 0.001


class Quotes(msgspec.Struct, frozen=True, eq=False):
    """Quotes of one expiry: `forward` in dollars per share, `time` in years, `factor` the discount factor to it, and
    arrays of one length: strikes, whether a call, bids and asks per share (NaN for none). `tick` in dollars."""

    forward: float
    time: float
    factor: float
    strikes: Floats
    is_call: Bools
    bid: Floats
    ask: Floats
    tick: float = 0.01


class NoSmile(msgspec.Struct, frozen=True):
    """No smile for an expiry, and why, in words."""

    reasons: tuple[str, ...]


class _Data(msgspec.Struct, frozen=True, eq=False):
    """Usable quotes of several expiries, one a row, padded with weight 0. `weight` is the square root's, per total
    variance: one over what half a quote's width is worth."""

    k: Floats
    variance: Floats
    weight: Floats
    low: Floats
    high: Floats


def fit_smiles(expiries: Sequence[Quotes]) -> tuple[Smile | NoSmile, ...]:
    """Fit the smile of every expiry, all at once; the same order comes back, NoSmile where quotes do not carry one.

    Used are out-of-the-money contracts (calls from the forward up, puts below) with a bid, an ask not below it and an
    implied volatility; each mid weighs as one over half its quote's width in volatility (width over vega, 0.1
    points at best), wide outliers less (Huber). Five-parameter SVI by least squares in total variance; where g(k) < 0
    anywhere, it is fitted again with a price on that; where that is not enough, or there are fewer than 8 strikes, by
    an SSVI slice (three parameters, arbitrage-free by Gatheral and Jacquier's theorem 4.2). The report says which.
    Early exercise is not taken out: American quotes are read as European ones. Calendar arbitrage is not fitted away:
    see `violations`. Deterministic; raises nothing on bad quotes.
    """
    usable = _usable(expiries)
    results: list[Smile | NoSmile] = []
    rows = [found for found in usable if not isinstance(found, NoSmile)]
    fitted = iter(_fit(rows)) if rows else iter(())
    for quotes, found in zip(expiries, usable, strict=True):
        if isinstance(found, NoSmile):
            results.append(found)
        else:
            results.append(_smile(quotes, found, *next(fitted)))
    return tuple(results)


def fit_smile(quotes: Quotes) -> Smile | NoSmile:
    """`fit_smiles` of one expiry."""
    return fit_smiles((quotes,))[0]


class _Usable(msgspec.Struct, frozen=True, eq=False):
    """Used quotes of one expiry, by rising strike: log-moneyness, volatility, and half a width's worth of it."""

    strikes: Floats
    k: Floats
    volatility: Floats
    error: Floats
    time: float


class _Side(msgspec.Struct, frozen=True, eq=False):
    """Out-of-the-money quotes of one expiry that could be used, by rising strike."""

    strikes: Floats
    is_call: Bools
    middle: Floats
    half: Floats


def _usable(expiries: Sequence[Quotes]) -> list[_Usable | NoSmile]:
    """What of each expiry can be fitted; implied volatilities of all in one go."""
    sides = [_side(quotes) for quotes in expiries]
    counts = [side.strikes.size for side in sides]
    if not sum(counts):
        return [_of(quotes, side, side.middle) for quotes, side in zip(expiries, sides, strict=True)]
    levels = implied_volatility(
        np.concatenate([side.middle for side in sides]),
        np.repeat([quotes.forward for quotes in expiries], counts),
        np.concatenate([side.strikes for side in sides]),
        np.repeat([quotes.time for quotes in expiries], counts),
        np.repeat([quotes.factor for quotes in expiries], counts),
        np.concatenate([side.is_call for side in sides]),
        tick=np.repeat([quotes.tick for quotes in expiries], counts),
    )
    parts = np.split(levels, np.cumsum(counts)[:-1])
    return [_of(*each) for each in zip(expiries, sides, parts, strict=True)]


def _side(quotes: Quotes) -> _Side:
    with np.errstate(invalid="ignore"):
        out = (quotes.is_call == (quotes.strikes >= quotes.forward)) & (quotes.strikes > 0)
        rows = np.flatnonzero(out & (quotes.bid > 0) & (quotes.ask >= quotes.bid) & np.isfinite(quotes.ask))
    rows = rows[np.argsort(quotes.strikes[rows], kind="stable")]
    bid, ask = quotes.bid[rows], quotes.ask[rows]
    return _Side(
        quotes.strikes[rows], quotes.is_call[rows], 0.5 * (bid + ask), np.maximum(0.5 * (ask - bid), 0.5 * quotes.tick)
    )


def _of(quotes: Quotes, side: _Side, level: Floats) -> _Usable | NoSmile:
    f, t = quotes.forward, quotes.time
    if not (np.isfinite(f) and f > 0):
        return NoSmile((f"forward is {f}",))
    if not t > 0:
        return NoSmile((f"time to expiry is {t} years",))
    known = np.isfinite(level)
    strikes, half, level = side.strikes[known], side.half[known], level[known]
    if strikes.size < _FEWEST:
        return NoSmile((f"{strikes.size} usable out-of-the-money quotes, {_FEWEST} needed",))
    if not strikes[0] < f <= strikes[-1]:
        return NoSmile((f"strikes {strikes[0]:g} to {strikes[-1]:g} do not enclose the forward {f:.2f}",))
    k = np.log(strikes / f)
    root = float(np.sqrt(t))
    upper = -k / (level * root) + 0.5 * level * root
    vega = quotes.factor * f * normal_density(upper) * root
    return _Usable(strikes, k, level, np.hypot(half / vega, _FINEST), t)


def _smile(quotes: Quotes, used: _Usable, parameters: Floats, form: Form, notes: tuple[str, ...]) -> Smile:
    fitted = np.sqrt(svi_variance(parameters, used.k)[0] / used.time)
    points = 100.0 * (fitted - used.volatility)
    report = FitReport(
        form, int(used.k.size), float(np.sqrt(np.mean(points * points))), float(np.max(np.abs(points))),
        float(used.strikes[0]), float(used.strikes[-1]), notes,
    )  # fmt: skip
    level, left, right, centre, width = (float(value) for value in parameters)
    return Smile(quotes.forward, quotes.time, quotes.factor, level, left, right, centre, width, report)


def _fit(rows: Sequence[_Usable]) -> list[tuple[Floats, Form, tuple[str, ...]]]:
    count = max(int(row.k.size) for row in rows)
    k, variance, weight = (np.zeros((len(rows), count)) for _ in range(3))
    for i, row in enumerate(rows):
        n = row.k.size
        k[i, :n] = row.k
        variance[i, :n] = row.volatility**2 * row.time
        weight[i, :n] = 1.0 / (2.0 * row.volatility * row.time * row.error)
    data = _Data(k, variance, weight, np.array([row.k[0] for row in rows]), np.array([row.k[-1] for row in rows]))
    parameters = _polish(_coarse(data), data, 100)
    data = msgspec.structs.replace(data, weight=weight * _huber(parameters, data))
    parameters = _polish(parameters, data, 100)
    notes: list[tuple[str, ...]] = [()] * len(rows)
    forms: list[Form] = ["svi"] * len(rows)
    few = np.array([row.k.size < _FULL for row in rows])
    bad = np.flatnonzero(~few & ~_sound(parameters, data))
    if bad.size:
        some = _pick(data, bad)
        parameters[bad] = _penalised(parameters[bad], some)
        unsound = bad[~_sound(parameters[bad], some)]
        for i in bad.tolist():
            forms[i], notes[i] = "tightened", ("the best svi has butterfly arbitrage: refitted with g >= 0",)
    else:
        unsound = bad
    simple = np.concatenate((np.flatnonzero(few), unsound))
    if simple.size:
        safe = _safe(_pick(data, simple))
        for place, row in enumerate(simple):
            i = int(row)
            parameters[i], forms[i] = safe[place], "ssvi"
            reason = f"{rows[i].k.size} strikes" if few[i] else "no svi without butterfly arbitrage found"
            notes[i] = (f"{reason}: three parameters",)
    return [(parameters[i], forms[i], notes[i]) for i in range(len(rows))]


def _pick(data: _Data, chosen: NDArray[np.intp]) -> _Data:
    return _Data(*(getattr(data, name)[chosen] for name in data.__struct_fields__))


def _residuals(parameters: Floats, data: _Data) -> Floats:
    return (svi_variance(parameters, data.k)[0] - data.variance) * data.weight


def _squares(values: Floats) -> Floats:
    return np.asarray(np.sum(values * values, axis=-1), dtype=np.float64)


def _solve(matrices: Floats, columns: Floats) -> Floats:
    return np.asarray(np.linalg.solve(matrices, columns), dtype=np.float64)[..., 0]


def _huber(parameters: Floats, data: _Data) -> Floats:
    """What is left of each weight: mids more than two half-widths, or three usual residuals, off count less."""
    off = np.abs(_residuals(parameters, data))
    present = data.weight > 0
    ordered = np.sort(np.where(present, off, np.inf), axis=-1)
    usual = np.take_along_axis(ordered, (present.sum(axis=-1, keepdims=True) - 1) // 2, axis=-1)
    limit = np.maximum(2.0, 3.0 * usual)
    return np.sqrt(np.minimum(1.0, limit / np.maximum(off, 1e-12)))


def _everywhere(parameters: Floats, data: _Data) -> Floats:
    """Log-moneyness at which g is tried: densely over the strikes seen and around the bend, and far into the wings."""
    deviation = np.sqrt(np.maximum(svi_variance(parameters, np.zeros((len(parameters), 1)))[0], 1e-12))
    across = np.maximum(np.maximum(-data.low, data.high)[:, np.newaxis], 6.0 * deviation)
    inner = data.low[:, np.newaxis] + (data.high - data.low)[:, np.newaxis] * np.linspace(0, 1, 101)
    bend = parameters[:, 3:4] + parameters[:, 4:5] * np.linspace(-6, 6, 61)
    wings = across * np.concatenate((-np.geomspace(0.05, 30, 60), np.geomspace(0.05, 30, 60)))
    return np.concatenate((inner, bend, wings), axis=-1)


def _sound(parameters: Floats, data: _Data) -> Bools:
    """Whether g >= 0 wherever it is tried."""
    return durrleman(parameters, _everywhere(parameters, data)).min(axis=-1) >= 0.0


def _coarse(data: _Data) -> Floats:
    """The best of a grid of centres and widths, where the rest is linear: level, left and right by least squares."""
    span = data.high - data.low
    centres = data.low[:, np.newaxis] + span[:, np.newaxis] * np.linspace(0.0, 1.0, 7)
    widths = span[:, np.newaxis] * np.array([0.05, 0.2, 0.8])
    centre, width = (
        np.broadcast_to(centres[:, :, np.newaxis], (len(span), 7, 3)).reshape(len(span), -1),
        np.broadcast_to(widths[:, np.newaxis, :], (len(span), 7, 3)).reshape(len(span), -1),
    )
    x = data.k[:, np.newaxis, :] - centre[:, :, np.newaxis]
    h = np.sqrt(x * x + (width * width)[:, :, np.newaxis])
    weight = data.weight[:, np.newaxis, :]
    basis = np.stack((np.broadcast_to(weight, x.shape), 0.5 * (h - x) * weight, 0.5 * (h + x) * weight), axis=-2)
    target = (data.variance * data.weight)[:, np.newaxis, :, np.newaxis]
    normal = basis @ basis.swapaxes(-1, -2)
    # A millionth of the diagonal keeps the basis apart where the strikes see one wing only; the polish has none.
    normal = normal + 1e-6 * np.eye(3) * np.diagonal(normal, axis1=-2, axis2=-1)[..., np.newaxis]
    linear = _solve(normal, basis @ target)
    left, right = (np.clip(linear[..., i], 1e-4, _STEEPEST) for i in (1, 2))
    # With the wings clipped, the level that fits best is the weighted mean of what is left.
    wings = left[..., np.newaxis] * basis[..., 1, :] + right[..., np.newaxis] * basis[..., 2, :]
    total = (data.weight**2).sum(axis=-1)[:, np.newaxis]
    level = ((target[..., 0] - wings) * weight).sum(axis=-1) / total
    lowest = np.sqrt(left * right) * width
    level = np.maximum(level, 1e-8 - lowest)
    off = target[..., 0] - wings - level[..., np.newaxis] * weight
    best = np.argmin(_squares(off), axis=-1)[:, np.newaxis]
    found = np.stack((level, left, right, centre, width), axis=-1)
    return np.take_along_axis(found, best[..., np.newaxis], axis=1)[:, 0, :]


def _polish(parameters: Floats, data: _Data, steps: int) -> Floats:
    """Levenberg-Marquardt on all rows at once, inside bounds; a row only ever improves."""
    span = data.high - data.low
    low = np.stack(
        (np.full(span.shape, -np.inf), np.zeros(span.shape), np.zeros(span.shape), data.low - span, 0.01 * span),
        axis=-1,
    )
    high = np.stack(
        (np.full(span.shape, np.inf), np.full(span.shape, _STEEPEST), np.full(span.shape, _STEEPEST), data.high + span,
         3.0 * span), axis=-1,
    )  # fmt: skip
    current, damping = parameters.copy(), np.full(len(parameters), 1e-3)
    off = _residuals(current, data)
    cost = _squares(off)
    # A settled row is left alone, so that who else is fitted beside it makes no difference.
    going = np.ones(len(parameters), dtype=np.bool_)
    for _ in range(steps):
        jacobian = _jacobian(current, data)
        gradient = (jacobian @ off[..., np.newaxis])[..., 0]
        normal = jacobian @ jacobian.swapaxes(-1, -2)
        # What stands at a bound and would leave stays there.
        stuck = ((current <= low) & (gradient > 0)) | ((current >= high) & (gradient < 0))
        free = (~stuck).astype(np.float64)
        diagonal = np.diagonal(normal, axis1=-2, axis2=-1)
        normal = normal * free[:, :, np.newaxis] * free[:, np.newaxis, :]
        prop = damping[:, np.newaxis] * diagonal + 1e-12 * diagonal.max(axis=-1, keepdims=True) + 1e-300
        normal = normal + np.eye(5) * (prop * free + 1.0 - free)[:, np.newaxis, :]
        step = _solve(normal, (gradient * free)[..., np.newaxis])
        trial = np.minimum(np.maximum(current - step, low), high)
        trial_off = _residuals(trial, data)
        trial_cost = _squares(trial_off)
        lowest = trial[:, 0] + trial[:, 4] * np.sqrt(trial[:, 1] * trial[:, 2])
        better = going & (trial_cost < cost) & (lowest > 0)
        going &= np.where(better, cost - trial_cost > 1e-8 * cost, damping < 1e8)
        current = np.where(better[:, np.newaxis], trial, current)
        off = np.where(better[:, np.newaxis], trial_off, off)
        cost = np.where(better, trial_cost, cost)
        damping = np.clip(np.where(better, damping * 0.2, damping * 8.0), 1e-12, 1e9)
        if not going.any():
            break
    return current


def _jacobian(parameters: Floats, data: _Data) -> Floats:
    """Derivatives of the weighted residuals, (rows, 5, quotes)."""
    _, left, right, centre, width = (parameters[:, i, np.newaxis] for i in range(5))
    x = data.k - centre
    h = np.sqrt(x * x + width * width)
    both = 0.5 * (left + right)
    by_centre = -(both * x / h + 0.5 * (right - left))
    parts = np.stack((np.ones_like(x), 0.5 * (h - x), 0.5 * (h + x), by_centre, both * width / h), axis=1)
    return parts * data.weight[:, np.newaxis, :]


def _penalised(parameters: Floats, data: _Data) -> Floats:
    """Least squares again with a rising price on g below a hundredth, where the smile can be seen."""
    current = parameters.copy()
    columns = np.eye(5)
    spread = _Data(*(getattr(data, name)[:, np.newaxis] for name in data.__struct_fields__))
    for price in (1e2, 1e3):
        damping = np.full(len(current), 1e-2)
        off = _priced(current, data, price)
        cost = _squares(off)
        going = np.ones(len(current), dtype=np.bool_)
        for _ in range(30):
            scale = np.maximum(np.abs(current), 1e-4)
            moved = current[:, np.newaxis, :] + 1e-6 * scale[:, np.newaxis, :] * columns
            jacobian = (_priced(moved, spread, price) - off[:, np.newaxis]) / 1e-6
            normal = jacobian @ jacobian.swapaxes(-1, -2)
            gradient = jacobian @ off[..., np.newaxis]
            diagonal = np.diagonal(normal, axis1=-2, axis2=-1)
            normal = normal + np.eye(5) * (damping[:, np.newaxis] * diagonal + 1e-12)[:, np.newaxis, :]
            step = _solve(normal, gradient)
            trial = current - scale * step
            trial[:, 1:3] = np.clip(trial[:, 1:3], 1e-6, _STEEPEST)
            trial[:, 4] = np.maximum(trial[:, 4], 0.01 * (data.high - data.low))
            lowest = trial[:, 0] + trial[:, 4] * np.sqrt(trial[:, 1] * trial[:, 2])
            trial_off = _priced(np.where((lowest > 0)[:, np.newaxis], trial, current), data, price)
            trial_cost = _squares(trial_off)
            better = going & (trial_cost < cost) & (lowest > 0)
            going &= np.where(better, cost - trial_cost > 1e-3 * cost, damping < 1e3)
            current = np.where(better[:, np.newaxis], trial, current)
            off = np.where(better[:, np.newaxis], trial_off, off)
            cost = np.where(better, trial_cost, cost)
            damping = np.where(better, damping * 0.2, damping * 8.0)
            if not going.any():
                break
    return current


def _priced(parameters: Floats, data: _Data, price: float) -> Floats:
    """Weighted residuals, and after them what g lacks of a hundredth, times `price` and the usual weight."""
    span = data.high - data.low
    at = data.low[..., np.newaxis] + span[..., np.newaxis] * np.linspace(-1.0, 2.0, 61)
    bend = parameters[..., 3:4] + parameters[..., 4:5] * np.linspace(-6, 6, 31)
    at = np.concatenate((np.broadcast_to(at, (*bend.shape[:-1], 61)), bend), axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lack = np.minimum(np.nan_to_num(durrleman(parameters, at), nan=-10.0, posinf=10.0, neginf=-10.0) - 0.01, 0.0)
    return np.concatenate((_residuals(parameters, data), price * lack), axis=-1)


def _safe(data: _Data) -> Floats:
    """SSVI slices w = (theta + rho psi k + sqrt((psi k + theta rho)^2 + theta^2 (1 - rho^2))) / 2 with psi (1 + |rho|)
    and psi^2 (1 + |rho|) / theta at most 4: the best by a grid that closes in."""
    count = len(data.k)
    flat = (data.weight**2 * data.variance).sum(axis=-1) / (data.weight**2).sum(axis=-1)
    # As unbounded numbers: log theta, atanh rho, and the share of the steepest psi as a fraction.
    middle = np.stack((np.log(flat), np.zeros(count), np.full(count, 0.5)), axis=-1)
    steps = np.linspace(-1.0, 1.0, 5)
    mesh = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    reach = np.array([1.2, 1.8, 0.49])
    for _ in range(10):
        trial = middle[:, np.newaxis, :] + mesh * reach
        trial[..., 2] = np.clip(trial[..., 2], 0.005, 0.99)
        raw = _ssvi(trial)
        variance = svi_variance(raw, data.k[:, np.newaxis, :])[0]
        off = (variance - data.variance[:, np.newaxis]) * data.weight[:, np.newaxis]
        best = np.argmin(_squares(off), axis=-1)
        middle = trial[np.arange(count), best]
        reach = reach * 0.6
    return _ssvi(middle)


def _ssvi(unbounded: Floats) -> Floats:
    """The slice as level, left, right, centre, width."""
    theta, rho = np.exp(unbounded[..., 0]), np.tanh(unbounded[..., 1])
    steepest = np.minimum(2.0 * _STEEPEST / (1.0 + np.abs(rho)), 2.0 * np.sqrt(theta / (1.0 + np.abs(rho))))
    psi = unbounded[..., 2] * steepest
    turn = np.sqrt(1.0 - rho * rho)
    level = 0.5 * theta * turn * turn
    return np.stack(
        (level, 0.5 * psi * (1.0 - rho), 0.5 * psi * (1.0 + rho), -rho * theta / psi, turn * theta / psi), axis=-1
    )
