"""What mending knows: every order, every record of broken legs, the session and the breaker, as the fold of facts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec

from actors.messages.book import Book, Position
from actors.messages.breaker import BreakerRaised, BreakerReset
from actors.messages.lean import SessionClosed, SessionOpened
from actors.messages.order_state import OrderTable, fold
from actors.messages.orders import (
    ORDER_FACTS,
    AllCanceled,
    CancelRequested,
    CancelWanted,
    LegFilled,
    OrderCanceled,
    OrderFact,
    OrderQueued,
    OrderWanted,
)
from actors.messages.positions import PositionBroken, PositionMended, PositionUnwinding, PositionWaiting
from actors.options.contracts import multiplier_of
from actors.positions._broken import Broken, broken, fold_phase
from actors.runtime import Recorded
from config.desk import DeskRules

#: Who asks for orders here.
PRINCIPAL = "positions"
#: Actors whose cancels are no hand's.
_OURS = ("orders", "breaker", PRINCIPAL)

PHASES = (PositionBroken, PositionUnwinding, PositionWaiting, PositionMended)
MENDING_FACTS = (
    *ORDER_FACTS, OrderWanted, CancelWanted, AllCanceled, *PHASES, SessionOpened, SessionClosed, BreakerRaised,
    BreakerReset,
)  # fmt: skip


class Ledger(msgspec.Struct):
    """`records` by the order that left them, in the order of their declaration; `orders` wanted for them; `paid` is
    what fills of orders with several legs cost, in dollars."""

    table: OrderTable = msgspec.field(default_factory=OrderTable)
    records: dict[str, Broken] = msgspec.field(default_factory=dict)
    orders: dict[str, str] = msgspec.field(default_factory=dict)
    paid: dict[str, Decimal] = msgspec.field(default_factory=dict)
    #: Others' orders with several legs that filled on a broken position: the record they mend, or "".
    helpers: dict[str, str] = msgspec.field(default_factory=dict)
    connected: bool = False
    closed_at: dt.datetime | None = None
    level: int = 0

    def of(self, position_id: str) -> list[Broken]:
        """Records of a position, those being mended first."""
        found = [record for record in self.records.values() if record.position_id == position_id]
        return sorted(found, key=lambda record: not record.active)

    def owned(self, order_id: str) -> Broken | None:
        """The record that this order left, or that it was wanted for."""
        return self.records.get(self.orders.get(order_id, order_id))


def fold_ledger(ledger: Ledger, book: Book, recorded: Recorded, rules: DeskRules) -> None:
    """Fold one fact, in place, after the book took it."""
    fact = recorded.fact
    if isinstance(fact, OrderFact):
        fold(ledger.table, recorded)
    match fact:
        case LegFilled():
            _filled(ledger, book, fact)
        case PositionBroken(order_id=order_id, position_id=position_id) if order_id not in ledger.records:
            order, paid = ledger.table.orders[order_id], ledger.paid.get(order_id, Decimal(0))
            position = book.positions.get(position_id)
            ledger.records[order_id] = broken(order, position_id, position, paid, fact.deadline)
        case PositionBroken() | PositionUnwinding() | PositionWaiting() | PositionMended():
            fold_phase(ledger.records[fact.order_id], fact)
        case OrderWanted(principal=principal) if principal == PRINCIPAL:
            _wanted(ledger, fact, recorded.at, rules)
        case CancelWanted(principal=principal, order_id=order_id) if principal == PRINCIPAL:
            record = ledger.records.get(ledger.orders.get(order_id, ""))
            if record is not None and record.order == order_id:
                record.stopped = True
        case CancelRequested(order_id=order_id, principal=principal) if principal not in _OURS:
            _stopped_by(ledger, order_id, principal)
        case OrderCanceled(order_id=order_id, origin=None):
            _stopped_by(ledger, order_id, "the operator")
        case AllCanceled():
            # No word about this position: its order ends as any other, and after a pause it is mended on.
            for record in ledger.records.values():
                if record.active:
                    record.stopped = True
                    record.quiet_until = recorded.at + dt.timedelta(seconds=rules.mend_seconds)
        case OrderQueued() if fact.principal != PRINCIPAL and fact.body.position_id:
            for record in ledger.of(fact.body.position_id):
                if record.active:
                    record.quiet_until = recorded.at + dt.timedelta(seconds=rules.mend_seconds)
        case SessionClosed():
            ledger.connected, ledger.closed_at = False, recorded.at
        case SessionOpened():
            _connected(ledger, recorded.at)
        case BreakerRaised(level=level):
            ledger.level = max(ledger.level, level)
        case BreakerReset():
            ledger.level = 0
        case _:
            pass


def due(ledger: Ledger) -> dict[str, dt.datetime]:
    """When what is being mended is late; nothing is while LEAN is away."""
    if not ledger.connected:
        return {}
    return {
        f"mend:{record.order_id}": max(record.deadline, record.quiet_until or record.deadline)
        for record in ledger.records.values()
        if record.active
    }


def account_moved(ledger: Ledger, book: Book, *, traded: bool) -> None:
    """After the account changed by no order: what was traded by hand counts as a hand's, what else is gone is gone."""
    for record in ledger.records.values():
        if record.phase == "mended":
            continue
        position = book.positions.get(record.position_id)
        if traded:
            _differences(record, position)
        record.clip(position)


def _differences(record: Broken, position: Position | None) -> None:
    for leg in record.legs:
        now = 0 if position is None else position.holding(leg.symbol)
        if now != record.held.get(leg.symbol, 0):
            record.traded(leg.symbol, now - record.held.get(leg.symbol, 0))
            record.held[leg.symbol] = now
            record.by, record.tries = "hand", 0


def _filled(ledger: Ledger, book: Book, fact: LegFilled) -> None:
    cost = fact.quantity * fact.price * multiplier_of(fact.symbol)
    if len(ledger.table.orders[fact.order_id].body.legs) > 1:
        ledger.paid[fact.order_id] = ledger.paid.get(fact.order_id, Decimal(0)) + cost
    own, position_id = ledger.owned(fact.order_id), book.owner[fact.order_id]
    position = book.positions.get(position_id)
    if own is not None:
        leg = own.leg(fact.symbol)
        if leg is not None:
            leg.have += fact.quantity
            own.paid += cost
            own.by = "order" if fact.order_id == own.order_id else "mending"
            own.tries = 0
    else:
        _helped(ledger, position_id, fact, cost)
    for record in ledger.of(position_id):
        record.clip(position, "account" if own is not None else "hand")


def _helped(ledger: Ledger, position_id: str, fact: LegFilled, cost: Decimal) -> None:
    """A fill of somebody else's order on the position. An order with several legs answers for them itself, unless all
    of them mend: whether they do is found at its first fill."""
    body = ledger.table.orders[fact.order_id].body
    active = [record for record in ledger.of(position_id) if record.phase != "mended"]
    record = next((each for each in active if each.leg(fact.symbol) is not None), None)
    if record is None:
        return
    if len(body.legs) > 1 and fact.order_id not in ledger.helpers:
        ledger.helpers[fact.order_id] = record.order_id if record.helped(body) else ""
    if len(body.legs) > 1 and ledger.helpers[fact.order_id] != record.order_id:
        return
    record.traded(fact.symbol, fact.quantity)
    record.paid += cost
    record.by, record.tries = "hand", 0


def _wanted(ledger: Ledger, fact: OrderWanted, at: dt.datetime, rules: DeskRules) -> None:
    record = next(iter(ledger.of(fact.body.position_id)))
    ledger.orders[fact.order_id] = record.order_id
    record.order, record.stopped, record.stopped_by = fact.order_id, False, ""
    record.count += 1
    record.tries += 1
    record.tried_at = at
    if record.phase == "unwind":
        record.deadline = at + dt.timedelta(seconds=rules.mend_seconds)


def _stopped_by(ledger: Ledger, order_id: str, principal: str) -> None:
    record = ledger.records.get(ledger.orders.get(order_id, ""))
    if record is not None and record.order == order_id and not record.stopped:
        record.stopped_by = principal


def _connected(ledger: Ledger, at: dt.datetime) -> None:
    """Time without a connection does not count."""
    ledger.connected = True
    if ledger.closed_at is None:
        return
    lost, ledger.closed_at = at - ledger.closed_at, None
    for record in ledger.records.values():
        record.deadline += lost
        if record.quiet_until is not None:
            record.quiet_until += lost
