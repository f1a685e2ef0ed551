"""The broker of the embedded market: takes orders, fills, books, calls margin. What ends contracts is `clearing`.

Its memory is `books`, changed by records only, which is how a ledger revives it. It knows nothing of LEAN's ids,
tickets or event numbers: whoever listens (the session) is told what happened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Protocol

from bridge.paper.books import Books
from bridge.paper.clearing import Clearing
from bridge.paper.fees import lean_fee
from bridge.paper.fill_model import Fill, FillModel
from bridge.paper.fills import market_price
from bridge.paper.floor import Floor, decimal
from bridge.paper.margin import MarginModel, margin_calls
from bridge.paper.orders import BrokerLeg, BrokerOrder, Execution
from bridge.paper.pins import Pins
from bridge.paper.records import Amended, Began, Canceled, CashPaid, Executed, Opened, Placed, Played, Record
from bridge.paper.unit import unit_middle
from bridge.protocol import dividend_id

#: LEAN looks for a margin call every five minutes.
_MARGIN_CALL_PERIOD = dt.timedelta(minutes=5)


class Listener(Protocol):
    """Who hears what the broker does, at once and in order."""

    def placed(self, order: BrokerOrder) -> None:
        """The order works (or was refused: 'invalid')."""
        ...

    def executed(self, executions: Sequence[Execution]) -> None:
        """These happened at once."""
        ...

    def ended(self, order: BrokerOrder, message: str) -> None:
        """What had not filled of this order is gone."""
        ...

    def margin_called(self, orders: Sequence[tuple[str, int]]) -> None:
        """Orders of the broker's own are about to come: (symbol, signed quantity)."""
        ...


class Broker(Books):
    """Takes orders, fills them on the floor by its model, books, calls margin.

    `pinned` is the feed's set of symbols that must stay listed: held, or with an order. With `ledger`, each record is
    handed to it as it is folded, and ids of executions are the broker's own. Nobody listens where `listener` is None.
    """

    def __init__(
        self,
        floor: Floor,
        model: FillModel,
        margin: MarginModel,
        pinned: set[str],
        *,
        ledger: Callable[[Record], None] | None = None,
    ) -> None:
        super().__init__()
        self.floor = floor
        self.model = model
        self.listener: Listener | None = None
        self._margin = margin
        self._pins = Pins(pinned, self)
        self._ledger = ledger
        self._margin_check: dt.datetime | None = None
        #: Ends contracts other than by a trade.
        self.clearing = Clearing(self)

    @property
    def durable(self) -> bool:
        """Whether its ids outlive this process."""
        return self._ledger is not None

    # --- what changes it ----------------------------------------------------------------------------------------

    def revive(self, records: Iterable[Record]) -> None:
        """Be the broker that these records, from a ledger, made."""
        for record in records:
            self.fold(record)
        self._pins.after_all()

    def _record(self, record: Record) -> None:
        if self._ledger is not None:
            self._ledger(record)
        self.fold(record)
        self._pins.after(record)

    # --- what is booked ---------------------------------------------------------------------------------------

    def next_id(self, offset: int = 0) -> str:
        """The next id of an order, where `offset` others are about to be taken."""
        return f"b{self.last_id + 1 + offset}"

    def execution_id(self, offset: int = 0) -> str:
        """The next id of an execution, likewise; '' where ids do not last."""
        return f"x{len(self.executions) + 1 + offset}" if self.durable else ""

    def book(self, executions: tuple[Execution, ...]) -> None:
        """These happened at once."""
        self._record(Executed(executions))
        if self.listener is not None:
            self.listener.executed(executions)

    # --- what clients ask -------------------------------------------------------------------------------------

    def open(self, cash: Decimal) -> None:
        """A new account."""
        self._record(Opened(cash))

    def place(self, order: BrokerOrder) -> str:
        """Take an order, and fill of it what fills at once. Gives its id at the broker."""
        order.broker_id, order.middle = self.next_id(), unit_middle(order, self.floor)
        refusal = self.model.refuses(order, self.floor)
        order.status, order.reason = ("invalid", refusal) if refusal else ("submitted", "")
        self._record(Placed(order))
        if self.listener is not None:
            self.listener.placed(order)
        if order.working and self._tradable(order):
            self._fill(order, self.model.fills(order, self.floor, arriving=True))
        return order.broker_id

    def amend(
        self, order: BrokerOrder, quantity: int, limit_price: Decimal | None, stop_price: Decimal | None,
        leg_limits: list[Decimal] | None,
    ) -> str:  # fmt: skip
        """Change a working order. The broker's words where what filled meanwhile, by the old terms, is all of it or
        more than is wanted now; else ''."""
        self._cross(order)
        if not order.working:
            return "Too late to replace: the order has filled."
        if any(abs(leg.filled) > abs(leg.ratio) * quantity for leg in order.legs):
            return f"Too late to replace: more than {quantity} have filled."
        self._record(Amended(order.broker_id, self.floor.now, quantity, limit_price, stop_price, leg_limits))
        return ""

    def cancel(self, order: BrokerOrder, message: str = "") -> None:
        """End what has not filled of a working order."""
        crossed: Sequence[Fill] = ()
        if order.working and self._tradable(order):
            crossed = self.model.crosses(order, self.floor)
        late = bool(crossed) and self.model.told_late(order, self.floor)
        if not late:
            self._fill(order, crossed)
        if order.working:
            self._cancel(order, message)
        if late:
            self._fill(order, crossed)

    def pay(self, amount: Decimal, reason: str, payment_id: str = "") -> str:
        """Move cash in (+) or out (-); the payment's id: the client's, or one of the broker's where its ids last."""
        if not payment_id and self.durable:
            payment_id = f"c{len(self.payments) + 1}"
        self._record(CashPaid(payment_id, self.floor.now, amount, reason))
        return payment_id

    def pay_dividend(self, symbol: str, per_share: Decimal) -> CashPaid | None:
        """The ex-date of shares begins: who holds them is paid, who is short pays. Once for each ex-date; None where
        none are held or it was paid before."""
        quantity, payment_id = self.portfolio.quantity(symbol), dividend_id(symbol, self.floor.now)
        if not quantity or any(paid.id == payment_id for paid in self.payments):
            return None
        reason = f"dividend of {per_share} a share on {quantity} {symbol}"
        paid = CashPaid(payment_id, self.floor.now, quantity * per_share, reason, symbol, per_share, quantity)
        self._record(paid)
        return paid

    # --- what happens by itself -------------------------------------------------------------------------------

    def minute(self) -> None:
        """The end of a minute: margin calls, resting orders in the order they were placed, day's ends, assignment."""
        now = self.floor.now
        if self._margin_check is None or now >= self._margin_check:
            self._margin_check = now + _MARGIN_CALL_PERIOD
            self._margin_call()
        for order in list(self.working.values()):
            self.try_to_fill(order)
        self._end_of_day()
        self.clearing.assign()

    def pass_by(self, minute: bool) -> None:
        """An instant that was played before a restart: only the clocks move."""
        now = self.floor.now
        if minute and (self._margin_check is None or now >= self._margin_check):
            self._margin_check = now + _MARGIN_CALL_PERIOD
        self.clearing.pass_by()

    def begin(self, session: str) -> None:
        """A client's session of this name begins."""
        self._record(Began(session, self.floor.now))

    def has_played(self, number: int) -> None:
        """The feed's instant of this number is done."""
        self._record(Played(number, self.floor.now))

    def try_to_fill(self, order: BrokerOrder) -> None:
        """Fill what fills now of a resting order."""
        if order.working and self._tradable(order):
            self._fill(order, self.model.fills(order, self.floor, arriving=False))

    def delist(self, symbol: str) -> None:
        """Nothing trades in it any more: its orders end."""
        for order in [each for each in self.working.values() if any(leg.symbol == symbol for leg in each.legs)]:
            self._cancel(order, "the contract is delisted")

    # --- behind the client's back -----------------------------------------------------------------------------

    def trade_by_hand(self, symbol: str, quantity: int, price: Decimal, fee: Decimal = Decimal(0)) -> Execution:
        """A trade that somebody else made in this account (signed quantity): by hand, or the broker's own."""
        execution = Execution(
            self.execution_id(), self.floor.now, "external", self.next_id(), "", -1, symbol, quantity, price, fee,
            self.last_batch + 1,
        )  # fmt: skip
        self.book((execution,))
        return execution

    # --- parts ------------------------------------------------------------------------------------------------

    def _tradable(self, order: BrokerOrder) -> bool:
        return self.floor.trades(leg.symbol for leg in order.legs)

    def _cross(self, order: BrokerOrder) -> None:
        if order.working and self._tradable(order):
            self._fill(order, self.model.crosses(order, self.floor))

    def _cancel(self, order: BrokerOrder, message: str) -> None:
        self._record(Canceled(order.broker_id, self.floor.now, message))
        if self.listener is not None:
            self.listener.ended(order, message)

    def _fill(self, order: BrokerOrder, fills: Sequence[Fill]) -> None:
        """Book every leg, then tell of every leg: LEAN applies a group at once."""
        if not fills:
            return
        batch = self.last_batch + 1
        executions = tuple(
            Execution(
                self.execution_id(offset), self.floor.now, "order", order.broker_id, order.order_id, fill.leg,
                order.legs[fill.leg].symbol, fill.quantity, fill.price, fill.fee, batch,
            )
            for offset, fill in enumerate(fills)
        )  # fmt: skip
        self.book(executions)

    def _end_of_day(self) -> None:
        """Day orders end with the session of the day they were placed on, or the next one where it was over."""
        for order in [each for each in self.working.values() if each.day]:
            session = self.floor.hours.session(order.legs[0].symbol, self.floor.now.date())
            if session is not None and order.placed_at < session[1] <= self.floor.now:
                self._cancel(order, "The order has expired.")

    def _margin_call(self) -> None:
        """Market orders of the broker's own where margin used is above equity."""
        calls = margin_calls(self.portfolio, self.floor, self._margin)
        if calls and self.listener is not None:
            self.listener.margin_called(calls)
        for symbol, quantity in calls:
            self._liquidate(symbol, quantity)

    def _liquidate(self, symbol: str, quantity: int) -> None:
        side = 1 if quantity > 0 else -1
        order = BrokerOrder(
            self.next_id(), "", [BrokerLeg(symbol, side)], abs(quantity), "market", None, None, None, False, False,
            self.floor.now, "Margin Call", status="submitted",
        )  # fmt: skip
        self._record(Placed(order))
        if self.listener is not None:
            self.listener.placed(order)
        price = market_price(self.floor.prices[symbol], side)
        if price is None:
            self._record(Canceled(order.broker_id, self.floor.now, "no price"))
            return
        paid = decimal(price)
        execution = Execution(
            self.execution_id(), self.floor.now, "margin_call", order.broker_id, "", 0, symbol, quantity, paid,
            lean_fee(symbol, quantity, paid), self.last_batch + 1, tag=order.tag,
        )  # fmt: skip
        self.book((execution,))
