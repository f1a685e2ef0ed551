"""What is listed: symbols by number in the order in which they joined, as securities and quotes of the protocol."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal

from actors.options.contracts import Contract, is_index, parse_symbol
from bridge import protocol
from bridge.paper.bars import Instant
from bridge.paper.floor import Floor, tick


class Listed:
    """The symbols that are listed now. A number is given once and never again."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._numbers: dict[str, int] = {}
        self._last = 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._numbers

    def take(self, instant: Instant) -> protocol.Listing | None:
        """List and unlist what this instant says; what to tell of it, if anything."""
        added: list[protocol.Security] = []
        for symbol in instant.listed:
            if symbol not in self._numbers:
                self._last += 1
                self._numbers[symbol] = self._last
                self._floor.prices_of(symbol)
                added.append(self._security(symbol))
        removed: list[int] = []
        for symbol in instant.unlisted:
            number = self._numbers.pop(symbol, None)
            if number is not None:
                removed.append(number)
        if not added and not removed:
            return None
        return protocol.Listing(instant.at, tuple(added), tuple(removed))

    def remove(self, symbol: str) -> bool:
        """Unlist one; whether it was listed."""
        return self._numbers.pop(symbol, None) is not None

    def everything(self, at: dt.datetime) -> protocol.Listing:
        """The listing for who knows nothing."""
        return protocol.Listing(at, tuple(self._security(symbol) for symbol in self._numbers))

    def quotes(self, symbols: Iterable[str]) -> protocol.Quotes:
        """Quotes of those symbols that are listed, as they are now."""
        columns: tuple[list[float], ...] = ([], [], [], [], [], [], [])
        numbers: list[int] = []
        for symbol in symbols:
            number = self._numbers.get(symbol)
            if number is None:
                continue
            prices = self._floor.prices[symbol]
            numbers.append(number)
            values = (
                prices.bid, prices.ask, prices.bid_size, prices.ask_size, prices.last, prices.volume,
                prices.open_interest,
            )  # fmt: skip
            for column, value in zip(columns, values, strict=True):
                column.append(value)
        return protocol.Quotes(numbers, *columns)

    def _security(self, symbol: str) -> protocol.Security:
        parsed, number = parse_symbol(symbol), self._numbers[symbol]
        if not isinstance(parsed, Contract):
            kind = "index" if is_index(symbol) else "equity"
            return protocol.Security(number, symbol, kind, symbol, 1, "", "", Decimal("0.01"))
        kind = "index_option" if is_index(parsed.underlying) else "option"
        session = self._floor.hours.session(symbol, parsed.expiry)
        close = None if session is None else session[1]
        return protocol.Security(
            number, symbol, kind, parsed.underlying, parsed.multiplier, parsed.style, parsed.settlement,
            tick(symbol), close, close,
        )  # fmt: skip
