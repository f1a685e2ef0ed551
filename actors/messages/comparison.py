"""Our book beside LEAN's account and the broker's: where they differ, and whether they were compared since LEAN
connected. A fold that orders, risk and the views share; changes neither side."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from actors.messages.book import BOOK_FACTS, Book
from actors.messages.lean import AccountSeen, AccountView, Column, Reconciled, SessionClosed, SessionOpened
from actors.runtime import Fact, Recorded

#: What the fold reads beside the facts of the book.
COMPARISON_FACTS: tuple[type[Fact], ...] = (SessionOpened, SessionClosed, AccountSeen, Reconciled)


class Comparison(msgspec.Struct):
    """Whether our book is LEAN's. A lost connection unknows it; equality with an account told since then proves it.

    `known_at` is the sequence of the fact that ended the not knowing, 0 where it has not ended.
    """

    differs: bool = False
    known_at: int = 0
    told: AccountView | None = None

    @property
    def agrees(self) -> bool | None:
        """None: not compared since LEAN connected. Entries wait for that."""
        if self.differs:
            return False
        return True if self.known_at else None


def fold_comparison(state: Comparison, book: Book, recorded: Recorded) -> None:
    """Fold one fact, in place, after `fold_book`.

    What LEAN had not delivered when it shook hands is told after it: until then the account is ahead of our book.
    """
    fact = recorded.fact
    match fact:
        case SessionOpened(account=account):
            state.known_at, state.told = 0, account
        case SessionClosed():
            state.known_at, state.told = 0, None
        case AccountSeen(account=account) if not state.known_at:
            state.told = account
        case Reconciled(agree=agree):
            state.differs = not agree
            if state.differs and not state.known_at:
                state.known_at, state.told = recorded.seq, None
        case _ if not isinstance(fact, BOOK_FACTS):
            return
    if state.told is not None and not compare(book, state.told):
        state.known_at, state.told = recorded.seq, None


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
