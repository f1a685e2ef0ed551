"""The volatility smile of an expiry: its shape, what it says of prices and probabilities, its fit, its arbitrage.

Total variance over log-moneyness k = ln(K / F), always in Gatheral's SVI form. float64, no I/O, no chance, no clock.
Sources: J. Gatheral and A. Jacquier, Arbitrage-free SVI volatility surfaces, Quantitative Finance 14 (2014);
V. Durrleman, thesis, Princeton (2003) for g(k); R. Lee, Mathematical Finance 14 (2004) for the slopes of the wings.

Nothing trades on it yet: early exercise is not taken out of American quotes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from actors.options.pricing import Bools, Floats, black76, black76_greeks, implied_volatility

Form = Literal["svi", "tightened", "ssvi", "flat"]
Kind = Literal["vertical", "butterfly", "calendar"]

#: Fewer usable strikes than this carry no smile; fewer than `_FULL` none with five parameters.
_FEWEST, _FULL = 5, 8
#: A wing steeper than 2 has no first moment (Lee); the rest is room for rounding.
_STEEPEST = 1.98
#: What a mid is trusted to at best, in volatility: quotes a tick wide at the money must not own the whole fit.
_FINEST = 0.001
_SQRT_2PI = float(np.sqrt(2 * np.pi))
_SLACK = 1e-9


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


class NoSmile(msgspec.Struct, frozen=True):
    """No smile for an expiry, and why, in words."""

    reasons: tuple[str, ...]


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
        return _variance(_row(self), np.atleast_1d(np.asarray(k, dtype=np.float64)))[0].reshape(np.shape(k))

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
        variance, slope, _ = _variance(_row(self), self.moneyness(flat[positive]))
        deviation = np.sqrt(variance)
        lower = -self.moneyness(flat[positive]) / deviation - 0.5 * deviation
        found[positive] = ndtr(-lower) + _normal(lower) * slope / (2.0 * deviation)
        return np.minimum(np.maximum(found, 0.0), 1.0).reshape(shape)

    def density(self, strike: ArrayLike) -> Floats:
        """Risk-neutral density of the price at expiry per dollar (Breeden and Litzenberger): g(k) n(d2) / (K sqrt(w)).
        Negative where the smile has butterfly arbitrage; not cut off there."""
        at = np.asarray(strike, dtype=np.float64)
        k = self.moneyness(at)
        deviation = np.sqrt(self.total_variance(k))
        return self.durrleman(k) * _normal(k / deviation + 0.5 * deviation) / (at * deviation)

    def durrleman(self, k: ArrayLike) -> Floats:
        """Durrleman's g at log-moneyness `k`: the density over that of the lognormal. At least 0 without butterfly
        arbitrage."""
        return _durrleman(_row(self), np.atleast_1d(np.asarray(k, dtype=np.float64))).reshape(np.shape(k))

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
        variance, slope, _ = _variance(_row(smile), k)
        deviation = np.sqrt(variance)
        lower = -k / deviation - 0.5 * deviation
        below = ndtr(-lower) + _normal(lower) * slope / (2.0 * deviation)
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
# Parameters are arrays (..., 5): level, left, right, centre, width; k is (..., n).


def _row(smile: Smile) -> Floats:
    return np.array([smile.level, smile.left, smile.right, smile.centre, smile.width])


def _variance(parameters: Floats, k: Floats) -> tuple[Floats, Floats, Floats]:
    """w and its first and second derivative in k."""
    level, left, right, centre, width = (parameters[..., i, np.newaxis] for i in range(5))
    x = k - centre
    h = np.sqrt(x * x + width * width)
    ratio = x / h
    value = level + 0.5 * (left * (h - x) + right * (h + x))
    first = 0.5 * (left * (ratio - 1.0) + right * (ratio + 1.0))
    second = 0.5 * (left + right) * width * width / (h * h * h)
    return value, first, second


def _durrleman(parameters: Floats, k: Floats) -> Floats:
    value, first, second = _variance(parameters, k)
    half = 1.0 - 0.5 * k * first / value
    return half * half - 0.25 * first * first * (1.0 / value + 0.25) + 0.5 * second


def _normal(x: Floats) -> Floats:
    return np.exp(-0.5 * np.minimum(x * x, 1400.0)) / _SQRT_2PI


# --- the fit ----------------------------------------------------------------------------------------------------------


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
    vega = quotes.factor * f * _normal(upper) * root
    return _Usable(strikes, k, level, np.hypot(half / vega, _FINEST), t)


def _smile(quotes: Quotes, used: _Usable, parameters: Floats, form: Form, notes: tuple[str, ...]) -> Smile:
    fitted = np.sqrt(_variance(parameters, used.k)[0] / used.time)
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
    return (_variance(parameters, data.k)[0] - data.variance) * data.weight


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
    deviation = np.sqrt(np.maximum(_variance(parameters, np.zeros((len(parameters), 1)))[0], 1e-12))
    across = np.maximum(np.maximum(-data.low, data.high)[:, np.newaxis], 6.0 * deviation)
    inner = data.low[:, np.newaxis] + (data.high - data.low)[:, np.newaxis] * np.linspace(0, 1, 101)
    bend = parameters[:, 3:4] + parameters[:, 4:5] * np.linspace(-6, 6, 61)
    wings = across * np.concatenate((-np.geomspace(0.05, 30, 60), np.geomspace(0.05, 30, 60)))
    return np.concatenate((inner, bend, wings), axis=-1)


def _sound(parameters: Floats, data: _Data) -> Bools:
    """Whether g >= 0 wherever it is tried."""
    return _durrleman(parameters, _everywhere(parameters, data)).min(axis=-1) >= 0.0


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
        lack = np.minimum(np.nan_to_num(_durrleman(parameters, at), nan=-10.0, posinf=10.0, neginf=-10.0) - 0.01, 0.0)
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
        off = (_variance(raw, data.k[:, np.newaxis, :])[0] - data.variance[:, np.newaxis]) * data.weight[:, np.newaxis]
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
