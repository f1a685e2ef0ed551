"""What a new session of LEAN's brings: executions nobody told us of, orders matched again. Pure; sends nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from actors.gateway._exercises import after_a_dead_session
from actors.gateway._state import STREAM, GatewayState
from actors.messages.book import Book
from actors.messages.common import Origin
from actors.messages.comparison import columns
from actors.messages.lean import (
    AccountFill,
    Anomaly,
    BookOpened,
    CashMoved,
    DividendPaid,
    ExecutionSeen,
    LeanConnected,
    OpenOrderSeen,
    SessionOpened,
)
from actors.messages.order_state import Order, OrderTable
from actors.messages.orders import (
    CancelRequested,
    LegAccepted,
    LegFilled,
    OrderAccepted,
    OrderUnknown,
    UnknownSettled,
    order_stream,
)
from actors.runtime import Write
from config.calendar import Sessions


def connected(state: GatewayState, hello: LeanConnected) -> tuple[Write, ...]:
    """A session begins or goes on: what was missed is booked; the first of all gives the book its beginning."""
    same = hello.session == state.session_name
    number = state.session if same else state.session + 1
    opened = SessionOpened(
        number,
        hello.session,
        hello.mode,
        hello.brokerage,
        hello.fresh_from_broker,
        hello.account,
        hello.orders,
    )
    writes = [Write("session", opened)]
    if state.book.opened:
        writes += missed(state.book, state.table, hello, number, STREAM)
    else:
        told = (seen.execution_id for seen in hello.executions), (paid.payment_id for paid in hello.payments)
        writes.append(Write("account", BookOpened(hello.account.cash, hello.account.holdings, *map(tuple, told))))
    return tuple(writes)


def catch_up(
    state: GatewayState, opened: SessionOpened, now: dt.datetime, column_from: dt.time, sessions: Sessions | None
) -> tuple[Write, ...]:
    """After what was missed is booked: what became of the orders that were at the market, and the columns."""
    if opened.number != state.session or not state.connected:
        return ()
    writes = list(after_a_dead_session(state, opened, now, column_from, sessions))
    for order_id, attempt in state.before.items():
        order = state.table.orders[order_id]
        if order.at_market and order.attempt == attempt:
            writes += again(order, opened, same=state.same)
    if opened.fresh_from_broker:
        told = columns(state.book, opened.account, broker=True)
        if (told.agree, told.differences) != (state.agrees, state.differences):
            writes.append(Write(STREAM, told))
    return tuple(writes)


def missed(book: Book, table: OrderTable, hello: LeanConnected, number: int, stream: str) -> Iterator[Write]:
    """Executions and payments of the broker's that no session told us of, to be booked once."""
    origin = Origin(number, 0)
    for seen in hello.executions:
        if seen.execution_id in book.executions:
            continue
        order = _owner(table, seen)
        if order is not None and seen.kind == "order" and 0 <= seen.leg < len(order.body.legs):
            yield Write(
                order_stream(order.order_id),
                LegFilled(
                    order.order_id, origin, seen.leg, seen.symbol, seen.quantity, seen.price, seen.fee,
                    seen.execution_id, seen.batch,
                ),
            )  # fmt: skip
            if order.terminal or not order.at_market:
                text = f"execution {seen.execution_id} of an order that is {order.state}, told by a new session"
                yield Write(stream, Anomaly(origin, order.order_id, text))
            continue
        kind = "external" if seen.kind == "order" else seen.kind
        yield Write(
            "account",
            AccountFill(
                origin, kind, seen.symbol, seen.quantity, seen.price, seen.fee, seen.execution_id, 0, seen.batch,
                seen.message, seen.order_id if seen.kind == "exercise" else "", seen.settlement, seen.broker_id,
            ),
        )  # fmt: skip
    for payment in hello.payments:
        if payment.payment_id in book.payments:
            continue
        if payment.symbol:
            yield Write(
                "account",
                DividendPaid(
                    origin, payment.symbol, payment.per_share, payment.quantity, payment.amount, payment.payment_id
                ),
            )
        else:
            yield Write(stream, CashMoved(origin, payment.amount, payment.reason, payment.payment_id))


def _owner(table: OrderTable, seen: ExecutionSeen) -> Order | None:
    """By the broker's id first, by our own, which the tag carries, second."""
    if seen.broker_id:
        for order in table.live.values():
            if any(seen.broker_id in ids for ids in order.broker_ids.values()):
                return order
    return table.get(seen.order_id) if seen.order_id else None


def matched(order: Order, listed: Sequence[OpenOrderSeen]) -> OpenOrderSeen | None:
    """The working order at the other end that is this one: by the broker's id first, by ours second."""
    ours = {broker_id for ids in order.broker_ids.values() for broker_id in ids}
    for seen in listed:
        if ours.intersection(seen.broker_ids):
            return seen
    for seen in listed:
        if seen.order_id == order.order_id:
            return seen
    return None


def again(order: Order, opened: SessionOpened, *, same: bool) -> Iterator[Write]:
    """What becomes of an order that was at the market when this session began.

    A working one gets its new ids; one that is not listed, or was sent without an answer, is unknown and asked after.
    """
    stream, origin = order_stream(order.order_id), Origin(opened.number, 0)
    seen = None if same else matched(order, opened.orders)
    if seen is None:
        if same and order.state not in ("sent", "unknown"):
            return
        what = "the connection was lost" if same else "lean began a new session"
        reason = order.reason if order.state == "unknown" else f"{what} before an outcome was known"
        yield Write(stream, OrderUnknown(order.order_id, reason))
        return
    legs = range(len(order.body.legs))
    ids = [(leg, seen.lean_ids[leg] if leg < len(seen.lean_ids) else 0, seen.broker_ids) for leg in legs]
    if order.state == "sent":
        yield Write(stream, OrderAccepted(order.order_id, origin, *ids.pop(0)))
    elif order.state == "unknown":
        yield from settled(order, UnknownSettled(order.order_id, "accepted", "it is listed", "broker", origin))
    for each in ids:
        yield Write(stream, LegAccepted(order.order_id, origin, *each))


def settled(order: Order, fact: UnknownSettled) -> Iterator[Write]:
    """An unknown order's proof; where it works after all and a cancel was wanted, the cancel goes out anew."""
    stream = order_stream(order.order_id)
    yield Write(stream, fact)
    if fact.outcome == "accepted" and order.cancel_wanted:
        yield Write(stream, CancelRequested(order.order_id, order.principal, order.reason, order.cancel_tag))
