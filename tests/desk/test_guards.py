"""The guards alone: what they refuse, whoever decided it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from actors.guards import HaltGuard, OrderTableGuard
from actors.messages.breaker import BreakerRaised, BreakerReset
from actors.messages.common import Evidence
from actors.messages.orders import (
    OrderApproved,
    OrderBody,
    OrderLeg,
    OrderQueued,
    OrderReleased,
    OrderSent,
    order_stream,
)
from actors.runtime import Fact, Guard, Recorded, Write

NOW = dt.datetime(2015, 12, 24, 15, tzinfo=dt.UTC)
BODY = OrderBody((OrderLeg("GOOG  160219C00750000", 1),), 1, "limit", Decimal(1))
QUEUED, RELEASED = OrderQueued("a", BODY, "test"), OrderReleased("a", 1)


def approved(reducing: bool, attempt: int = 1) -> OrderApproved:
    return OrderApproved("a", attempt, Decimal(0), reducing, ("open",), "defined", Evidence(1))


def asked(guard: Guard, history: tuple[Fact, ...], fact: Fact) -> str | None:
    state = guard.initial()
    for seq, each in enumerate(history, start=1):
        if isinstance(each, guard.folds):
            state = guard.evolve(state, Recorded(seq, order_stream("a"), seq, NOW, 0, each))
    return guard.check(state, Write(order_stream("a"), fact))


@pytest.mark.parametrize("level", range(6))
def test_from_no_entry_on_nothing_that_adds_risk_is_appended(level: int) -> None:
    raised = (BreakerRaised(level, "enough", "test"),) if level else ()
    adds, sends = (
        asked(HaltGuard(), raised, approved(False)),
        asked(HaltGuard(), (approved(False), *raised), OrderSent("a", 1, 1, 1, "test")),
    )
    assert (adds is not None) == (sends is not None) == (level >= 2)
    assert asked(HaltGuard(), raised, approved(True)) is None
    assert asked(HaltGuard(), (*raised, BreakerReset("test", "looked")), approved(False)) is None


def test_an_order_moves_by_the_table_and_an_attempt_is_sent_once() -> None:
    guard = OrderTableGuard()
    sent = OrderSent("a", 1, 1, 1, "test")
    assert asked(guard, (), RELEASED) is not None
    assert asked(guard, (QUEUED,), QUEUED) is not None
    assert asked(guard, (QUEUED,), RELEASED) is None
    assert asked(guard, (QUEUED,), OrderReleased("a", 2)) is not None
    assert asked(guard, (QUEUED, RELEASED), approved(False, attempt=2)) is not None
    assert asked(guard, (QUEUED, RELEASED), sent) is not None
    assert asked(guard, (QUEUED, RELEASED, approved(False)), sent) is None
    assert asked(guard, (QUEUED, RELEASED, approved(False), sent), sent) is not None
