"""What the broker closes by itself: the largest requirement first, as much as is missing, and never nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from bridge.paper.broker import Broker
from bridge.paper.data import MarketHours
from bridge.paper.fill_model import LeanFills
from bridge.paper.floor import Floor
from bridge.paper.margin import MarginModel, margin_calls
from tests.processes.kit import DATA


class Heard:
    """Notes margin calls and hears nothing else."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, int]]] = []

    def margin_called(self, orders: Any) -> None:
        self.calls.append(list(orders))

    def placed(self, order: Any) -> None: ...
    def executed(self, executions: Any) -> None: ...
    def ended(self, order: Any, message: str) -> None: ...


def per_share(**dollars: int) -> MarginModel:
    """So many dollars of margin a share held, long or short."""

    def margin(holdings: Mapping[str, int], price: Callable[[str], float], natural: Callable[[str], float]) -> Decimal:
        return Decimal(sum(abs(quantity) * dollars[symbol] for symbol, quantity in holdings.items()))

    return margin


def broker(margin: MarginModel, cash: int) -> Broker:
    floor = Floor(MarketHours.load(DATA / "lean"))
    made = Broker(floor, LeanFills(), margin, set())
    made.open(Decimal(cash))
    for symbol in ("AAA", "BBB"):
        floor.prices_of(symbol)
    made.trade_by_hand("AAA", 10, Decimal(0))
    made.trade_by_hand("BBB", -30, Decimal(0))
    return made


def test_the_largest_requirement_is_closed_first_and_no_more_than_is_missing() -> None:
    margin = per_share(AAA=50, BBB=10)
    short_by = {500: 300, 200: 600, 799: 1, 800: 0}
    for cash, missing in short_by.items():
        made = broker(margin, cash)
        calls = margin_calls(made.portfolio, made.floor, margin)
        assert calls == {
            300: [("AAA", -6)], 600: [("AAA", -10), ("BBB", 10)], 1: [("AAA", -1)], 0: [],
        }[missing]  # fmt: skip


def test_a_margin_call_that_would_close_nothing_is_not_announced() -> None:
    def together_only(holdings: Mapping[str, int], *_: object) -> Decimal:
        return Decimal(10**6 if len(holdings) > 1 else 0)

    made = broker(together_only, 0)
    made.listener = heard = Heard()
    made.minute()
    assert heard.calls == []
