"""What a session tells: its numbered events, kept until they are taken. Decides nothing and asks nobody."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bridge import protocol
from bridge.paper.broker import Broker
from bridge.paper.floor import Floor
from bridge.paper.orders import Execution
from bridge.paper.tickets import Ticket, TicketLeg


class Told:
    """The events of one session, counted from 1."""

    def __init__(self, name: str, broker: Broker, floor: Floor) -> None:
        self.last = 0
        #: Who hears each event the moment it happens, as LEAN's handlers do.
        self.on_event: Callable[[protocol.Event], None] | None = None
        self._events: list[protocol.Event] = []
        self._name = name
        self._broker = broker
        self._floor = floor

    def take(self) -> tuple[protocol.Event, ...]:
        """Events since the last call."""
        events, self._events = tuple(self._events), []
        return events

    @property
    def waits(self) -> bool:
        """Whether there are events to take."""
        return bool(self._events)

    def event(self, kind: Any, *fields: Any) -> None:
        """Tell of something that is no order's."""
        self.last += 1
        self._keep(kind(self.last, self._floor.now, *fields))

    def tell(
        self, ticket: Ticket, index: int, status: Any, *, message: str = "", execution: Execution | None = None,
        generation: int = 0,
    ) -> None:  # fmt: skip
        """An event of one leg of an order."""
        leg, order, symbol = ticket.legs[index], ticket.order, ticket.order.legs[index].symbol
        leg.events += 1
        self.last += 1
        ours = ticket.kind == "order"
        self._keep(
            protocol.OrderEvent(
                self.last, self._floor.now, ticket.kind, order.order_id if ours else "", index if ours else -1,  # type: ignore[arg-type]
                symbol, status, Decimal(0) if execution is None else execution.price,
                0 if execution is None else execution.quantity, order.wanted(order.legs[index]),
                Decimal(0) if execution is None else execution.fee, self._execution_id(execution, leg), message,
                leg.tag, leg.lean_id, leg.events, self._broker.last_batch if execution is None else execution.batch,
                self.broker_ids(order.broker_id), order.type, order.limit_price, generation=generation,
            )
        )  # fmt: skip

    def tell_account(self, leg: TicketLeg, execution: Execution) -> None:
        """An execution that no ticket of this session asked for, by the leg that stands for it."""
        leg.events += 1
        self.last += 1
        self._keep(
            protocol.OrderEvent(
                self.last, self._floor.now, execution.kind,
                execution.order_id if execution.kind == "exercise" else "", -1, execution.symbol, "filled",
                execution.price, execution.quantity, execution.closes or execution.quantity, execution.fee,
                self._execution_id(execution, leg), execution.message, leg.tag, leg.lean_id, leg.events,
                execution.batch, self.broker_ids(execution.broker_id),
                "exercise" if execution.contract else "market", None, execution.in_the_money, execution.settlement,
            )
        )  # fmt: skip

    def tell_exercise(self, ticket: Ticket) -> None:
        """An exercise is under way."""
        leg, order = ticket.legs[0], ticket.order
        leg.events += 1
        self.last += 1
        self._keep(
            protocol.OrderEvent(
                self.last, self._floor.now, "exercise", order.order_id, -1, order.legs[0].symbol, "submitted",
                Decimal(0), 0, order.wanted(order.legs[0]), Decimal(0), "", "", leg.tag, leg.lean_id, leg.events,
                self._broker.last_batch, (), "exercise",
            )
        )  # fmt: skip

    def returned(
        self, frame: Any, ok: bool, status: str, ids: tuple[int, ...], message: str, *, raised: str = "",
        denied: bool = False, known: bool = True, amend: str = "",
    ) -> None:  # fmt: skip
        """What a call gave back: its own words, LEAN's status, and whether it is refused for good."""
        calls = {
            protocol.PlaceOrder: "place", protocol.AmendOrder: "amend", protocol.CancelOrder: "cancel",
            protocol.Exercise: "exercise", protocol.QueryOrder: "query",
        }  # fmt: skip
        order_id = frame.exercise_id if isinstance(frame, protocol.Exercise) else frame.order_id
        self.event(
            protocol.CallReturned, calls[type(frame)], order_id, getattr(frame, "attempt", 0), ok, status, ids,
            message, raised, denied, known, getattr(frame, "generation", 0), amend,
        )  # fmt: skip

    def _execution_id(self, execution: Execution | None, leg: TicketLeg) -> str:
        """The broker's own id, else one of the session's."""
        if execution is None:
            return ""
        return execution.id or f"{self._name}:{leg.lean_id}:{leg.events}"

    def broker_ids(self, broker_id: str) -> tuple[str, ...]:
        """The broker's ids that LEAN shows: none where the broker does not outlive a session."""
        return (broker_id,) if self._broker.durable and broker_id else ()

    def _keep(self, event: protocol.Event) -> None:
        self._events.append(event)
        if self.on_event is not None:
            self.on_event(event)
