"""Legs of one order filled unequally while it works: a deadline, the breaker, and the rest asked back."""

from __future__ import annotations

import msgspec
from kit import CALLS, RULES, Desk

from actors.messages.breaker import BreakerRaised, Halt
from actors.messages.order_state import Order
from actors.messages.orders import CancelOrder, CancelRequested, LegsOverdue
from config.desk import LEAN_RULES

SPREAD = ((CALLS[1], 1), (CALLS[2], -1))


def working(desk: Desk, *legs: tuple[str, int], quantity: int = 3) -> Order:
    """An order that LEAN works."""
    desk.submit("o", *(legs or SPREAD), limit="4.00", quantity=quantity)
    desk.sent()
    desk.accept("o")
    return desk.order("o")


def of(desk: Desk, kind: type) -> list[object]:
    """Facts of a kind so far."""
    return [each.fact for each in desk.facts if isinstance(each.fact, kind)]


def test_a_leg_alone_for_half_a_minute_raises_the_breaker_and_asks_the_rest_back() -> None:
    desk = Desk()
    working(desk)
    desk.fill("o", 0, 2)
    began = desk.now
    desk.wait(29)
    assert not of(desk, LegsOverdue)
    assert desk.core.next_due() is not None
    desk.wait(1)
    assert of(desk, LegsOverdue) == [LegsOverdue("o", (2, 0), began)]
    assert [(fact.level, fact.principal) for fact in of(desk, BreakerRaised)] == [(1, "orders")]  # type: ignore[attr-defined]
    assert [fact.reason for fact in of(desk, CancelRequested)] == ["its legs stand unequally filled"]  # type: ignore[attr-defined]
    assert [type(word).__name__ for word in desk.sent()] == ["Cancel"]
    desk.wait(600)
    assert len(of(desk, LegsOverdue)) == len(of(desk, CancelRequested)) == 1


def test_whole_units_in_parts_are_not_unequal_and_a_leg_that_catches_up_has_no_deadline_any_more() -> None:
    desk = Desk()
    order = working(desk, (CALLS[0], 1), (CALLS[1], -2), (CALLS[2], 1))
    for leg, quantity in ((1, -2), (0, 1)):
        desk.fill("o", leg, quantity)
        assert order.apart
    since = order.apart_since
    desk.wait(20)
    desk.fill("o", 2, 1)
    assert (order.filled, order.apart_since) == ([1, -2, 1], None)
    assert since is not None
    desk.wait(20)
    desk.fill("o", 1, -2)
    desk.wait(20)
    assert not of(desk, LegsOverdue)
    desk.wait(10)
    assert len(of(desk, LegsOverdue)) == 1


def test_the_deadline_counts_from_the_first_unequal_fill_whatever_fills_after() -> None:
    desk = Desk()
    order = working(desk)
    desk.fill("o", 0, 1)
    began = desk.now
    desk.wait(20)
    desk.fill("o", 0, 1)
    assert order.apart_since == began
    desk.wait(10)
    assert len(of(desk, LegsOverdue)) == 1


def test_a_cancel_that_was_asked_before_is_not_asked_again_and_one_refused_gets_a_deadline_anew() -> None:
    desk = Desk(mode="backtest")
    order = working(desk)
    desk.fill("o", 1, -1)
    desk.command(CancelOrder("o", "by hand"))
    desk.wait(30)
    assert len(of(desk, LegsOverdue)) == len(of(desk, CancelRequested)) == 1
    desk.returned("o", call="cancel", ok=False, status="submitted")
    assert (order.state, order.overdue) == ("partially_filled", False)
    desk.wait(30)
    assert len(of(desk, LegsOverdue)) == len(of(desk, CancelRequested)) == 2


def test_an_unknown_order_with_legs_apart_is_canceled_as_soon_as_it_is_known_to_work() -> None:
    desk = Desk()
    order = working(desk)
    desk.fill("o", 0, 1)
    desk.connect(session="2")
    desk.sent()
    assert order.state == "unknown"
    desk.wait(30)
    assert len(of(desk, LegsOverdue)) == 1
    assert not of(desk, CancelRequested)
    desk.n = 0
    desk.returned("o", call="query", status="partially_filled")
    assert order.state == "pending_cancel"


def test_a_higher_halt_stays_and_the_level_is_a_setting() -> None:
    desk = Desk(msgspec.structs.replace(RULES, legs_apart_level=2, legs_apart_seconds=5.0))
    working(desk)
    desk.command(Halt(2, "enough"))
    desk.fill("o", 0, 1)
    desk.wait(5)
    assert len(of(desk, LegsOverdue)) == len(of(desk, BreakerRaised)) == 1


def test_under_leans_rules_and_turned_off_nobody_counts() -> None:
    for rules in (LEAN_RULES, msgspec.structs.replace(RULES, mend_broken=False)):
        desk = Desk(rules)
        working(desk)
        desk.fill("o", 0, 1)
        desk.wait(3600)
        assert not of(desk, LegsOverdue)


def test_killed_after_every_input_the_deadline_is_the_same() -> None:
    facts: list[list[object]] = []
    for kills in (False, True):
        desk = Desk()
        working(desk)
        for step in range(8):
            if step == 1:
                desk.fill("o", 0, 2)
            if kills:
                desk.core.kill("orders", desk.now)
            desk.wait(7)
        facts.append([each.fact for each in desk.facts])
    assert facts[0] == facts[1]
