"""The table of what LEAN's end has told of the market: numbers of securities, and which rows changed since.

Standard library and msgspec only, because it is copied into LEAN projects. Thread-safe.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable

from bridge import protocol

#: bid, ask, bid size, ask size, last, the day's volume, open interest.
Row = tuple[float, float, float, float, float, float, float]

#: Nothing known. Always this very object, so that rows compare equal.
NAN = float("nan")
_NOTHING: Row = (NAN, NAN, 0.0, 0.0, NAN, 0.0, NAN)


class QuoteTable:
    """Securities and their newest rows. What is pending is what nobody has taken yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._securities: dict[str, protocol.Security] = {}
        self._rows: dict[int, Row] = {}
        self._changed: dict[int, None] = {}
        self._added: list[protocol.Security] = []
        self._removed: list[int] = []
        self._last_number = 0

    def number(self, symbol: str) -> int | None:
        """The number that stands for a listed symbol."""
        security = self._securities.get(symbol)
        return None if security is None else security.number

    def next_number(self) -> int:
        """A number nobody has."""
        self._last_number += 1
        return self._last_number

    def list(self, security: protocol.Security) -> None:
        """A security appears."""
        with self._lock:
            self._securities[security.symbol] = security
            self._rows.setdefault(security.number, _NOTHING)
            self._added.append(security)

    def unlist(self, symbol: str) -> None:
        """A security leaves. Nothing where it is not listed."""
        with self._lock:
            security = self._securities.pop(symbol, None)
            if security is not None:
                self._rows.pop(security.number, None)
                self._changed.pop(security.number, None)
                self._removed.append(security.number)

    def update(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Take rows; only those that differ from the last are pending."""
        with self._lock:
            for number, row in rows:
                before = self._rows.get(number)
                if before is not None and before != row:
                    self._rows[number] = row
                    self._changed[number] = None

    def take(self, at: dt.datetime) -> tuple[protocol.Listing | None, protocol.Quotes]:
        """What is pending; afterwards nothing is."""
        with self._lock:
            listing = None
            if self._added or self._removed:
                listing = protocol.Listing(at, tuple(self._added), tuple(self._removed))
                self._added, self._removed = [], []
            changed, self._changed = self._changed, {}
            return listing, self._quotes(changed)

    def everything(self, at: dt.datetime) -> tuple[protocol.Listing, protocol.Quotes]:
        """All of it, as one who knows nothing needs it; afterwards nothing is pending."""
        with self._lock:
            self._added, self._removed, self._changed = [], [], {}
            securities = tuple(self._securities.values())
            return protocol.Listing(at, securities), self._quotes([each.number for each in securities])

    def _quotes(self, numbers: Iterable[int]) -> protocol.Quotes:
        numbers = [number for number in numbers if number in self._rows]
        columns: list[list[float]] = [[] for _ in _NOTHING]
        for number in numbers:
            for column, value in zip(columns, self._rows[number], strict=True):
                column.append(value)
        return protocol.Quotes(numbers, *columns)
