"""What LEAN's end and LEAN's side of it say to each other: events heard, answers to calls, orders known, tags.

Standard library and msgspec only, because it is copied into LEAN projects. No state but what an order is known to be.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Literal, Protocol

import msgspec

from bridge import protocol

#: Our orders carry it in LEAN's tag, then the order's id, then the user's own tag.
MARK = "cb:"

_ENDS = {"filled", "canceled", "invalid"}


class Heard(msgspec.Struct, frozen=True):
    """An order event as LEAN fired it; `symbol` in OCC spelling, quantities signed. `group` holds LEAN's ids of a
    combo, `own` what LEAN calls the order where it made it itself."""

    at: dt.datetime
    lean_id: int
    event_id: int
    symbol: str
    status: str
    fill_price: Decimal
    fill_quantity: int
    quantity: int
    fee: Decimal
    message: str
    tag: str
    own: Literal["", "assignment", "expiry"] = ""
    broker_ids: tuple[str, ...] = ()
    in_the_money: bool = False
    settlement: Decimal = Decimal(0)


class Answer(msgspec.Struct, frozen=True):
    """What LEAN said to a call: its ids, one a leg (-10 where it gave none), whether it refused, and its words."""

    lean_ids: tuple[int, ...]
    ok: bool
    message: str = ""


class Known(msgspec.Struct):
    """An order or exercise that LEAN has, as it was last heard of. `told` is each leg's last status."""

    order_id: str
    attempt: int
    legs: tuple[protocol.Leg, ...]
    quantity: int
    type: protocol.OrderType
    combo: bool
    sell_group: bool
    limit_price: Decimal | None
    tag: str
    lean_ids: tuple[int, ...]
    leg_limits: tuple[Decimal, ...] | None = None
    exercise: bool = False
    #: The highest amend taken, which of them LEAN refused, which it confirmed last, and by LEAN's id those not yet.
    amended: int = 0
    refused: set[int] = set()
    confirmed: int = 0
    updating: dict[int, list[int]] = {}
    told: dict[int, str] = {}
    filled: dict[int, int] = {}
    broker_ids: tuple[str, ...] = ()
    #: Whether LEAN took a cancel of it that nobody asked for but the dead-man's rule.
    leaving: bool = False

    @property
    def shown(self) -> str:
        """The order's status by what was told of its legs."""
        told = [self.told.get(index, "new") for index in range(len(self.legs))]
        if all(each == "filled" for each in told):
            return "filled"
        for end in ("invalid", "canceled"):
            if end in told:
                return end
        if any(self.filled.values()):
            return "partially_filled"
        return "new" if all(each == "new" for each in told) else "submitted"

    @property
    def working(self) -> bool:
        """Whether it may still fill."""
        return not self.exercise and any(self.told.get(index, "new") not in _ENDS for index in range(len(self.legs)))


class Lean(Protocol):
    """What LEAN's side offers. Called by one thread at a time; may raise whatever LEAN raises."""

    def now(self) -> dt.datetime:
        """The algorithm's time, aware, in UTC."""
        ...

    def account(self, seen: int) -> protocol.Account:
        """The portfolio now; `seen` is the last event's number."""
        ...

    def place(self, frame: protocol.PlaceOrder, tag: str) -> Answer:
        """Place an order."""
        ...

    def amend(self, known: Known, frame: protocol.AmendOrder, tag: str | None) -> Answer:
        """Change a working order."""
        ...

    def cancel(self, known: Known, tag: str) -> Answer:
        """Cancel a working order; '' leaves its tag."""
        ...

    def exercise(self, frame: protocol.Exercise, tag: str) -> Answer:
        """Exercise long contracts."""
        ...

    def other(self, frame: Any) -> protocol.StoredObject | None:
        """MoveCash, Subscribe, Plot, Quit, StoreObject or FetchObject."""
        ...


def marked(order_id: str, tag: str) -> str:
    """LEAN's tag for an order of ours."""
    return f"{MARK}{order_id} {tag}" if tag else f"{MARK}{order_id}"


def unmarked(tag: str) -> tuple[str, str]:
    """(order id, the user's tag) of LEAN's tag; the id is '' where the order is not marked as ours."""
    if not tag.startswith(MARK):
        return "", tag
    order_id, _, rest = tag[len(MARK) :].partition(" ")
    return order_id, rest


def words_of(error: BaseException) -> str:
    """An error's own words; exceptions of .NET carry theirs in `Message`."""
    return str(getattr(error, "Message", "") or error) or type(error).__name__
