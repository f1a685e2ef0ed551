"""What LEAN said: its order events and what its calls returned, each to at least one fact. Sends nothing."""

from __future__ import annotations

from actors.gateway._exercises import proved
from actors.gateway._opening import settled
from actors.gateway._state import STREAM, GatewayState
from actors.messages.common import Origin
from actors.messages.exercises import ExerciseReturned
from actors.messages.lean import AccountFill, Anomaly, EventSeen, LeanOrderEvent, LeanReturned
from actors.messages.order_state import Order, allowed
from actors.messages.orders import (
    AmendAccepted,
    AmendRejected,
    CancelRefused,
    CancelRequested,
    LegAccepted,
    LegCanceled,
    LegFilled,
    OrderAccepted,
    OrderCanceled,
    OrderFact,
    OrderRejected,
    OrderUnknown,
    SendRefused,
    UnknownSettled,
    order_stream,
)
from actors.runtime import Fact, Write

#: Statuses of a query's answer after which nothing can be amended.
_ENDS = ("canceled", "filled", "invalid")


def order_event(state: GatewayState, event: LeanOrderEvent) -> tuple[Write, ...]:
    """An event of an order: of ours, to facts in its stream; of anybody else, to the account's."""
    origin = Origin(state.session, event.n)
    order = state.table.get(event.order_id) if event.kind == "order" else None
    if order is None or not 0 <= event.leg < len(order.body.legs):
        return _foreign_event(state, event, origin)
    order_id, stream = order.order_id, order_stream(order.order_id)
    seen = Write(STREAM, EventSeen(origin, event.status, order_id, event.message))
    fact: Fact
    match event.status:
        case "filled" | "partially_filled" if event.fill_quantity:
            return _fill(state, order, event, origin)
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
            return _canceled(order, event, origin)
        case "invalid":
            if order.state == "rejected":
                return (seen,)
            fact = OrderRejected(order_id, origin, event.message)
        case "update_submitted" if _speaks_of_amend(order, event.generation):
            fact = AmendAccepted(order_id, order.generation, origin)
        case "new" if order.state == "sent":
            fact = OrderUnknown(order_id, event.message or "lean keeps it as new", origin)
        case _:
            return (seen,)
    return _checked(order, Write(stream, fact), origin)


def _fill(state: GatewayState, order: Order, event: LeanOrderEvent, origin: Origin) -> tuple[Write, ...]:
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


def _canceled(order: Order, event: LeanOrderEvent, origin: Origin) -> tuple[Write, ...]:
    order_id, stream = order.order_id, order_stream(order.order_id)
    if order.terminal:
        return (Write(STREAM, EventSeen(origin, "canceled", order_id, event.message)),)
    others = (leg for leg in range(len(order.body.legs)) if leg != event.leg)
    if any(order.open_quantity(leg) for leg in others):
        return (Write(stream, LegCanceled(order_id, origin, event.leg)),)
    reason = order.reason if order.cancel_wanted else event.message or "canceled at the other end"
    return _checked(order, Write(stream, OrderCanceled(order_id, origin, reason)), origin)


def _foreign_event(state: GatewayState, event: LeanOrderEvent, origin: Origin) -> tuple[Write, ...]:
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
    return (Write("account", fact), *proved(state, fact))


def returned(state: GatewayState, returned: LeanReturned) -> tuple[Write, ...]:
    """What a call of ours returned, and what that proves of its order."""
    origin = Origin(state.session, returned.n)
    order_id, why = returned.order_id, returned.message or returned.raised
    seen = Write(STREAM, EventSeen(origin, f"{returned.call} returned {returned.status}".strip(), order_id, why))
    if returned.call == "exercise":
        each = state.exercises.get(order_id)
        if each is None or each.phase != "asked":
            return (seen,)  # told again after a lost connection, and answered before
        fact = ExerciseReturned(order_id, origin, returned.ok, why)
        return (Write("orders", fact),)
    order = state.table.get(order_id)
    if order is None:
        return (seen,)
    stream = order_stream(order_id)
    if returned.attempt != order.attempt:
        return (seen,)  # it speaks of an attempt that is over
    proposal: OrderFact | None = None
    match returned.call:
        case "place" | "query" if returned.denied:
            # Only the session that was asked can promise never to send what it was asked.
            if order.session == state.session and order.state in ("sent", "pending_cancel", "unknown"):
                proposal = SendRefused(order_id, returned.attempt, origin, why)
        case "query" if returned.status == "absent" and order.state == "unknown":
            # The broker's own list does not have it, and the session that might have sent it is dead.
            proposal = SendRefused(order_id, returned.attempt, origin, why)
        case "place" if not returned.ok and order.state in ("sent", "pending_cancel", "unknown"):
            proposal = OrderRejected(order_id, origin, why, returned.raised)
        case "amend" if not returned.ok and returned.known_here and _speaks_of_amend(order, returned.generation):
            proposal = AmendRejected(order_id, order.generation, origin, why)
        case "cancel" if not returned.known_here and order.state == "pending_cancel":
            proposal = OrderUnknown(order_id, why, origin)  # it may never have come there
        case "cancel" if not returned.ok and order.state == "pending_cancel":
            proposal = CancelRefused(order_id, origin, why)
        case "query" if order.state == "unknown" and returned.known_here:
            proposal = _proved(order, returned, origin)
    amend = _proved_of_amend(state, order, returned, origin)
    writes = () if amend is None else (Write(stream, amend),)
    if isinstance(proposal, UnknownSettled) and allowed(order, proposal):
        if returned.status in _ENDS:
            return tuple(settled(order, proposal))  # an amend of what is over is over with it
        return (*settled(order, proposal), *writes)
    if proposal is None:
        return writes or (seen,)
    return _checked(order, Write(stream, proposal), origin)


def _speaks_of_amend(order: Order, generation: int) -> bool:
    """Whether an answer is to the amend that waits for one: an older generation's settles nothing."""
    return order.amend in ("sent", "unknown") and order.generation == generation and not order.terminal


def _proved_of_amend(
    state: GatewayState, order: Order, returned: LeanReturned, origin: Origin
) -> AmendAccepted | AmendRejected | None:
    """What a query's answer proves of an amend: that it stands, or was refused, or that the session that was sent it,
    and no other, never got it and never will take it."""
    if returned.call != "query" or not _speaks_of_amend(order, returned.generation):
        return None
    if returned.amend == "stands":
        return AmendAccepted(order.order_id, order.generation, origin)
    if returned.amend == "refused" or (returned.amend == "never" and order.amend_session == state.session):
        return AmendRejected(order.order_id, order.generation, origin, returned.message or "it does not stand")
    return None


def _proved(order: Order, returned: LeanReturned, origin: Origin) -> OrderFact | None:
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


def _checked(order: Order, write: Write, origin: Origin) -> tuple[Write, ...]:
    """A status that the table forbids becomes an anomaly and is not applied."""
    assert isinstance(write.fact, OrderFact)
    if allowed(order, write.fact):
        return (write,)
    text = f"{write.fact.KIND} of an order that is {order.state}"
    return (Write(STREAM, Anomaly(origin, order.order_id, text)),)
