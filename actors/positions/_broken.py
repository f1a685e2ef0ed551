"""What an ended order left of a position with its legs unequal: the record, its arithmetic and how facts change it.

No decision and no price here.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

from actors.messages.book import Position
from actors.messages.order_state import Order
from actors.messages.orders import OrderBody
from actors.messages.positions import PositionBroken, PositionMended, PositionUnwinding, PositionWaiting
from actors.options.contracts import Contract, is_option, parse_symbol

Phase = Literal["complete", "unwind", "waiting", "mended"]
#: Who filled what changed a record last.
By = Literal["", "order", "mending", "hand", "account"]
#: Signed contracts or shares by symbol.
Quantities = dict[str, int]


class BrokenLeg(msgspec.Struct):
    """A leg of the order: `have` is the signed quantity of it that is there; `closes` where it stood against the
    position's holding."""

    symbol: str
    ratio: int
    have: int
    closes: bool

    @property
    def whole(self) -> int:
        """Whole units of which this leg is there."""
        return max(0, self.have // self.ratio)

    @property
    def begun(self) -> int:
        """Units that this leg has begun."""
        return max(0, -(-self.have // self.ratio))


class Broken(msgspec.Struct):
    """The legs of one ended order in its position, what they cost so far in dollars, and how far mending is.

    `limit` is what a unit was allowed to cost, in dollars, signed; None where the order had no limit. `order` is the
    last order wanted for it, `tries` those since something filled. `quiet_until`: a hand is on it.
    """

    order_id: str
    position_id: str
    legs: list[BrokenLeg]
    quantity: int
    limit: Decimal | None
    paid: Decimal
    deadline: dt.datetime
    phase: Phase = "complete"
    reason: str = ""
    order: str = ""
    count: int = 0
    tries: int = 0
    tried_at: dt.datetime | None = None
    #: We asked for the end of `order`, or somebody else did.
    stopped: bool = False
    stopped_by: str = ""
    quiet_until: dt.datetime | None = None
    waits_for: str = ""
    resumes: str = ""
    by: By = ""
    #: What the position held of its legs when they were looked at last: what others trade is seen by the difference.
    held: Quantities = msgspec.field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether it is being mended."""
        return self.phase in ("complete", "unwind")

    @property
    def equal(self) -> bool:
        """Whether all legs are there in the proportion of their ratios."""
        first = self.legs[0]
        return all(leg.have * first.ratio == first.have * leg.ratio for leg in self.legs)

    @property
    def units(self) -> int:
        """Units that there would be with everything completed."""
        return min(self.quantity, max(leg.begun for leg in self.legs))

    def missing(self, position: Position | None) -> Quantities:
        """What completes it. A closing leg never beyond what is held."""
        found: Quantities = {}
        for leg in self.legs:
            lacks = leg.ratio * self.units - leg.have
            if leg.closes:
                lacks = _closable(leg, lacks, position)
            if lacks * leg.ratio > 0:
                found[leg.symbol] = lacks
        return found

    def surplus(self) -> Quantities:
        """What is there beyond whole units."""
        units = min(leg.whole for leg in self.legs)
        over = {leg.symbol: leg.have - leg.ratio * units for leg in self.legs}
        return {symbol: quantity for symbol, quantity in over.items() if quantity}

    def taken_back(self, position: Position | None) -> Quantities:
        """What unwinds it, signed as orders; nothing, where its legs stand as they may. What it closed is never opened
        anew: its closing legs are carried on with up to the most units that one has, and what it opened beyond whole
        units, or beyond those closed, goes back."""
        closing, opened = [leg for leg in self.legs if leg.closes], [leg for leg in self.legs if not leg.closes]
        begun = min(self.quantity, max((leg.begun for leg in closing), default=self.quantity))
        whole = min((min(begun, leg.whole) for leg in opened), default=0)
        lacking = {leg.symbol: _closable(leg, leg.ratio * begun - leg.have, position) for leg in closing}
        over = {leg.symbol: leg.ratio * whole - leg.have for leg in opened}
        return {symbol: quantity for symbol, quantity in {**lacking, **over}.items() if quantity}

    def leg(self, symbol: str) -> BrokenLeg | None:
        """The leg of this symbol."""
        return next((leg for leg in self.legs if leg.symbol == symbol), None)

    def clip(self, position: Position | None, by: By = "account") -> None:
        """No opened leg has more than the position holds: what expired or was delivered is not there."""
        for leg in self.legs:
            if leg.closes:
                continue
            held = 0 if position is None else position.holding(leg.symbol)
            kept = _toward_zero(leg.have, held) if leg.have * held > 0 else 0
            if kept != leg.have:
                leg.have, self.by = kept, self.by or by
        self.look(position)

    def look(self, position: Position | None) -> None:
        """Note what the position holds of its legs."""
        self.held = {leg.symbol: 0 if position is None else position.holding(leg.symbol) for leg in self.legs}

    def helped(self, order: OrderBody) -> bool:
        """Whether every leg of somebody's order makes up for what is missing, or takes surplus back."""
        lacks = {leg.symbol: leg.ratio * self.units - leg.have for leg in self.legs}
        surplus = self.surplus()
        return all(
            leg.ratio * lacks.get(leg.symbol, 0) > 0 or leg.ratio * surplus.get(leg.symbol, 0) < 0 for leg in order.legs
        )

    def traded(self, symbol: str, quantity: int) -> None:
        """Somebody traded a single leg on the position. What makes up for what is missing counts; what takes away does
        from what this order brought first, and then from whole units beside it, which are then short of that leg too:
        their other legs come under the same care."""
        leg = self.leg(symbol)
        if leg is None:
            return
        lacks = leg.ratio * self.units - leg.have
        if quantity * leg.ratio > 0:
            leg.have += _toward_zero(quantity, lacks) if lacks * leg.ratio > 0 else 0
        elif not leg.closes:
            self._taken_away(leg, abs(quantity))

    def _taken_away(self, leg: BrokenLeg, quantity: int) -> None:
        opened, sign = [each for each in self.legs if not each.closes], 1 if leg.ratio > 0 else -1
        beside = {each.symbol: self.held.get(each.symbol, 0) - each.have for each in opened}
        units = max(0, min(beside[each.symbol] // each.ratio for each in opened))
        spare = max(0, sign * (beside[leg.symbol] - units * leg.ratio))
        own = min(quantity, max(0, sign * leg.have))
        leg.have -= sign * own
        left = max(0, quantity - own - spare)
        taken = min(units, -(-left // abs(leg.ratio)))
        for each in opened:
            each.have += taken * each.ratio
        leg.have -= sign * min(left, taken * abs(leg.ratio))


def broken(order: Order, position_id: str, position: Position | None, paid: Decimal, deadline: dt.datetime) -> Broken:
    """The record of an ended order as it stands now. Which legs close was found when it was approved: what is held by
    now may have been closed since."""
    body, legs = order.body, list[BrokenLeg]()
    for index, (leg, filled) in enumerate(zip(body.legs, order.filled, strict=True)):
        closes = position_id != order.order_id and order.effects[index : index + 1] == ("close",)
        legs.append(BrokenLeg(leg.symbol, leg.ratio, filled, closes))
    found = Broken(order.order_id, position_id, legs, body.quantity, unit_limit(body), paid, deadline)
    found.clip(position)
    return found


def unit_limit(body: OrderBody) -> Decimal | None:
    """Dollars that a unit may cost at the order's limit; None where it has none."""
    scale = 100 if any(is_option(leg.symbol) for leg in body.legs) else 1
    if body.limit_price is not None:
        return body.limit_price * scale
    if body.leg_limits is None:
        return None
    return sum(
        (
            leg.ratio * price * (100 if is_option(leg.symbol) else 1)
            for leg, price in zip(body.legs, body.leg_limits, strict=True)
        ),
        Decimal(0),
    )


def naked(surplus: Quantities) -> bool:
    """Whether short contracts are more than long ones of the same right; a hundred shares cover a call."""
    net = {"C": 0, "P": 0}
    for symbol, quantity in surplus.items():
        parsed = parse_symbol(symbol)
        if isinstance(parsed, Contract):
            net[parsed.right] += quantity
        else:
            net["C"] += quantity // 100
    return min(net.values()) < 0


def fold_phase(
    record: Broken, fact: PositionBroken | PositionUnwinding | PositionWaiting | PositionMended
) -> None:  # fmt: skip
    """What our own facts make of a record."""
    record.waits_for = record.resumes = record.stopped_by = ""
    match fact:
        case PositionBroken(deadline=deadline):
            record.phase, record.reason, record.deadline, record.quiet_until = "complete", "", deadline, None
        case PositionUnwinding(deadline=deadline, reason=reason):
            record.phase, record.reason, record.deadline = "unwind", reason, deadline
            record.quiet_until = None if fact.principal else record.quiet_until
        case PositionWaiting(reason=reason):
            record.phase, record.reason = "waiting", reason
            record.waits_for, record.resumes = fact.waits_for, fact.resumes
        case PositionMended():
            record.phase, record.reason, record.quiet_until = "mended", "", None
    record.tries, record.by = 0, ""


def _closable(leg: BrokenLeg, lacks: int, position: Position | None) -> int:
    """Of what a closing leg lacks, as much as the position holds."""
    held = 0 if position is None else position.holding(leg.symbol)
    return _toward_zero(lacks, -held) if lacks * leg.ratio > 0 and held * lacks < 0 else 0


def _toward_zero(quantity: int, bound: int) -> int:
    """The smaller of two quantities of one sign."""
    return min(quantity, bound) if quantity > 0 else max(quantity, bound)
