"""Whether an order only reduces the position it names, as the desk computes it from live orders and the book. Pure."""

from __future__ import annotations

from actors.messages.book import Book
from actors.messages.order_state import Order, OrderTable
from actors.messages.orders import OrderBody
from actors.options.reducing import WorkingOrder, is_reducing


def reduces(table: OrderTable, book: Book, order: Order, body: OrderBody, *, legs_fill_apart: bool) -> bool:
    """Whether what of `order` may still fill, were its body `body`, reduces; without an open position it does not.
    What reserves closing quantity counts against it: approved, sent, working and unknown orders."""
    position = book.positions.get(body.position_id)
    if position is None:
        return False
    others = [
        WorkingOrder(
            {leg.symbol: other.may_fill(index) for index, leg in enumerate(other.body.legs)},
            unknown=other.state == "unknown",
        )
        for other in table.live.values()
        if other.order_id != order.order_id and other.reserves and other.body.position_id == body.position_id
    ]
    quantities = {leg.symbol: leg.ratio * body.quantity - order.filled[i] for i, leg in enumerate(body.legs)}
    return is_reducing(position.holdings, quantities, others, legs_fill_apart=legs_fill_apart).reducing
