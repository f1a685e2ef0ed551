"""What LEAN would remember of a session: ids counted from 1, tickets, what it was asked, its account.

Lost at a restart, and never asked what the broker knows behind its back. Runs commands; the broker decides;
`told` keeps the events.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from decimal import Decimal

from actors.options.contracts import Contract, parse_symbol
from actors.options.ticks import lean_round
from bridge import protocol
from bridge.paper import checks
from bridge.paper.broker import Broker
from bridge.paper.floor import Floor, decimal
from bridge.paper.margin import MarginModel
from bridge.paper.orders import BrokerLeg, BrokerOrder, Execution, broker_order
from bridge.paper.tickets import Ticket, TicketLeg
from bridge.paper.told import Told


class Session:
    """One life of LEAN's over a broker: it listens from its making on."""

    def __init__(self, name: str, broker: Broker, floor: Floor, margin: MarginModel, initial: MarginModel) -> None:
        self.name = name
        self.broker = broker
        self.floor = floor
        self.told = Told(name, broker, floor)
        self.portfolio = copy.deepcopy(broker.portfolio)
        self.tickets: dict[str, Ticket] = {}
        self.asked: dict[str, int] = {}
        self.quit: str | None = None
        #: Whether the broker had a life before this session: then it is asked where the session knows nothing.
        self.restored = bool(broker.orders or broker.executions or broker.played)
        self._margin = margin
        self._initial = initial
        self._amended: dict[str, int] = {}
        self._at_broker: dict[str, Ticket] = {}
        self._accounts: dict[str, TicketLeg] = {}
        self._placing: Ticket | None = None
        self._refused: set[tuple[str, int]] = set()
        #: Cancels and amends that take effect at the end of the step; an amend by its generation.
        self._waiting: list[tuple[str, Ticket, int]] = []
        self._touched = False
        self._last_id = 0
        broker.listener = self
        for order in broker.orders.values():
            if order.order_id:
                legs = [TicketLeg(self._next_id(), order.tag) for _ in order.legs] if order.working else []
                self.tickets[order.order_id] = self._at_broker[order.broker_id] = Ticket("order", order, legs)

    # --- what it shows ----------------------------------------------------------------------------------------

    def account_if_touched(self) -> protocol.Account | None:
        """The account where it moved since the last call."""
        if not self._touched:
            return None
        self._touched = False
        return self.account()

    def account(self) -> protocol.Account:
        """The account as LEAN believes it to be."""
        portfolio = self.portfolio
        value = portfolio.value({symbol: self.floor.price(symbol) for symbol in portfolio.holdings})
        used = self._margin(portfolio.quantities(), self.floor.price, self._natural)
        holdings = tuple(
            protocol.Holding(symbol, Decimal(held.quantity), held.average, decimal(self.floor.price(symbol)))
            for symbol, held in sorted(portfolio.holdings.items())
        )
        return protocol.Account(
            portfolio.cash, Decimal(0), value, used, value - used, portfolio.fees, holdings, self.told.last
        )

    def open_orders(self) -> tuple[protocol.OpenOrder, ...]:
        """What works, in the order it was placed."""
        return tuple(
            protocol.OpenOrder(
                order.order_id, tuple(protocol.Leg(leg.symbol, leg.ratio) for leg in order.legs), order.quantity,
                tuple(leg.filled for leg in order.legs), order.type, order.limit_price, ticket.legs[0].tag,
                ticket.lean_ids, self.told.broker_ids(order.broker_id),
            )
            for order in self.broker.working.values()
            if (ticket := self._at_broker.get(order.broker_id)) is not None
        )  # fmt: skip

    def _natural(self, symbol: str) -> float:
        return self.floor.natural(symbol, self.portfolio.quantity(symbol))

    def dead_man(self) -> int:
        """Nobody leads: working orders that add to what is held are cancelled at the end of this step. How many."""
        count = 0
        for order in self.broker.working.values():
            ticket = self._at_broker.get(order.broker_id)
            closes = all(
                leg.ratio * self.portfolio.quantity(leg.symbol) < 0
                and abs(order.left(leg)) <= abs(self.portfolio.quantity(leg.symbol))
                for leg in order.legs
            )
            if ticket is not None and not closes and not ticket.cancel_asked:
                ticket.cancel_asked = True
                self._waiting.append(("cancel", ticket, 0))
                count += 1
        return count

    def end_of_step(self) -> None:
        """What LEAN does after on_data: amends and cancels asked for in it take effect."""
        waiting, self._waiting = self._waiting, []
        for what, ticket, generation in waiting:
            if what == "update" and ticket.order.working:
                self.told.tell(ticket, 0, "update_submitted", generation=generation)
                self.broker.try_to_fill(ticket.order)
            if what == "cancel" and ticket.order.working:
                self.broker.cancel(ticket.order)

    # --- what the broker says ---------------------------------------------------------------------------------

    def placed(self, order: BrokerOrder) -> None:
        """It works at the broker, or was refused there."""
        ticket = self._placing
        if ticket is None or ticket.order is not order:
            ticket = Ticket("margin_call", order, [TicketLeg(self._next_id(), order.tag) for _ in order.legs])
        self._at_broker[order.broker_id] = ticket
        for index in range(len(order.legs)):
            if order.working:
                self.told.tell(ticket, index, "submitted")
            else:
                self.told.tell(ticket, index, "invalid", message=order.reason)

    def executed(self, executions: Sequence[Execution]) -> None:
        """Book all, then tell of all."""
        for each in executions:
            self.portfolio.fill(each.symbol, each.quantity, each.price, each.fee, each.settlement)
            self._touched = True
        for each in executions:
            ticket = self._at_broker.get(each.broker_id)
            if ticket is None:
                self.told.tell_account(self._account_leg(each), each)
                continue
            complete = not ticket.order.left(ticket.order.legs[each.leg])
            self.told.tell(ticket, each.leg, "filled" if complete else "partially_filled", execution=each)

    def _account_leg(self, execution: Execution) -> TicketLeg:
        """LEAN makes an order of its own for an execution that no ticket of this session asked for."""
        leg = self._accounts.get(execution.order_id or execution.broker_id)
        if leg is None:
            leg = self._accounts[execution.broker_id] = TicketLeg(self._next_id(), execution.tag)
        return leg

    def ended(self, order: BrokerOrder, message: str) -> None:
        """What had not filled is gone."""
        ticket = self._at_broker.get(order.broker_id)
        if ticket is None:
            return
        for index in range(len(order.legs)):
            self.told.tell(ticket, index, "canceled", message=message)

    def margin_called(self, orders: Sequence[tuple[str, int]]) -> None:
        """LEAN announces orders of its own."""
        self.told.event(protocol.MarginCalled, tuple(orders))

    def dividend(self, symbol: str, per_share: Decimal) -> None:
        """The ex-date of shares begins: LEAN tells of it, held or not, and books what the broker pays."""
        paid = self.broker.pay_dividend(symbol, per_share)
        if paid is None:
            self.told.event(protocol.DividendPaid, symbol, per_share)
            return
        self.portfolio.cash += paid.amount
        self._touched = True
        self.told.event(protocol.DividendPaid, symbol, per_share, paid.quantity, paid.amount, paid.id)

    # --- what it is asked -------------------------------------------------------------------------------------

    def run(self, command: protocol.Command) -> None:
        """Run one command; what comes of it are events."""
        match command:
            case protocol.PlaceOrder():
                self._place(command)
            case protocol.AmendOrder():
                self._amend(command)
            case protocol.CancelOrder():
                self._cancel(command)
            case protocol.Exercise():
                self._exercise(command)
            case protocol.QueryOrder():
                self._query(command)
            case protocol.MoveCash():
                if command.transfer_id and any(paid.id == command.transfer_id for paid in self.broker.payments):
                    return  # told again after a lost connection
                payment_id = self.broker.pay(command.amount, command.reason, command.transfer_id)
                self.portfolio.cash += command.amount
                self._touched = True
                self.told.event(protocol.CashMoved, command.amount, command.reason, payment_id)
            case protocol.Subscribe() | protocol.Plot():
                pass  # what this market plays was settled when it was made, and it draws nothing
            case protocol.Quit(reason=reason):
                self.quit = reason

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _place(self, frame: protocol.PlaceOrder) -> None:
        known = self.tickets.get(frame.order_id)
        if known is not None and known.shown != "invalid":
            text = f"order {frame.order_id} is {known.shown} here: another attempt would make it twice"
            self.told.returned(frame, False, "denied", (), text, denied=True)
            return
        if self._attempted(frame, frame.order_id):
            return
        if frame.quantity <= 0:
            text = "Error: OrderQuantityZero - Unable to submit order with id -10 that has zero quantity."
            self.told.returned(frame, False, "invalid", (-10,) * len(frame.legs), text)
            return
        raised = checks.raises(frame, self.floor)
        if raised is not None:
            self.told.returned(frame, False, "raised", (), raised[1], raised=raised[0])
            return
        refused = checks.refuses(frame, self.floor)
        if refused is not None:
            self.told.returned(frame, False, "invalid", (-10,) * len(frame.legs), refused)
            return
        order = broker_order(checks.rounded(frame), self.floor.now)
        legs = [TicketLeg(self._next_id(), frame.tag) for _ in order.legs]
        ticket = Ticket("order", order, legs, attempt=frame.attempt)
        self.tickets[order.order_id] = ticket
        if len({leg.symbol for leg in order.legs}) < len(order.legs):
            # LEAN's margin models throw on it: the order stays new for ever.
            ticket.status = "limbo"
            self.told.tell(ticket, len(order.legs) - 1, "new", message="Error executing margin models")
            self.told.returned(frame, True, "new", ticket.lean_ids, "")
            return
        short = checks.insufficient(ticket, self.portfolio, self.floor, self._margin, self._initial)
        if short is not None:
            ticket.status = "invalid"
            for index in range(len(order.legs)):
                self.told.tell(ticket, index, "invalid", message=short)
            self.told.returned(frame, False, "invalid", ticket.lean_ids, f"Error: InsufficientBuyingPower - {short}")
            return
        self._placing = ticket
        self.broker.place(order)
        self._placing = None
        self.told.returned(frame, order.status != "invalid", ticket.shown, ticket.lean_ids, order.reason)

    def _amend(self, frame: protocol.AmendOrder) -> None:
        ticket = self._working_ticket(frame)
        if ticket is None:
            return
        order, leg = ticket.order, ticket.legs[0]
        if frame.generation <= self._amended.get(frame.order_id, 0):
            self.told.returned(frame, True, "update_submitted", (leg.lean_id,), "this amend was taken before")
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
        refusal = self.broker.amend(
            order, order.quantity if frame.quantity is None else frame.quantity,
            order.limit_price if frame.limit_price is None else lean_round(symbol, frame.limit_price),
            order.stop_price if frame.stop_price is None else lean_round(symbol, frame.stop_price), leg_limits,
        )  # fmt: skip
        if refusal:
            self._refused.add((frame.order_id, frame.generation))
            self.told.returned(frame, False, ticket.shown, (leg.lean_id,), refusal)
            return
        if frame.tag is not None:
            leg.tag = frame.tag
        if order.working:
            self._waiting.append(("update", ticket, frame.generation))
        else:  # amended to what had filled
            self.told.tell(ticket, 0, "update_submitted", generation=frame.generation)
        self.told.returned(frame, True, "update_submitted", (leg.lean_id,), "")

    def _cancel(self, frame: protocol.CancelOrder) -> None:
        ticket = self._working_ticket(frame)
        if ticket is None:
            return
        leg = ticket.legs[0]
        if ticket.cancel_asked:
            text = f"Error: RequestCanceled - Order {leg.lean_id} has already received a cancellation request."
            self.told.returned(frame, False, ticket.shown, (leg.lean_id,), text)
            return
        if not ticket.order.working:
            self._is_over(frame, ticket)
            return
        ticket.cancel_asked = True
        if frame.tag:
            leg.tag = frame.tag
        self.told.tell(ticket, 0, "cancel_pending")
        self._waiting.append(("cancel", ticket, 0))
        self.told.returned(frame, True, "cancel_pending", (leg.lean_id,), "")

    def _working_ticket(self, frame: protocol.AmendOrder | protocol.CancelOrder) -> Ticket | None:
        ticket = self.tickets.get(frame.order_id)
        if ticket is None or (ticket.attempt and frame.attempt > ticket.attempt):
            text = "Error: UnableToFindOrder - no such order"
            self.told.returned(frame, False, "invalid", (), text, known=False)
            return None
        if ticket.attempt and 0 < frame.attempt < ticket.attempt:
            text = f"attempt {frame.attempt} is over: attempt {ticket.attempt} of order {frame.order_id} is here now"
            self.told.returned(frame, False, "invalid", (), text)
            return None
        if not ticket.legs:
            text = f"Error: UnableToFindOrder - the order was {ticket.shown} before this session"
            self.told.returned(frame, False, ticket.shown, (), text)
            return None
        return ticket

    def _is_over(self, frame: protocol.AmendOrder | protocol.CancelOrder, ticket: Ticket) -> None:
        lean_id = ticket.legs[0].lean_id
        text = (
            f"Error: InvalidOrderStatus - Unable to update order with id {lean_id} because it already has "
            f"{ticket.shown.capitalize()} status."
        )
        self.told.returned(frame, False, ticket.shown, (lean_id,), text)

    def _attempted(self, frame: protocol.PlaceOrder | protocol.Exercise, id: str) -> bool:
        """Note an attempt before anything is done; one not above the highest seen for its id is denied, for good."""
        seen = self.asked.get(id, 0)
        if frame.attempt <= seen:
            self.told.returned(frame, False, "denied", (), f"attempt {frame.attempt} is not above {seen}", denied=True)
            return True
        self.asked[id] = frame.attempt
        return False

    def _exercise(self, frame: protocol.Exercise) -> None:
        if self._attempted(frame, frame.exercise_id):
            return
        contract = parse_symbol(frame.symbol)
        if frame.quantity <= 0 or not isinstance(contract, Contract):
            text = f"Error: cannot exercise {frame.quantity} of '{frame.symbol}'"
            self.told.returned(frame, False, "invalid", (-10,), text)
            return
        if frame.quantity > self.portfolio.quantity(frame.symbol):
            text = (
                f"Error: UnsupportedRequestType - Cannot exercise more contracts of '{frame.symbol}' than is currently "
                "available in the portfolio. "
            )
            self.told.returned(frame, False, "invalid", (-10,), text)
            return
        order = BrokerOrder(
            "", frame.exercise_id, [BrokerLeg(frame.symbol, -1)], frame.quantity, "market", None, None, None, False,
            False, self.floor.now, frame.tag, "filled",
        )  # fmt: skip
        ticket = Ticket("exercise", order, [TicketLeg(self._next_id(), frame.tag)])
        self.tickets[frame.exercise_id] = ticket
        self.told.tell_exercise(ticket)
        self._accounts[frame.exercise_id] = ticket.legs[0]
        self.broker.clearing.exercise(contract, frame.quantity, frame.exercise_id, frame.tag)
        self.told.returned(frame, True, "filled", ticket.lean_ids, "")

    def _query(self, frame: protocol.QueryOrder) -> None:
        ticket = self.tickets.get(frame.order_id)
        if ticket is not None and ticket.attempt in (0, frame.attempt):
            status = "new" if ticket.shown == "limbo" else ticket.shown
            self.told.returned(frame, True, status, ticket.lean_ids, "", amend=self._amend_of(frame, ticket))
            return
        seen = self.asked.get(frame.order_id, 0)
        untried = frame.attempt > seen
        if untried:
            self.asked[frame.order_id] = frame.attempt
        if self.restored:
            # The broker keeps our ids for ever: what it does not have never came to it, and now never will.
            self.told.returned(frame, True, "absent", (), "the broker does not have it", known=False)
            return
        self.told.returned(frame, False, "", (), "not known here", denied=untried, known=False)

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
