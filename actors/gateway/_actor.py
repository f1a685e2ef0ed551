"""The gateway: what is sent to LEAN and what LEAN said. The last look before bytes leave, and the only reader of
events.

It decides nothing about trading: approved orders go out, events become facts, silence becomes `unknown`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec

from actors.gateway._opening import again, columns, compare, missed, settled
from actors.messages.book import BOOK_FACTS, Book, fold_book
from actors.messages.breaker import HARD_STOP, NO_ENTRY, BreakerRaised, BreakerReset
from actors.messages.common import Origin
from actors.messages.lean import (
    AccountFill,
    AccountSeen,
    AccountView,
    Amend,
    Anomaly,
    BookOpened,
    Cancel,
    CashMoved,
    CashWanted,
    EventSeen,
    EventUnreadable,
    ExerciseWord,
    LeanAccount,
    LeanCashMoved,
    LeanConnected,
    LeanDisconnected,
    LeanNotice,
    LeanOrderEvent,
    LeanReturned,
    LeanRounds,
    MoveCash,
    Place,
    Query,
    Reconciled,
    SessionClosed,
    SessionOpened,
    TransferCash,
)
from actors.messages.order_state import Order, OrderTable, allowed, fold
from actors.messages.orders import (
    ORDER_FACTS,
    AmendAccepted,
    AmendApproved,
    AmendRejected,
    AmendSent,
    AmendWithheld,
    CancelRefused,
    CancelRequested,
    ExerciseRequested,
    ExerciseReturned,
    ExerciseSent,
    LegAccepted,
    LegCanceled,
    LegFilled,
    OrderAccepted,
    OrderApproved,
    OrderCanceled,
    OrderFact,
    OrderRejected,
    OrderSent,
    OrderUnknown,
    SendRefused,
    SendWithheld,
    UnknownSettled,
    order_stream,
)
from actors.runtime import CoreActor, Decision, Fact, Issued, Output, Recorded, Refusal, TimerDue, Write
from config.desk import DeskRules

STREAM = "gateway"
LEAN = "lean"


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
    #: Exercises that lean was asked for and has not answered, and those of them when the session began.
    exercises: dict[str, ExerciseSent] = msgspec.field(default_factory=dict)
    exercises_before: dict[str, ExerciseSent] = msgspec.field(default_factory=dict)
    #: Whether the session was here before.
    same: bool = False


class Gateway(CoreActor[GatewayState]):
    """Sends approved orders at most once an attempt and turns every event of LEAN's into at least one fact."""

    name = "gateway"
    group = "safety"
    commands = (TransferCash,)
    inputs = (
        LeanConnected, LeanDisconnected, LeanRounds, LeanOrderEvent, LeanReturned, LeanCashMoved, LeanNotice,
        LeanAccount,
    )  # fmt: skip
    folds = (
        *ORDER_FACTS, *(kind for kind in BOOK_FACTS if kind not in ORDER_FACTS), SessionOpened, SessionClosed,
        CashWanted, BreakerRaised, BreakerReset, Reconciled, AccountSeen, EventSeen, EventUnreadable, ExerciseSent,
        ExerciseReturned,
    )  # fmt: skip
    reacts = (OrderApproved, AmendApproved, ExerciseRequested, SessionOpened)
    releases = (OrderSent, CancelRequested, AmendSent, ExerciseSent, OrderUnknown, CashWanted, SessionOpened)

    def __init__(self, rules: DeskRules) -> None:
        self._rules = rules

    def initial(self) -> GatewayState:
        return GatewayState()

    # --- state ------------------------------------------------------------------------------------------------

    def evolve(self, state: GatewayState, recorded: Recorded) -> GatewayState:
        fact = recorded.fact
        if isinstance(fact, OrderFact):
            order = fold(state.table, recorded)
            self._deadline(state, order)
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
                    order.order_id for order in live if order.state == "pending_cancel" or order.amend == "sent"
                )
                state.transfers_before = tuple(state.transfers)
                state.exercises_before = dict(state.exercises)
                if not state.same:
                    state.exercises.clear()
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
                state.exercises[exercise_id] = fact
            case ExerciseReturned(exercise_id=exercise_id):
                state.exercises.pop(exercise_id, None)
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

    def _deadline(self, state: GatewayState, order: Order) -> None:
        key = f"outcome:{order.order_id}"
        state.deadlines.pop(key, None)
        waits = order.state == "sent" or order.state == "pending_cancel" or order.amend == "sent"
        if state.mode == "live" and waits and order.changed_at is not None:
            state.deadlines[key] = order.changed_at + dt.timedelta(seconds=self._rules.outcome_seconds)

    def due(self, state: GatewayState) -> dict[str, dt.datetime]:
        return state.deadlines

    # --- decisions --------------------------------------------------------------------------------------------

    def decide(self, state: GatewayState, message: Any, now: dt.datetime, market: Any) -> Decision:
        match message:
            case Recorded(fact=OrderApproved() as approved):
                return Decision(self._send(state, approved.order_id, market))
            case Recorded(fact=AmendApproved() as approved):
                return Decision(self._send_amend(state, approved))
            case Recorded(fact=ExerciseRequested() as wanted):
                sent = ExerciseSent(wanted.exercise_id, wanted.symbol, wanted.quantity, state.session, wanted.tag)
                return Decision((Write("orders", sent),))
            case Recorded(fact=SessionOpened() as opened):
                return Decision(self._opened(state, opened))
            case LeanOrderEvent(n=n) | LeanReturned(n=n) | LeanCashMoved(n=n) | LeanNotice(n=n) if 0 < n <= state.seen:
                return Decision()  # told again after a reconnect: its facts are in the journal
            case LeanOrderEvent():
                return Decision(self._order_event(state, message))
            case LeanReturned():
                return Decision(self._returned(state, message))
            case LeanAccount():
                return Decision(self._account(state, message.account, now))
            case LeanCashMoved(payment_id=payment_id) if payment_id and payment_id in state.book.payments:
                seen = EventSeen(Origin(state.session, message.n), "payment seen before", "", payment_id)
                return Decision((Write(STREAM, seen),))
            case LeanCashMoved(n=n):
                moved = CashMoved(Origin(state.session, n), message.amount, message.reason, message.payment_id)
                return Decision((Write(STREAM, moved),))
            case LeanNotice(n=n, what=what, symbol=symbol, text=text):
                seen = EventSeen(Origin(state.session, n), what, "", f"{symbol} {text}".strip())
                return Decision((Write(STREAM, seen),))
            case LeanConnected():
                return Decision(self._connected(state, message))
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
                return Decision(self._overdue(state, key.partition(":")[2]))
        return Decision()

    def unreadable(self, state: GatewayState, word: Any, error: Exception) -> Write:
        """An event that could not be decided is kept raw, and the gateway goes on."""
        origin = Origin(state.session, getattr(word, "n", 0))
        return Write(STREAM, EventUnreadable(origin, msgspec.msgpack.encode(word), repr(error)))

    # --- sending ----------------------------------------------------------------------------------------------

    def _send(self, state: GatewayState, order_id: str, market: Any) -> tuple[Write, ...]:
        order = state.table.get(order_id)
        if order is None or order.state != "approved" or not state.connected:
            return ()
        if state.level >= NO_ENTRY and not order.reducing:
            return ()  # the breaker was raised meanwhile: the approval goes back to the queue
        number = 0 if market is None else market.number
        sent = OrderSent(order_id, order.attempt, state.session, number, order.principal)
        return (Write(order_stream(order_id), sent),)

    def _send_amend(self, state: GatewayState, approved: AmendApproved) -> tuple[Write, ...]:
        order = state.table.get(approved.order_id)
        if order is None or order.amend != "approved" or order.change is None:
            return ()
        stream = order_stream(order.order_id)
        if order.terminal or not order.at_market or order.cancel_wanted:
            withheld = AmendWithheld(order.order_id, approved.generation, f"order is {order.state}")
            return () if order.terminal else (Write(stream, withheld),)
        return (Write(stream, AmendSent(order.order_id, approved.generation, state.session, order.change)),)

    def release(self, state: GatewayState, recorded: Recorded, now: dt.datetime) -> Iterable[Output | Write]:
        match recorded.fact:
            case OrderSent() as sent:
                return self._release_order(state, sent)
            case CancelRequested(order_id=order_id, tag=tag):
                order = state.table.orders[order_id]
                if order.state == "pending_cancel" and state.connected:
                    return (Output(LEAN, Cancel(order_id, tag)),)
            case AmendSent() as sent:
                order = state.table.orders[sent.order_id]
                if order.terminal or order.amend != "sent" or order.generation != sent.generation:
                    return ()
                reason = self._withheld(state, order, sent.session)
                if reason is not None:
                    withheld = AmendWithheld(order.order_id, sent.generation, reason)
                    return (Write(order_stream(order.order_id), withheld),)
                return (Output(LEAN, Amend(order.order_id, order.attempt, sent.generation, sent.change)),)
            case ExerciseSent() as sent if state.connected and sent.session == state.session:
                return (Output(LEAN, ExerciseWord(sent.exercise_id, sent.symbol, sent.quantity, sent.tag)),)
            case OrderUnknown(order_id=order_id):
                order = state.table.orders[order_id]
                if order.state == "unknown" and state.connected:
                    return (Output(LEAN, Query(order_id, order.attempt)),)
            case CashWanted() as wanted if state.connected:
                return (Output(LEAN, MoveCash(wanted.amount, wanted.reason, wanted.transfer_id)),)
            case SessionOpened(number=number) if state.connected and number == state.session:
                return self._resumed(state)
            case _:
                pass
        return ()

    def _resumed(self, state: GatewayState) -> Iterable[Output]:
        """What a lost connection may have swallowed: cancels, amends, transfers and exercises, which the other end
        takes once; exercises in the same session only."""
        for each in (sent for key, sent in state.exercises_before.items() if key in state.exercises):
            yield Output(LEAN, ExerciseWord(each.exercise_id, each.symbol, each.quantity, each.tag))
        for wanted in (state.transfers[key] for key in state.transfers_before if key in state.transfers):
            yield Output(LEAN, MoveCash(wanted.amount, wanted.reason, wanted.transfer_id))
        for order in (state.table.orders[order_id] for order_id in state.asked_before):
            if order.state == "pending_cancel":
                yield Output(LEAN, Cancel(order.order_id, order.cancel_tag))
            elif order.amend == "sent" and order.change is not None and not self._withheld(state, order, state.session):
                yield Output(LEAN, Amend(order.order_id, order.attempt, order.generation, order.change))

    def _release_order(self, state: GatewayState, sent: OrderSent) -> Iterable[Output | Write]:
        order = state.table.orders[sent.order_id]
        if order.attempt != sent.attempt or order.state not in ("sent", "pending_cancel"):
            return ()
        reason = self._withheld(state, order, sent.session)
        if reason is not None:
            return (Write(order_stream(order.order_id), SendWithheld(order.order_id, sent.attempt, reason)),)
        return (Output(LEAN, Place(order.order_id, sent.attempt, order.body)),)

    def _withheld(self, state: GatewayState, order: Order, session: int) -> str | None:
        """Why these bytes must not leave now, or None: the last look."""
        if not state.connected or session != state.session:
            return "the session it was meant for is gone"
        if order.cancel_wanted:
            return "canceled before it was sent"
        if state.level >= NO_ENTRY and not order.reducing:
            return f"the breaker is at {state.level}"
        if state.level >= HARD_STOP and not order.principal.startswith("operator"):
            return "the breaker is at hard stop"
        return None

    # --- what LEAN said ---------------------------------------------------------------------------------------

    def _order_event(self, state: GatewayState, event: LeanOrderEvent) -> tuple[Write, ...]:
        origin = Origin(state.session, event.n)
        order = state.table.get(event.order_id) if event.kind == "order" else None
        if order is None or not 0 <= event.leg < len(order.body.legs):
            return self._foreign_event(state, event, origin)
        order_id, stream = order.order_id, order_stream(order.order_id)
        seen = Write(STREAM, EventSeen(origin, event.status, order_id, event.message))
        fact: Fact
        match event.status:
            case "filled" | "partially_filled" if event.fill_quantity:
                return self._fill(state, order, event, origin)
            case "submitted":
                ids = (origin, event.leg, event.lean_id, event.broker_ids)
                if order.state == "unknown" and order.cancel_wanted:
                    again = CancelRequested(order_id, order.principal, order.reason, order.cancel_tag)
                    return (Write(stream, OrderAccepted(order_id, *ids)), Write(stream, again))
                if order.state == "sent" or order.state == "unknown":
                    fact = OrderAccepted(order_id, *ids)
                elif order.terminal:
                    return (seen,)
                else:
                    fact = LegAccepted(order_id, *ids)
            case "canceled":
                return self._canceled(order, event, origin)
            case "invalid":
                if order.state == "rejected":
                    return (seen,)
                fact = OrderRejected(order_id, origin, event.message)
            case "update_submitted" if order.amend == "sent" and not order.terminal:
                fact = AmendAccepted(order_id, order.generation, origin)
            case "new" if order.state == "sent":
                fact = OrderUnknown(order_id, event.message or "lean keeps it as new", origin)
            case _:
                return (seen,)
        return self._checked(order, Write(stream, fact), origin)

    def _fill(self, state: GatewayState, order: Order, event: LeanOrderEvent, origin: Origin) -> tuple[Write, ...]:
        order_id = order.order_id
        if event.execution_id in state.book.executions:
            return (Write(STREAM, EventSeen(origin, "execution seen before", order_id, event.execution_id)),)
        fact = LegFilled(
            order_id, origin, event.leg, event.symbol, event.fill_quantity, event.fill_price, event.fee,
            event.execution_id, event.batch,
        )  # fmt: skip
        writes = [Write(order_stream(order_id), fact)]
        beyond = abs(order.filled[event.leg] + event.fill_quantity) > abs(order.wanted(event.leg))
        if order.terminal or beyond or order.state in ("queued", "released", "approved"):
            text = f"execution {event.execution_id} of an order that is {order.state}"
            writes.append(Write(STREAM, Anomaly(origin, order_id, text + (", beyond its quantity" if beyond else ""))))
        return tuple(writes)

    def _canceled(self, order: Order, event: LeanOrderEvent, origin: Origin) -> tuple[Write, ...]:
        order_id, stream = order.order_id, order_stream(order.order_id)
        if order.terminal:
            return (Write(STREAM, EventSeen(origin, "canceled", order_id, event.message)),)
        others = (leg for leg in range(len(order.body.legs)) if leg != event.leg)
        if any(order.open_quantity(leg) for leg in others):
            return (Write(stream, LegCanceled(order_id, origin, event.leg)),)
        reason = order.reason if order.cancel_wanted else event.message or "canceled at the other end"
        return self._checked(order, Write(stream, OrderCanceled(order_id, origin, reason)), origin)

    def _foreign_event(self, state: GatewayState, event: LeanOrderEvent, origin: Origin) -> tuple[Write, ...]:
        if not event.fill_quantity:
            return (Write(STREAM, EventSeen(origin, event.status, event.order_id, event.message)),)
        if event.execution_id in state.book.executions:
            return (Write(STREAM, EventSeen(origin, "execution seen before", event.order_id, event.execution_id)),)
        exercise_id = event.order_id if event.kind == "exercise" else ""
        kind = "external" if event.kind == "order" else event.kind
        fact = AccountFill(
            origin, kind, event.symbol, event.fill_quantity, event.fill_price, event.fee, event.execution_id,
            event.lean_id, event.batch, event.message, exercise_id, event.settlement,
            event.broker_ids[0] if event.broker_ids else "",
        )  # fmt: skip
        return (Write("account", fact),)

    def _returned(self, state: GatewayState, returned: LeanReturned) -> tuple[Write, ...]:
        origin = Origin(state.session, returned.n)
        order_id, why = returned.order_id, returned.message or returned.raised
        seen = Write(STREAM, EventSeen(origin, f"{returned.call} returned {returned.status}".strip(), order_id, why))
        if returned.call == "exercise":
            if order_id not in state.exercises:
                return (seen,)  # told again after a lost connection, and answered before
            fact = ExerciseReturned(order_id, origin, returned.ok, why)
            return (Write("orders", fact),)
        order = state.table.get(order_id)
        if order is None:
            return (seen,)
        stream = order_stream(order_id)
        proposal: OrderFact | None = None
        match returned.call:
            case "place" | "query" if returned.denied:
                # Only the session that was asked can promise never to send what it was asked.
                asked = order.attempt == returned.attempt and order.session == state.session
                if asked and order.state in ("sent", "pending_cancel", "unknown"):
                    proposal = SendRefused(order_id, returned.attempt, origin, why)
            case "query" if returned.status == "absent" and order.state == "unknown":
                # The broker's own list does not have it, and the session that might have sent it is dead.
                if order.attempt == returned.attempt:
                    proposal = SendRefused(order_id, returned.attempt, origin, why)
            case "place" if not returned.ok and order.state in ("sent", "pending_cancel", "unknown"):
                proposal = OrderRejected(order_id, origin, why, returned.raised)
            case "amend" if not returned.ok and order.amend == "sent" and not order.terminal:
                proposal = AmendRejected(order_id, order.generation, origin, why)
            case "cancel" if not returned.known_here and order.state == "pending_cancel":
                proposal = OrderUnknown(order_id, why, origin)  # it may never have come there
            case "cancel" if not returned.ok and order.state == "pending_cancel":
                proposal = CancelRefused(order_id, origin, why)
            case "query" if order.state == "unknown" and returned.known_here:
                proposal = self._proved(order, returned, origin)
        if isinstance(proposal, UnknownSettled) and allowed(order, proposal):
            return tuple(settled(order, proposal))
        return (seen,) if proposal is None else self._checked(order, Write(stream, proposal), origin)

    def _proved(self, order: Order, returned: LeanReturned, origin: Origin) -> OrderFact | None:
        """What a query's answer proves of an unknown order. 'filled' alone proves nothing: the executions must come."""
        match returned.status:
            case "submitted" | "update_submitted" | "partially_filled":
                return UnknownSettled(order.order_id, "accepted", returned.message, "lean", origin)
            case "canceled":
                return UnknownSettled(order.order_id, "canceled", returned.message, "lean", origin)
            case "filled" if order.complete:  # an amend to more was on its way, and came too late
                return UnknownSettled(order.order_id, "filled", returned.message, "lean", origin)
            case "invalid":
                return UnknownSettled(order.order_id, "rejected", returned.message, "lean", origin)
            case _:
                return None

    def _checked(self, order: Order, write: Write, origin: Origin) -> tuple[Write, ...]:
        """A status that the table forbids becomes an anomaly and is not applied."""
        assert isinstance(write.fact, OrderFact)
        if allowed(order, write.fact):
            return (write,)
        text = f"{write.fact.KIND} of an order that is {order.state}"
        return (Write(STREAM, Anomaly(origin, order.order_id, text)),)

    # --- sessions and silence ---------------------------------------------------------------------------------

    def _connected(self, state: GatewayState, hello: LeanConnected) -> tuple[Write, ...]:
        same = hello.session == state.session_name
        number = state.session if same else state.session + 1
        opened = SessionOpened(
            number,
            hello.session,
            hello.mode,
            hello.brokerage,
            hello.fresh_from_broker,
            hello.account,
            hello.orders,
        )
        writes = [Write("session", opened)]
        if state.book.opened:
            writes += missed(state.book, state.table, hello, number, STREAM)
        else:
            told = (seen.execution_id for seen in hello.executions), (paid.payment_id for paid in hello.payments)
            writes.append(Write("account", BookOpened(hello.account.cash, hello.account.holdings, *map(tuple, told))))
        return tuple(writes)

    def _opened(self, state: GatewayState, opened: SessionOpened) -> tuple[Write, ...]:
        """After what was missed is booked: what became of the orders that were at the market, and the columns."""
        if opened.number != state.session or not state.connected:
            return ()
        writes: list[Write] = []
        for exercise_id in () if state.same else state.exercises_before:
            text = "lean began a new session before it answered the exercise: the account tells what came of it"
            writes.append(Write(STREAM, Anomaly(Origin(opened.number, 0), exercise_id, text)))
        for order_id, attempt in state.before.items():
            order = state.table.orders[order_id]
            if order.at_market and order.attempt == attempt:
                writes += again(order, opened, same=state.same)
        if opened.fresh_from_broker:
            told = columns(state.book, opened.account, broker=True)
            if (told.agree, told.differences) != (state.agrees, state.differences):
                writes.append(Write(STREAM, told))
        return tuple(writes)

    def _overdue(self, state: GatewayState, order_id: str) -> tuple[Write, ...]:
        order = state.table.get(order_id)
        if order is None or order.terminal or order.state == "unknown":
            return ()
        reason = f"no outcome within {self._rules.outcome_seconds:g} s"
        return (Write(order_stream(order_id), OrderUnknown(order_id, reason)),)

    # --- reconciliation ---------------------------------------------------------------------------------------

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
