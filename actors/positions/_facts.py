"""The facts that are said of a broken position, each for its stream. No decision here."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from actors.messages.book import Position
from actors.messages.positions import PositionBroken, PositionMended, PositionUnwinding, PositionWaiting
from actors.positions._broken import Broken, naked
from actors.runtime import Write


def declared(record: Broken, position: Position | None, deadline: dt.datetime) -> Write:
    """It is broken, and completed until then."""
    missing, surplus = record.missing(position), record.surplus()
    fact = PositionBroken(
        record.position_id, record.order_id, tuple(missing.items()), tuple(surplus.items()), naked(surplus), deadline
    )
    return Write(_stream(record), fact)


def unwinds(record: Broken, reason: str, deadline: dt.datetime, principal: str = "") -> Write:
    """It is taken back."""
    return Write(_stream(record), PositionUnwinding(record.position_id, record.order_id, reason, deadline, principal))


def waits(
    record: Broken, reason: str, waits_for: str = "", resumes: Literal["", "quotes", "reset"] = ""
) -> Write:  # fmt: skip
    """It waits, and for what."""
    alone = naked(record.surplus())
    fact = PositionWaiting(record.position_id, record.order_id, reason, waits_for, resumes, alone)
    return Write(_stream(record), fact)


def mended(record: Broken, how: Any, principal: str = "") -> Write:
    """It is no longer broken, or somebody keeps it so."""
    return Write(_stream(record), PositionMended(record.position_id, record.order_id, how, principal))


def _stream(record: Broken) -> str:
    return f"position/{record.position_id}"
