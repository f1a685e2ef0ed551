"""Chances of a book, risk-neutral and by the fitted smile: profit at expiry, expected value, touch, target before stop.

None of this is a promise: it is what option prices say. `cash` is always the dollars received (positive) or paid for
the whole book, round-trip fees taken off; profit and loss is the book's value plus cash.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from actors.options.book_model import BookModel, book_model
from actors.options.orders import OrderLeg, cash_of, validate_legs
from actors.options.payoff import Leg, Payoff, payoff
from actors.options.pricing import Floats
from actors.options.smile import Smile

#: Two-sided 95 % of the normal distribution, for intervals of simulated shares.
_Z = 1.959963984540054


class Chances(msgspec.Struct, frozen=True):
    """Held to expiry, risk-neutral: `profit` the probability (0 to 1) that profit and loss is above 0 (POP), `expected`
    its mean in dollars, not discounted. `estimate`: legs expire apart, a model stands in for those that go on."""

    profit: float
    expected: float
    estimate: bool


def chances(paid: Payoff, cash: float, smile: Smile) -> Chances:
    """POP and expected value of legs that expire together, exact under `smile` (that of their expiry).

    Probability that `paid` + cash > 0, from the smile's distribution between the exact break-evens; the mean from the
    prices of the calls that the payoff is made of. Source: Breeden and Litzenberger, Journal of Business 51 (1978).
    """
    spots = [float(spot) for spot in paid.spots]
    values = [float(value) + cash for value in paid.values]
    slopes = [float(paid.slope_after(index)) for index in range(len(spots))]
    edges = [*spots]
    for index, (spot, value, slope) in enumerate(zip(spots, values, slopes, strict=True)):
        root = spot - value / slope if slope else spot
        end = spots[index + 1] if index + 1 < len(spots) else math.inf
        if spot < root < end:
            edges.append(root)
    edges.sort()
    below = [*(float(chance) for chance in smile.probability_below(np.array(edges))), 1.0]
    profit = 0.0
    for place, edge in enumerate(edges):
        end = edges[place + 1] if place + 1 < len(edges) else edge + 2.0
        middle = 0.5 * (edge + end)
        index = max(i for i, spot in enumerate(spots) if spot <= middle)
        if values[index] + (middle - spots[index]) * slopes[index] > 0:
            profit += max(below[place + 1] - below[place], 0.0)
    expected = values[0] + slopes[0] * smile.forward
    strikes = np.array(spots[1:])
    if strikes.size:
        calls = smile.price(strikes, True) / smile.factor
        expected += float(np.dot(np.diff(np.array(slopes)), calls))
    return Chances(min(profit, 1.0), expected, False)


def chances_at_nearest(model: BookModel, cash: float, *, points: int = 2001) -> Chances | None:
    """POP and expected value at the nearest expiry by the model: an estimate where legs expire apart, and marked so.

    The book's value there over a grid of `points` spots against the distribution of the nearest expiry's smile; linear
    between grid points. None without options: stock has no expiry.
    """
    smile = model.anchor
    if smile is None:
        return None
    deviation = math.sqrt(float(smile.total_variance(0.0)))
    strikes = [option.strike for option in model.options]
    low = min(smile.forward * math.exp(-10 * deviation - 0.5), *strikes, smile.forward) * 0.5
    high = max(smile.forward * math.exp(10 * deviation + 0.5), *strikes) * 2.0
    grid = np.unique(np.concatenate((np.geomspace(low, high, points), np.array(strikes))))
    # The smile speaks of the price at expiry, whose mean is its forward; the model's spot is that price.
    value = model.value(grid, model.nearest) + cash
    below = smile.probability_below(grid)
    mass = np.maximum(np.diff(below), 0.0)
    left, right = value[:-1], value[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.clip(np.where(left != right, left / (left - right), 0.0), 0.0, 1.0)
    share = np.where((left > 0) & (right > 0), 1.0, np.where((left <= 0) & (right <= 0), 0.0, np.nan))
    share = np.where(np.isnan(share), np.where(left > 0, crossing, 1.0 - crossing), share)
    profit = float(mass @ share) + float(below[0]) * (value[0] > 0) + float(1.0 - below[-1]) * (value[-1] > 0)
    expected = float(mass @ (0.5 * (left + right))) + float(below[0]) * value[0] + float(1.0 - below[-1]) * value[-1]
    return Chances(min(profit, 1.0), float(expected), model.apart)


def touch(smile: Smile, spot: float, strikes: ArrayLike) -> Floats:
    """Probability (0 to 1) that the underlying trades at each strike at some instant before the smile's expiry.

    That of a lognormal walk at the strike's own volatility and the forward's drift (reflection principle), at least the
    smile's probability to end beyond it. 1 for a strike at the spot. Strikes above 0, any shape; raises ValueError
    unless spot is above 0. Source: Reiner and Rubinstein, Risk 4 (1991), rebate at hit.
    """
    if not spot > 0:
        raise ValueError(f"spot {spot} must be above 0")
    level = np.asarray(strikes, dtype=np.float64)
    variance = smile.total_variance(smile.moneyness(level))
    deviation = np.sqrt(variance)
    way = np.log(level / spot)
    # Per life of the option: what the logarithm drifts, and the same against the barrier's side.
    drift = math.log(smile.forward / spot) - 0.5 * variance
    side = np.where(way >= 0, 1.0, -1.0)
    distance = np.abs(way)
    with np.errstate(over="ignore"):
        mirrored = np.exp(np.minimum(2.0 * drift * way / variance, 700.0))
    hit = ndtr((side * drift - distance) / deviation) + mirrored * ndtr((-side * drift - distance) / deviation)
    below = smile.probability_below(level)
    beyond = np.where(way >= 0, 1.0 - below, below)
    return np.where(distance == 0, 1.0, np.clip(np.maximum(hit, beyond), 0.0, 1.0))


def order_chances(
    legs: Sequence[OrderLeg], limit: Decimal, quantity: int, fees: Decimal, spot: float, smiles: Mapping[dt.date,
    Smile], *, estimates: bool = False,
) -> Chances | None:  # fmt: skip
    """Chances of an order filled at its `limit` (dollars per share of one unit, positive paid) for `quantity` units,
    held to expiry, after `fees`: the round trip's, in dollars for all units.

    None where the order has no options, and where its legs expire apart unless `estimates`. Raises NoModel for a leg
    without a smile, LegsError and SymbolError for legs that make no order, ValueError for a quantity below 1.
    """
    validate_legs(legs)
    if quantity < 1:
        raise ValueError(f"quantity {quantity} must be at least 1")
    held = [Leg(leg.symbol, leg.ratio * quantity) for leg in legs]
    model = book_model(held, spot, smiles)
    anchor = model.anchor
    if anchor is None or (model.apart and not estimates):
        return None
    cash = float(-cash_of(legs, limit, quantity) - fees)
    return chances_at_nearest(model, cash) if model.apart else chances(payoff(held), cash, anchor)


class Race(msgspec.Struct, frozen=True):
    """Which comes first by the nearest expiry, as shares of simulated paths: `target`, `stop`, or `neither`; (low,
    high) the 95 % interval of `target` (Wilson), of simulation alone. `paths`, `steps` and `seed` reproduce it."""

    target: float
    stop: float
    neither: float
    interval: tuple[float, float]
    stop_interval: tuple[float, float]
    paths: int
    steps: int
    seed: int


def target_before_stop(
    model: BookModel, cash: float, target: float, stop: float, *, seed: int, paths: int = 10_000, steps: int = 100
) -> Race | None:
    """Whether profit and loss by the model's value reaches `target` dollars before it falls to `stop` dollars.

    Paths are lognormal at the nearest expiry's at-the-money volatility and drift, looked at `steps` times until then
    (so that what happens between two looks is not seen); volatilities of contracts stay as they are. Same seed, same
    answer. None without options. Raises ValueError unless stop < target, or where paths or steps are below 1.
    """
    smile = model.anchor
    if not stop < target:
        raise ValueError(f"stop {stop} must be below target {target}")
    if paths < 1 or steps < 1:
        raise ValueError(f"paths {paths} and steps {steps} must be at least 1")
    if smile is None:
        return None
    generator = np.random.Generator(np.random.PCG64(seed))
    deviation = math.sqrt(float(smile.total_variance(0.0)) / steps)
    drift = (math.log(smile.forward / model.spot) - 0.5 * float(smile.total_variance(0.0))) / steps
    place = np.zeros(paths)
    outcome = np.zeros(paths, dtype=np.int8)
    reach = 6.0 * deviation * math.sqrt(steps) + abs(drift) * steps
    grid = np.linspace(-reach, reach, 801)
    levels = model.spot * np.exp(grid)
    for step in range(1, steps + 1):
        place += drift + deviation * generator.standard_normal(paths)
        running = outcome == 0
        worth = np.interp(place[running], grid, model.value(levels, model.nearest * step / steps)) + cash
        outcome[running] = np.where(worth >= target, 1, np.where(worth <= stop, 2, 0))
        if outcome.all():
            break
    won, lost = int((outcome == 1).sum()), int((outcome == 2).sum())
    return Race(
        won / paths, lost / paths, (paths - won - lost) / paths, wilson(won, paths), wilson(lost, paths), paths, steps,
        seed,
    )  # fmt: skip


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share from `successes` of `trials` (E. Wilson, JASA 22, 1927). Raises ValueError unless
    0 <= successes <= trials and trials is above 0."""
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials} is no share")
    share = successes / trials
    scale = 1.0 + _Z * _Z / trials
    centre = (share + _Z * _Z / (2 * trials)) / scale
    half = _Z / scale * math.sqrt(share * (1 - share) / trials + _Z * _Z / (4 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def short_strikes(model: BookModel) -> Sequence[float]:
    """Strikes in dollars of the options that are sold, rising, each once: those whose touch is worth knowing."""
    return sorted(dict.fromkeys(option.strike for option in model.options if option.shares < 0))
