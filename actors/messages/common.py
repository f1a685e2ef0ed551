"""Words that several subjects share: evidence, reasons, origins of events. Structs only."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

RiskClass = Literal["defined", "undefined"]
Effect = Literal["open", "close"]


class QuoteSeen(msgspec.Struct, frozen=True, array_like=True):
    """A quote that a decision used, per share; None where that side had none. `at` is when the feed was last alive."""

    symbol: str
    bid: float | None
    ask: float | None
    at: dt.datetime


class Evidence(msgspec.Struct, frozen=True, array_like=True):
    """What a decision looked at: the number of the market view and the quotes used of it."""

    view: int
    quotes: tuple[QuoteSeen, ...] = ()


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """One control that spoke: its name, the value it saw, the limit it holds, and both in words."""

    control: str
    message: str
    value: str = ""
    limit: str = ""


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """Where a fact about LEAN came from: the session, counted 1, 2, 3 by handshake, and LEAN's event number in it."""

    session: int
    n: int
