"""Positions and campaigns, and what performance and volatility record of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar

from actors.runtime import Fact


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
