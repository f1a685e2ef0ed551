"""What a demo ends with: orders, fills, positions, equity, and whether the market's account is our book."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

import msgspec

from actors.messages.book import Book
from actors.messages.lean import AccountView
from daemon.views import Views


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one demo. Money in dollars; `ledger_equal` says that cash and holdings of the market's last account
    are those of our book (None: the market said no last word), `differences` where not. `views` counts the markets
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


def compare(book: Book, account: AccountView) -> tuple[str, ...]:
    """Where our book differs from the market's account, in words: cash, and signed holdings by symbol."""
    found: list[str] = []
    if book.cash != account.cash:
        found.append(f"cash: ours {book.cash}, the market's {account.cash}")
    theirs = {holding.symbol: int(holding.quantity) for holding in account.holdings if holding.quantity}
    for symbol in sorted({*theirs, *book.holdings}):
        ours, its = book.holdings.get(symbol, 0), theirs.get(symbol, 0)
        if ours != its:
            found.append(f"{symbol}: ours {ours}, the market's {its}")
    return tuple(found)
