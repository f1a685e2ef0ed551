"""Calls on orders as LEAN answers them: place, amend, cancel, exercise, query. The broker decides; `told` keeps what
each call gave back."""

from __future__ import annotations

from actors.options.contracts import Contract, parse_symbol
from actors.options.ticks import lean_round
from bridge import protocol
from bridge.paper import checks
from bridge.paper.broker import Broker
from bridge.paper.floor import Floor
from bridge.paper.margin import MarginModel
from bridge.paper.orders import BrokerLeg, BrokerOrder, broker_order
from bridge.paper.portfolio import Portfolio
from bridge.paper.tickets import Ticket, Tickets
from bridge.paper.told import Told


class Calls:
    """Answers one session's calls. `asked` holds the highest attempt seen for each id: none is taken twice."""

    def __init__(
        self, broker: Broker, floor: Floor, tickets: Tickets, told: Told, portfolio: Portfolio, margin: MarginModel,
        initial: MarginModel,
    ) -> None:  # fmt: skip
        self.asked: dict[str, int] = {}
        self._broker = broker
        self._floor = floor
        self._tickets = tickets
        self._told = told
        self._portfolio = portfolio
        self._margin = margin
        self._initial = initial
        #: Whether the broker had a life before this session: then it is asked where the session knows nothing.
        self._restored = bool(broker.orders or broker.executions or broker.played)
        self._amended: dict[str, int] = {}
        self._refused: set[tuple[str, int]] = set()
        #: Cancels and amends that take effect at the end of the step; an amend by its generation.
        self._waiting: list[tuple[str, Ticket, int]] = []

    def place(self, frame: protocol.PlaceOrder) -> None:
        """LEAN's order methods: checks of its own first, then the broker's."""
        known = self._tickets.of_order(frame.order_id)
        if known is not None and known.shown != "invalid":
            text = f"order {frame.order_id} is {known.shown} here: another attempt would make it twice"
            self._told.returned(frame, False, "denied", (), text, denied=True)
            return
        if self._attempted(frame, frame.order_id):
            return
        if frame.quantity <= 0:
            text = "Error: OrderQuantityZero - Unable to submit order with id -10 that has zero quantity."
            self._told.returned(frame, False, "invalid", (-10,) * len(frame.legs), text)
            return
        raised = checks.raises(frame, self._floor)
        if raised is not None:
            self._told.returned(frame, False, "raised", (), raised[1], raised=raised[0])
            return
        refused = checks.refuses(frame, self._floor)
        if refused is not None:
            self._told.returned(frame, False, "invalid", (-10,) * len(frame.legs), refused)
            return
        order = broker_order(checks.rounded(frame), self._floor.now)
        ticket = Ticket("order", order, self._tickets.legs(order), attempt=frame.attempt)
        self._tickets.keep(ticket)
        if len({leg.symbol for leg in order.legs}) < len(order.legs):
            # LEAN's margin models throw on it: the order stays new for ever.
            ticket.status = "limbo"
            self._told.tell(ticket, len(order.legs) - 1, "new", message="Error executing margin models")
            self._told.returned(frame, True, "new", ticket.lean_ids, "")
            return
        short = checks.insufficient(ticket, self._portfolio, self._floor, self._margin, self._initial)
        if short is not None:
            ticket.status = "invalid"
            for index in range(len(order.legs)):
                self._told.tell(ticket, index, "invalid", message=short)
            self._told.returned(frame, False, "invalid", ticket.lean_ids, f"Error: InsufficientBuyingPower - {short}")
            return
        self._broker.place(order)
        self._told.returned(frame, order.status != "invalid", ticket.shown, ticket.lean_ids, order.reason)

    def amend(self, frame: protocol.AmendOrder) -> None:
        """Change a ticket; told at the end of the step."""
        ticket = self._working_ticket(frame)
        if ticket is None:
            return
        order, leg = ticket.order, ticket.legs[0]
        if frame.generation <= self._amended.get(frame.order_id, 0):
            self._told.returned(frame, True, "update_submitted", (leg.lean_id,), "this amend was taken before")
            return
        if not order.working or ticket.cancel_asked:
            self._is_over(frame, ticket)
            return
        self._amended[frame.order_id] = frame.generation
        symbol = order.legs[0].symbol
        leg_limits = order.leg_limits
        if frame.leg_limits is not None:
            leg_limits = [
                lean_round(each.symbol, price) for price, each in zip(frame.leg_limits, order.legs, strict=True)
            ]
        refusal = self._broker.amend(
            order, order.quantity if frame.quantity is None else frame.quantity,
            order.limit_price if frame.limit_price is None else lean_round(symbol, frame.limit_price),
            order.stop_price if frame.stop_price is None else lean_round(symbol, frame.stop_price), leg_limits,
        )  # fmt: skip
        if refusal:
            self._refused.add((frame.order_id, frame.generation))
            self._told.returned(frame, False, ticket.shown, (leg.lean_id,), refusal)
            return
        if frame.tag is not None:
            leg.tag = frame.tag
        if order.working:
            self._waiting.append(("update", ticket, frame.generation))
        else:  # amended to what had filled
            self._told.tell(ticket, 0, "update_submitted", generation=frame.generation)
        self._told.returned(frame, True, "update_submitted", (leg.lean_id,), "")

    def cancel(self, frame: protocol.CancelOrder) -> None:
        """Ask for an end; it takes effect at the end of the step."""
        ticket = self._working_ticket(frame)
        if ticket is None:
            return
        leg = ticket.legs[0]
        if ticket.cancel_asked:
            text = f"Error: RequestCanceled - Order {leg.lean_id} has already received a cancellation request."
            self._told.returned(frame, False, ticket.shown, (leg.lean_id,), text)
            return
        if not ticket.order.working:
            self._is_over(frame, ticket)
            return
        if frame.tag:
            leg.tag = frame.tag
        self._told.tell(ticket, 0, "cancel_pending")
        self.cancel_later(ticket)
        self._told.returned(frame, True, "cancel_pending", (leg.lean_id,), "")

    def exercise(self, frame: protocol.Exercise) -> None:
        """Exercise at once what is held."""
        if self._attempted(frame, frame.exercise_id):
            return
        contract = parse_symbol(frame.symbol)
        if frame.quantity <= 0 or not isinstance(contract, Contract):
            text = f"Error: cannot exercise {frame.quantity} of '{frame.symbol}'"
            self._told.returned(frame, False, "invalid", (-10,), text)
            return
        if frame.quantity > self._portfolio.quantity(frame.symbol):
            text = (
                f"Error: UnsupportedRequestType - Cannot exercise more contracts of '{frame.symbol}' than is currently "
                "available in the portfolio. "
            )
            self._told.returned(frame, False, "invalid", (-10,), text)
            return
        order = BrokerOrder(
            "", frame.exercise_id, [BrokerLeg(frame.symbol, -1)], frame.quantity, "market", None, None, None, False,
            False, self._floor.now, frame.tag, "filled",
        )  # fmt: skip
        ticket = Ticket("exercise", order, self._tickets.legs(order))
        self._tickets.exercise(ticket)
        self._told.tell_exercise(ticket)
        self._broker.clearing.exercise(contract, frame.quantity, frame.exercise_id, frame.tag)
        self._told.returned(frame, True, "filled", ticket.lean_ids, "")

    def query(self, frame: protocol.QueryOrder) -> None:
        """What became of an order; one that never came is never taken from now on."""
        ticket = self._tickets.of_order(frame.order_id)
        if ticket is not None and ticket.attempt in (0, frame.attempt):
            status = "new" if ticket.shown == "limbo" else ticket.shown
            self._told.returned(frame, True, status, ticket.lean_ids, "", amend=self._amend_of(frame, ticket))
            return
        seen = self.asked.get(frame.order_id, 0)
        untried = frame.attempt > seen
        if untried:
            self.asked[frame.order_id] = frame.attempt
        if self._restored:
            # The broker keeps our ids for ever: what it does not have never came to it, and now never will.
            self._told.returned(frame, True, "absent", (), "the broker does not have it", known=False)
            return
        self._told.returned(frame, False, "", (), "not known here", denied=untried, known=False)

    def cancel_later(self, ticket: Ticket) -> None:
        """Let a cancel take effect at the end of the step."""
        ticket.cancel_asked = True
        self._waiting.append(("cancel", ticket, 0))

    def end_of_step(self) -> None:
        """What LEAN does after on_data: amends and cancels asked for in it take effect."""
        waiting, self._waiting = self._waiting, []
        for what, ticket, generation in waiting:
            if what == "update" and ticket.order.working:
                self._told.tell(ticket, 0, "update_submitted", generation=generation)
                self._broker.try_to_fill(ticket.order)
            if what == "cancel" and ticket.order.working:
                self._broker.cancel(ticket.order)

    def _working_ticket(self, frame: protocol.AmendOrder | protocol.CancelOrder) -> Ticket | None:
        ticket = self._tickets.of_order(frame.order_id)
        if ticket is None or (ticket.attempt and frame.attempt > ticket.attempt):
            text = "Error: UnableToFindOrder - no such order"
            self._told.returned(frame, False, "invalid", (), text, known=False)
            return None
        if ticket.attempt and 0 < frame.attempt < ticket.attempt:
            text = f"attempt {frame.attempt} is over: attempt {ticket.attempt} of order {frame.order_id} is here now"
            self._told.returned(frame, False, "invalid", (), text)
            return None
        if not ticket.legs:
            text = f"Error: UnableToFindOrder - the order was {ticket.shown} before this session"
            self._told.returned(frame, False, ticket.shown, (), text)
            return None
        return ticket

    def _is_over(self, frame: protocol.AmendOrder | protocol.CancelOrder, ticket: Ticket) -> None:
        lean_id = ticket.legs[0].lean_id
        text = (
            f"Error: InvalidOrderStatus - Unable to update order with id {lean_id} because it already has "
            f"{ticket.shown.capitalize()} status."
        )
        self._told.returned(frame, False, ticket.shown, (lean_id,), text)

    def _attempted(self, frame: protocol.PlaceOrder | protocol.Exercise, id: str) -> bool:
        """Note an attempt before anything is done; one not above the highest seen for its id is denied, for good."""
        seen = self.asked.get(id, 0)
        if frame.attempt <= seen:
            self._told.returned(frame, False, "denied", (), f"attempt {frame.attempt} is not above {seen}", denied=True)
            return True
        self.asked[id] = frame.attempt
        return False

    def _amend_of(self, frame: protocol.QueryOrder, ticket: Ticket) -> str:
        """What became of an amend; one that never came is never taken from now on."""
        if not frame.generation:
            return ""
        if (frame.order_id, frame.generation) in self._refused:
            return "refused"
        if frame.generation <= self._amended.get(frame.order_id, 0):
            return "stands"  # what the broker took is told at the end of the step
        if not ticket.attempt:
            return ""
        self._amended[frame.order_id] = frame.generation
        self._refused.add((frame.order_id, frame.generation))
        return "never"
