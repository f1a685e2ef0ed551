"""What people and actors ask of orders: submit, amend, cancel, exercise, settle. Raises Refusal; releases nothing."""

from __future__ import annotations

from actors.messages.breaker import HARD_STOP
from actors.messages.common import Origin
from actors.messages.exercises import ExerciseContracts, ExerciseRequested
from actors.messages.order_state import AT_MARKET, Order, apply_change
from actors.messages.orders import (
    AllCanceled,
    AmendAccepted,
    Amendment,
    AmendRejected,
    AmendRequested,
    CancelAll,
    CancelRequested,
    OrderBody,
    OrderCanceled,
    OrderQueued,
    OrderRequeued,
    OrderWanted,
    SettleUnknown,
    SubmitOrder,
    UnknownSettled,
    order_stream,
)
from actors.orders._body import check_body, on_grid
from actors.orders._state import OrdersState
from actors.runtime import Decision, Issued, Refusal, Write
from config.desk import DeskRules

STREAM = "orders"


def submit(state: OrdersState, issued: Issued, command: SubmitOrder, rules: DeskRules) -> Decision:
    """A new order, where its id is new, the queue has room and its body is one. Raises Refusal."""
    if not command.order_id or len(command.order_id) > 100 or not command.order_id.isprintable():
        raise Refusal("invalid", f"order_id {command.order_id!r} must be 1 to 100 printable characters")
    if command.order_id in state.table.orders:
        raise Refusal("conflict", f"order {command.order_id} exists already")
    if issued.number < state.refused_below:
        raise Refusal("canceled", f"order {command.order_id} was received before the last cancel-all")
    waiting = sum(1 for order in state.table.live.values() if order.state == "queued")
    if waiting >= rules.maximum_queue:
        raise Refusal("full", f"{waiting} orders wait, the limit is {rules.maximum_queue}")
    check_body(command.body, rules)
    body = on_grid(state, command.body, rules)
    if state.level >= HARD_STOP and not issued.principal.startswith("operator"):
        raise Refusal("halted", "the breaker is at hard stop: only an operator's reducing orders pass")
    campaign = _campaign(state, body)
    queued = OrderQueued(command.order_id, body, issued.principal, campaign)
    return Decision((Write(order_stream(command.order_id), queued),))


def _campaign(state: OrdersState, body: OrderBody) -> str:
    position = state.book.positions.get(body.position_id)
    return position.campaign_id if position is not None else ""


def want(state: OrdersState, wanted: OrderWanted) -> Decision:
    """What an actor wants queued; nothing at hard stop, nothing twice."""
    if wanted.order_id in state.table.orders or state.level >= HARD_STOP:
        return Decision()
    queued = OrderQueued(wanted.order_id, wanted.body, wanted.principal, wanted.campaign_id)
    return Decision((Write(order_stream(wanted.order_id), queued),))


def known(state: OrdersState, order_id: str) -> Order:
    """The live order of this id. Raises Refusal."""
    order = state.table.get(order_id)
    if order is None:
        raise Refusal("not_found", f"no order {order_id!r}")
    if order.terminal:
        raise Refusal("conflict", f"order {order_id} is {order.state} already")
    return order


def cancel(order: Order, principal: str, reason: str, tag: str) -> tuple[Write, ...]:
    """Final at once where nothing was sent, else a request. Raises Refusal."""
    stream = order_stream(order.order_id)
    if order.state not in AT_MARKET:
        return (Write(stream, OrderCanceled(order.order_id, None, reason)),)
    if order.cancel_wanted:
        raise Refusal("conflict", f"order {order.order_id} is being canceled already")
    if order.state == "unknown":
        raise Refusal("unknown", f"the outcome of order {order.order_id} is unknown; nothing is sent before proof")
    return (Write(stream, CancelRequested(order.order_id, principal, reason, tag)),)


def amend(order: Order, change: Amendment, principal: str, rules: DeskRules) -> tuple[Write, ...]:
    """A change asked for, or made at once where nothing was sent. Raises Refusal."""
    if order.state == "unknown" or order.cancel_wanted:
        raise Refusal("conflict", f"order {order.order_id} is {order.state}; it can't be amended now")
    if order.amend != "none":
        raise Refusal("conflict", f"order {order.order_id} has an amend under way (generation {order.generation})")
    if all(getattr(change, field) is None for field in change.__struct_fields__):
        raise Refusal("invalid", "the amend changes nothing")
    body = apply_change(order.body, change)
    check_body(body, rules)
    for leg, filled in enumerate(order.filled):
        if abs(filled) > abs(body.legs[leg].ratio * body.quantity):
            raise Refusal("invalid", f"quantity {body.quantity} is below what has filled ({abs(filled)} contracts)")
    generation = order.generation + 1
    stream = order_stream(order.order_id)
    requested = Write(stream, AmendRequested(order.order_id, generation, change, principal))
    if order.state in AT_MARKET:
        return (requested,)
    accepted = Write(stream, AmendAccepted(order.order_id, generation, None))
    if order.state == "queued":
        return (requested, accepted)
    return (requested, accepted, Write(stream, OrderRequeued(order.order_id, "amended")))


def cancel_all(state: OrdersState, issued: Issued, command: CancelAll) -> Decision:
    """Every live order, and by its number what was received before and is not taken up yet."""
    reason = command.reason or "cancel all"
    writes = [Write(STREAM, AllCanceled(issued.number, issued.principal, reason))]
    for order in state.table.live.values():
        if not order.cancel_wanted and order.state != "unknown":
            writes += cancel(order, issued.principal, reason, "")
    return Decision(tuple(writes))


def exercise(state: OrdersState, issued: Issued, command: ExerciseContracts, rules: DeskRules) -> Decision:
    """Contracts to be exercised, where they are held and somebody is there to do it. Raises Refusal."""
    if command.quantity <= 0:
        raise Refusal("invalid", f"exercise quantity {command.quantity} must be above 0")
    if command.exercise_id in state.exercises:
        raise Refusal("conflict", f"exercise {command.exercise_id} exists already")
    if not state.connected:
        raise Refusal("refused", f"lean is not connected: exercise {command.exercise_id} would reach nobody")
    held = state.book.holdings.get(command.symbol, 0)
    if held < command.quantity and not rules.lean_rules:
        raise Refusal("refused", f"{held} of {command.symbol.strip()} held, {command.quantity} to exercise")
    fact = ExerciseRequested(command.exercise_id, command.symbol, command.quantity, issued.principal, command.tag)
    return Decision((Write(STREAM, fact),))


def settle(state: OrdersState, issued: Issued, command: SettleUnknown) -> Decision:
    """An operator's word on what became of an order, or of its amend. Raises Refusal."""
    order = known(state, command.order_id)
    if not command.reason:
        raise Refusal("invalid", "settling an unknown order needs a reason")
    if order.state != "unknown" and order.amend == "unknown" and command.outcome != "canceled":
        # The order itself is known: the word is about its amend.
        origin, stream = Origin(order.session, 0), order_stream(order.order_id)
        if command.outcome == "accepted":
            return Decision((Write(stream, AmendAccepted(order.order_id, order.generation, None)),))
        refused = AmendRejected(order.order_id, order.generation, origin, f"{issued.principal}: {command.reason}")
        return Decision((Write(stream, refused),))
    if order.state != "unknown":
        raise Refusal("conflict", f"order {order.order_id} is {order.state}, not unknown")
    fact = UnknownSettled(order.order_id, command.outcome, command.reason, issued.principal)
    return Decision((Write(order_stream(order.order_id), fact),))
