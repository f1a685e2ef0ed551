"""What a demo ends with: orders, fills, positions, equity, and whether the broker's ledger is our book."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import msgspec

from actors.messages.book import Book
from bridge.paper import Books
from daemon.views import Views


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one demo. Money in dollars; `ledger_equal` says that cash and holdings of the broker's ledger are
    those of our book (None: the market said no last word), `differences` where not. `views` counts the markets
    that the core saw, `restarts` the daemon's edges and the market."""

    seed: int
    speed: float
    seconds: float
    market_from: dt.datetime | None
    market_to: dt.datetime
    views: int
    facts: int
    orders: dict[str, int]
    fills: int
    positions: int
    closed_positions: int
    cash: Decimal
    fees: Decimal
    realised: Decimal
    equity: Decimal | None
    restarts: int
    ledger_equal: bool | None
    differences: tuple[str, ...]


def orders_by_state(views: Views) -> dict[str, int]:
    """How many orders are in each state."""
    return dict(sorted(Counter(order.state for order in views.orders.orders.values()).items()))


def compare(book: Book, broker: Books) -> tuple[str, ...]:
    """Where our book differs from the broker's ledger, in words: cash, and signed holdings by symbol."""
    found: list[str] = []
    account = broker.portfolio
    if book.cash != account.cash:
        found.append(f"cash: ours {book.cash}, the ledger's {account.cash}")
    for symbol in sorted({*account.holdings, *book.holdings}):
        ours, theirs = book.holdings.get(symbol, 0), account.quantity(symbol)
        if ours != theirs:
            found.append(f"{symbol}: ours {ours}, the ledger's {theirs}")
    return tuple(found)
