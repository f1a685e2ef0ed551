"""What the gateway remembers: orders and book, the session, deadlines of outcomes; and its fold. Decides nothing."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from actors.messages.book import BOOK_FACTS, Book, fold_book
from actors.messages.breaker import BreakerRaised, BreakerReset
from actors.messages.comparison import compare
from actors.messages.exercises import ExerciseReturned, ExerciseSent, ExerciseSettled, ExerciseUnknown
from actors.messages.lean import (
    AccountFill,
    AccountSeen,
    CashMoved,
    CashWanted,
    Reconciled,
    SessionClosed,
    SessionOpened,
)
from actors.messages.order_state import Order, OrderTable, fold
from actors.messages.orders import OrderFact
from actors.runtime import Recorded
from config.desk import DeskRules

STREAM = "gateway"
LEAN = "lean"


class OpenExercise(msgspec.Struct):
    """An exercise that LEAN was asked for and has not answered: asked by a session that lives, lost with one that died,
    and unknown once that is told."""

    sent: ExerciseSent
    asked_at: dt.datetime
    phase: Literal["asked", "lost", "unknown"] = "asked"
    #: Asked for before LEAN connected last.
    before: bool = False
    executed: bool = False
    #: Something left the account in its contract that nobody can tell from an exercise.
    blurred: bool = False


class GatewayState(msgspec.Struct):
    """Orders and book as folded, the session, and how our book compares with LEAN's."""

    table: OrderTable = msgspec.field(default_factory=OrderTable)
    book: Book = msgspec.field(default_factory=Book)
    session: int = 0
    session_name: str = ""
    mode: str = ""
    connected: bool = False
    level: int = 0
    seen: int = 0
    agrees: bool | None = None
    differs_since: dt.datetime | None = None
    differences: tuple[str, ...] = ()
    deadlines: dict[str, dt.datetime] = msgspec.field(default_factory=dict)
    #: Orders that were at the market when the session began, by their attempt then.
    before: dict[str, int] = msgspec.field(default_factory=dict)
    #: Those of them with a cancel or an amend under way.
    asked_before: tuple[str, ...] = ()
    #: Transfers of cash that nobody has told of yet, and how many there were.
    transfers: dict[str, CashWanted] = msgspec.field(default_factory=dict)
    transfers_asked: int = 0
    #: Those of them when the session began.
    transfers_before: tuple[str, ...] = ()
    exercises: dict[str, OpenExercise] = msgspec.field(default_factory=dict)
    #: Whether the session was here before.
    same: bool = False


def evolve(state: GatewayState, recorded: Recorded, rules: DeskRules) -> GatewayState:
    fact = recorded.fact
    if isinstance(fact, OrderFact):
        order = fold(state.table, recorded)
        _wait(state, order, rules)
    if isinstance(fact, BOOK_FACTS):
        fold_book(state.book, recorded)
    origin = getattr(fact, "origin", None)
    if origin is not None and origin.session == state.session and not isinstance(fact, AccountSeen):
        state.seen = max(state.seen, origin.n)
    match fact:
        case SessionOpened(number=number, session=session, mode=mode):
            state.same = number == state.session
            if not state.same:
                state.seen = 0
            state.session, state.session_name, state.mode = number, session, mode
            state.connected = True
            live = state.table.live.values()
            state.asked_before = tuple(
                order.order_id
                for order in live
                if order.state == "pending_cancel" or order.amend in ("sent", "unknown")
            )
            state.transfers_before = tuple(state.transfers)
            for each in state.exercises.values():
                each.before = True
                if not state.same and each.phase == "asked":
                    each.phase = "lost"
            state.before = {order.order_id: order.attempt for order in live if order.at_market}
        case SessionClosed():
            state.connected = False
        case CashWanted(transfer_id=transfer_id):
            state.transfers_asked += 1
            if transfer_id:
                state.transfers[transfer_id] = fact
        case CashMoved(payment_id=payment_id):
            state.transfers.pop(payment_id, None)
        case ExerciseSent(exercise_id=exercise_id):
            state.exercises[exercise_id] = OpenExercise(fact, recorded.at)
        case ExerciseReturned(exercise_id=exercise_id) | ExerciseSettled(exercise_id=exercise_id):
            state.exercises.pop(exercise_id, None)
        case ExerciseUnknown(exercise_id=exercise_id):
            state.exercises[exercise_id].phase = "unknown"
        case AccountFill():
            _exercised(state, fact)
        case BreakerRaised(level=level):
            state.level = max(state.level, level)
        case BreakerReset():
            state.level = 0
        case Reconciled(agree=agree, differences=differences):
            state.agrees, state.differences = agree, differences
        case AccountSeen(account=account):
            differs = bool(compare(state.book, account))
            state.differs_since = (state.differs_since or recorded.at) if differs else None
        case _:
            pass
    return state


def _exercised(state: GatewayState, fill: AccountFill) -> None:
    """Keep what a fill says of exercises that are not answered."""
    if fill.exercise_id in state.exercises:
        state.exercises[fill.exercise_id].executed = True
    elif fill.quantity < 0 and fill.kind in ("exercise", "expiry", "external", "assignment"):
        for each in state.exercises.values():
            each.blurred |= each.sent.symbol == fill.symbol


def _wait(state: GatewayState, order: Order, rules: DeskRules) -> None:
    patience = dt.timedelta(seconds=rules.outcome_seconds)
    for key, waits, since in (
        (f"outcome:{order.order_id}", order.state in ("sent", "pending_cancel"), order.changed_at),
        (f"amend:{order.order_id}", order.amend == "sent" and not order.terminal, order.amended_at),
    ):
        state.deadlines.pop(key, None)
        if state.mode == "live" and waits and since is not None:
            state.deadlines[key] = since + patience
