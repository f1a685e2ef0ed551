"""What a belief advises: the chance of a fill with its interval, the best price for a wanted chance, and what waiting
for a better price is worth. Prices are signed nets of the unit bought, dollars per share, positive paid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec
import numpy as np

from actors.options.fills.evidence import Belief
from actors.options.fills.model import Conditions, aggressiveness, features
from actors.options.fills.wandering import chances

#: Prices looked at between far and natural at most: a market of 1,000 ticks is looked at every few ticks.
_MOST_PRICES = 201


class Estimate(msgspec.Struct, frozen=True):
    """A chance in [0, 1]: its mean over the belief, and the bounds of its credible interval."""

    mean: float
    low: float
    high: float


class Quoted(msgspec.Struct, frozen=True):
    """The market of a unit: far and natural with natural above far, in dollars per share; the tick of its net; and
    the conditions of the moment, whose aggressiveness is not looked at."""

    far: Decimal
    natural: Decimal
    tick: Decimal
    conditions: Conditions
    wander: float = 0.0


class Advice(msgspec.Struct, frozen=True):
    """A limit on the tick grid, where it stands, its chance of filling in the time asked about, what it is better than
    natural by (dollars per share), and the expected gain against paying natural now (dollars per share)."""

    limit: Decimal
    aggressiveness: float
    chance: Estimate
    improvement: float
    gain: float


def fill_probability(
    belief: Belief, conditions: Conditions, seconds: float, *, wander: float = 0.0, level: float = 0.95
) -> Estimate:
    """Chance that an order fills, in part or whole, within `seconds` from these conditions, given none before.

    `wander` is the deviation of the unit's value in half spreads a root second (0: conditions stay): quotes move with
    the value, half a spread of value is half of the way from far to natural. The interval is of the belief, at `level`
    in (0, 1): it narrows with evidence. Raises ValueError for a condition that is nan.
    """
    mean, low, high = chances(belief, np.array([features(conditions)]), seconds, wander, level)
    return Estimate(float(mean[0]), float(low[0]), float(high[0]))


def expected_gain(chance: float, improvement: float, drift: float) -> float:
    """chance x improvement - (1 - chance) x drift: what trying a better price first is worth against paying natural
    now, dollars per share.

    `improvement` is natural minus limit; `drift` what natural is expected to have moved away by when the attempt has
    failed (0 or more: what one misses moves away more often than not).
    """
    return chance * improvement - (1 - chance) * drift


def best_price(
    belief: Belief, quoted: Quoted, wanted: float, seconds: float, *, drift: float = 0.0, level: float = 0.95
) -> Advice | None:
    """The lowest limit on the grid whose mean chance within `seconds` is at least `wanted`; None where even natural's
    is not: the caller then says so, and does not wait for it."""
    return next((each for each in _ladder(belief, quoted, seconds, drift, level) if each.chance.mean >= wanted), None)


def best_gain(belief: Belief, quoted: Quoted, seconds: float, drift: float, *, level: float = 0.95) -> Advice:
    """The limit with the largest expected gain; natural's own is near 0, so where nothing else is above 0 it is
    natural. Equal gains: the more aggressive one."""
    return max(_ladder(belief, quoted, seconds, drift, level), key=lambda each: (each.gain, each.limit))


# --- parts ------------------------------------------------------------------------------------------------------


def _ladder(belief: Belief, quoted: Quoted, seconds: float, drift: float, level: float) -> Sequence[Advice]:
    """Every price looked at, from far to natural. Raises ValueError for a market that is locked, crossed or off."""
    if not quoted.tick > 0 or not quoted.natural > quoted.far:
        raise ValueError(f"no prices between far {quoted.far} and natural {quoted.natural} by ticks of {quoted.tick}")
    far, natural = float(quoted.far), float(quoted.natural)
    limits = _grid(quoted)
    places = [aggressiveness(float(limit), natural, far) for limit in limits]
    base = np.array(features(msgspec.structs.replace(quoted.conditions, aggressiveness=0.5)))
    rows = np.tile(base, (len(limits), 1))
    rows[:, 1] = np.array(places) - 0.5
    found = zip(*chances(belief, rows, seconds, quoted.wander, level), strict=True)
    result: list[Advice] = []
    for limit, place, (mean, low, high) in zip(limits, places, found, strict=True):
        improvement = float(quoted.natural - limit)
        chance = Estimate(float(mean), float(low), float(high))
        result.append(Advice(limit, place, chance, improvement, expected_gain(chance.mean, improvement, drift)))
    return result


def _grid(quoted: Quoted) -> list[Decimal]:
    first = (quoted.far / quoted.tick).to_integral_value(ROUND_CEILING)
    last = (quoted.natural / quoted.tick).to_integral_value(ROUND_FLOOR)
    count = int(last - first) + 1
    stride = max(1, math.ceil((count - 1) / (_MOST_PRICES - 1))) if count > 1 else 1
    limits = [(first + k) * quoted.tick for k in range(0, count, stride)]
    # Natural itself is always a price that one may pay, on the grid or not.
    return limits if limits and limits[-1] == quoted.natural else [*limits, quoted.natural]
