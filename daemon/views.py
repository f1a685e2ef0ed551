"""Read models: what the journal's durable facts say of orders, book and breaker. Nothing undurable is ever shown."""

from __future__ import annotations

import datetime as dt
from collections import deque
from typing import Any, Literal

import msgspec

from actors.messages.book import BOOK_FACTS, Book, fold_book
from actors.messages.breaker import LEVELS, BreakerRaised, BreakerReset, ResetStarted
from actors.messages.comparison import Comparison, fold_comparison
from actors.messages.exercises import (
    ExerciseRequested,
    ExerciseReturned,
    ExerciseSent,
    ExerciseSettled,
    ExerciseUnknown,
)
from actors.messages.lean import (
    AccountSeen,
    AccountView,
    Anomaly,
    EventUnreadable,
    Reconciled,
    SessionClosed,
    SessionOpened,
)
from actors.messages.order_state import OrderTable, fold
from actors.messages.orders import OrderFact, OrderSent
from actors.messages.positions import (
    EquityMarked,
    PositionBroken,
    PositionClosed,
    PositionMended,
    PositionUnwinding,
    PositionWaiting,
)
from actors.runtime import Recorded

#: Notices of trouble kept for who looks.
_ANOMALIES = 50


class ExerciseView(msgspec.Struct):
    """An exercise as far as it went: requested, sent, accepted or refused; unknown where a session died over it, until
    it is proved exercised or not."""

    exercise_id: str
    symbol: str
    quantity: int
    principal: str
    requested_at: dt.datetime
    changed_at: dt.datetime
    state: Literal["requested", "sent", "accepted", "refused", "unknown", "exercised", "not_exercised"] = "requested"
    reason: str = ""


class BrokenView(msgspec.Struct, frozen=True, kw_only=True):
    """Legs that an ended order left unequal in a position: signed contracts `missing` and in `surplus` per symbol,
    whether they are completed or unwound until `deadline`, or wait for a hand, and why."""

    order_id: str
    phase: Literal["completing", "unwinding", "waiting"]
    missing: dict[str, int]
    surplus: dict[str, int]
    naked: bool
    deadline: dt.datetime | None
    reason: str = ""


class Views:
    """The fold of every fact given to `add`, in order; readers look and never change it."""

    def __init__(self) -> None:
        self.seq = 0
        self.orders = OrderTable()
        self.book = Book()
        self.comparison = Comparison()
        self.level = 0
        self.reason = ""
        self.session: SessionOpened | None = None
        self.connected = False
        self.account: AccountView | None = None
        self.reconciled: Reconciled | None = None
        self.reconciled_at: dt.datetime | None = None
        self.equity: EquityMarked | None = None
        self.raised_by = ""
        self.raised_at: dt.datetime | None = None
        self.phrase = ""
        self.session_since: dt.datetime | None = None
        self.account_at: dt.datetime | None = None
        self.sent_on: dt.date | None = None
        self._sent = 0
        self.exercises: dict[str, ExerciseView] = {}
        #: By position, then by the order that left them.
        self.broken: dict[str, dict[str, BrokenView]] = {}
        self.anomalies: deque[Recorded] = deque(maxlen=_ANOMALIES)

    def sent_on_day(self, day: dt.date) -> int:
        """Orders sent on a day, as the risk gate counts them (UTC)."""
        return self._sent if day == self.sent_on else 0

    @property
    def level_name(self) -> str:
        """The breaker's level in words."""
        return LEVELS[self.level]

    def add(self, recorded: Recorded) -> None:
        """Fold the next durable fact."""
        fact = recorded.fact
        self.seq = recorded.seq
        if isinstance(fact, OrderFact):
            fold(self.orders, recorded)
        if isinstance(fact, BOOK_FACTS):
            fold_book(self.book, recorded)
        fold_comparison(self.comparison, self.book, recorded)
        match fact:
            case BreakerRaised(level=level, reason=reason, principal=principal) if level > self.level:
                self.level, self.reason = level, reason
                self.raised_by, self.raised_at = principal, recorded.at
            case ResetStarted(phrase=phrase):
                self.phrase = phrase
            case BreakerReset():
                self.level, self.reason, self.phrase = 0, "", ""
                self.raised_by, self.raised_at = "", None
            case SessionOpened(account=account):
                self.session, self.connected, self.session_since = fact, True, recorded.at
                self.account, self.account_at = account, recorded.at
            case SessionClosed():
                self.connected = False
            case AccountSeen(account=account):
                self.account, self.account_at = account, recorded.at
            case Reconciled():
                self.reconciled, self.reconciled_at = fact, recorded.at
            case EquityMarked():
                self.equity = fact
            case PositionBroken() | PositionUnwinding() | PositionWaiting() | PositionMended():
                self._broken(fact)
            case PositionClosed(position_id=position_id):
                self.broken.pop(position_id, None)
            case OrderSent():
                day = recorded.at.date()
                self._sent = self._sent + 1 if day == self.sent_on else 1
                self.sent_on = day
            case ExerciseRequested():
                self.exercises[fact.exercise_id] = ExerciseView(
                    fact.exercise_id, fact.symbol, fact.quantity, fact.principal, recorded.at, recorded.at
                )
            case ExerciseSent() | ExerciseReturned() | ExerciseUnknown() | ExerciseSettled():
                exercise_id = fact.exercise_id
                self._exercise(self.exercises.get(exercise_id), fact, recorded.at)
            case Anomaly() | EventUnreadable():
                self.anomalies.append(recorded)
            case _:
                pass

    def _broken(self, fact: PositionBroken | PositionUnwinding | PositionWaiting | PositionMended) -> None:
        records = self.broken.setdefault(fact.position_id, {})
        if isinstance(fact, PositionBroken):
            records[fact.order_id] = BrokenView(
                order_id=fact.order_id, phase="completing", missing=dict(fact.missing), surplus=dict(fact.surplus),
                naked=fact.naked, deadline=fact.deadline,
            )  # fmt: skip
        elif isinstance(fact, PositionMended) or fact.order_id not in records:
            records.pop(fact.order_id, None)
        else:
            waits = isinstance(fact, PositionWaiting)
            records[fact.order_id] = msgspec.structs.replace(
                records[fact.order_id], phase="waiting" if waits else "unwinding", reason=fact.reason,
                deadline=None if isinstance(fact, PositionWaiting) else fact.deadline,
            )  # fmt: skip
        if not records:
            self.broken.pop(fact.position_id, None)

    def _exercise(self, exercise: ExerciseView | None, fact: Any, at: dt.datetime) -> None:
        if exercise is None:
            return
        exercise.changed_at = at
        match fact:
            case ExerciseReturned():
                exercise.state, exercise.reason = "accepted" if fact.accepted else "refused", fact.reason
            case ExerciseUnknown():
                exercise.state, exercise.reason = "unknown", fact.reason
            case ExerciseSettled():
                exercise.state, exercise.reason = fact.outcome, fact.reason
            case _:
                exercise.state = "sent"


def named(value: Any) -> Any:
    """Structs as objects with names, so that a reader needs no table of positions; bytes as hex."""
    if isinstance(value, msgspec.Struct):
        return {field: named(getattr(value, field)) for field in value.__struct_fields__}
    if isinstance(value, list | tuple):
        return [named(each) for each in value]
    if isinstance(value, dict):
        return {str(key): named(each) for key, each in value.items()}
    return value.hex() if isinstance(value, bytes) else value
