"""Fills by chance between far and natural, by the hazard that `actors.options.fills` learns. Pure: no memory.

Chance is a hash of the seed, the order's id at the broker, the instant and what is asked: the same seed and the same
commands give the same fills, also after a restart.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from actors.options.fills import Conditions, FillTruth, aggressiveness, log_hazard, move, probability
from bridge.paper.fees import lean_fee
from bridge.paper.fill_model import Fill, LeanFills, fee_price
from bridge.paper.floor import Floor, decimal, tick
from bridge.paper.orders import BrokerOrder
from bridge.paper.unit import UnitMarket, net_limit, units_left

#: An order whose minute is not known was looked at so many seconds ago.
_LOOK = 60.0


class Realism(msgspec.Struct, frozen=True):
    """How this market fills, beside the hazard. Rates in [0, 1].

    `rejects`: of orders refused out of hand. `whole`: of fills that take all that is left, others take an even share.
    `apart`: of combo fills of which one leg comes first, where the venue has no combos of its own. `way_seconds`: how
    long a cancel or an amend is under way, while the order still fills as it was. `told_late`: of fills that crossed a
    cancel, those told only after it.
    """

    rejects: float = 0.005
    whole: float = 0.6
    apart: float = 0.0
    way_seconds: float = 0.5
    told_late: float = 0.25


class RealisticFills:
    """A FillModel of chance. Market, stop and on-close orders fill as LEAN's do; limits by the hazard."""

    def __init__(self, seed: int, realism: Realism | None = None, truth: FillTruth | None = None) -> None:
        self.seed = seed
        self.realism = Realism() if realism is None else realism
        self.truth = FillTruth() if truth is None else truth
        self._lean = LeanFills()

    def refuses(self, order: BrokerOrder, floor: Floor) -> str:
        """The venue turns some orders away."""
        if self._chance(order, floor, "reject") < self.realism.rejects:
            return "Order rejected by the venue."
        return ""

    def fills(self, order: BrokerOrder, floor: Floor, *, arriving: bool) -> Sequence[Fill]:
        """What fills since the last look."""
        if order.type != "limit" or order.stop_price is not None:
            return self._lean.fills(order, floor, arriving=arriving)
        return () if arriving else self._limit(order, floor, exposed_seconds(order, floor), "look")

    def crosses(self, order: BrokerOrder, floor: Floor) -> Sequence[Fill]:
        """What fills while a cancel or an amend is under way."""
        if order.type != "limit" or order.stop_price is not None:
            return ()
        return self._limit(order, floor, self.realism.way_seconds, "cross")

    def told_late(self, order: BrokerOrder, floor: Floor) -> bool:
        """Whether what crossed a cancel is told only after the cancel is."""
        return self._chance(order, floor, "late") < self.realism.told_late

    def conditions(self, order: BrokerOrder, floor: Floor) -> Conditions | None:
        """What a limit order meets now; None where a leg has no two-sided quote or its class no session."""
        market = UnitMarket(order, floor)
        session = floor.hours.session(order.legs[0].symbol, floor.now.date())
        if not market.known or session is None:
            return None
        spread, step = market.natural - market.far, float(tick(order.legs[0].symbol))
        size = units_left(order) / market.displayed if market.displayed > 0 else math.inf
        sent = market.middle if order.middle is None else order.middle
        return Conditions(
            aggressiveness(float(net_limit(order)), market.natural, market.far), spread / step, size,
            (floor.now - session[0]).total_seconds() / 60, (session[1] - floor.now).total_seconds() / 60,
            move(1.0, market.middle, sent, spread / 2),
        )  # fmt: skip

    # --- parts ------------------------------------------------------------------------------------------------

    def _limit(self, order: BrokerOrder, floor: Floor, seconds: float, what: str) -> Sequence[Fill]:
        conditions = self.conditions(order, floor) if seconds > 0 else None
        if conditions is None:
            return ()
        market = UnitMarket(order, floor)
        parts = self._stragglers(order, floor, market, conditions, seconds, what)
        units = units_left(order)
        chance = probability(log_hazard(self.truth, conditions), seconds)
        if not units or self._chance(order, floor, what) >= chance:
            return self._priced(order, parts)
        if self._chance(order, floor, f"{what} whole") >= self.realism.whole:
            units = 1 + int(self._chance(order, floor, f"{what} part") * units)
        prices = market.fill_prices(order)
        alone = -1
        if len(order.legs) > 1 and self._chance(order, floor, f"{what} apart") < self.realism.apart:
            alone = int(self._chance(order, floor, f"{what} leg") * len(order.legs))
        for index, (leg, price) in enumerate(zip(order.legs, prices, strict=True)):
            if alone in (-1, index):
                parts.append((index, leg.ratio * units, price))
        return self._priced(order, parts)

    def _stragglers(
        self, order: BrokerOrder, floor: Floor, market: UnitMarket, conditions: Conditions, seconds: float, what: str
    ) -> list[tuple[int, int, Decimal]]:
        """Legs behind the others are worked at their own natural, whatever that makes of the net."""
        units = units_left(order)
        urgent = msgspec.structs.replace(conditions, aggressiveness=1.0)
        chance = probability(log_hazard(self.truth, urgent), seconds)
        found: list[tuple[int, int, Decimal]] = []
        for index, leg in enumerate(order.legs):
            behind = order.left(leg) - leg.ratio * units
            if behind and self._chance(order, floor, f"{what} behind {index}") < chance:
                natural = market.asks[index] if leg.ratio > 0 else market.bids[index]
                found.append((index, behind, decimal(natural)))
        return found

    def _priced(self, order: BrokerOrder, parts: Sequence[tuple[int, int, Decimal]]) -> Sequence[Fill]:
        """Fills with their fees; two parts of one leg are two fills."""
        return [
            Fill(
                index, quantity, price,
                lean_fee(order.legs[index].symbol, quantity, fee_price(order, order.legs[index], price)),
            )
            for index, quantity, price in parts
        ]  # fmt: skip

    def _chance(self, order: BrokerOrder, floor: Floor, what: str) -> float:
        """Even in [0, 1)."""
        done = ",".join(str(leg.filled) for leg in order.legs)
        text = f"{self.seed}|{order.broker_id}|{floor.now.isoformat()}|{done}|{what}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / 2**64


def exposed_seconds(order: BrokerOrder, floor: Floor) -> float:
    """Seconds in which the order could have filled since it was last looked at, in this session."""
    since = order.placed_at if order.changed_at is None else order.changed_at
    looked = floor.now - dt.timedelta(seconds=_LOOK) if floor.previous is None else floor.previous
    session = floor.hours.session(order.legs[0].symbol, floor.now.date())
    opened = since if session is None else session[0]
    return (floor.now - max(since, looked, opened)).total_seconds()
