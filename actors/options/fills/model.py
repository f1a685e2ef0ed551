"""The hazard of a combo's fill: conditions of a moment to a chance of filling within some seconds. No evidence here.

Proportional hazards in discrete time (complementary log-log link; Prentice and Gloeckler 1978): with x the features
of the conditions and b the parameters, the hazard is exp(b . x) a second, and the chance that an order which has not
filled yet fills within the next s seconds of unchanged conditions is 1 - exp(-s exp(b . x)). So parameters do not
depend on how time is cut into steps.
"""

from __future__ import annotations

import math

import msgspec

#: Names of the parameters, in the order of `features`.
PARAMETERS = ("rate", "aggressiveness", "spread", "size", "opening", "closing", "move")

_SPREAD = 5.0
_MINUTES = 15.0
_FARTHEST_MOVE = 3.0
#: Two spreads beyond far is as good as never.
FARTHEST_PLACE = -2.0
_LEAST, _MOST = 0.1, 10.0
#: Beyond these a hazard is never or at once, whatever the seconds.
_BOUND = 30.0


class FillTruth(msgspec.Struct, frozen=True):
    """Parameters of the hazard: what a market has, and what a belief is about. All are in log hazard.

    `rate`: at the middle of a market 5 ticks wide, for the displayed size, at noon (so exp(rate) is fills a second).
    `aggressiveness`: from far to natural. `spread`: per factor e of the spread in ticks. `size`: per factor e of size
    over displayed size. `opening` and `closing`: at the bell, fading over 15 minutes. `move`: per half spread that
    the underlying has moved the combo's value toward the order since it was sent.
    The defaults are the embedded market's: chosen, not measured.
    """

    rate: float = -4.6
    aggressiveness: float = 8.0
    spread: float = -0.6
    size: float = -0.7
    opening: float = 0.4
    closing: float = 0.6
    move: float = 0.9

    @property
    def values(self) -> tuple[float, ...]:
        """The parameters in the order of PARAMETERS."""
        return (self.rate, self.aggressiveness, self.spread, self.size, self.opening, self.closing, self.move)


class Conditions(msgspec.Struct, frozen=True):
    """What an order meets at a moment.

    `aggressiveness` is 0 at far, 1 at natural, below 0 beyond far. `spread_ticks`: natural minus far in ticks. `size`:
    units wanted over units displayed at the natural price. `since_open`, `to_close`: minutes of the class's session.
    `move`: see the function of that name.
    """

    aggressiveness: float
    spread_ticks: float
    size: float
    since_open: float
    to_close: float
    move: float = 0.0


def aggressiveness(limit: float, natural: float, far: float) -> float:
    """Where a limit stands between far (0) and natural (1). At natural and above it is 1, beyond far it goes on below
    0, down to -2: two spreads away.

    All are signed net prices of the unit bought, dollars per share, positive paid; natural pays asks and hits bids,
    far is its mirror. In a locked or crossed market a limit at natural or above is 1, any other -2. nan if an input
    is.
    """
    if math.isnan(limit) or math.isnan(natural) or math.isnan(far):
        return math.nan
    if natural <= far:
        return 1.0 if limit >= natural else FARTHEST_PLACE
    return min(1.0, max(FARTHEST_PLACE, (limit - far) / (natural - far)))


def move(delta: float, spot: float, spot_when_sent: float, half_spread: float) -> float:
    """How far the underlying has moved the combo's value toward the order since it was sent, in half spreads.

    `delta` is of the unit bought, dollars per share for a dollar of the underlying: a unit that has become cheaper has
    come toward its buyer (+). 0 where the spread is not above 0 or an input is nan; at most 3 either way.
    """
    toward = -delta * (spot - spot_when_sent)
    if not half_spread > 0 or math.isnan(toward):
        return 0.0
    return min(_FARTHEST_MOVE, max(-_FARTHEST_MOVE, toward / half_spread))


def features(conditions: Conditions) -> tuple[float, ...]:
    """The seven features in the order of PARAMETERS: one, aggressiveness from the middle, log spread over 5 ticks (at
    least 1 tick), log size (within a tenth and ten times), nearness of open and close (1 at the bell, fading over 15
    minutes), move. Raises ValueError for a condition that is nan: what is not known has no chance."""
    row = (
        1.0,
        min(1.0, max(FARTHEST_PLACE, conditions.aggressiveness)) - 0.5,
        math.log(max(1.0, conditions.spread_ticks) / _SPREAD),
        math.log(min(_MOST, max(_LEAST, conditions.size))),
        math.exp(-max(0.0, conditions.since_open) / _MINUTES),
        math.exp(-max(0.0, conditions.to_close) / _MINUTES),
        min(_FARTHEST_MOVE, max(-_FARTHEST_MOVE, conditions.move)),
    )
    if any(math.isnan(value) for value in (*row, *msgspec.structs.astuple(conditions))):
        raise ValueError(f"a condition is not known: {conditions}")
    return row


def log_hazard(truth: FillTruth, conditions: Conditions) -> float:
    """Log of the hazard in fills a second."""
    return sum(b * x for b, x in zip(truth.values, features(conditions), strict=True))


def probability(log_hazard: float, seconds: float) -> float:
    """Chance in [0, 1] of a fill within `seconds` (at least 0) of a constant hazard, given none before."""
    return -math.expm1(-max(0.0, seconds) * math.exp(min(_BOUND, max(-_BOUND, log_hazard))))
