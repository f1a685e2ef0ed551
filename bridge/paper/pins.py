"""Symbols that the feed must keep listed whatever a filter says: held at the broker, or with a working order there."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.paper.books import Books
from bridge.paper.records import Amended, Canceled, Executed, Placed, Record


class Pins:
    """Keeps the feed's set as the books say."""

    def __init__(self, pinned: set[str], books: Books) -> None:
        self._pinned = pinned
        self._books = books

    def after_all(self) -> None:
        """Be what the books say, after any number of records."""
        self._pinned.clear()
        self._pinned.update(self._books.portfolio.holdings)
        self._pinned.update(leg.symbol for order in self._books.working.values() for leg in order.legs)

    def after(self, record: Record) -> None:
        """Look again at the symbols that one record was about."""
        for symbol in self._about(record):
            if self._books.portfolio.quantity(symbol) or any(
                leg.symbol == symbol for order in self._books.working.values() for leg in order.legs
            ):
                self._pinned.add(symbol)
            else:
                self._pinned.discard(symbol)

    def _about(self, record: Record) -> Iterable[str]:
        orders = self._books.orders
        match record:
            case Executed(executions=executions):
                yield from (each.symbol for each in executions)
                for each in executions:
                    if each.leg >= 0:
                        yield from (leg.symbol for leg in orders[each.broker_id].legs)
            case Placed(order=order):
                yield from (leg.symbol for leg in order.legs)
            case Amended(broker_id=broker_id) | Canceled(broker_id=broker_id):
                yield from (leg.symbol for leg in orders[broker_id].legs)
            case _:
                pass
