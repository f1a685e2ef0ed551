"""The broker of the embedded market: takes orders, fills, books, assigns, settles, calls margin.

Its memory is `books`, changed by records only, which is how a ledger revives it. It knows nothing of LEAN's ids,
tickets or event numbers: whoever listens (the session) is told what happened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from actors.options.contracts import Contract, parse_symbol
from bridge.paper.books import Books
from bridge.paper.expiry import assigned_early, settle_expired
from bridge.paper.fees import lean_fee
from bridge.paper.fill_model import Fill, FillModel
from bridge.paper.fills import market_price
from bridge.paper.floor import Floor, decimal
from bridge.paper.orders import BrokerLeg, BrokerOrder, Execution, Kind
from bridge.paper.records import Amended, Began, Canceled, CashPaid, Executed, Opened, Placed, Played, Record
from bridge.paper.unit import unit_middle
from bridge.protocol import dividend_id

#: LEAN looks for a margin call every five minutes.
_MARGIN_CALL_PERIOD = dt.timedelta(minutes=5)

#: (holdings, price of a symbol, natural price of closing it) -> dollars of margin.
MarginModel = Callable[[Mapping[str, int], Callable[[str], float], Callable[[str], float]], Decimal]


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
    """Takes orders, fills them on the floor by its model, books, assigns, settles, calls margin.

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
        self._pinned = pinned
        self._ledger = ledger
        self._margin_check: dt.datetime | None = None
        self._assignment_hour: dt.datetime | None = None

    @property
    def durable(self) -> bool:
        """Whether its ids outlive this process."""
        return self._ledger is not None

    # --- what changes it ----------------------------------------------------------------------------------------

    def revive(self, records: Iterable[Record]) -> None:
        """Be the broker that these records, from a ledger, made."""
        for record in records:
            self.fold(record)
        self._pinned.clear()
        self._pinned.update(self.portfolio.holdings)
        self._pinned.update(leg.symbol for order in self.working.values() for leg in order.legs)

    def _record(self, record: Record) -> None:
        if self._ledger is not None:
            self._ledger(record)
        self.fold(record)
        match record:
            case Executed(executions=executions):
                symbols = [each.symbol for each in executions]
                symbols += [
                    leg.symbol for each in executions if each.leg >= 0 for leg in self.orders[each.broker_id].legs
                ]
            case Placed(order=order):
                symbols = [leg.symbol for leg in order.legs]
            case Amended(broker_id=broker_id) | Canceled(broker_id=broker_id):
                symbols = [leg.symbol for leg in self.orders[broker_id].legs]
            case _:
                return
        for symbol in symbols:
            self._pin(symbol)

    def _pin(self, symbol: str) -> None:
        if self.portfolio.quantity(symbol) or any(
            leg.symbol == symbol for order in self.working.values() for leg in order.legs
        ):
            self._pinned.add(symbol)
        else:
            self._pinned.discard(symbol)

    # --- what clients ask -------------------------------------------------------------------------------------

    def open(self, cash: Decimal) -> None:
        """A new account."""
        self._record(Opened(cash))

    def place(self, order: BrokerOrder) -> str:
        """Take an order, and fill of it what fills at once. Gives its id at the broker."""
        order.broker_id, order.middle = self._next_id(), unit_middle(order, self.floor)
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

    def exercise(self, contract: Contract, quantity: int, order_id: str, tag: str) -> None:
        """Exercise `quantity` long contracts."""
        self._settle(contract, -quantity, "exercise", order_id, tag, together=True)

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
        self.assign()

    def pass_by(self, minute: bool) -> None:
        """An instant that was played before a restart: only the clocks move."""
        now = self.floor.now
        if minute and (self._margin_check is None or now >= self._margin_check):
            self._margin_check = now + _MARGIN_CALL_PERIOD
        self._assignment_hour = now.replace(minute=0, second=0, microsecond=0)

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

    def assign(self) -> None:
        """Once an hour LEAN's simulation assigns short contracts that are deep enough in the money."""
        hour = self.floor.now.replace(minute=0, second=0, microsecond=0)
        if self._assignment_hour is not None and hour <= self._assignment_hour:
            return
        self._assignment_hour = hour
        for symbol in sorted(self.portfolio.holdings):
            held = self.portfolio.quantity(symbol)
            contract = parse_symbol(symbol)
            if held >= 0 or not isinstance(contract, Contract):
                continue
            spot, now = self.floor.price(contract.underlying), self.floor.now
            if not self.floor.expired(symbol, now) and assigned_early(
                contract, spot, self.floor.local_date(symbol, now)
            ):
                tag = "Simulated option assignment before expiration"
                self._settle(contract, -held, "assignment", "", tag, together=False)

    def expire(self, symbols: Sequence[str]) -> None:
        """These contracts' last day is over: all leave at once, exercised or not; then shares come, one by one."""
        options: list[Execution] = []
        delivered: list[Execution] = []
        for symbol in symbols:
            held = self.portfolio.quantity(symbol)
            if held:
                contract = parse_symbol(symbol)
                assert isinstance(contract, Contract)
                option, shares = self._outcome(contract, -held, "expiry", "", "", offset=len(options))
                options.append(option)
                delivered += [] if shares is None else [shares]
        if options:
            self._happen(tuple(options))
        for shares in delivered:
            self._happen((msgspec.structs.replace(shares, id=self._execution_id(), batch=self.last_batch + 1),))

    def delist(self, symbol: str) -> None:
        """Nothing trades in it any more: its orders end."""
        for order in [each for each in self.working.values() if any(leg.symbol == symbol for leg in each.legs)]:
            self._cancel(order, "the contract is delisted")

    # --- behind the client's back -----------------------------------------------------------------------------

    def trade_by_hand(self, symbol: str, quantity: int, price: Decimal, fee: Decimal = Decimal(0)) -> Execution:
        """A trade that somebody else made in this account (signed quantity): by hand, or the broker's own."""
        return self._happens("external", symbol, quantity, price, fee)

    def assign_now(self, contract: Contract, quantity: int) -> None:
        """The clearing house assigns `quantity` short contracts, whatever they are worth."""
        self._settle(contract, quantity, "assignment", "", "", together=False)

    # --- parts ------------------------------------------------------------------------------------------------

    def _next_id(self) -> str:
        return f"b{self.last_id + 1}"

    def _execution_id(self, offset: int = 0) -> str:
        return f"x{len(self.executions) + 1 + offset}" if self._ledger is not None else ""

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
                self._execution_id(offset), self.floor.now, "order", order.broker_id, order.order_id, fill.leg,
                order.legs[fill.leg].symbol, fill.quantity, fill.price, fill.fee, batch,
            )
            for offset, fill in enumerate(fills)
        )  # fmt: skip
        self._happen(executions)

    def _happen(self, executions: tuple[Execution, ...]) -> None:
        self._record(Executed(executions))
        if self.listener is not None:
            self.listener.executed(executions)

    def _happens(self, kind: Kind, symbol: str, quantity: int, price: Decimal, fee: Decimal) -> Execution:
        execution = Execution(
            self._execution_id(), self.floor.now, kind, self._next_id(), "", -1, symbol, quantity, price, fee,
            self.last_batch + 1,
        )  # fmt: skip
        self._happen((execution,))
        return execution

    def _end_of_day(self) -> None:
        """Day orders end with the session of the day they were placed on, or the next one where it was over."""
        for order in [each for each in self.working.values() if each.day]:
            session = self.floor.hours.session(order.legs[0].symbol, self.floor.now.date())
            if session is not None and order.placed_at < session[1] <= self.floor.now:
                self._cancel(order, "The order has expired.")

    def _settle(
        self, contract: Contract, quantity: int, kind: Kind, order_id: str, tag: str, *, together: bool
    ) -> None:
        """Exercise, assignment or expiry of `quantity` (signed, closing) contracts: the option, then the shares."""
        option, shares = self._outcome(contract, quantity, kind, order_id, tag)
        if shares is None:
            self._happen((option,))
        elif together:
            self._happen((option, msgspec.structs.replace(shares, batch=option.batch)))
        else:
            self._happen((option,))
            self._happen((shares,))

    def _outcome(
        self, contract: Contract, quantity: int, kind: Kind, order_id: str, tag: str, offset: int = 0
    ) -> tuple[Execution, Execution | None]:
        """The executions of the option and of its shares; `offset` others are about to be booked before them."""
        spot = decimal(self.floor.price(contract.underlying))
        outcome = settle_expired(contract, quantity, spot, assigned=kind == "assignment" or quantity > 0)
        zero, broker_id, batch = Decimal(0), f"b{self.last_id + 1 + offset}", self.last_batch + 1 + offset
        option = Execution(
            self._execution_id(offset), self.floor.now, kind, broker_id, order_id, -1, contract.symbol, quantity, zero,
            zero, batch, outcome.settlement, quantity, contract.symbol, outcome.message, tag, outcome.in_the_money,
        )  # fmt: skip
        if not outcome.shares:
            return option, None
        text = "Option Assignment" if kind == "assignment" else "Option Exercise"
        shares = Execution(
            self._execution_id(offset + 1), self.floor.now, kind, broker_id, order_id, -1, contract.underlying,
            outcome.shares, contract.strike, zero, batch + 1, zero, quantity, contract.symbol, text, tag, True,
        )  # fmt: skip
        return option, shares

    def _margin_call(self) -> None:
        """Market orders of the broker's own where margin used is above equity: largest requirement first, as much as
        is missing."""
        holdings = {symbol: held.quantity for symbol, held in self.portfolio.holdings.items()}
        if not holdings:
            return

        def natural(symbol: str) -> float:
            return self.floor.natural(symbol, self.portfolio.quantity(symbol))

        used = self._margin(holdings, self.floor.price, natural)
        missing = used - self.portfolio.value({symbol: self.floor.price(symbol) for symbol in holdings})
        if missing <= 0:
            return
        alone = {
            symbol: self._margin({symbol: quantity}, self.floor.price, natural) for symbol, quantity in holdings.items()
        }
        calls: list[tuple[str, int]] = []
        for symbol in sorted(alone, key=lambda each: (-alone[each], each)):
            if missing <= 0 or alone[symbol] <= 0:
                break
            unit = alone[symbol] / abs(holdings[symbol])
            size = min(abs(holdings[symbol]), int((missing / unit).to_integral_value("ROUND_CEILING")))
            calls.append((symbol, -size if holdings[symbol] > 0 else size))
            missing -= size * unit
        if self.listener is not None:
            self.listener.margin_called(calls)
        for symbol, quantity in calls:
            self._liquidate(symbol, quantity)

    def _liquidate(self, symbol: str, quantity: int) -> None:
        side = 1 if quantity > 0 else -1
        order = BrokerOrder(
            self._next_id(), "", [BrokerLeg(symbol, side)], abs(quantity), "market", None, None, None, False, False,
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
            self._execution_id(), self.floor.now, "margin_call", order.broker_id, "", 0, symbol, quantity, paid,
            lean_fee(symbol, quantity, paid), self.last_batch + 1, tag=order.tag,
        )  # fmt: skip
        self._happen((execution,))
