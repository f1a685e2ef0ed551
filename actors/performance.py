"""Performance: equity on marks each minute. A deposit or withdrawal is a cash flow, never profit or loss."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec

from actors.messages.book import BOOK_FACTS, Book, fold_book
from actors.messages.positions import EquityMarked
from actors.options.contracts import multiplier_of
from actors.runtime import CoreActor, Decision, Recorded, ViewChanged, Write
from config.calendar import NEW_YORK

_CENT = Decimal("0.01")


class PerformanceState(msgspec.Struct):
    """The book, the day and where it started: equity and cash flows then."""

    book: Book = msgspec.field(default_factory=Book)
    day: dt.date | None = None
    day_value: Decimal = Decimal(0)
    day_flows: Decimal = Decimal(0)
    value: Decimal | None = None
    flows: Decimal = Decimal(0)
    marked_at: dt.datetime | None = None


class Performance(CoreActor[PerformanceState]):
    """Marks equity once a minute while a market is open."""

    name = "performance"
    group = "service"
    folds = (*BOOK_FACTS, EquityMarked)
    views = True

    def initial(self) -> PerformanceState:
        return PerformanceState()

    def evolve(self, state: PerformanceState, recorded: Recorded) -> PerformanceState:
        if isinstance(recorded.fact, BOOK_FACTS):
            fold_book(state.book, recorded)
        if isinstance(recorded.fact, EquityMarked):
            day = recorded.at.astimezone(NEW_YORK).date()
            if day != state.day:
                # The day starts where the last one ended: what the first mark of the day says it started from.
                moved = state.book.flows - state.flows
                state.day_value = recorded.fact.value - recorded.fact.day_result - moved
                state.day_flows = state.flows
                state.day = day
            state.value, state.flows = recorded.fact.value, state.book.flows
            state.marked_at = recorded.at
        return state

    def decide(self, state: PerformanceState, message: Any, now: dt.datetime, market: Any) -> Decision:
        if not isinstance(message, ViewChanged) or not market.base.open or not state.book.opened:
            return Decision()
        if state.marked_at is not None and now - state.marked_at < dt.timedelta(seconds=60):
            return Decision()
        value, flagged = self._value(state.book, market)
        new_day = state.day != now.astimezone(NEW_YORK).date()
        start, flows = (state.value, state.flows) if new_day else (state.day_value, state.day_flows)
        if start is None:
            start, flows = (
                state.book.cash - state.book.flows if not state.book.holdings else value,
                Decimal(0),
            )
        result = value - start - (state.book.flows - flows)
        fact = EquityMarked(market.number, state.book.cash, value, result, flagged)
        return Decision((Write("performance", fact),))

    def _value(self, book: Book, market: Any) -> tuple[Decimal, float]:
        """Cash plus holdings at their marks, in dollars, and the part of the holdings' value on flagged marks."""
        total = flagged = 0.0
        if book.holdings:
            marks, rows = market.derived("chain"), market.base.rows
            for symbol, quantity in book.holdings.items():
                row = rows.get(symbol)
                mark = float("nan") if row is None else float(marks.value[row])
                if mark != mark:
                    mark = float(book.averages[symbol])
                    row = None
                value = quantity * mark * multiplier_of(symbol)
                total += value
                if row is None or marks.flag[row]:
                    flagged += abs(value)
        gross = sum(
            abs(quantity) * multiplier_of(symbol) * float(book.averages[symbol])
            for symbol, quantity in book.holdings.items()
        )
        value = (book.cash + Decimal(repr(round(total, 2)))).quantize(_CENT)
        return value, round(min(1.0, flagged / gross), 4) if gross else 0.0
