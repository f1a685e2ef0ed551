"""Fits the smile of every expiry of a chain at once, from quotes to parameters. What a smile is lives in `smile`.

Source: J. Gatheral and A. Jacquier, Arbitrage-free SVI volatility surfaces, Quantitative Finance 14 (2014).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.options._svi_fit import Data, coarse, huber, pick, polish, pulls, safe, sound, tighten
from actors.options.pricing import Bools, Floats, implied_volatility
from actors.options.smile import FitReport, Form, Smile, normal_density, svi_variance

#: Fewer usable strikes than this carry no smile; fewer than `_FULL` none with five parameters.
_FEWEST, _FULL = 5, 8
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


def fit_smiles(expiries: Sequence[Quotes]) -> tuple[Smile | NoSmile, ...]:
    """Fit the smile of every expiry, all at once; the same order comes back, NoSmile where quotes do not carry one.

    Used are out-of-the-money contracts (calls from the forward up, puts below) with a bid, an ask not below it and an
    implied volatility; each mid weighs as one over half its quote's width in volatility (width over vega, 0.1
    points at best), wide outliers less (Huber). Five-parameter SVI by least squares in total variance; where g(k) < 0
    anywhere, it is fitted again with a price on that; where that is not enough, or there are fewer than 8 strikes, by
    an SSVI slice (three parameters, arbitrage-free by Gatheral and Jacquier's theorem 4.2). The report says which.
    American quotes are read as European ones: take early exercise out first (`american.european_quotes`). Calendar
    arbitrage is not fitted away: see `violations`. Deterministic; raises nothing on bad quotes.
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


def leverage(quotes: Quotes, smile: Smile) -> Floats:
    """How much of its own fitted value each quote was in the fit of `smile` to `quotes`, 0 to 1, in their order; 0 for
    those not used. A quote's distance from the fit over 1 - leverage is, to first order, that from a fit without it."""
    found = np.zeros(quotes.strikes.shape)
    used = _usable((quotes,))[0]
    if not isinstance(used, NoSmile) and smile.report.form != "flat":
        parameters = np.array([smile.level, smile.left, smile.right, smile.centre, smile.width])
        found[used.rows] = pulls(parameters, smile.report.form == "ssvi", used.k, _weight(used))
    return found


class _Usable(msgspec.Struct, frozen=True, eq=False):
    """Used quotes of one expiry, by rising strike: their places among the quotes, log-moneyness, volatility, and half a
    width's worth of it."""

    rows: NDArray[np.intp]
    strikes: Floats
    k: Floats
    volatility: Floats
    error: Floats
    time: float


class _Side(msgspec.Struct, frozen=True, eq=False):
    """Out-of-the-money quotes of one expiry that could be used, by rising strike, and their places among the quotes."""

    rows: NDArray[np.intp]
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
        rows,
        quotes.strikes[rows],
        quotes.is_call[rows],
        0.5 * (bid + ask),
        np.maximum(0.5 * (ask - bid), 0.5 * quotes.tick),
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
    return _Usable(side.rows[known], strikes, k, level, np.hypot(half / vega, _FINEST), t)


def _weight(used: _Usable) -> Floats:
    """One over what half a quote's width is worth in total variance."""
    return 1.0 / (2.0 * used.volatility * used.time * used.error)


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
        weight[i, :n] = _weight(row)
    data = Data(k, variance, weight, np.array([row.k[0] for row in rows]), np.array([row.k[-1] for row in rows]))
    few = np.array([row.k.size < _FULL for row in rows])
    parameters = np.empty((len(rows), 5))
    notes: list[tuple[str, ...]] = [()] * len(rows)
    forms: list[Form] = ["svi"] * len(rows)
    simple, full = np.flatnonzero(few), np.flatnonzero(~few)
    if simple.size:
        parameters[simple] = safe(pick(data, simple))
        for i in simple.tolist():
            forms[i], notes[i] = "ssvi", (f"{rows[i].k.size} strikes: three parameters",)
    if full.size:
        some = pick(data, full)
        best = polish(coarse(some), some, 1e-2, 12)
        some = msgspec.structs.replace(some, weight=some.weight * huber(best, some))
        best = polish(best, some, 1e-3, 60)
        bad = np.flatnonzero(~sound(best, some))
        if bad.size:
            worse = pick(some, bad)
            start = safe(worse)
            tight = tighten(best[bad], start, worse)
            best[bad] = tight
            for place, i in enumerate(full[bad].tolist()):
                if (tight[place] == start[place]).all():
                    forms[i], notes[i] = "ssvi", ("no svi without butterfly arbitrage found: three parameters",)
                else:
                    forms[i], notes[i] = "tightened", ("the best svi has butterfly arbitrage: refitted with g >= 0",)
        parameters[full] = best
    return [(parameters[i], forms[i], notes[i]) for i in range(len(rows))]
