"""Between the wire and the core, pure: frames become inputs and market views, outgoing words become frames.

No socket, no decision. Floats of LEAN's become Decimal by their shortest spelling.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np

from actors.messages import lean, market, orders
from bridge import protocol

CommandFrame = (
    protocol.PlaceOrder
    | protocol.AmendOrder
    | protocol.CancelOrder
    | protocol.Exercise
    | protocol.QueryOrder
    | protocol.MoveCash
)


def account(frame: protocol.Account) -> lean.AccountView:
    """LEAN's account; holdings whole contracts or shares, sorted by symbol."""
    holdings = tuple(
        lean.HeldSeen(held.symbol, int(held.quantity), exact(held.average), exact(held.price))
        for held in sorted(frame.holdings, key=lambda held: held.symbol)
        if held.quantity
    )
    return lean.AccountView(
        exact(frame.cash), exact(frame.value), exact(frame.margin_used), exact(frame.margin_remaining),
        exact(frame.fees), holdings, frame.seen,
    )  # fmt: skip


def hello(frame: protocol.Hello) -> lean.LeanConnected:
    """The handshake as an input."""
    working = tuple(
        lean.OpenOrderSeen(
            order.order_id,
            tuple(orders.OrderLeg(leg.symbol, leg.ratio) for leg in order.legs),
            order.quantity, order.filled, order.lean_ids, order.broker_ids, order.tag,
        )
        for order in frame.orders
    )  # fmt: skip
    return lean.LeanConnected(
        frame.session,
        frame.mode,
        frame.brokerage,
        frame.fresh_from_broker,
        account(frame.account),
        working,
        frame.placed,
        tuple(
            lean.ExecutionSeen(
                seen.execution_id, seen.kind, seen.order_id, seen.leg, seen.symbol, seen.quantity, exact(seen.price),
                exact(seen.fee), exact(seen.settlement), seen.broker_id, seen.batch, seen.message,
            )
            for seen in frame.executions
        ),
        tuple(
            lean.PaymentSeen(
                paid.payment_id, exact(paid.amount), paid.reason, paid.symbol, exact(paid.per_share), paid.quantity
            )
            for paid in frame.payments
        ),
    )  # fmt: skip


def event(frame: protocol.Event) -> Any:
    """One event as an input of the gateway's; every frame has one."""
    match frame:
        case protocol.OrderEvent():
            return lean.LeanOrderEvent(
                frame.n, frame.at, frame.kind, frame.order_id, frame.leg, frame.symbol, frame.status,
                exact(frame.fill_price), frame.fill_quantity, exact(frame.fee), frame.execution_id, frame.message,
                frame.tag, frame.lean_id, frame.batch, frame.broker_ids, exact(frame.settlement), frame.generation,
            )  # fmt: skip
        case protocol.CallReturned():
            return lean.LeanReturned(
                frame.n, frame.call, frame.order_id, frame.attempt, frame.ok, frame.status, frame.lean_ids,
                frame.message, frame.raised, frame.denied, frame.known_here, frame.generation, frame.amend,
            )  # fmt: skip
        case protocol.CashMoved():
            return lean.LeanCashMoved(frame.n, exact(frame.amount), frame.reason, frame.payment_id)
        case protocol.MarginCalled():
            text = ", ".join(f"{quantity:+d} {symbol.strip()}" for symbol, quantity in frame.orders)
            return lean.LeanNotice(frame.n, "margin call", "", text)
        case protocol.Delisted():
            what = "delisting announced" if frame.warning else "delisted"
            return lean.LeanNotice(frame.n, what, frame.symbol, "")
        case protocol.DividendPaid() if frame.payment_id:
            return lean.LeanDividend(
                frame.n, frame.symbol, exact(frame.amount), frame.quantity, exact(frame.cash), frame.payment_id
            )
        case protocol.DividendPaid():
            return lean.LeanNotice(frame.n, "dividend", frame.symbol, str(frame.amount))
        case protocol.Split():
            what = "split announced" if frame.warning else "split"
            return lean.LeanNotice(frame.n, what, frame.symbol, str(frame.factor))
        case protocol.Notice():
            what = f"{frame.source} {frame.severity}".strip()
            return lean.LeanNotice(frame.n, what, "", f"{frame.code} {frame.text}".strip())


def word(out: Any) -> CommandFrame:
    """An outgoing word of the gateway's as the frame that LEAN's end runs."""
    match out:
        case lean.Place(order_id=order_id, attempt=attempt, body=body):
            legs = tuple(protocol.Leg(leg.symbol, leg.ratio) for leg in body.legs)
            return protocol.PlaceOrder(
                order_id, attempt, legs, body.quantity, body.type, body.limit_price, body.stop_price,
                body.leg_limits, body.time_in_force, body.tag, len(legs) > 1 or body.leg_limits is not None,
                body.sell_group,
            )  # fmt: skip
        case lean.Amend(order_id=order_id, attempt=attempt, generation=generation, change=change):
            return protocol.AmendOrder(
                order_id, attempt, generation, change.quantity, change.limit_price, change.stop_price,
                change.leg_limits, change.tag,
            )  # fmt: skip
        case lean.Cancel(order_id=order_id, attempt=attempt, tag=tag):
            return protocol.CancelOrder(order_id, tag, attempt)
        case lean.ExerciseWord(exercise_id=exercise_id, symbol=symbol, quantity=quantity, tag=tag):
            return protocol.Exercise(exercise_id, 1, symbol, quantity, tag)
        case lean.Query(order_id=order_id, attempt=attempt, generation=generation):
            return protocol.QueryOrder(order_id, attempt, generation)
        case lean.MoveCash(amount=amount, reason=reason, transfer_id=transfer_id):
            return protocol.MoveCash(amount, reason, transfer_id)
        case _:
            raise TypeError(f"no frame for a {type(out).__name__}")


def listed(view: market.MarketQuotes, frame: protocol.Listing) -> market.MarketQuotes:
    """The view after securities joined or left. New rows come last and have no quotes; numbers stay what they were."""
    gone = frozenset(frame.removed)
    keep = [row for row, security in enumerate(view.securities) if security.number not in gone]
    known = {view.securities[row].number for row in keep}
    added = [_security(security) for security in frame.added if security.number not in known]
    securities = (*(view.securities[row] for row in keep), *added)
    rows = {security.symbol: row for row, security in enumerate(securities)}
    blank = np.full(len(added), np.nan)

    def column(values: market.Floats) -> market.Floats:
        return np.concatenate((values[keep], blank))

    return market.MarketQuotes(
        view.number, frame.at, view.listing + 1, securities, rows, column(view.bid), column(view.ask),
        column(view.bid_size), column(view.ask_size), column(view.last), column(view.volume),
        column(view.open_interest), column(view.changed_at), view.alive, view.open,
    )  # fmt: skip


def _security(security: protocol.Security) -> market.SecuritySeen:
    return market.SecuritySeen(
        security.number, security.symbol, security.kind, security.underlying, security.multiplier, security.style,
        security.settlement, security.tick, security.last_trade, security.settles_at,
    )  # fmt: skip


def stepped(view: market.MarketQuotes, numbers: dict[int, int], frame: protocol.Step) -> market.MarketQuotes:
    """The view after a step: changed rows replaced, the feed alive for the underlyings that are open and not stale.

    `numbers` gives the row of a security's number in this listing (see `row_numbers`).
    """
    alive = {**view.alive, **{symbol: frame.at for symbol in frame.open if symbol not in frame.stale}}
    quotes = frame.quotes
    bid, ask, bid_size, ask_size = view.bid, view.ask, view.bid_size, view.ask_size
    last, volume, open_interest, changed_at = view.last, view.volume, view.open_interest, view.changed_at
    if quotes.number:
        at = np.array([numbers[number] for number in quotes.number], dtype=np.intp)
        bid, ask = _replaced(bid, at, quotes.bid), _replaced(ask, at, quotes.ask)
        bid_size, ask_size = _replaced(bid_size, at, quotes.bid_size), _replaced(ask_size, at, quotes.ask_size)
        last, volume = _replaced(last, at, quotes.last), _replaced(volume, at, quotes.volume)
        open_interest = _replaced(open_interest, at, quotes.open_interest)
        changed_at = _replaced(changed_at, at, [frame.at.timestamp()] * len(at))
    return market.MarketQuotes(
        frame.number, frame.at, view.listing, view.securities, view.rows, bid, ask, bid_size, ask_size, last, volume,
        open_interest, changed_at, alive, frozenset(frame.open),
    )  # fmt: skip


def row_numbers(view: market.MarketQuotes) -> dict[int, int]:
    """Row by security number, for `stepped`."""
    return {security.number: row for row, security in enumerate(view.securities)}


def _replaced(column: market.Floats, at: Any, values: list[float]) -> market.Floats:
    column = column.copy()
    column[at] = values
    return column


def exact(value: Decimal) -> Decimal:
    """The same number to a millionth in its one shortest spelling: LEAN tells floats, the market decimals."""
    value = round(value, 6).normalize() + Decimal(0)
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value


def decimal(value: float) -> Decimal:
    """A float of LEAN's as the decimal that its shortest spelling says."""
    return Decimal(repr(value))


def empty_view(at: dt.datetime) -> market.MarketQuotes:
    """The view before the first listing."""
    return market.no_market(at)
