"""What is sent to LEAN: orders and amends once approved, and the last look before bytes leave. Reads no event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from actors.gateway._state import LEAN, GatewayState
from actors.messages.breaker import HARD_STOP, NO_ENTRY
from actors.messages.exercises import ExerciseSent
from actors.messages.lean import Amend, Cancel, CashWanted, ExerciseWord, MoveCash, Place, Query, SessionOpened
from actors.messages.order_state import Order
from actors.messages.orders import (
    AmendApproved,
    AmendSent,
    AmendUnknown,
    AmendWithheld,
    CancelRequested,
    OrderSent,
    OrderUnknown,
    SendWithheld,
    order_stream,
)
from actors.runtime import Output, Recorded, Write


def send(state: GatewayState, order_id: str, market: Any) -> tuple[Write, ...]:
    """The fact that an approved order is sent, or nothing where it must not be any more."""
    order = state.table.get(order_id)
    if order is None or order.state != "approved" or not state.connected:
        return ()
    if state.level >= NO_ENTRY and not order.reducing:
        return ()  # the breaker was raised meanwhile: the approval goes back to the queue
    number = 0 if market is None else market.number
    sent = OrderSent(order_id, order.attempt, state.session, number, order.principal)
    return (Write(order_stream(order_id), sent),)


def send_amend(state: GatewayState, approved: AmendApproved) -> tuple[Write, ...]:
    """The fact that an approved amend is sent, or withheld where its order has moved on."""
    order = state.table.get(approved.order_id)
    if order is None or order.amend != "approved" or order.change is None:
        return ()
    stream = order_stream(order.order_id)
    if order.terminal or not order.at_market or order.cancel_wanted:
        withheld = AmendWithheld(order.order_id, approved.generation, f"order is {order.state}")
        return () if order.terminal else (Write(stream, withheld),)
    return (Write(stream, AmendSent(order.order_id, approved.generation, state.session, order.change)),)


def release(state: GatewayState, recorded: Recorded) -> Iterable[Output | Write]:
    """The words for LEAN once `recorded` is durable; what must not leave any more is a fact instead."""
    match recorded.fact:
        case OrderSent() as sent:
            return _release_order(state, sent)
        case CancelRequested(order_id=order_id, tag=tag):
            order = state.table.orders[order_id]
            if order.state == "pending_cancel" and state.connected:
                return (Output(LEAN, Cancel(order_id, order.attempt, tag)),)
        case AmendSent() as sent:
            order = state.table.orders[sent.order_id]
            if order.terminal or order.amend != "sent" or order.generation != sent.generation:
                return ()
            if not state.connected or sent.session != state.session:
                return ()  # nobody is there to take it: it is told when somebody is
            reason = _withheld(state, order, sent.session)
            if reason is not None:
                withheld = AmendWithheld(order.order_id, sent.generation, reason)
                return (Write(order_stream(order.order_id), withheld),)
            return (Output(LEAN, Amend(order.order_id, order.attempt, sent.generation, sent.change)),)
        case ExerciseSent() as sent if state.connected and sent.session == state.session:
            return (Output(LEAN, ExerciseWord(sent.exercise_id, sent.symbol, sent.quantity, sent.tag)),)
        case OrderUnknown(order_id=order_id):
            order = state.table.orders[order_id]
            if order.state == "unknown" and state.connected:
                return (Output(LEAN, _question(order)),)
        case AmendUnknown(order_id=order_id, generation=generation):
            order = state.table.orders[order_id]
            asked = order.amend == "unknown" and order.generation == generation and not order.terminal
            if asked and state.connected:
                return (Output(LEAN, _question(order)),)
        case CashWanted() as wanted if state.connected:
            return (Output(LEAN, MoveCash(wanted.amount, wanted.reason, wanted.transfer_id)),)
        case SessionOpened(number=number) if state.connected and number == state.session:
            return _resumed(state)
        case _:
            pass
    return ()


def _resumed(state: GatewayState) -> Iterable[Output]:
    """What a lost connection may have swallowed: cancels, amends, transfers and exercises, which the other end
    takes once; exercises in the same session only."""
    for each in (each.sent for each in state.exercises.values() if each.phase == "asked" and each.before):
        yield Output(LEAN, ExerciseWord(each.exercise_id, each.symbol, each.quantity, each.tag))
    for wanted in (state.transfers[key] for key in state.transfers_before if key in state.transfers):
        yield Output(LEAN, MoveCash(wanted.amount, wanted.reason, wanted.transfer_id))
    for order in (state.table.orders[order_id] for order_id in state.asked_before):
        if order.state == "pending_cancel":
            yield Output(LEAN, Cancel(order.order_id, order.attempt, order.cancel_tag))
            continue
        if order.amend == "unknown" and not order.terminal and order.state != "unknown":
            # One session was asked, and the change is absolute: where it is a new one it is told again, to stand now.
            if order.amend_session == state.session or _withheld(state, order, state.session):
                yield Output(LEAN, _question(order))
            elif order.change is not None:
                yield Output(LEAN, Amend(order.order_id, order.attempt, order.generation, order.change))
        elif order.amend == "sent" and order.change is not None and not _withheld(state, order, state.session):
            yield Output(LEAN, Amend(order.order_id, order.attempt, order.generation, order.change))


def _question(order: Order) -> Query:
    """What became of its attempt, and of its amend where that is unknown: one that is sent may be on its way yet, and a
    question that overtakes it would forbid it."""
    return Query(order.order_id, order.attempt, order.generation if order.amend == "unknown" else 0)


def _release_order(state: GatewayState, sent: OrderSent) -> Iterable[Output | Write]:
    order = state.table.orders[sent.order_id]
    if order.attempt != sent.attempt or order.state not in ("sent", "pending_cancel"):
        return ()
    reason = _withheld(state, order, sent.session)
    if reason is not None:
        return (Write(order_stream(order.order_id), SendWithheld(order.order_id, sent.attempt, reason)),)
    return (Output(LEAN, Place(order.order_id, sent.attempt, order.body)),)


def _withheld(state: GatewayState, order: Order, session: int) -> str | None:
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
