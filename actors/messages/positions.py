"""Positions and campaigns, and what performance and volatility record of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal

from actors.runtime import Command, Fact


class MendPosition(Command, frozen=True, tag=True):
    """An operator's word on a position that is broken: complete it, unwind it, or keep it as it is. Needs a reason."""

    position_id: str
    way: Literal["complete", "unwind", "keep"]
    reason: str


class PositionOpened(Fact, frozen=True, array_like=True):
    """A position got its first lots. Rolled, it stays one campaign."""

    KIND: ClassVar[str] = "positions.PositionOpened"
    position_id: str
    campaign_id: str
    order_id: str


class PositionClosed(Fact, frozen=True, array_like=True):
    """A position has no lots left: its realised result in dollars, fees included."""

    KIND: ClassVar[str] = "positions.PositionClosed"
    position_id: str
    campaign_id: str
    realised: Decimal


class PositionAssigned(Fact, frozen=True, array_like=True):
    """Assignment, exercise or delivery changed a position's legs: its plan is suspended."""

    KIND: ClassVar[str] = "positions.PositionAssigned"
    position_id: str
    symbol: str
    quantity: int
    kind: str


class PositionBroken(Fact, frozen=True, array_like=True):
    """An ended order left its legs unequal in a position: signed contracts per symbol that are `missing` to the most
    units that any leg has, and those that are there beyond the whole ones (`surplus`). `naked`: a short one among
    these has no long one beside it. It is completed within the collar until `deadline`, else unwound."""

    KIND: ClassVar[str] = "positions.PositionBroken"
    position_id: str
    order_id: str
    missing: tuple[tuple[str, int], ...]
    surplus: tuple[tuple[str, int], ...]
    naked: bool
    deadline: dt.datetime


class PositionUnwinding(Fact, frozen=True, array_like=True):
    """What is broken is not, or no more, completed: its surplus is taken back, bought-back shorts first. Nothing that
    could be done until `deadline` makes it wait for the operator. `principal`: whose word it was, if anybody's."""

    KIND: ClassVar[str] = "positions.PositionUnwinding"
    position_id: str
    order_id: str
    reason: str
    deadline: dt.datetime
    principal: str = ""


class PositionWaiting(Fact, frozen=True, array_like=True):
    """What is broken waits, for the operator to say how it goes on; by itself it does once the order `waits_for` has
    ended, on the next view with prices (`resumes` is "quotes"), or when the breaker was reset ("reset"). `naked`: a
    short leg has no long one beside it meanwhile."""

    KIND: ClassVar[str] = "positions.PositionWaiting"
    position_id: str
    order_id: str
    reason: str
    waits_for: str = ""
    resumes: Literal["", "quotes", "reset"] = ""
    naked: bool = False


class PositionMended(Fact, frozen=True, array_like=True):
    """An order's legs in a position are equal again, or somebody keeps them as they are; `how` says by what."""

    KIND: ClassVar[str] = "positions.PositionMended"
    position_id: str
    order_id: str
    how: Literal["completed", "unwound", "filled late", "by hand", "delivered", "kept"]
    principal: str = ""


class EquityMarked(Fact, frozen=True, array_like=True):
    """Equity on marks at the end of a minute, in dollars. `flagged` is the part of the day's result from marks that
    are not good mids (0 to 1)."""

    KIND: ClassVar[str] = "performance.EquityMarked"
    view: int
    cash: Decimal
    value: Decimal
    day_result: Decimal
    flagged: float


class VolatilityObserved(Fact, frozen=True, array_like=True):
    """The session's one observation: 30-day at-the-money volatility of an underlying, as a fraction a year."""

    KIND: ClassVar[str] = "volatility.VolatilityObserved"
    underlying: str
    session: dt.date
    volatility: float
    source: str


class LotsCrossed(Fact, frozen=True, array_like=True):
    """Offsetting lots of an expired contract closed against each other at one price per share; no cash moves."""

    KIND: ClassVar[str] = "positions.LotsCrossed"
    symbol: str
    price: Decimal
