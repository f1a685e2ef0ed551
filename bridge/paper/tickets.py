"""Orders as LEAN holds them in a session: ids, tags, events counted. What the broker knows of them is in `orders`."""

from __future__ import annotations

import msgspec

from bridge.paper.books import Books
from bridge.paper.orders import BrokerOrder, Execution


class TicketLeg(msgspec.Struct):
    """One leg's ticket: LEAN's order id, its own tag, events counted so far."""

    lean_id: int
    tag: str
    events: int = 0


class Ticket(msgspec.Struct):
    """An order as LEAN holds it. `status` is set only where LEAN ended it before the broker saw it."""

    kind: str
    order: BrokerOrder
    legs: list[TicketLeg]
    status: str = ""
    cancel_asked: bool = False
    #: 0 where an earlier session placed it.
    attempt: int = 0

    @property
    def lean_ids(self) -> tuple[int, ...]:
        """LEAN's ids, one a leg."""
        return tuple(leg.lean_id for leg in self.legs)

    @property
    def shown(self) -> str:
        """The status that LEAN shows."""
        if self.status:
            return self.status
        if self.order.working and any(leg.filled for leg in self.order.legs):
            return "partially_filled"
        return self.order.status


class Tickets:
    """The tickets of one session, those of earlier ones too; LEAN's ids are counted from 1."""

    def __init__(self, books: Books) -> None:
        self._by_order: dict[str, Ticket] = {}
        self._at_broker: dict[str, Ticket] = {}
        self._accounts: dict[str, TicketLeg] = {}
        self._last_id = 0
        for order in books.orders.values():
            if order.order_id:
                ticket = Ticket("order", order, self.legs(order) if order.working else [])
                self._by_order[order.order_id] = self._at_broker[order.broker_id] = ticket

    def legs(self, order: BrokerOrder) -> list[TicketLeg]:
        """Legs for an order, each with an id of its own."""
        return [self._leg(order.tag) for _ in order.legs]

    def keep(self, ticket: Ticket) -> None:
        """Know it by the id of its order."""
        self._by_order[ticket.order.order_id] = ticket

    def of_order(self, order_id: str) -> Ticket | None:
        """By our id of an order."""
        return self._by_order.get(order_id)

    def of_broker(self, broker_id: str) -> Ticket | None:
        """By the broker's id."""
        return self._at_broker.get(broker_id)

    def placed(self, order: BrokerOrder) -> Ticket:
        """The ticket of an order that came to the broker: the one kept for it, or one for the broker's own."""
        ticket = self._by_order.get(order.order_id)
        if ticket is None or ticket.order is not order:
            ticket = Ticket("margin_call", order, self.legs(order))
        self._at_broker[order.broker_id] = ticket
        return ticket

    def exercise(self, ticket: Ticket) -> None:
        """Let the executions of an exercise count for its ticket."""
        self.keep(ticket)
        self._accounts[ticket.order.order_id] = ticket.legs[0]

    def account_leg(self, execution: Execution) -> TicketLeg:
        """LEAN makes an order of its own for an execution that no ticket of this session asked for."""
        leg = self._accounts.get(execution.order_id or execution.broker_id)
        if leg is None:
            leg = self._accounts[execution.broker_id] = self._leg(execution.tag)
        return leg

    def _leg(self, tag: str) -> TicketLeg:
        self._last_id += 1
        return TicketLeg(self._last_id, tag)
