"""What a run left behind, folded from the daemon's journal and from the broker's ledger, and how they compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from actors.messages.book import BOOK_FACTS, Book, fold_book
from actors.messages.lean import AccountFill
from actors.messages.order_state import OrderTable, fold
from actors.messages.orders import LegFilled, OrderFact, OrderSent
from actors.runtime import Core, MemoryJournal, Recorded
from bridge.paper import Books, read_ledger
from config.desk import LEAN_RULES
from daemon.desk import desk_core
from daemon.journal import rows, verify

_WORKING = ("accepted", "partially_filled")
#: Type, quantity, limit price, stop price and the legs' own limits.
Terms = tuple[str, int, Decimal | None, Decimal | None, list[Decimal] | None]


class Outcome(msgspec.Struct):
    """Account, every order's end, executions booked and attempts sent, and of what still works quantity and prices,
    from one memory alone."""

    cash: Decimal
    fees: Decimal
    holdings: dict[str, int]
    orders: dict[str, tuple[str, tuple[int, ...]]]
    executions: Counter[str]
    sent: Counter[tuple[str, int]]
    terms: dict[str, Terms]

    @property
    def book(self) -> tuple[object, ...]:
        """What must be the same as in an undisturbed run: account and orders."""
        return self.cash, self.fees, self.holdings, self.orders


def of_journal(path: Path) -> Outcome:
    """Folded from the journal alone; fails where a row of it is damaged."""
    assert verify(path).problem is None
    return of_facts(read_journal(path))


def read_journal(path: Path) -> Iterator[Recorded]:
    """Every fact on disk, also while a daemon is writing."""
    core: Core = desk_core(MemoryJournal(), LEAN_RULES)
    for row, _ in rows(path):
        yield core.decode(row)


def of_facts(facts: Iterable[Recorded]) -> Outcome:
    """Folded from these facts alone."""
    book, table = Book(), OrderTable()
    executions, sent = Counter[str](), Counter[tuple[str, int]]()
    for recorded in facts:
        fact = recorded.fact
        if isinstance(fact, OrderFact):
            fold(table, recorded)
        if isinstance(fact, BOOK_FACTS):
            fold_book(book, recorded)
        if isinstance(fact, LegFilled | AccountFill):
            executions[fact.execution_id] += 1
        if isinstance(fact, OrderSent):
            sent[fact.order_id, fact.attempt] += 1
    orders = {each.order_id: (str(each.state), tuple(each.filled)) for each in table.orders.values()}
    terms = {
        each.order_id: (
            each.body.type, each.body.quantity, each.body.limit_price, each.body.stop_price,
            None if each.body.leg_limits is None else list(each.body.leg_limits),
        )
        for each in table.orders.values() if each.state in _WORKING
    }  # fmt: skip
    return Outcome(book.cash, book.fees, dict(book.holdings), orders, executions, sent, terms)


def of_ledger(path: Path) -> Outcome:
    """Folded from the broker's ledger alone; `sent` counts how often an order id came to the broker."""
    return of_books(Books.of(read_ledger(path)))


def of_books(books: Books) -> Outcome:
    """What the broker has, in our words."""
    names = {"submitted": "accepted", "invalid": "rejected"}
    orders: dict[str, tuple[str, tuple[int, ...]]] = {}
    for each in books.orders.values():
        status = names.get(each.status, each.status)
        filled = tuple(leg.filled for leg in each.legs)
        orders[each.order_id] = ("partially_filled" if status == "accepted" and any(filled) else status, filled)
    return Outcome(
        books.portfolio.cash, books.portfolio.fees,
        {symbol: held.quantity for symbol, held in books.portfolio.holdings.items()}, orders,
        Counter(each.id for each in books.executions),
        Counter((each.order_id, 1) for each in books.orders.values() if each.order_id),
        {
            each.order_id: (each.type, each.quantity, each.limit_price, each.stop_price, each.leg_limits)
            for each in books.orders.values() if each.working
        },
    )  # fmt: skip


class Verdict(msgspec.Struct):
    """Journal against ledger: attempts or orders made twice, executions lost or booked twice, and what differs."""

    twice: int
    lost: int
    differs: list[str]

    @property
    def equal(self) -> bool:
        """Nothing twice, nothing lost, the same account and the same orders."""
        return not (self.twice or self.lost or self.differs)


def compare(ours: Outcome, brokers: Outcome) -> Verdict:
    """Our book against the broker's. An order that never came to the broker must have ended on our side."""
    twice = sum(count - 1 for count in (*ours.sent.values(), *brokers.sent.values(), *ours.executions.values()))
    lost = sum((brokers.executions - ours.executions).values())
    differs = [
        f"{name}: ours {mine}, the broker's {theirs}"
        for name in ("cash", "fees", "holdings")
        if (mine := getattr(ours, name)) != (theirs := getattr(brokers, name))
    ]
    if ours.executions - brokers.executions:
        differs.append(f"executions that the broker does not have: {ours.executions - brokers.executions}")
    for order_id, (state, filled) in ours.orders.items():
        theirs = brokers.orders.get(order_id)
        if theirs is None:
            if state not in ("canceled", "denied", "rejected", "expired"):
                differs.append(f"order {order_id}: ours {state}, not at the broker")
        elif theirs != (state, filled):
            differs.append(f"order {order_id}: ours {state} {filled}, the broker's {theirs}")
        elif state in _WORKING and ours.terms[order_id] != brokers.terms[order_id]:
            terms, others = ours.terms[order_id], brokers.terms[order_id]
            differs.append(f"order {order_id}: it works as {terms}, at the broker as {others}")
    differs += [f"order {order_id}: at the broker only" for order_id in brokers.orders if order_id not in ours.orders]
    return Verdict(twice, lost, differs)
