"""The gateway's turns: each input to what answers it, and silence to `unknown`. The only actor that reads LEAN's
events; it decides nothing about trading.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec

from actors.gateway._events import order_event, returned
from actors.gateway._opening import catch_up, connected
from actors.gateway._sending import release, send, send_amend
from actors.gateway._state import STREAM, GatewayState, evolve
from actors.messages.book import BOOK_FACTS
from actors.messages.breaker import REDUCE_ONLY, BreakerRaised, BreakerReset
from actors.messages.common import Origin
from actors.messages.comparison import columns, compare
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
    CashMoved,
    CashWanted,
    DividendPaid,
    EventSeen,
    EventUnreadable,
    LeanAccount,
    LeanCashMoved,
    LeanConnected,
    LeanDisconnected,
    LeanDividend,
    LeanNotice,
    LeanOrderEvent,
    LeanReturned,
    LeanRounds,
    Reconciled,
    SessionClosed,
    SessionOpened,
    TransferCash,
)
from actors.messages.orders import (
    ORDER_FACTS,
    AmendApproved,
    AmendSent,
    AmendUnknown,
    CancelRequested,
    OrderApproved,
    OrderSent,
    OrderUnknown,
    order_stream,
)
from actors.runtime import CoreActor, Decision, Issued, Output, Recorded, Refusal, TimerDue, Write
from config.calendar import Sessions
from config.desk import DeskRules

#: What a notice of the brokerage's own says that is fatal to a LEAN without us.
BROKERAGE_ERROR = "brokerage error"


class Gateway(CoreActor[GatewayState]):
    """Sends approved orders at most once an attempt and turns every event of LEAN's into at least one fact."""

    name = "gateway"
    group = "safety"
    commands = (TransferCash,)
    inputs = (
        LeanConnected, LeanDisconnected, LeanRounds, LeanOrderEvent, LeanReturned, LeanCashMoved, LeanNotice,
        LeanAccount, LeanDividend,
    )  # fmt: skip
    folds = (
        *ORDER_FACTS, *(kind for kind in BOOK_FACTS if kind not in ORDER_FACTS), SessionOpened, SessionClosed,
        CashWanted, BreakerRaised, BreakerReset, Reconciled, AccountSeen, EventSeen, EventUnreadable, ExerciseSent,
        ExerciseReturned, ExerciseUnknown, ExerciseSettled,
    )  # fmt: skip
    reacts = (OrderApproved, AmendApproved, ExerciseRequested, SessionOpened)
    releases = (
        OrderSent, CancelRequested, AmendSent, ExerciseSent, OrderUnknown, AmendUnknown, CashWanted, SessionOpened,
    )  # fmt: skip

    def __init__(self, rules: DeskRules, sessions: Sessions | None = None) -> None:
        self._rules, self._sessions = rules, sessions

    def initial(self) -> GatewayState:
        return GatewayState()

    def evolve(self, state: GatewayState, recorded: Recorded) -> GatewayState:
        return evolve(state, recorded, self._rules)

    def due(self, state: GatewayState) -> dict[str, dt.datetime]:
        return state.deadlines

    def release(self, state: GatewayState, recorded: Recorded, now: dt.datetime) -> Iterable[Output | Write]:
        return release(state, recorded)

    # --- decisions --------------------------------------------------------------------------------------------

    def decide(self, state: GatewayState, message: Any, now: dt.datetime, market: Any) -> Decision:
        match message:
            case Recorded(fact=OrderApproved() as approved):
                return Decision(send(state, approved.order_id, market))
            case Recorded(fact=AmendApproved() as approved):
                return Decision(send_amend(state, approved))
            case Recorded(fact=ExerciseRequested() as wanted):
                sent = ExerciseSent(wanted.exercise_id, wanted.symbol, wanted.quantity, state.session, wanted.tag)
                return Decision((Write("orders", sent),))
            case Recorded(fact=SessionOpened() as opened):
                return Decision(catch_up(state, opened, now, self._rules.broker_column_from, self._sessions))
            case LeanOrderEvent(n=n) | LeanReturned(n=n) | LeanCashMoved(n=n) | LeanDividend(n=n) | LeanNotice(n=n) if (
                0 < n <= state.seen
            ):
                return Decision()  # told again after a reconnect: its facts are in the journal
            case LeanOrderEvent():
                return Decision(order_event(state, message))
            case LeanReturned():
                return Decision(returned(state, message))
            case LeanAccount():
                return Decision(self._account(state, message.account, now))
            case LeanCashMoved(payment_id=payment_id) | LeanDividend(payment_id=payment_id) if (
                payment_id and payment_id in state.book.payments
            ):
                seen = EventSeen(Origin(state.session, message.n), "payment seen before", "", payment_id)
                return Decision((Write(STREAM, seen),))
            case LeanCashMoved(n=n):
                moved = CashMoved(Origin(state.session, n), message.amount, message.reason, message.payment_id)
                return Decision((Write(STREAM, moved),))
            case LeanDividend(n=n):
                paid = DividendPaid(
                    Origin(state.session, n), message.symbol, message.per_share, message.quantity, message.cash,
                    message.payment_id,
                )  # fmt: skip
                return Decision((Write("account", paid),))
            case LeanNotice(n=n, what=what, symbol=symbol, text=text):
                seen = Write(STREAM, EventSeen(Origin(state.session, n), what, "", f"{symbol} {text}".strip()))
                if what == BROKERAGE_ERROR:
                    # Where LEAN would end the run with positions open: an operator says when it is over.
                    raised = BreakerRaised(REDUCE_ONLY, f"{what}: {text}", self.name)
                    return Decision((seen, Write("breaker", raised)))
                return Decision((seen,))
            case LeanConnected():
                return Decision(connected(state, message))
            case LeanDisconnected(reason=reason):
                return Decision((Write("session", SessionClosed(state.session, reason)),) if state.connected else ())
            case Issued(command=TransferCash() as command, principal=principal):
                if command.amount == 0:
                    raise Refusal("invalid", "a transfer of 0 moves nothing")
                if state.mode == "live":
                    raise Refusal("refused", "cash can only be moved in a backtest")
                wanted = CashWanted(command.amount, command.reason, principal, f"t{state.transfers_asked + 1}")
                return Decision((Write(STREAM, wanted),))
            case TimerDue(key=key):
                what, _, order_id = key.partition(":")
                return Decision(self._overdue(state, what, order_id))
        return Decision()

    def unreadable(self, state: GatewayState, word: Any, error: Exception) -> Write:
        """An event that could not be decided is kept raw, and the gateway goes on."""
        origin = Origin(state.session, getattr(word, "n", 0))
        return Write(STREAM, EventUnreadable(origin, msgspec.msgpack.encode(word), repr(error)))

    def _overdue(self, state: GatewayState, what: str, order_id: str) -> tuple[Write, ...]:
        order = state.table.get(order_id)
        if order is None or order.terminal:
            return ()
        reason = f"no outcome within {self._rules.outcome_seconds:g} s"
        if what == "amend":
            unknown = AmendUnknown(order_id, order.generation, reason)
            return (Write(order_stream(order_id), unknown),) if order.amend == "sent" else ()
        if order.state == "unknown":
            return ()
        return (Write(order_stream(order_id), OrderUnknown(order_id, reason)),)

    def _account(self, state: GatewayState, account: AccountView, now: dt.datetime) -> tuple[Write, ...]:
        writes = [Write(STREAM, AccountSeen(Origin(state.session, account.n), account))]
        differences = compare(state.book, account)
        agree = not differences
        if differences and state.mode == "live":
            # An account may be older than a fill that crossed it: a difference counts when it is seen again.
            since, patience = state.differs_since, dt.timedelta(seconds=self._rules.reconcile_seconds)
            if since is None or now - since < patience:
                return tuple(writes)
        if agree == state.agrees and differences == state.differences:
            return tuple(writes)
        writes.append(Write(STREAM, columns(state.book, account, broker=False)))
        return tuple(writes)
