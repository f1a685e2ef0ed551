"""The double of LEAN: what runs an algorithm, over the embedded market's engine. What it calls is in algorithm.py.

No second fill engine: every call becomes the command that says the same, the market's session runs it, and what the
session tells comes back as LEAN's events, each the moment it happens.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from actors.options.contracts import is_option
from bridge import protocol
from bridge.paper import Market
from bridge.paper.tickets import Ticket
from tests.lean_double.names import (
    EXCEPTIONS,
    CashAmount,
    Delisting,
    DelistingType,
    Dividend,
    LeanDictionary,
    OrderEvent,
    OrderFee,
    OrderProperties,
    OrderResponse,
    OrderStatus,
    OrderType,
    SecurityChanges,
    SubmitOrderRequest,
    Symbol,
    TimeInForce,
    UpdateOrderFields,
)
from tests.lean_double.reading import Security, decimal, slice_of
from tests.lean_double.tickets import Order, OrderTicket

_STATUS = {
    "new": OrderStatus.NEW, "submitted": OrderStatus.SUBMITTED, "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED, "canceled": OrderStatus.CANCELED, "invalid": OrderStatus.INVALID,
    "cancel_pending": OrderStatus.CANCEL_PENDING, "update_submitted": OrderStatus.UPDATE_SUBMITTED,
}  # fmt: skip

#: (underlyings, chains, symbols, first, last, cash) -> the market that LEAN would play.
MakeMarket = Callable[..., Market]


class Wanted:
    """What an algorithm subscribed and set before its run began."""

    def __init__(self) -> None:
        self.first = self.last = dt.date(1998, 1, 1)
        self.cash = Decimal(100000)
        self.underlyings: dict[str, None] = {}
        self.chains: dict[str, protocol.ChainFilter] = {}
        self.symbols: dict[str, None] = {}


class Engine:
    """Runs an algorithm over a market. `deliver(call, event)` says who calls the algorithm's handlers, and when."""

    def __init__(self, make_market: MakeMarket, parameters: dict[str, str], live: bool = False) -> None:
        self._make_market = make_market
        self.parameters = parameters
        self.live = live
        self.wanted = Wanted()
        self.algorithm: Any = None
        self.orders: dict[int, Order] = {}
        self.tickets: dict[int, OrderTicket] = {}
        self.depth = 0
        self.lock = threading.RLock()
        self.handler: Any = None
        self.quit_reason: str | None = None
        self._market: Market | None = None
        self._now = dt.datetime(1998, 1, 1)
        self._returned: list[protocol.CallReturned] = []
        self._delistings: list[Delisting] = []
        self._dividends: list[Dividend] = []
        self._calls = self._groups = 0
        self._fired = dt.datetime(1998, 1, 1)
        self._fills: dict[int, list[tuple[float, float]]] = {}

    @property
    def market(self) -> Market:
        """The market, from the end of `initialize` on."""
        assert self._market is not None
        return self._market

    @property
    def now(self) -> dt.datetime:
        """The algorithm's time, naive UTC."""
        return self._now

    def attach(self, kind: type[Any]) -> Any:
        """Make the algorithm and let it initialize."""
        algorithm = self.algorithm = kind()
        algorithm.attach(self)
        algorithm.initialize()
        wanted = self.wanted
        self._market = self._make_market(
            underlyings=tuple(wanted.underlyings), chains=tuple(wanted.chains.values()), symbols=tuple(wanted.symbols),
            first=wanted.first, last=wanted.last, cash=wanted.cash,
        )  # fmt: skip
        self._market.session.told.on_event = self._happened
        self._market.hello()
        self._now = self._market.floor.now.replace(tzinfo=None)
        return algorithm

    # --- a backtest -------------------------------------------------------------------------------------------

    def _scheduled(self, until: dt.datetime) -> None:
        """Fire what is due up to this instant, each at its own time."""
        date = self._fired.date() - dt.timedelta(days=1)
        due: list[tuple[dt.datetime, Callable[[], None]]] = []
        while date <= until.date() and self.algorithm.schedule.rules:
            for rule, callback in self.algorithm.schedule.rules:
                due += [(at, callback) for at in rule.times(date) if self._fired < at <= until]
            date += dt.timedelta(days=1)
        for at, callback in sorted(due, key=lambda each: each[0]):
            self._now = at
            callback()
        self._fired = until

    def backtest(self, kind: type[Any]) -> None:
        """Play a run to its end, all on this thread."""
        algorithm = self.attach(kind)
        self._fired = self.now - dt.timedelta(microseconds=1)
        algorithm.on_warmup_finished()
        while True:
            for frame in self.market.next():
                if isinstance(frame, protocol.Step | protocol.Goodbye):
                    self._scheduled(frame.at.replace(tzinfo=None))
                match frame:
                    case protocol.Listing():
                        algorithm.on_securities_changed(self.changes(frame))
                    case protocol.Step(open=trading):
                        self.step(bool(trading))
                    case protocol.Goodbye():
                        self._now = frame.at.replace(tzinfo=None)
                        algorithm.on_end_of_algorithm()
                        return
                    case _:
                        pass  # events of the step's end, told as they happened

    def step(self, trading: bool) -> None:
        """A slice: what left the market first, then the data."""
        self._now = self.market.floor.now.replace(tzinfo=None)
        if self._delistings:
            told, self._delistings = self._delistings, []
            self.algorithm.on_delistings(LeanDictionary({each.symbol: each for each in told}))
        if self._dividends:
            paid, self._dividends = self._dividends, []
            self.algorithm.on_dividends(LeanDictionary({each.symbol: each for each in paid}))
        self.depth += 1
        self.algorithm.on_data(slice_of(self.market, self.now, trading))
        self.depth -= 1

    def changes(self, listing: protocol.Listing) -> SecurityChanges:
        """Securities that joined or left, in LEAN's form."""
        securities = self.algorithm.securities
        changes = SecurityChanges()
        for each in listing.added:
            security = securities[Symbol(each.symbol)] = Security(self.market, Symbol(each.symbol))
            changes.added_securities.append(security)
        removed = set(listing.removed)
        gone = [symbol for symbol, security in securities.items() if security.number in removed]
        changes.removed_securities += [securities[symbol] for symbol in gone]
        for security, each in zip(changes.added_securities, listing.added, strict=True):
            security.number = each.number
        return changes

    # --- what the session tells -------------------------------------------------------------------------------

    def _happened(self, event: protocol.Event) -> None:
        match event:
            case protocol.CallReturned():
                self._returned.append(event)
            case protocol.OrderEvent():
                if not self.live:
                    self._now = max(self._now, event.at.replace(tzinfo=None))
                self.deliver(*self._order_event(event))
            case protocol.MarginCalled(orders=orders):
                requests = [SubmitOrderRequest(Symbol(symbol), float(quantity)) for symbol, quantity in orders]
                if not self.live:
                    self._now = event.at.replace(tzinfo=None)
                self.algorithm.on_margin_call(requests)
            case protocol.Delisted(symbol=symbol, warning=warning):
                kind = DelistingType.WARNING if warning else DelistingType.DELISTED
                self._delistings.append(Delisting(Symbol(symbol), kind))
            case protocol.DividendPaid(symbol=symbol, amount=amount):
                self._dividends.append(Dividend(Symbol(symbol), float(amount)))
            case _:
                pass

    def deliver(self, event: OrderEvent, order: Order) -> None:
        """Call the handlers: in a backtest at once, on the stack of whoever caused the event."""
        self.hand_over(event, order)

    def hand_over(self, event: OrderEvent, order: Order) -> None:
        """The handlers themselves."""
        order.told = event.status
        self.algorithm.on_order_event(event)
        if event.is_assignment and event.symbol == order.symbol:
            self.algorithm.on_assignment_order_event(event)

    def _order_event(self, event: protocol.OrderEvent) -> tuple[OrderEvent, Order]:
        order = self.orders.get(event.lean_id) or self._learn(event)
        if event.fill_quantity:
            self._fills.setdefault(event.lean_id, []).append((float(event.fill_price), float(event.fill_quantity)))
        made = OrderEvent(
            event.lean_id, event.event_id, Symbol(event.symbol), event.at.replace(tzinfo=None), _STATUS[event.status],
            OrderFee(CashAmount(float(event.fee), "USD" if event.fill_quantity and event.fee else "QCC")),
            float(event.fill_price), float(event.fill_quantity), float(event.quantity), event.message,
            event.kind == "assignment" and is_option(event.symbol), event.in_the_money, order.limit_price,
        )  # fmt: skip
        return made, order

    def _learn(self, event: protocol.OrderEvent) -> Order:
        """Orders of an event's group, none of which was seen before; or one that LEAN made itself."""
        ticket = self.market.session.tickets.of_order(event.order_id) if event.order_id else None
        if ticket is None or ticket.kind == "exercise":
            order = Order(self, event.lean_id, event.symbol, ticket, 0, event.kind, event.tag)
            order.quantity = float(event.quantity)
            self.orders[event.lean_id] = order
            return order
        self._group(ticket)
        return self.orders[event.lean_id]

    def _group(self, ticket: Ticket) -> None:
        self._groups += ticket.order.combo
        for index, leg in enumerate(ticket.legs):
            order = Order(self, leg.lean_id, ticket.order.legs[index].symbol, ticket, index)
            order.group = self._groups if ticket.order.combo else 0
            self.orders[leg.lean_id] = order

    def filled(self, lean_id: int) -> tuple[float, float]:
        """(average price, quantity) of an order's fills; of an exercise LEAN's ticket shows the last one alone."""
        fills = self._fills.get(lean_id, [])
        if self.orders[lean_id].type == OrderType.OPTION_EXERCISE:
            fills = fills[-1:]
        quantity = sum(each[1] for each in fills)
        return (sum(price * each for price, each in fills) / quantity if quantity else 0.0), quantity

    # --- what it is asked -------------------------------------------------------------------------------------

    def run(self, command: protocol.Command) -> protocol.CallReturned:
        """Run a command in the session; its events have been told when this returns."""
        self.market.session.run(command)
        return self._returned.pop()

    def submit(
        self, legs: list[tuple[Symbol, int]], quantity: int, kind: protocol.OrderType, tag: str,
        properties: OrderProperties | None, combo: bool, **prices: Any,
    ) -> list[OrderTicket]:  # fmt: skip
        """Place an order, in LEAN's signs: a negative quantity sells the group."""
        self._calls += 1
        side = -1 if quantity < 0 else 1
        day = properties is not None and properties.time_in_force == TimeInForce.DAY
        frame = protocol.PlaceOrder(
            f"d{self._calls}", 1, tuple(protocol.Leg(symbol.value, side * ratio) for symbol, ratio in legs),
            abs(quantity), kind, prices.get("limit"), prices.get("stop"), prices.get("leg_limits"),
            "day" if day else "gtc", tag, combo, sell_group=combo and side < 0,
        )  # fmt: skip
        returned = self.place(frame)
        if returned.raised:
            raise EXCEPTIONS[returned.raised](returned.message)
        ticket = self.market.session.tickets.of_order(frame.order_id)
        if ticket is not None and ticket.legs and ticket.legs[0].lean_id not in self.orders:
            self._group(ticket)  # nothing was told of it
        tickets: list[OrderTicket] = []
        for (symbol, ratio), lean_id in zip(legs, returned.lean_ids, strict=True):
            made = self.tickets.setdefault(lean_id, OrderTicket(self, lean_id, self.orders[lean_id])) if (
                lean_id > 0
            ) else OrderTicket(self, -10, None, symbol=symbol, quantity=float(ratio * quantity), tag=tag,
                               type=_kind(kind, combo, prices))  # fmt: skip
            tickets.append(made)
        if not returned.ok:
            tickets[-1].response = OrderResponse(returned.message)  # the others may still say success
            tickets = tickets if returned.lean_ids[0] > 0 else tickets[-1:]
        return tickets

    def place(self, frame: protocol.PlaceOrder | protocol.Exercise) -> protocol.CallReturned:
        """Run a placement."""
        self.depth += 1
        try:
            return self.run(frame)
        finally:
            self.depth -= 1

    def wait_for_fill(self, ticket: OrderTicket) -> None:
        """Live: what a synchronous market order does."""

    def update(self, lean_id: int, fields: UpdateOrderFields) -> OrderResponse:
        """LEAN's update of one ticket."""
        order = self.orders[lean_id]
        ticket = self.market.session.tickets.of_order(order.order_id)
        assert ticket is not None
        body = ticket.order
        mirrored = body.sell_group if body.combo else body.legs[0].ratio < 0
        limit = None if fields.limit_price is None else decimal(fields.limit_price)
        limits: tuple[Decimal, ...] | None = None
        if limit is not None and body.leg_limits is not None:
            index = ticket.lean_ids.index(lean_id)
            limits = tuple(limit if at == index else price for at, price in enumerate(body.leg_limits))
            limit = None
        elif limit is not None:
            limit = -limit if mirrored else limit
        self._calls += 1
        frame = protocol.AmendOrder(
            order.order_id, 1, self._calls, None if fields.quantity is None else abs(int(fields.quantity)), limit,
            None if fields.stop_price is None else decimal(fields.stop_price), limits, fields.tag,
        )  # fmt: skip
        return _response(self.run(frame))

    def cancel(self, lean_id: int, tag: str) -> OrderResponse:
        """LEAN's cancel of one ticket: of a combo all legs go."""
        return _response(self.run(protocol.CancelOrder(self.orders[lean_id].order_id, tag)))

    def exercise(self, symbol: Symbol, quantity: int, tag: str) -> OrderTicket:
        """LEAN's exercise."""
        self._calls += 1
        frame = protocol.Exercise(f"d{self._calls}", 1, symbol.value, quantity, tag)
        returned = self.place(frame)
        lean_id = returned.lean_ids[0]
        order = self.orders.get(lean_id)
        ticket = OrderTicket(
            self, lean_id, order, symbol=symbol, quantity=float(-quantity), tag=tag, type=OrderType.OPTION_EXERCISE
        )
        ticket.response = _response(returned)
        return ticket


def _response(returned: protocol.CallReturned) -> OrderResponse:
    return OrderResponse("" if returned.ok else returned.message)


def _kind(kind: str, combo: bool, prices: dict[str, Any]) -> OrderType:
    if not combo:
        return {
            "market": OrderType.MARKET, "limit": OrderType.LIMIT, "stop": OrderType.STOP_MARKET,
            "market_on_close": OrderType.MARKET_ON_CLOSE,
        }[kind]  # fmt: skip
    if prices.get("leg_limits") is not None:
        return OrderType.COMBO_LEG_LIMIT
    return OrderType.COMBO_MARKET if kind == "market" else OrderType.COMBO_LIMIT
