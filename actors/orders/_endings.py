"""Orders that end without being asked one by one: halts, deadlines, legs that stand unequal, what all were canceled."""

from __future__ import annotations

from actors.messages.breaker import REDUCE_ONLY, BreakerRaised
from actors.messages.order_state import AT_MARKET, Order
from actors.messages.orders import CancelRequested, LegsOverdue, OrderExpired, OrderRequeued, order_stream
from actors.orders._commands import cancel
from actors.orders._state import APART, OrdersState
from actors.runtime import Write
from config.desk import DeskRules


def unwanted(state: OrdersState, order_id: str) -> tuple[Write, ...]:
    """The end of an order that is proved to work, or not to, after all were canceled or entries were halted."""
    order = state.table.orders[order_id]
    if order.terminal or order.cancel_wanted or order.state == "unknown":
        return ()
    if order_id in state.unwanted:
        return cancel(order, "orders", state.unwanted[order_id], "")
    if state.level >= REDUCE_ONLY and not order.reducing and order.state in AT_MARKET:
        return cancel(order, "breaker", f"breaker at {state.level}", "")
    return ()


def halt(state: OrdersState, raised: BreakerRaised) -> tuple[Write, ...]:
    """From reduce-only on, working entries are canceled; reducing orders are kept."""
    if raised.level < REDUCE_ONLY:
        return ()
    return tuple(
        Write(
            order_stream(order.order_id),
            CancelRequested(order.order_id, "breaker", f"breaker at {raised.level}: {raised.reason}"),
        )
        for order in state.table.live.values()
        if order.state in ("sent", "accepted", "partially_filled") and not order.reducing and not order.cancel_wanted
    )


def _apart(state: OrdersState, order: Order, rules: DeskRules) -> tuple[Write, ...]:
    """Legs that stood unequal to the deadline: said, no more entries as asked for, and the rest is asked back.
    What is left of it once it ended is for `positions`. One of unknown outcome is canceled when that is known."""
    stream = order_stream(order.order_id)
    if order.terminal or order.overdue or order.apart_since is None:
        return ()
    writes = [Write(stream, LegsOverdue(order.order_id, tuple(order.filled), order.apart_since))]
    if state.level < rules.legs_apart_level:
        text = f"legs of {order.order_id} stand unequally filled for {rules.legs_apart_seconds:g} s"
        writes.append(Write("breaker", BreakerRaised(rules.legs_apart_level, text, "orders")))
    if order.state in AT_MARKET and order.state != "unknown" and not order.cancel_wanted:
        writes.append(Write(stream, CancelRequested(order.order_id, "orders", APART)))
    return tuple(writes)


def timer(state: OrdersState, key: str, rules: DeskRules) -> tuple[Write, ...]:
    """A deadline of one order is here."""
    what, _, order_id = key.partition(":")
    order = state.table.get(order_id)
    if order is not None and what == "apart":
        return _apart(state, order, rules)
    if order is None or order.terminal or order.cancel_wanted or order.state == "unknown":
        return ()
    stream = order_stream(order_id)
    if what == "lapse":
        return (Write(stream, OrderRequeued(order_id, "approval lapsed")),)
    reason = "time to live is over" if what == "ttl" else "entries end before the close"
    if order.state in AT_MARKET:
        return (Write(stream, CancelRequested(order_id, "orders", reason)),)
    return (Write(stream, OrderExpired(order_id, None, reason)),)
