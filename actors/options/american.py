"""American exercise where it matters: short in-the-money legs, dividends, and the premium taken out of smiles.

Dividends are cash at known times; the rest of the spot is lognormal ('escrowed'). Two methods behind one signature: a
tree of our own, and QuantLib's finite differences where the extra `american` is installed. float64.
Sources: J. Cox, S. Ross, M. Rubinstein, Journal of Financial Economics 7 (1979); M. Broadie and J. Detemple, American
option valuation, Review of Financial Studies 9 (1996), for the last step by formula and the extrapolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from actors.options.pricing import Bools, Floats, black76, forward_from_parity, implied_volatility
from actors.options.smile_fit import Quotes

Method = Literal["tree", "quantlib"]

#: Premiums that cannot reach this part of a tick are not looked for.
_NEGLIGIBLE = 0.1
#: Instants this part of a life apart are one.
_SAME = 1e-9


class ExtraMissing(ImportError):
    """A method needs a package that is not installed; the message names the extra."""


class DividendError(ValueError):
    """A dividend that cannot be: not finite, below 0, or worth more than the spot."""


class Dividend(msgspec.Struct, frozen=True, order=True):
    """Cash of `amount` dollars per share that leaves the spot `time` years from now (its ex-date)."""

    time: float
    amount: float


def present_value(dividends: Sequence[Dividend], time: ArrayLike, rate: ArrayLike) -> Floats:
    """Dollars now of the dividends that go ex after now and before or at `time` years, discounted at continuous
    `rate`s. Arrays broadcast. Raises DividendError."""
    until, short = np.broadcast_arrays(np.asarray(time, dtype=np.float64), np.asarray(rate, dtype=np.float64))
    total = np.zeros(until.shape)
    for each in dividends:
        if not (np.isfinite(each.time) and np.isfinite(each.amount) and each.amount >= 0):
            raise DividendError(f"dividend of {each.amount} at {each.time} years must be finite and at least 0")
        if each.time > 0:
            total += np.where(each.time <= until, each.amount * np.exp(-short * each.time), 0.0)
    return total


def american_price(
    spot: ArrayLike, strike: ArrayLike, time: ArrayLike, volatility: ArrayLike, factor: ArrayLike, is_call: ArrayLike,
    *, forward: ArrayLike | None = None, dividends: Sequence[Dividend] = (), method: Method = "tree", steps: int = 200,
) -> Floats:  # fmt: skip
    """Prices per share of options that may be exercised at any time; arrays broadcast together.

    `volatility` is that of the forward, as Black-76 takes it, so that the European twin is `black76` at `forward`.
    `factor` is the discount factor to expiry; `forward` by default (spot - dividends) / factor, else its difference
    from that is a steady carry (borrow). At no time or no volatility the best of exercising now, and just before each
    ex-date.
    'tree': recombining, `steps` steps (up to a quarter more, so that ex-dates fall on them), extrapolated, its European
    error taken off.
    'quantlib': its finite differences on `steps` x `steps`, contract by contract; raises ExtraMissing without the
    package. Raises DividendError where dividends are worth the spot or more, ValueError for fewer than 10 steps. NaN
    in, NaN out.
    """
    if steps < 10:
        raise ValueError(f"steps {steps} must be at least 10")
    market = _market(spot, strike, time, volatility, factor, is_call, forward, dividends)
    european = market.european()
    result = np.array(np.maximum(european, market.sign() * (market.s - market.k)), dtype=np.float64)
    known = np.isfinite(market.s + market.k + market.t + market.v + market.d + market.f)
    alive = known & (market.v * np.sqrt(np.maximum(market.t, 0.0)) > 1e-9)
    if alive.any():
        price = _tree if method == "tree" else _quantlib
        result[alive] = np.maximum(result[alive], price(market.pick(alive), dividends, steps))
    still = known & ~alive
    if still.any():
        result[still] = np.maximum(result[still], _certain(market.pick(still), dividends))
    return np.where(known, result, np.nan)


def early_exercise_premium(
    spot: ArrayLike, strike: ArrayLike, time: ArrayLike, volatility: ArrayLike, factor: ArrayLike, is_call: ArrayLike,
    *, forward: ArrayLike | None = None, dividends: Sequence[Dividend] = (), method: Method = "tree", steps: int = 200,
) -> Floats:  # fmt: skip
    """What the right to exercise early adds to the European price, dollars per share, at least 0; as
    `american_price`."""
    market = _market(spot, strike, time, volatility, factor, is_call, forward, dividends)
    full = american_price(
        market.s, market.k, market.t, market.v, market.d, market.call, forward=market.f, dividends=dividends,
        method=method, steps=steps,
    )  # fmt: skip
    return np.maximum(full - market.european(), 0.0)


def european_quotes(
    quotes: Quotes, spot: float, dividends: Sequence[Dividend] = (), *, method: Method = "tree", steps: int = 100
) -> Quotes:
    """Quotes of American options as European ones: bid and ask less the premium at the middle's volatility, and the
    forward by parity of what is left, so that smiles are fitted to what Black-76 can say.

    Contracts whose premium can't reach a tenth of a tick are left as they are (with no rate and no dividends that is
    all of them), as are those without a two-sided quote or a volatility; a bid that the premium would eat becomes NaN.
    Twice over: the volatility read off the first result gives the second premium. Raises as `american_price`.
    """
    count = quotes.strikes.size
    time, factor = np.full(count, quotes.time), np.full(count, quotes.factor)
    if not (quotes.time > 0 and np.isfinite(quotes.forward) and quotes.forward > 0 and count):
        return quotes
    with np.errstate(invalid="ignore"):
        sided = (quotes.bid > 0) & (quotes.ask >= quotes.bid) & np.isfinite(quotes.ask)
        middle = np.where(sided, 0.5 * (quotes.bid + quotes.ask), np.nan)
    premium, forward = np.zeros(count), quotes.forward
    for _ in range(2):
        level = implied_volatility(
            middle - premium, forward, quotes.strikes, time, factor, quotes.is_call, tick=0.5 * quotes.tick
        )
        rows = np.flatnonzero(np.isfinite(level) & _matters(quotes, forward, spot, dividends, level))
        if not rows.size:
            return quotes
        found = early_exercise_premium(
            spot, quotes.strikes[rows], time[rows], level[rows], factor[rows], quotes.is_call[rows], forward=forward,
            dividends=dividends, method=method, steps=steps,
        )  # fmt: skip
        premium = np.zeros(count)
        premium[rows] = found
        forward = _parity(quotes, middle - premium, forward)
    bid, ask = quotes.bid - premium, quotes.ask - premium
    return msgspec.structs.replace(quotes, forward=forward, bid=np.where(bid > 0, bid, np.nan), ask=ask)


def _matters(quotes: Quotes, forward: float, spot: float, dividends: Sequence[Dividend], level: Floats) -> Bools:
    """Where the premium could reach a tenth of a tick: interest on a put's strike, or a call's dividends and negative
    carry, weighed with twice the chance to be in the money."""
    rate = -np.log(quotes.factor) / quotes.time
    interest = quotes.strikes * abs(1.0 - quotes.factor)
    # What a holder of the stock has over a holder of the call: dividends, and whatever else holds the forward down.
    paid = float(present_value(dividends, quotes.time, rate))
    payout = max(spot - forward * quotes.factor, paid, 0.0) + (spot * abs(1.0 - quotes.factor) if rate < 0 else 0.0)
    deviation = level * np.sqrt(quotes.time)
    sign = np.where(quotes.is_call, 1.0, -1.0)
    inside = np.minimum(1.0, 2.0 * ndtr(sign * (np.log(forward / quotes.strikes) / deviation + 0.5 * deviation)))
    return np.where(quotes.is_call, payout, interest) * inside > _NEGLIGIBLE * quotes.tick


def _parity(quotes: Quotes, middle: Floats, before: float) -> float:
    """The forward by parity of adjusted middles; as before where no strike has both sides."""
    calls = {float(k): i for i, k in enumerate(quotes.strikes) if quotes.is_call[i]}
    puts = {float(k): i for i, k in enumerate(quotes.strikes) if not quotes.is_call[i]}
    both = sorted(k for k in calls if k in puts)
    found = forward_from_parity(
        both, middle[[calls[k] for k in both]], middle[[puts[k] for k in both]], quotes.factor
    ) if both else float("nan")  # fmt: skip
    return found if np.isfinite(found) else before


class _Market(msgspec.Struct, frozen=True, eq=False):
    """Contracts as arrays of one shape: spot, strike, time, volatility, factor, whether a call, forward, and what
    dividends to expiry are worth now."""

    s: Floats
    k: Floats
    t: Floats
    v: Floats
    d: Floats
    call: Bools
    f: Floats
    paid: Floats

    def pick(self, rows: Bools | NDArray[np.intp]) -> _Market:
        return _Market(*(getattr(self, name)[rows] for name in self.__struct_fields__))

    def sign(self) -> Floats:
        return np.where(self.call, 1.0, -1.0)

    def rate(self) -> Floats:
        return np.where(self.t > 0, -np.log(self.d) / np.where(self.t > 0, self.t, 1.0), 0.0)

    def carry(self) -> Floats:
        """What the part of the spot that is not dividends drifts by a year."""
        growth = np.log(self.f / (self.s - self.paid))
        return np.where(self.t > 0, growth / np.where(self.t > 0, self.t, 1.0), 0.0)

    def european(self) -> Floats:
        return black76(self.f, self.k, self.t, self.v, self.d, self.call)


def _market(
    spot: ArrayLike, strike: ArrayLike, time: ArrayLike, volatility: ArrayLike, factor: ArrayLike, is_call: ArrayLike,
    forward: ArrayLike | None, dividends: Sequence[Dividend],
) -> _Market:  # fmt: skip
    s, k, t, v, d, side = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (spot, strike, time, volatility, factor, is_call))
    )
    rate = np.where(t > 0, -np.log(d) / np.where(t > 0, t, 1.0), 0.0)
    paid = present_value(dividends, t, rate)
    if np.any(paid >= s):
        raise DividendError(f"dividends worth {float(np.max(paid)):.2f} are not below the spot {float(np.min(s)):.2f}")
    f = (s - paid) / d if forward is None else np.broadcast_to(np.asarray(forward, dtype=np.float64), s.shape)
    return _Market(s, k, t, v, d, side != 0, f, paid)


def _later(market: _Market, dividends: Sequence[Dividend], at: Floats) -> Floats:
    """Dollars at instants `at` of dividends still to come by then, before or at expiry."""
    total = np.zeros_like(at)
    if not market.paid.any():
        return total
    rate = market.rate()
    for each in dividends:
        if each.time > 0:
            coming = (each.time > at - _SAME * market.t) & (each.time <= market.t)
            total += np.where(coming, each.amount * np.exp(-rate * (each.time - at)), 0.0)
    return total


def _certain(market: _Market, dividends: Sequence[Dividend]) -> Floats:
    """Without volatility: the best of exercising just before each ex-date, discounted."""
    rate, carry, start = market.rate(), market.carry(), market.s - market.paid
    best = np.zeros_like(start)
    for each in dividends:
        at = np.minimum(np.full(start.shape, max(each.time, 0.0)), market.t)
        level = start * np.exp(carry * at) + _later(market, dividends, at)
        best = np.maximum(best, np.exp(-rate * at) * market.sign() * (level - market.k))
    return best


def _tree(market: _Market, dividends: Sequence[Dividend], steps: int) -> Floats:
    """Contracts of one expiry at once, in a coarse tree and one of twice its steps, extrapolated to none."""
    found = np.empty(market.s.shape)
    for life in np.unique(market.t):
        rows = np.flatnonzero(market.t == life)
        some = market.pick(rows)
        coarse = _aligned(float(life), dividends, steps // 2)
        first, second = _premium(some, dividends, coarse), _premium(some, dividends, 2 * coarse)
        found[rows] = some.european() + 2.0 * second - first
    return found


def _aligned(life: float, dividends: Sequence[Dividend], fewest: int) -> int:
    """A number of steps, at most a quarter above `fewest`, at which ex-dates lie nearest after a step."""
    due = np.array([each.time / life for each in dividends if 0 < each.time <= life])
    if not due.size:
        return fewest
    counts = np.arange(fewest, fewest + max(fewest // 4, 1) + 1)
    places = due * counts[:, np.newaxis] + _SAME
    return int(counts[np.argmin((places - np.floor(places)).max(axis=-1))])


def _premium(market: _Market, dividends: Sequence[Dividend], steps: int) -> Floats:
    """American less European value in one recombining tree around the forward, (contracts, nodes), whose last step is
    Black's formula."""
    step = market.t / steps
    rise, carry = market.v * np.sqrt(step), market.carry()
    up = 1.0 / (1.0 + np.exp(rise))
    shrink = np.exp(-market.rate() * step)
    weight_up, weight_down = (up * shrink)[:, np.newaxis], ((1.0 - up) * shrink)[:, np.newaxis]
    sign, start, level = (value[:, np.newaxis] for value in (market.sign(), market.s - market.paid, market.k))
    spread = np.exp(rise[:, np.newaxis] * (2.0 * np.arange(steps) - (steps - 1)))
    value = european = np.empty(0)
    for i in range(steps - 1, -1, -1):
        base = start * np.exp(carry * (i * step))[:, np.newaxis]
        # A node of step i lies on the spread of the last step, moved by what is missing of the steps.
        free = base * spread[:, : i + 1] * np.exp(rise * (steps - 1 - i))[:, np.newaxis]
        now = sign * (free + _later(market, dividends, i * step)[:, np.newaxis] - level)
        if i == steps - 1:
            last = (free * np.exp(carry * step)[:, np.newaxis], level, step[:, np.newaxis], market.v[:, np.newaxis])
            european = black76(*last, shrink[:, np.newaxis], market.call[:, np.newaxis])
            value = np.maximum(european, now)
        else:
            value = np.maximum(weight_up * value[:, 1:] + weight_down * value[:, :-1], now)
            european = weight_up * european[:, 1:] + weight_down * european[:, :-1]
    return np.asarray(value[:, 0] - european[:, 0], dtype=np.float64)


def _quantlib(market: _Market, dividends: Sequence[Dividend], steps: int) -> Floats:
    """QuantLib's finite differences, one contract after another. It counts whole days, and price depends on rate x time
    and volatility^2 x time alone: every life is stretched to a century, and its market with it."""
    try:
        import QuantLib as quantlib  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise ExtraMissing("method 'quantlib' needs the package QuantLib: pip install 'callboard[american]'") from None
    ql: Any = quantlib
    days = 36500
    today = ql.Date(1, 1, 2000)
    before = ql.Settings.instance().evaluationDate
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    found = np.empty(market.s.shape)
    rates, carries = market.rate(), market.carry()
    try:
        for i in range(found.size):
            life = float(market.t[i])
            stretch = days / 365.0 / life
            curves = [
                ql.YieldTermStructureHandle(ql.FlatForward(today, float(value) / stretch, count))
                for value in (rates[i] - carries[i], rates[i])
            ]
            level = ql.BlackConstantVol(today, ql.NullCalendar(), float(market.v[i]) / stretch**0.5, count)
            process = ql.BlackScholesMertonProcess(
                ql.QuoteHandle(ql.SimpleQuote(float(market.s[i]))), *curves, ql.BlackVolTermStructureHandle(level)
            )
            due = [each for each in dividends if 0 < each.time <= life]
            cash = ql.DividendVector(
                [today + max(1, round(each.time * stretch * 365)) for each in due], [each.amount for each in due]
            )
            option = ql.VanillaOption(
                ql.PlainVanillaPayoff(ql.Option.Call if market.call[i] else ql.Option.Put, float(market.k[i])),
                ql.AmericanExercise(today, today + days),
            )
            option.setPricingEngine(
                ql.FdBlackScholesVanillaEngine(
                    process, cash, steps, steps, 0, ql.FdmSchemeDesc.CrankNicolson(), False, -1e300,
                    ql.FdBlackScholesVanillaEngine.Escrowed,
                )
            )  # fmt: skip
            found[i] = option.NPV()
    finally:
        ql.Settings.instance().evaluationDate = before
    return found
