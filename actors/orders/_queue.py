"""The order of release: reducing orders first, then priority, then age; a window for the others."""

from __future__ import annotations

from actors.messages.order_state import IN_WINDOW
from actors.messages.orders import OrderReleased, OrderRequeued, order_stream
from actors.orders._body import closes
from actors.orders._state import OrdersState
from actors.reduction import reduces
from actors.runtime import Write
from config.desk import DeskRules


def release(state: OrdersState, rules: DeskRules) -> tuple[Write, ...]:
    """What the gate may judge now."""
    if not state.connected:
        return ()
    live = state.table.live.values()
    queued = [order for order in live if order.state == "queued"]
    if not queued:
        return ()
    room = rules.release_window - sum(1 for order in live if order.state in IN_WINDOW)
    closers = {order.order_id: closes(state, order.body) for order in queued}
    if rules.lean_rules:
        queued.sort(key=lambda order: order.queued_seq)
    else:
        queued.sort(key=lambda order: (not closers[order.order_id], -order.body.priority, order.queued_seq))
    # Entries wait until the books are compared; what the gate will find reducing does not.
    waits = state.comparison.agrees is None and not rules.lean_rules
    writes: list[Write] = []
    for order in queued:
        if (waits or room <= 0) and not closers[order.order_id]:
            continue
        if waits and not reduces(state.table, state.book, order, order.body, legs_fill_apart=rules.legs_fill_apart):
            continue
        room -= 1
        writes.append(Write(order_stream(order.order_id), OrderReleased(order.order_id, order.attempt + 1)))
    return tuple(writes)


def requeue(state: OrdersState, reason: str) -> tuple[Write, ...]:
    """Approvals that no longer hold."""
    return tuple(
        Write(order_stream(order.order_id), OrderRequeued(order.order_id, reason))
        for order in state.table.live.values()
        if order.state == "approved"
    )
