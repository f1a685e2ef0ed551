"""Reconciliation: our book beside LEAN's account and the broker's. Says where they differ; changes neither."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from actors.messages.book import Book
from actors.messages.lean import AccountView, Column, Reconciled


def columns(book: Book, account: AccountView, *, broker: bool) -> Reconciled:
    """Our book beside what the other end shows; `broker` where it was read from the broker just now."""
    differences = compare(book, account)
    ours = Column("ours", 0.0, book.cash, tuple(sorted(book.holdings.items())))
    lean = Column("lean", 0.0, account.cash, tuple((seen.symbol, seen.quantity) for seen in account.holdings))
    third = msgspec.structs.replace(lean, source="broker") if broker else None
    return Reconciled(not differences, ours, lean, third, differences)


def compare(book: Book, account: AccountView) -> tuple[str, ...]:
    """What differs between our book and LEAN's account: cash beyond half a cent, and any quantity."""
    differences: list[str] = []
    if abs(book.cash - account.cash) > Decimal("0.005"):
        differences.append(f"cash: ours {book.cash}, lean {account.cash}")
    theirs = {seen.symbol: seen.quantity for seen in account.holdings}
    for symbol in sorted({**book.holdings, **theirs}):
        ours, lean = book.holdings.get(symbol, 0), theirs.get(symbol, 0)
        if ours != lean:
            differences.append(f"{symbol.strip()}: ours {ours}, lean {lean}")
    return tuple(differences)
