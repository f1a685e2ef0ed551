"""The order queue: takes orders, keeps their order, releases them to the gate, ends what is not yet sent.

The state machine itself is `messages.order_state`; what LEAN says of an order is the gateway's. Each part of the actor
is a module beside this one.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from actors.messages.book import BOOK_FACTS
from actors.messages.breaker import BreakerRaised, BreakerReset
from actors.messages.comparison import COMPARISON_FACTS
from actors.messages.exercises import ExerciseContracts, ExerciseRequested
from actors.messages.lean import (
    AccountFill,
    AccountSeen,
    BookOpened,
    CashMoved,
    Reconciled,
    SessionClosed,
    SessionOpened,
)
from actors.messages.orders import (
    ORDER_FACTS,
    AllCanceled,
    AmendOrder,
    AmendWanted,
    CancelAll,
    CancelOrder,
    CancelWanted,
    LegFilled,
    OrderAccepted,
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderQueued,
    OrderRejected,
    OrderRequeued,
    OrderUnknown,
    OrderWanted,
    SendRefused,
    SendWithheld,
    SettleUnknown,
    SubmitOrder,
    UnknownSettled,
)
from actors.orders._commands import amend, cancel, cancel_all, exercise, known, settle, submit, want
from actors.orders._endings import halt, timer, unwanted
from actors.orders._queue import release, requeue
from actors.orders._state import OrdersState, evolve
from actors.runtime import CoreActor, Decision, Issued, Recorded, TimerDue
from config.calendar import Sessions
from config.desk import DeskRules


class Orders(CoreActor[OrdersState]):
    """Queue and owner of every order until LEAN has it, and again when it does not."""

    name = "orders"
    group = "safety"
    commands = (SubmitOrder, AmendOrder, CancelOrder, CancelAll, ExerciseContracts, SettleUnknown)
    folds = (
        *ORDER_FACTS, *(kind for kind in BOOK_FACTS if kind not in ORDER_FACTS), AllCanceled, ExerciseRequested,
        *COMPARISON_FACTS, BreakerRaised, BreakerReset,
    )  # fmt: skip
    reacts = (
        OrderQueued, OrderRequeued, SendWithheld, SendRefused, OrderAccepted, OrderRejected, OrderCanceled, OrderDenied,
        OrderExpired, OrderUnknown, UnknownSettled, LegFilled, SessionOpened, SessionClosed, BreakerRaised, BookOpened,
        OrderWanted, CancelWanted, AmendWanted, AccountSeen, AccountFill, CashMoved, Reconciled,
    )  # fmt: skip

    def __init__(self, rules: DeskRules, sessions: Sessions | None = None) -> None:
        self._rules = rules
        self._sessions = sessions

    def initial(self) -> OrdersState:
        return OrdersState()

    def evolve(self, state: OrdersState, recorded: Recorded) -> OrdersState:
        return evolve(state, recorded, self._rules, self._sessions)

    def due(self, state: OrdersState) -> dict[str, dt.datetime]:
        return state.deadlines

    def decide(self, state: OrdersState, message: Any, now: dt.datetime, market: Any) -> Decision:
        match message:
            case Issued(command=SubmitOrder() as command):
                return submit(state, message, command, self._rules)
            case Issued(command=CancelOrder() as command):
                order = known(state, command.order_id)
                return Decision(cancel(order, message.principal, command.reason or "canceled", command.tag))
            case Issued(command=AmendOrder() as command):
                order = known(state, command.order_id)
                return Decision(amend(order, command.change, message.principal, self._rules))
            case Issued(command=CancelAll() as command):
                return cancel_all(state, message, command)
            case Issued(command=ExerciseContracts() as command):
                return exercise(state, message, command, self._rules)
            case Issued(command=SettleUnknown() as command):
                return settle(state, message, command)
            case Recorded(fact=OrderWanted() as wanted):
                return want(state, wanted)
            case Recorded(fact=CancelWanted() as wanted):
                order = state.table.get(wanted.order_id)
                if order is None or order.terminal or order.cancel_wanted or order.state == "unknown":
                    return Decision()
                return Decision(cancel(order, wanted.principal, wanted.reason, ""))
            case Recorded(fact=AmendWanted() as wanted):
                order = state.table.get(wanted.order_id)
                if order is None or order.terminal or order.cancel_wanted or order.amend != "none":
                    return Decision()
                return Decision(amend(order, wanted.change, wanted.principal, self._rules))
            case Recorded(fact=SessionClosed()):
                return Decision(requeue(state, "disconnected"))
            case Recorded(fact=BreakerRaised() as raised):
                return Decision((*requeue(state, "breaker changed"), *halt(state, raised)))
            case Recorded(fact=OrderAccepted() | UnknownSettled() | SendRefused() as proved):
                ended = unwanted(state, proved.order_id)
                if ended and state.table.orders[proved.order_id].state == "queued":
                    return Decision(ended)
                return Decision((*ended, *release(state, self._rules)))
            case Recorded(fact=AccountSeen() | AccountFill() | CashMoved() | Reconciled()) if (
                message.seq != state.comparison.known_at
            ):
                return Decision()
            case Recorded():
                return Decision(release(state, self._rules))
            case TimerDue(key=key):
                return Decision(timer(state, key, self._rules))
        return Decision()
