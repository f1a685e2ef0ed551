"""The broker's memory: orders, executions, holdings and cash as the fold of its records. Nothing acts here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Self

from bridge.paper.orders import BrokerOrder, Execution, Status
from bridge.paper.portfolio import Portfolio
from bridge.paper.records import Amended, Began, Canceled, CashPaid, Executed, Opened, Placed, Played, Record


class Books:
    """Orders by broker id, executions and payments oldest first, the account after all of them."""

    def __init__(self) -> None:
        self.portfolio = Portfolio(Decimal(0))
        self.orders: dict[str, BrokerOrder] = {}
        self.working: dict[str, BrokerOrder] = {}
        self.executions: list[Execution] = []
        self.payments: list[CashPaid] = []
        self.sessions = self.played = 0
        self.played_to: dt.datetime | None = None
        self.last_id = self.last_batch = 0

    @classmethod
    def of(cls, records: Iterable[Record]) -> Self:
        """The books after these records."""
        books = cls()
        for record in records:
            books.fold(record)
        return books

    def fold(self, record: Record) -> None:
        """Apply one record, in place."""
        match record:
            case Opened(cash=cash):
                self.portfolio.cash = cash
            case Placed(order=order):
                self.last_id = max(self.last_id, int(order.broker_id[1:]))
                self.orders[order.broker_id] = order
                if order.working:
                    self.working[order.broker_id] = order
            case Executed(executions=executions):
                for execution in executions:
                    self._execute(execution)
            case Amended():
                order = self.orders[record.broker_id]
                order.quantity, order.limit_price = record.quantity, record.limit_price
                order.stop_price, order.leg_limits = record.stop_price, record.leg_limits
                order.changed_at = record.at
                if order.working and order.complete:
                    self._end(order, "filled")
            case Canceled():
                order = self.orders[record.broker_id]
                order.reason = record.reason
                self._end(order, "canceled")
            case CashPaid(amount=amount):
                self.portfolio.cash += amount
                self.payments.append(record)
            case Played():
                self.played, self.played_to = record.number, record.at
            case Began():
                self.sessions += 1

    def _execute(self, execution: Execution) -> None:
        self.executions.append(execution)
        self.last_id = max(self.last_id, int(execution.broker_id[1:]))
        self.last_batch = max(self.last_batch, execution.batch)
        self.portfolio.fill(
            execution.symbol, execution.quantity, execution.price, execution.fee, execution.settlement
        )  # fmt: skip
        order = self.orders.get(execution.broker_id)
        if order is not None and execution.leg >= 0:
            order.legs[execution.leg].filled += execution.quantity
            if order.working and order.complete:
                self._end(order, "filled")

    def _end(self, order: BrokerOrder, status: Status) -> None:
        order.status = status
        self.working.pop(order.broker_id, None)

    def statement(self) -> str:
        """For people: orders, executions, payments, holdings, cash."""
        to = "nothing played yet" if self.played_to is None else f"played up to {self.played_to:%Y-%m-%d %H:%M:%S} UTC"
        lines = [f"{to}, sessions: {self.sessions}", "", f"orders: {len(self.orders)}"]
        for order in self.orders.values():
            legs = ", ".join(f"{order.wanted(leg):+d} {leg.symbol} ({leg.filled:+d})" for leg in order.legs)
            price = "" if order.limit_price is None else f" {order.limit_price}"
            end = f"{order.status}: {order.reason}" if order.reason else order.status
            lines.append(f"  {order.broker_id} {order.order_id or '-'} {order.type}{price}: {legs}: {end}")
        lines += ["", f"executions: {len(self.executions)}"]
        for each in self.executions:
            lines.append(
                f"  {each.id} {each.at:%Y-%m-%d %H:%M:%S} {each.kind} {each.order_id or '-'} "
                f"{each.quantity:+d} {each.symbol} at {each.price}, fee {each.fee}"
            )
        for paid in self.payments:
            lines.append(f"  {paid.id} {paid.at:%Y-%m-%d %H:%M:%S} cash {paid.amount:+}: {paid.reason}")
        lines += ["", "holdings:"]
        for symbol, held in sorted(self.portfolio.holdings.items()):
            lines.append(f"  {held.quantity:+d} {symbol} at {held.average}")
        lines.append(f"cash: {self.portfolio.cash}, fees paid: {self.portfolio.fees}")
        return "\n".join(lines)
