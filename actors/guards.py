"""Rules that the append itself holds, whoever decided: the order table, and that no new risk follows a halt."""

from __future__ import annotations

import msgspec

from actors.messages.breaker import NO_ENTRY, BreakerRaised, BreakerReset
from actors.messages.order_state import OrderTable, allowed, fold
from actors.messages.orders import (
    ORDER_FACTS,
    AmendApproved,
    OrderApproved,
    OrderFact,
    OrderQueued,
    OrderReleased,
    OrderSent,
)
from actors.runtime import Guard, Recorded, Write


class OrderTableGuard(Guard[OrderTable]):
    """Every fact of an order must be a move that the table lets happen; every attempt is sent at most once."""

    name = "order-table"
    folds = ORDER_FACTS

    def initial(self) -> OrderTable:
        return OrderTable()

    def evolve(self, state: OrderTable, recorded: Recorded) -> OrderTable:
        fold(state, recorded)
        return state

    def check(self, state: OrderTable, write: Write) -> str | None:
        fact = write.fact
        if not isinstance(fact, OrderFact):
            return None
        order = state.get(fact.order_id)
        if isinstance(fact, OrderQueued):
            return None if order is None else f"order {fact.order_id} exists already"
        if order is None:
            return f"{fact.KIND} of order {fact.order_id}, which was never queued"
        if isinstance(fact, OrderReleased) and fact.attempt != order.attempt + 1:
            return f"attempt {fact.attempt} of order {fact.order_id} does not follow attempt {order.attempt}"
        if isinstance(fact, OrderApproved | OrderSent) and fact.attempt != order.attempt:
            return f"{fact.KIND} of attempt {fact.attempt} of order {fact.order_id}, which is at {order.attempt}"
        if not allowed(order, fact):
            return f"{fact.KIND} can't happen to order {fact.order_id}, which is {order.state}"
        return None


class HaltState(msgspec.Struct):
    """The breaker's level, and which orders only reduce."""

    level: int = 0
    reducing: dict[str, bool] = msgspec.field(default_factory=dict)


class HaltGuard(Guard[HaltState]):
    """No fact that adds risk follows a halt: approvals and sends of what does not only reduce are refused."""

    name = "halt"
    folds = (BreakerRaised, BreakerReset, OrderApproved)

    def initial(self) -> HaltState:
        return HaltState()

    def evolve(self, state: HaltState, recorded: Recorded) -> HaltState:
        match recorded.fact:
            case BreakerRaised(level=level):
                state.level = max(state.level, level)
            case BreakerReset():
                state.level = 0
            case OrderApproved(order_id=order_id, reducing=reducing):
                state.reducing[order_id] = reducing
            case _:
                pass
        return state

    def check(self, state: HaltState, write: Write) -> str | None:
        if state.level < NO_ENTRY:
            return None
        match write.fact:
            case OrderApproved(reducing=False, order_id=order_id):
                return f"order {order_id} adds risk and the breaker is at {state.level}"
            case OrderSent(order_id=order_id) if not state.reducing.get(order_id, False):
                return f"order {order_id} adds risk and the breaker is at {state.level}"
            case AmendApproved(order_id=order_id) if not state.reducing.get(order_id, False):
                return f"the amend of order {order_id} may add risk and the breaker is at {state.level}"
            case _:
                return None
