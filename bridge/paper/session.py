"""What LEAN would remember of a session: ids counted from 1, tickets, what it was asked, its account.

Lost at a restart, and never asked what the broker knows behind its back. Hears the broker; `calls` answers what is
asked about orders, `told` keeps the events.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from decimal import Decimal

from bridge import protocol
from bridge.paper.broker import Broker
from bridge.paper.calls import Calls
from bridge.paper.floor import Floor, decimal
from bridge.paper.margin import MarginModel
from bridge.paper.orders import BrokerOrder, Execution
from bridge.paper.tickets import Tickets
from bridge.paper.told import Told


class Session:
    """One life of LEAN's over a broker: it listens from its making on."""

    def __init__(self, name: str, broker: Broker, floor: Floor, margin: MarginModel, initial: MarginModel) -> None:
        self.name = name
        self.broker = broker
        self.floor = floor
        self.told = Told(name, broker, floor)
        self.portfolio = copy.deepcopy(broker.portfolio)
        self.quit: str | None = None
        self._margin = margin
        self.tickets = Tickets(broker)
        self._calls = Calls(broker, floor, self.tickets, self.told, self.portfolio, margin, initial)
        self._touched = False
        broker.listener = self

    # --- what it shows ----------------------------------------------------------------------------------------

    @property
    def asked(self) -> dict[str, int]:
        """The highest attempt seen for each id."""
        return self._calls.asked

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
            if (ticket := self.tickets.of_broker(order.broker_id)) is not None
        )  # fmt: skip

    def _natural(self, symbol: str) -> float:
        return self.floor.natural(symbol, self.portfolio.quantity(symbol))

    def dead_man(self) -> int:
        """Nobody leads: working orders that add to what is held are cancelled at the end of this step. How many."""
        count = 0
        for order in self.broker.working.values():
            ticket = self.tickets.of_broker(order.broker_id)
            closes = all(
                leg.ratio * self.portfolio.quantity(leg.symbol) < 0
                and abs(order.left(leg)) <= abs(self.portfolio.quantity(leg.symbol))
                for leg in order.legs
            )
            if ticket is not None and not closes and not ticket.cancel_asked:
                self._calls.cancel_later(ticket)
                count += 1
        return count

    def end_of_step(self) -> None:
        """What LEAN does after on_data: amends and cancels asked for in it take effect."""
        self._calls.end_of_step()

    # --- what the broker says ---------------------------------------------------------------------------------

    def placed(self, order: BrokerOrder) -> None:
        """It works at the broker, or was refused there."""
        ticket = self.tickets.placed(order)
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
            ticket = self.tickets.of_broker(each.broker_id)
            if ticket is None:
                self.told.tell_account(self.tickets.account_leg(each), each)
                continue
            complete = not ticket.order.left(ticket.order.legs[each.leg])
            self.told.tell(ticket, each.leg, "filled" if complete else "partially_filled", execution=each)

    def ended(self, order: BrokerOrder, message: str) -> None:
        """What had not filled is gone."""
        ticket = self.tickets.of_broker(order.broker_id)
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
                self._calls.place(command)
            case protocol.AmendOrder():
                self._calls.amend(command)
            case protocol.CancelOrder():
                self._calls.cancel(command)
            case protocol.Exercise():
                self._calls.exercise(command)
            case protocol.QueryOrder():
                self._calls.query(command)
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
