"""An order as LEAN holds it in a session: its ids, tags, events counted. What the broker knows of it is in `orders`."""

from __future__ import annotations

import msgspec

from bridge.paper.orders import BrokerOrder


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
