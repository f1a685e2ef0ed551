"""Read models: what the journal's durable facts say of orders, book and breaker. Nothing undurable is ever shown."""

from __future__ import annotations

from typing import Any

import msgspec

from actors.messages.book import BOOK_FACTS, Book, fold_book
from actors.messages.breaker import LEVELS, BreakerRaised, BreakerReset
from actors.messages.lean import AccountSeen, AccountView, Reconciled, SessionClosed, SessionOpened
from actors.messages.order_state import OrderTable, fold
from actors.messages.orders import OrderFact
from actors.messages.positions import EquityMarked
from actors.runtime import Recorded


class Views:
    """The fold of every fact given to `add`, in order; readers look and never change it."""

    def __init__(self) -> None:
        self.seq = 0
        self.orders = OrderTable()
        self.book = Book()
        self.level = 0
        self.reason = ""
        self.session: SessionOpened | None = None
        self.connected = False
        self.account: AccountView | None = None
        self.reconciled: Reconciled | None = None
        self.equity: EquityMarked | None = None

    @property
    def level_name(self) -> str:
        """The breaker's level in words."""
        return LEVELS[self.level]

    def add(self, recorded: Recorded) -> None:
        """Fold the next durable fact."""
        fact = recorded.fact
        self.seq = recorded.seq
        if isinstance(fact, OrderFact):
            fold(self.orders, recorded)
        if isinstance(fact, BOOK_FACTS):
            fold_book(self.book, recorded)
        match fact:
            case BreakerRaised(level=level, reason=reason) if level > self.level:
                self.level, self.reason = level, reason
            case BreakerReset():
                self.level, self.reason = 0, ""
            case SessionOpened():
                self.session, self.connected = fact, True
            case SessionClosed():
                self.connected = False
            case AccountSeen(account=account):
                self.account = account
            case Reconciled():
                self.reconciled = fact
            case EquityMarked():
                self.equity = fact
            case _:
                pass


def named(value: Any) -> Any:
    """Structs as objects with names, so that a reader needs no table of positions; bytes as hex."""
    if isinstance(value, msgspec.Struct):
        return {field: named(getattr(value, field)) for field in value.__struct_fields__}
    if isinstance(value, list | tuple):
        return [named(each) for each in value]
    if isinstance(value, dict):
        return {str(key): named(each) for key, each in value.items()}
    return value.hex() if isinstance(value, bytes) else value
