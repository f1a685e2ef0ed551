"""What LEAN is asked, in LEAN's form: a single order's price is the leg's own, its quantity in contracts."""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal
from typing import Any

import pytest

from bridge import protocol
from bridge.lean_quotes import QuoteTable
from tests.lean_double import AlgorithmImports
from tests.lean_double.algorithm import QCAlgorithm
from tests.lean_double.engine import Engine
from tests.lean_double.kit import lean_market
from tests.lean_double.names import Resolution

sys.modules["AlgorithmImports"] = AlgorithmImports

from algorithm.calls import Calls  # noqa: E402
from algorithm.reading import Reading  # noqa: E402
from bridge.lean_end import LeanEnd  # noqa: E402

DAY = dt.date(2015, 12, 24)
CALL = "GOOG  160115C00750000"


class Idle(QCAlgorithm):
    """Subscribes and relays to an end that nobody leads."""

    def initialize(self) -> None:
        self.set_start_date(DAY.year, DAY.month, DAY.day)
        self.set_end_date(DAY.year, DAY.month, DAY.day)
        self.reading = Reading(self, QuoteTable())
        calls = Calls(self, self.reading, Resolution.MINUTE)
        calls.subscribe(protocol.Subscribe(("GOOG",), (), (CALL,)))
        self.end = LeanEnd(calls, "s", "backtest", "lean")

    def on_order_event(self, order_event: Any) -> None:
        order = self.transactions.get_order_by_id(order_event.order_id)
        self.end.hear(self.reading.heard(order_event, order))


@pytest.fixture
def engine() -> Engine:
    """An hour into a day."""
    engine = Engine(lean_market, {})
    algorithm = engine.attach(Idle)
    begin = dt.datetime.combine(DAY, dt.time(15, 30), dt.UTC)
    while engine.market.floor.now < begin:
        for frame in engine.market.next():
            if isinstance(frame, protocol.Listing):
                algorithm.on_securities_changed(engine.changes(frame))
    return engine


def _shown(engine: Engine) -> tuple[float | None, float]:
    order = engine.orders[1]
    return order.limit_price, engine.tickets[1].quantity


@pytest.mark.parametrize("ratio", [1, -1, 2, -2])
def test_an_amended_limit_is_the_leg_s_price_as_a_placed_one_is(engine: Engine, ratio: int) -> None:
    end = engine.algorithm.end
    leg = Decimal(1 if ratio > 0 else 40)  # far from the market on either side
    legs = (protocol.Leg(CALL, ratio),)
    end.run([protocol.PlaceOrder("a", 1, legs, 3, "limit", ratio * leg, None, None, "day", "", False)])
    assert _shown(engine) == (float(leg), 3 * ratio)
    end.run([protocol.AmendOrder("a", 1, 1, limit_price=ratio * (leg + 1))])
    assert _shown(engine) == (float(leg + 1), 3 * ratio)
    end.run([protocol.AmendOrder("a", 1, 2, quantity=5)])
    assert _shown(engine) == (float(leg + 1), 5 * ratio)
