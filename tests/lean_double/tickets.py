"""Orders and tickets as LEAN shows them, over the session of the embedded market. They hold no state of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.paper.tickets import Ticket
from tests.lean_double.names import (
    GroupOrderManager,
    OrderResponse,
    OrderStatus,
    OrderType,
    Symbol,
    UpdateOrderFields,
)

if TYPE_CHECKING:
    from tests.lean_double.engine import Engine

_TYPES = {
    "market": OrderType.MARKET, "limit": OrderType.LIMIT, "stop": OrderType.STOP_MARKET,
    "market_on_close": OrderType.MARKET_ON_CLOSE,
}  # fmt: skip


class Order:
    """One leg's order. `ticket` is the session's, None where LEAN made the order itself."""

    def __init__(
        self, engine: Engine, id: int, symbol: str, ticket: Ticket | None, index: int, own: str = "", tag: str = ""
    ) -> None:  # fmt: skip
        self._engine, self.id, self.symbol, self._ticket, self._index = engine, id, Symbol(symbol), ticket, index
        self._own, self._tag = own, tag
        #: Status of the last event delivered: live, the ticket runs ahead of it.
        self.told = OrderStatus.NEW
        self._quantity = 0.0
        #: Live: whether LEAN's threads have begun to tell of it; before, the order is new.
        self.taken = not engine.live
        #: The number of the combo that this is a leg of, 0 for none.
        self.group = 0

    @property
    def quantity(self) -> float:
        """Signed, as it was last asked for; of what LEAN made itself or exercises, as its events tell."""
        if self._ticket is None or self._ticket.kind == "exercise":
            return self._quantity
        return float(self._ticket.order.wanted(self._ticket.order.legs[self._index]))

    @quantity.setter
    def quantity(self, quantity: float) -> None:
        self._quantity = quantity

    @property
    def type(self) -> OrderType:
        """LEAN's kind of order."""
        if self._ticket is None or self._ticket.kind == "exercise":
            return OrderType.MARKET if self._own in ("margin_call", "external") else OrderType.OPTION_EXERCISE
        order = self._ticket.order
        if not order.combo:
            return _TYPES[order.type]
        if order.leg_limits is not None:
            return OrderType.COMBO_LEG_LIMIT
        return OrderType.COMBO_MARKET if order.type == "market" else OrderType.COMBO_LIMIT

    @property
    def group_order_manager(self) -> GroupOrderManager | None:
        """The combo as it is now, in LEAN's signs."""
        if not self.group or self._ticket is None:
            return None
        order = self._ticket.order
        side, limit = -1 if order.sell_group else 1, order.limit_price
        return GroupOrderManager(
            self.group, float(side * order.quantity), len(order.legs), 0.0 if limit is None else side * float(limit),
            self._ticket.lean_ids,
        )  # fmt: skip

    @property
    def tag(self) -> str:
        """The tag as it was last set on this leg."""
        return self._tag if self._ticket is None else self._ticket.legs[self._index].tag

    @property
    def broker_id(self) -> list[str]:
        """Ids at the broker."""
        durable = self._engine.market.broker.durable and self._ticket is not None
        return [self._ticket.order.broker_id] if durable and self._ticket is not None else []

    @property
    def limit_price(self) -> float | None:
        """The order's own limit in LEAN's form; of a combo limit only the group has it."""
        if self._ticket is None:
            return None
        order = self._ticket.order
        if order.leg_limits is not None:
            return float(order.leg_limits[self._index])
        return None if order.combo or order.limit_price is None else abs_limit(self._ticket)

    @property
    def status(self) -> OrderStatus:
        """Where the order is now, whatever was told of it."""
        ticket = self._ticket
        if not self.taken:
            return OrderStatus.NEW
        if ticket is None or ticket.kind == "exercise":
            return OrderStatus.FILLED
        order, leg = ticket.order, ticket.order.legs[self._index]
        if ticket.status or order.status == "invalid":
            return OrderStatus.NEW if ticket.status == "limbo" else OrderStatus.INVALID
        if leg.filled and leg.filled == order.wanted(leg):
            return OrderStatus.FILLED
        if order.status == "canceled":
            return OrderStatus.CANCELED
        if ticket.cancel_asked:
            return OrderStatus.CANCEL_PENDING
        if leg.filled:
            return OrderStatus.PARTIALLY_FILLED
        return OrderStatus.SUBMITTED if order.status == "submitted" else OrderStatus.NEW

    @property
    def order_id(self) -> str:
        """The id under which the session has it."""
        return "" if self._ticket is None else self._ticket.order.order_id


def abs_limit(ticket: Ticket) -> float:
    """A single order's limit as LEAN has it: the leg's price."""
    order = ticket.order
    assert order.limit_price is not None
    return float(order.limit_price / order.legs[0].ratio)


class OrderTicket:
    """The handle of one leg's order; id -10 where LEAN refused to make one."""

    def __init__(self, engine: Engine, order_id: int, order: Order | None, **shown: Any) -> None:
        self._engine, self.order_id, self._order, self._shown = engine, order_id, order, shown
        self._response = OrderResponse()

    @property
    def response(self) -> OrderResponse:
        """What LEAN said last to a request about this ticket; live, nothing before its threads took it."""
        return self._response if self._order is None or self._order.taken else OrderResponse()

    @response.setter
    def response(self, response: OrderResponse) -> None:
        self._response = response

    @property
    def status(self) -> OrderStatus:
        """Ahead of the events."""
        return OrderStatus.INVALID if self._order is None else self._order.status

    @property
    def symbol(self) -> Symbol:
        """The leg's."""
        return self._shown["symbol"] if self._order is None else self._order.symbol

    @property
    def quantity(self) -> float:
        """Signed, as asked."""
        return self._shown["quantity"] if self._order is None else self._order.quantity

    @property
    def quantity_filled(self) -> float:
        """Signed, as filled."""
        return 0.0 if self._order is None else self._engine.filled(self.order_id)[1]

    @property
    def order_type(self) -> OrderType:
        """LEAN's kind of order."""
        return self._shown["type"] if self._order is None else self._order.type

    @property
    def tag(self) -> str:
        """The leg's."""
        return self._shown["tag"] if self._order is None else self._order.tag

    @property
    def average_fill_price(self) -> float:
        """Over all fills, 0 where there are none."""
        return 0.0 if self._order is None else self._engine.filled(self.order_id)[0]

    def get_most_recent_order_response(self) -> OrderResponse:
        """What LEAN said last to a request about this ticket."""
        return self.response

    def update(self, fields: UpdateOrderFields) -> OrderResponse:
        """Ask for a change."""
        self.response = self._engine.update(self.order_id, fields)
        return self.response

    def cancel(self, tag: str | None = None) -> OrderResponse:
        """Ask for the end; of a combo any leg's ticket will do."""
        self.response = self._engine.cancel(self.order_id, tag or "")
        return self.response
