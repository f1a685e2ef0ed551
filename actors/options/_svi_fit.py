"""The numbers behind smile fits: SVI slices of several expiries at once by weighted least squares, and what to do where
they have butterfly arbitrage. Quotes and reports are `smile_fit`'s business.

Sources: J. Gatheral and A. Jacquier, Arbitrage-free SVI volatility surfaces, Quantitative Finance 14 (2014); G. Golub
and V. Pereyra, Separable nonlinear least squares, Inverse Problems 19 (2003), in L. Kaufman's form, for the polish.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.options.pricing import Bools, Floats
from actors.options.smile import durrleman

#: A wing steeper than 2 has no first moment (Lee); the rest is room for rounding.
STEEPEST = 1.98
#: Widths allowed, as parts of the strikes' span.
_NARROWEST, _WIDEST = 0.01, 3.0


class Data(msgspec.Struct, frozen=True, eq=False):
    """Usable quotes of several expiries, one a row, padded with weight 0. `weight` is the square root's, per total
    variance: one over what half a quote's width is worth."""

    k: Floats
    variance: Floats
    weight: Floats
    low: Floats
    high: Floats


def pick(data: Data, chosen: NDArray[np.intp]) -> Data:
    """The chosen rows."""
    return Data(*(getattr(data, name)[chosen] for name in data.__struct_fields__))


def residuals(parameters: Floats, data: Data) -> Floats:
    """Fitted less given total variance, weighted, (rows, quotes); 0 where padded."""
    return (_variance(parameters, data.k) - data.variance) * data.weight


def _variance(parameters: Floats, k: Floats) -> Floats:
    """`svi_variance` without its derivatives."""
    level, left, right, centre, width = (parameters[..., i, np.newaxis] for i in range(5))
    x = k - centre
    return level + 0.5 * (left + right) * np.sqrt(x * x + width * width) + 0.5 * (right - left) * x


def squares(values: Floats) -> Floats:
    """Sum of squares over the last axis."""
    return np.asarray(np.sum(values * values, axis=-1), dtype=np.float64)


def _solve(matrices: Floats, columns: Floats) -> Floats:
    return np.asarray(np.linalg.solve(matrices, columns), dtype=np.float64)[..., 0]


def huber(parameters: Floats, data: Data) -> Floats:
    """What is left of each weight: mids more than two half-widths, or three usual residuals, off count less."""
    off = np.abs(residuals(parameters, data))
    present = data.weight > 0
    ordered = np.sort(np.where(present, off, np.inf), axis=-1)
    usual = np.take_along_axis(ordered, (present.sum(axis=-1, keepdims=True) - 1) // 2, axis=-1)
    limit = np.maximum(2.0, 3.0 * usual)
    return np.sqrt(np.minimum(1.0, limit / np.maximum(off, 1e-12)))


def _everywhere(parameters: Floats, data: Data) -> Floats:
    """Log-moneyness at which g is tried: densely over the strikes seen and around the bend, and far into the wings."""
    deviation = np.sqrt(np.maximum(_variance(parameters, np.zeros((len(parameters), 1))), 1e-12))
    across = np.maximum(np.maximum(-data.low, data.high)[:, np.newaxis], 6.0 * deviation)
    inner = data.low[:, np.newaxis] + (data.high - data.low)[:, np.newaxis] * np.linspace(0, 1, 101)
    bend = parameters[:, 3:4] + parameters[:, 4:5] * np.linspace(-6, 6, 61)
    wings = across * np.concatenate((-np.geomspace(0.05, 30, 60), np.geomspace(0.05, 30, 60)))
    return np.concatenate((inner, bend, wings), axis=-1)


def sound(parameters: Floats, data: Data) -> Bools:
    """Whether g >= 0 wherever it is tried."""
    return durrleman(parameters, _everywhere(parameters, data)).min(axis=-1) >= 0.0


def coarse(data: Data) -> Floats:
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
    left, right = (np.clip(linear[..., i], 1e-4, STEEPEST) for i in (1, 2))
    # With the wings clipped, the level that fits best is the weighted mean of what is left.
    wings = left[..., np.newaxis] * basis[..., 1, :] + right[..., np.newaxis] * basis[..., 2, :]
    total = (data.weight**2).sum(axis=-1)[:, np.newaxis]
    level = ((target[..., 0] - wings) * weight).sum(axis=-1) / total
    lowest = np.sqrt(left * right) * width
    level = np.maximum(level, 1e-8 - lowest)
    off = target[..., 0] - wings - level[..., np.newaxis] * weight
    best = np.argmin(squares(off), axis=-1)[:, np.newaxis]
    found = np.stack((level, left, right, centre, width), axis=-1)
    return np.take_along_axis(found, best[..., np.newaxis], axis=1)[:, 0, :]


def polish(parameters: Floats, data: Data, close: float, steps: int) -> Floats:
    """Least squares on all rows at once: Levenberg-Marquardt in centre and log width alone, in which the rest is linear
    and solved for exactly, inside its bounds, at every step. A row only ever improves; one is settled, and left alone,
    when a step promises less than `close` of its cost, so that who else is fitted beside it makes no difference."""
    span = data.high - data.low
    low = np.stack((data.low - span, np.log(_NARROWEST * span)), axis=-1)
    high = np.stack((data.high + span, np.log(_WIDEST * span)), axis=-1)
    limit = np.stack((span, np.full_like(span, 1.5)), axis=-1)
    place = np.minimum(np.maximum(np.stack((parameters[:, 3], np.log(parameters[:, 4])), axis=-1), low), high)
    columns = np.empty((len(span), 5, data.k.shape[-1]))
    mean = (data.weight / squares(data.weight)[:, np.newaxis])[..., np.newaxis]
    targets = data.variance * data.weight
    damping, going = np.full(len(span), 1e-3), np.ones(len(span), dtype=np.bool_)
    linear, table = _solved(place, data, mean, targets, columns)
    for _ in range(steps):
        step, promised = _step(place, linear, table, damping, low, high)
        going &= promised > close * np.maximum(linear[:, 3], 1e-13 * table[:, 4, 4])
        if not going.any():
            break
        trial = np.minimum(np.maximum(place + np.minimum(np.maximum(step, -limit), limit), low), high)
        going &= np.abs(trial - place).max(axis=-1) > 1e-10
        other, other_table = _solved(trial, data, mean, targets, columns)
        lowest = other[:, 0] + np.exp(trial[:, 1]) * np.sqrt(other[:, 1] * other[:, 2])
        better = going & (other[:, 3] < linear[:, 3]) & (lowest > 0)
        chosen = better[:, np.newaxis]
        place, linear = np.where(chosen, trial, place), np.where(chosen, other, linear)
        table = np.where(chosen[..., np.newaxis], other_table, table)
        damping = np.minimum(np.maximum(damping * np.where(better, 0.1, 10.0), 1e-10), 1e9)
    return np.concatenate((linear[:, :3], place[:, :1], np.exp(place[:, 1:])), axis=-1)


def _solved(place: Floats, data: Data, mean: Floats, targets: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """For given centres and log widths (rows, 2): level, left, right and cost of the best fit, level free, the slopes
    within 0 and the steepest, (rows, 4); and the products (rows, 5, 5) of the columns that this and the next step are
    made of: what falls, what rises, x / h, 1 / h and the target, each with its weighted mean, and so the level, taken
    off."""
    x = data.k - place[:, :1]
    h = np.sqrt(x * x + np.exp(2.0 * place[:, 1:]))
    half = 0.5 * data.weight
    np.multiply(h - x, half, out=columns[:, 0])
    np.multiply(h + x, half, out=columns[:, 1])
    np.divide(data.weight, h, out=columns[:, 3])
    np.multiply(x, columns[:, 3], out=columns[:, 2])
    columns[:, 4] = targets
    means = columns @ mean
    columns -= means * data.weight[:, np.newaxis, :]
    table = columns @ columns.swapaxes(-1, -2)
    a, b, c, d, e = table[:, 0, 0], table[:, 0, 1], table[:, 1, 1], table[:, 0, 4], table[:, 1, 4]
    prop = 1e-13 * (a + c) + 1e-300
    a, c = a + prop, c + prop
    apart = np.maximum(a * c - b * b, 1e-300)
    # The inside, and the best of each edge of the square: the least cost among those that are allowed.
    left, right = np.zeros((5, len(a))), np.zeros((5, len(a)))
    left[0], right[0] = (d * c - e * b) / apart, (e * a - d * b) / apart
    left[2] = right[4] = STEEPEST
    right[1], right[2], left[3], left[4] = e / c, (e - b * STEEPEST) / c, d / a, (d - b * STEEPEST) / a
    inside = (left[0] >= 0) & (left[0] <= STEEPEST) & (right[0] >= 0) & (right[0] <= STEEPEST)
    left, right = np.minimum(np.maximum(left, 0.0), STEEPEST), np.minimum(np.maximum(right, 0.0), STEEPEST)
    cost = left * (a * left + 2.0 * (b * right - d)) + right * (c * right - 2.0 * e)
    best = np.where(inside, 0, np.argmin(cost[1:], axis=0) + 1)
    rows = np.arange(len(best))
    first, second = left[best, rows], right[best, rows]
    level = means[:, 4, 0] - first * means[:, 0, 0] - second * means[:, 1, 0]
    return np.stack((level, first, second, np.maximum(cost[best, rows] + table[:, 4, 4], 0.0)), axis=-1), table


def _step(
    place: Floats, linear: Floats, table: Floats, damping: Floats, low: Floats, high: Floats
) -> tuple[Floats, Floats]:
    """The damped Gauss-Newton step in centre and log width, the slopes that stand at no bound following (Kaufman's
    projection); and the fall of cost that it promises."""
    left, right = linear[:, 1], linear[:, 2]
    both, square = 0.5 * (left + right), np.exp(2.0 * place[:, 1])
    free = (linear[:, 1:3] > 0) & (linear[:, 1:3] < STEEPEST)
    a, c = np.where(free[:, 0], table[:, 0, 0], 1.0), np.where(free[:, 1], table[:, 1, 1], 1.0)
    b = np.where(free.all(axis=-1), table[:, 0, 1], 0.0)
    apart = np.maximum(a * c - b * b, 1e-300)
    # Columns by centre and by log width, and what of each the slopes make up for.
    turn, grow = -both, both * square
    d1, e1 = np.where(free, (turn[:, np.newaxis] * table[:, :2, 2]), 0.0).T
    d2, e2 = np.where(free, (grow[:, np.newaxis] * table[:, :2, 3]), 0.0).T
    l1, r1 = (d1 * c - e1 * b) / apart, (e1 * a - d1 * b) / apart
    l2, r2 = (d2 * c - e2 * b) / apart, (e2 * a - d2 * b) / apart
    p = turn * turn * table[:, 2, 2] - l1 * d1 - r1 * e1
    q = turn * grow * table[:, 2, 3] - l1 * d2 - r1 * e2
    r = grow * grow * table[:, 3, 3] - l2 * d2 - r2 * e2
    # Residuals are left x falls + right x rises - target; what the free slopes span of them is 0.
    u = -turn * (left * table[:, 0, 2] + right * table[:, 1, 2] - table[:, 2, 4])
    v = -grow * (left * table[:, 0, 3] + right * table[:, 1, 3] - table[:, 3, 4])
    push = np.stack((u, v), axis=-1)
    # What stands at a bound and would leave stays there.
    stuck = ((place <= low) & (push < 0)) | ((place >= high) & (push > 0))
    push = np.where(stuck, 0.0, push)
    q = np.where(stuck.any(axis=-1), 0.0, q)
    p, r = np.maximum(p, 0.0), np.maximum(r, 0.0)
    p, r = p * (1.0 + damping) + 1e-12 * (p + r) + 1e-300, r * (1.0 + damping) + 1e-12 * (p + r) + 1e-300
    apart = np.maximum(p * r - q * q, 1e-300)
    u, v = push[:, 0], push[:, 1]
    step = np.stack(((u * r - v * q) / apart, (v * p - u * q) / apart), axis=-1)
    return step, (push * step).sum(axis=-1)


def tighten(free: Floats, spare: Floats, data: Data) -> Floats:
    """The best found without butterfly arbitrage: least squares with a rising price on g below a hundredth, looked at
    where it is lowest, once from the unconstrained best, `free`, and once from `spare`, which has none of it. A row for
    which nothing better is found stays at its spare."""
    count = len(free)
    both = pick(data, np.tile(np.arange(count), 2))
    current = np.concatenate((free, spare))
    best, least = spare, squares(residuals(spare, data))
    places = _lowest(current, both, 16)
    for price, steps in ((1e2, 14), (1e3, 10)):
        current = _priced(current, both, places, price, steps)
        cost = np.where(sound(current, both), squares(residuals(current, both)), np.inf)
        for rows in (slice(count), slice(count, None)):
            better = cost[rows] < least
            best, least = np.where(better[:, np.newaxis], current[rows], best), np.where(better, cost[rows], least)
        places = np.concatenate((places, _lowest(current, both, 16)[:, :16]), axis=-1)
    return best


def _lowest(parameters: Floats, data: Data, count: int = 32) -> Floats:
    """Log-moneyness where g is lowest, by row, with a few points across the strikes to keep the rest in order."""
    everywhere = _everywhere(parameters, data)
    g = durrleman(parameters, everywhere)
    lowest = np.take_along_axis(everywhere, np.argsort(g, axis=-1, kind="stable")[:, :count], axis=-1)
    spread = data.low[:, np.newaxis] + (data.high - data.low)[:, np.newaxis] * np.linspace(-0.5, 1.5, 17)
    return np.concatenate((lowest, spread), axis=-1)


def _priced(start: Floats, data: Data, places: Floats, price: float, steps: int) -> Floats:
    current, damping = start, np.full(len(start), 1e-2)
    off, jacobian = _terms(current, data, places, price)
    cost = squares(off)
    going = np.ones(len(current), dtype=np.bool_)
    span = data.high - data.low
    for _ in range(steps):
        normal = jacobian @ jacobian.swapaxes(-1, -2)
        gradient = (jacobian @ off[..., np.newaxis])[..., 0]
        diagonal = np.diagonal(normal, axis1=-2, axis2=-1)
        normal = normal + np.eye(5) * (damping[:, np.newaxis] * diagonal + 1e-300)[:, np.newaxis, :]
        step = _solve(normal, gradient[..., np.newaxis])
        trial = current - step
        trial[:, 1:3] = np.minimum(np.maximum(trial[:, 1:3], 1e-6), STEEPEST)
        width = current[:, 4] * np.exp(np.minimum(np.maximum(-step[:, 4], -1.0), 1.0))
        trial[:, 4] = np.minimum(np.maximum(width, _NARROWEST * span), 4 * _WIDEST * span)
        apex = current[:, 0] + 0.5 * (current[:, 1] + current[:, 2]) * current[:, 4] - step[:, 0]
        trial[:, 0] = apex - 0.5 * (trial[:, 1] + trial[:, 2]) * trial[:, 4]
        lowest = trial[:, 0] + trial[:, 4] * np.sqrt(trial[:, 1] * trial[:, 2])
        trial = np.where((lowest > 0)[:, np.newaxis], trial, current)
        trial_off, trial_jacobian = _terms(trial, data, places, price)
        trial_cost = squares(trial_off)
        better = going & (trial_cost < cost) & (lowest > 0)
        going &= np.where(better, cost - trial_cost > 1e-3 * cost, damping < 1e3)
        current = np.where(better[:, np.newaxis], trial, current)
        off = np.where(better[:, np.newaxis], trial_off, off)
        jacobian = np.where(better[:, np.newaxis, np.newaxis], trial_jacobian, jacobian)
        cost = np.where(better, trial_cost, cost)
        damping = np.where(better, damping * 0.1, damping * 8.0)
        if not going.any():
            break
    return current


def _terms(parameters: Floats, data: Data, places: Floats, price: float) -> tuple[Floats, Floats]:
    """Weighted residuals, after them what g lacks of a hundredth at `places` times `price`; and their derivatives,
    (rows, 5, residuals)."""
    level, left, right, centre, width = (parameters[:, i, np.newaxis] for i in range(5))
    both, skew = 0.5 * (left + right), 0.5 * (right - left)
    count = data.k.shape[-1]
    k = np.concatenate((data.k, places), axis=-1)
    x = k - centre
    square = width * width
    h = np.sqrt(x * x + square)
    ratio = x / h
    value = level + both * h + skew * x
    by_value = np.stack(
        (np.ones_like(x), 0.5 * (h - x), 0.5 * (h + x), -(both * ratio + skew), both * width / h), axis=1
    )  # fmt: skip
    off = (value[:, :count] - data.variance) * data.weight
    # g and its slope at the places, through w, w' and w''.
    at, x, h, ratio, w = k[:, count:], x[:, count:], h[:, count:], ratio[:, count:], value[:, count:]
    w = np.maximum(w, 1e-12)
    bend = square / (h * h * h)
    one, two = both * ratio + skew, both * bend
    half = 1.0 - 0.5 * at * one / w
    g = half * half - 0.25 * one * one * (1.0 / w + 0.25) + 0.5 * two
    to_w = (half * at * one + 0.25 * one * one) / (w * w)
    to_one = -half * at / w - 0.5 * one * (1.0 / w + 0.25)
    zero = np.zeros_like(x)
    by_one = np.stack((zero, 0.5 * (ratio - 1.0), 0.5 * (ratio + 1.0), -two, -both * x * width / (h * h * h)), axis=1)
    third = 3.0 * both * square * x / (h * h * h * h * h)
    by_two = np.stack(
        (zero, 0.5 * bend, 0.5 * bend, third, both * width * (2.0 - 3.0 * square / (h * h)) / (h * h * h)), axis=1
    )  # fmt: skip
    slope = to_w[:, np.newaxis] * by_value[:, :, count:] + to_one[:, np.newaxis] * by_one + 0.5 * by_two
    lack = np.minimum(g - 0.01, 0.0)
    slope = np.where((lack < 0)[:, np.newaxis], price * slope, 0.0)
    jacobian = np.concatenate((by_value[:, :, :count] * data.weight[:, np.newaxis, :], slope), axis=-1)
    # Steps are taken with the value at the centre in place of level, and log width: then a wider bend with less of a
    # level,
    # which looks much the same over the strikes, is one direction and not a valley.
    jacobian[:, 1:3] -= 0.5 * width[..., np.newaxis] * jacobian[:, :1]
    jacobian[:, 4] = width * (jacobian[:, 4] - both * jacobian[:, 0])
    return np.concatenate((off, price * lack), axis=-1), jacobian


def pulls(parameters: Floats, three: bool, k: Floats, weight: Floats) -> Floats:
    """How much of its own fitted value each quote of one slice is (the diagonal of the hat matrix), 0 to 1: five
    unknowns, or `three` of an SSVI slice. `parameters` (5,), `k` and `weight` (n,)."""
    level, left, right, centre, width = (float(value) for value in parameters)
    if three:
        psi = left + right
        rho = (right - left) / psi
        theta = 2.0 * level / (1.0 - rho * rho)
        steepest = min(2.0 * STEEPEST / (1.0 + abs(rho)), 2.0 * np.sqrt(theta / (1.0 + abs(rho))))
        place = np.array([np.log(theta), np.arctanh(rho), psi / steepest])
        around = _variance(_ssvi(place + 1e-6 * np.concatenate((np.zeros((1, 3)), np.eye(3)))), k)
        tangent = (around[1:] - around[0]) / 1e-6
    else:
        x = k - centre
        h = np.sqrt(x * x + width * width)
        both = 0.5 * (left + right)
        tangent = np.stack(
            (np.ones_like(x), 0.5 * (h - x), 0.5 * (h + x), -(both * x / h + 0.5 * (right - left)), both * width / h)
        )  # fmt: skip
    basis = np.linalg.qr((tangent * weight).T)[0]
    return np.minimum(np.maximum(squares(np.asarray(basis, dtype=np.float64)), 0.0), 1.0)


def safe(data: Data) -> Floats:
    """SSVI slices w = (theta + rho psi k + sqrt((psi k + theta rho)^2 + theta^2 (1 - rho^2))) / 2 with psi (1 + |rho|)
    and psi^2 (1 + |rho|) / theta at most 4: the best of a coarse grid, then Levenberg-Marquardt."""
    count = len(data.k)
    flat = (data.weight**2 * data.variance).sum(axis=-1) / (data.weight**2).sum(axis=-1)
    # As unbounded numbers: log theta, atanh rho, and the share of the steepest psi as a fraction.
    steps = np.linspace(-1.0, 1.0, 5)
    mesh = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3) * np.array([0.8, 1.5, 0.4])
    trials = np.stack((np.log(flat), np.zeros(count), np.full(count, 0.5)), axis=-1)[:, np.newaxis] + mesh
    off = _off(trials, data)
    place = trials[np.arange(count), np.argmin(squares(off), axis=-1)]
    damping, nudge = np.full(count, 1e-2), 1e-6 * np.concatenate((np.zeros((1, 3)), np.eye(3)))
    going = np.ones(count, dtype=np.bool_)
    for _ in range(40):
        around = _off(place[:, np.newaxis] + nudge, data)
        off, jacobian = around[:, 0], (around[:, 1:] - around[:, :1]) / 1e-6
        normal, gradient = jacobian @ jacobian.swapaxes(-1, -2), (jacobian @ off[..., np.newaxis])[..., 0]
        cost = squares(off)
        diagonal = np.diagonal(normal, axis1=-2, axis2=-1)
        prop = damping[:, np.newaxis] * diagonal + 1e-12 * diagonal.max(axis=-1, keepdims=True) + 1e-300
        step = _solve(normal + np.eye(3) * prop[:, np.newaxis, :], gradient[..., np.newaxis])
        going &= (step * gradient).sum(axis=-1) > 1e-4 * cost
        if not going.any():
            break
        trial = np.clip(place - np.clip(step, -1.0, 1.0), [-np.inf, -3.5, 0.005], [np.inf, 3.5, 0.99])
        better = going & (squares(_off(trial[:, np.newaxis], data)[:, 0]) < cost)
        place = np.where(better[:, np.newaxis], trial, place)
        going &= better | (damping < 1e6)
        damping = np.where(better, damping * 0.1, damping * 10.0)
    return _ssvi(place)


def _off(unbounded: Floats, data: Data) -> Floats:
    """Weighted residuals of SSVI slices, (rows, trials, 3) to (rows, trials, quotes)."""
    variance = _variance(_ssvi(unbounded), data.k[:, np.newaxis, :])
    return (variance - data.variance[:, np.newaxis]) * data.weight[:, np.newaxis]


def _ssvi(unbounded: Floats) -> Floats:
    """The slice as level, left, right, centre, width."""
    theta, rho = np.exp(unbounded[..., 0]), np.tanh(unbounded[..., 1])
    steepest = np.minimum(2.0 * STEEPEST / (1.0 + np.abs(rho)), 2.0 * np.sqrt(theta / (1.0 + np.abs(rho))))
    psi = unbounded[..., 2] * steepest
    turn = np.sqrt(1.0 - rho * rho)
    level = 0.5 * theta * turn * turn
    return np.stack(
        (level, 0.5 * psi * (1.0 - rho), 0.5 * psi * (1.0 + rho), -rho * theta / psi, turn * theta / psi), axis=-1
    )
