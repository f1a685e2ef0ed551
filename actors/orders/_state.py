"""What the order queue remembers: every order, deadlines, what is to end; and its fold. Decides nothing."""

from __future__ import annotations

import datetime as dt

import msgspec

from actors.messages.book import BOOK_FACTS, Book, fold_book
from actors.messages.breaker import BreakerRaised, BreakerReset
from actors.messages.comparison import Comparison, fold_comparison
from actors.messages.exercises import ExerciseRequested
from actors.messages.lean import SessionClosed, SessionOpened
from actors.messages.order_state import Order, OrderTable, fold
from actors.messages.orders import AllCanceled, LegsOverdue, OrderFact
from actors.runtime import Recorded
from config.calendar import Sessions
from config.desk import DeskRules

APART = "its legs stand unequally filled"


class OrdersState(msgspec.Struct):
    """Every order, the connection, whether the books were compared, the last cancel-all, what may be released."""

    table: OrderTable = msgspec.field(default_factory=OrderTable)
    book: Book = msgspec.field(default_factory=Book)
    comparison: Comparison = msgspec.field(default_factory=Comparison)
    connected: bool = False
    refused_below: int = 0
    level: int = 0
    deadlines: dict[str, dt.datetime] = msgspec.field(default_factory=dict)
    exercises: dict[str, int] = msgspec.field(default_factory=dict)
    #: Orders whose outcome was unknown when all were canceled, with the reason: they end as soon as it is known.
    unwanted: dict[str, str] = msgspec.field(default_factory=dict)


def evolve(state: OrdersState, recorded: Recorded, rules: DeskRules, sessions: Sessions | None) -> OrdersState:
    """Fold one fact, in place."""
    fact = recorded.fact
    if isinstance(fact, OrderFact):
        order = fold(state.table, recorded)
        _deadlines(state, order, rules, sessions)
        if order.terminal:
            state.unwanted.pop(order.order_id, None)
        elif isinstance(fact, LegsOverdue) and order.state == "unknown":
            state.unwanted[order.order_id] = APART
    if isinstance(fact, BOOK_FACTS):
        fold_book(state.book, recorded)
    fold_comparison(state.comparison, state.book, recorded)
    match fact:
        case SessionOpened():
            state.connected = True
        case SessionClosed():
            state.connected = False
        case AllCanceled(number=number, reason=reason):
            state.refused_below = max(state.refused_below, number)
            unknown = (order.order_id for order in state.table.live.values() if order.state == "unknown")
            state.unwanted |= dict.fromkeys(unknown, reason)
        case BreakerRaised(level=level):
            state.level = max(state.level, level)
        case BreakerReset():
            state.level = 0
        case ExerciseRequested(exercise_id=exercise_id):
            state.exercises[exercise_id] = recorded.seq
    return state


def _deadlines(state: OrdersState, order: Order, rules: DeskRules, sessions: Sessions | None) -> None:
    for key in ("ttl", "lapse", "close", "apart"):
        state.deadlines.pop(f"{key}:{order.order_id}", None)
    if order.apart_since is not None and rules.mend_broken and not order.terminal and not order.overdue:
        apart = dt.timedelta(seconds=rules.legs_apart_seconds)
        state.deadlines[f"apart:{order.order_id}"] = order.apart_since + apart
    if order.terminal or order.cancel_wanted or order.state == "unknown":
        return
    if order.body.ttl_seconds is not None:
        state.deadlines[f"ttl:{order.order_id}"] = order.queued_at + dt.timedelta(seconds=order.body.ttl_seconds)
    if order.state == "approved" and rules.approval_lapse_seconds and order.changed_at is not None:
        lapse = dt.timedelta(seconds=rules.approval_lapse_seconds)
        state.deadlines[f"lapse:{order.order_id}"] = order.changed_at + lapse
    if rules.cancel_entries_before_close_seconds and sessions is not None and not order.reducing:
        close = _close_after(order.queued_at, sessions)
        if close is not None:
            early = dt.timedelta(seconds=rules.cancel_entries_before_close_seconds)
            state.deadlines[f"close:{order.order_id}"] = max(close - early, order.queued_at)


def _close_after(at: dt.datetime, sessions: Sessions) -> dt.datetime | None:
    """The first session close after an instant."""
    day = at.date()
    for _ in range(2):
        if sessions.is_session(day):
            close = sessions.close(day)
            if close > at:
                return close
        day = sessions.next(day)
    return None
