"""Equity each minute on marks; cash that comes or goes is a flow, never a result."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from kit import CALLS, RULES, Desk

from actors.messages import lean
from actors.messages.breaker import BreakerRaised
from actors.messages.positions import EquityMarked


def marks(desk: Desk) -> list[EquityMarked]:
    return [recorded.fact for recorded in desk.facts if isinstance(recorded.fact, EquityMarked)]


def test_a_withdrawal_moves_cash_and_value_and_no_result() -> None:
    desk = Desk()
    desk.core.tell(lean.LeanCashMoved(1, Decimal(-9000), "withdrawal"), desk.now)
    desk.wait(61)
    desk.quote()
    first, second = marks(desk)
    assert (first.value, first.day_result) == (Decimal("100000.00"), Decimal("0.00"))
    assert (second.value, second.day_result) == (Decimal("91000.00"), Decimal("0.00"))


def test_a_position_is_worth_its_mark_and_the_day_s_result_follows() -> None:
    desk = Desk()
    desk.submit("a", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    desk.sent()
    desk.accept("a")
    desk.fill("a", 0, price="10.30")
    desk.fill("a", 1, price="6.30")
    desk.wait(61)
    desk.quote(10.0, 10.2)
    last = marks(desk)[-1]
    assert last.cash == Decimal(100000) - 400 - 2
    assert last.value == last.cash
    assert last.day_result == Decimal("-402.00")
    assert last.flagged == 0.0


def test_the_day_s_loss_raises_the_breaker_once() -> None:
    desk = Desk(msgspec.structs.replace(RULES, daily_loss_fraction=Decimal("0.003")))
    desk.submit("a", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    desk.sent()
    desk.accept("a")
    desk.fill("a", 0, price="10.30")
    desk.fill("a", 1, price="6.30")
    for _ in range(3):
        desk.wait(61)
        desk.quote(10.0, 10.2)
    raised = [recorded.fact for recorded in desk.facts if isinstance(recorded.fact, BreakerRaised)]
    assert [fact.level for fact in raised] == [3]
    assert "402.00" in raised[0].reason


def test_a_dividend_is_the_day_s_result_and_comes_once() -> None:
    desk = Desk()
    dividend = lean.LeanDividend(1, "GOOG", Decimal("0.62"), 100, Decimal(62), "dividend GOOG 2015-12-24")
    desk.core.tell(dividend, desk.now)
    desk.core.tell(msgspec.structs.replace(dividend, n=2), desk.now)
    desk.wait(61)
    desk.quote()
    assert [(mark.value, mark.day_result) for mark in marks(desk)][1:] == [(Decimal("100062.00"), Decimal("62.00"))]


def test_a_dividend_that_no_session_told_of_is_booked_from_the_handshake() -> None:
    desk = Desk()
    told = lean.PaymentSeen("dividend GOOG 2015-12-24", Decimal(-31), "dividend", "GOOG", Decimal("0.62"), -50)
    desk.connect(session="another", payments=(told,))
    (paid,) = (recorded.fact for recorded in desk.facts if isinstance(recorded.fact, lean.DividendPaid))
    assert (paid.symbol, paid.per_share, paid.quantity, paid.cash) == ("GOOG", Decimal("0.62"), -50, Decimal(-31))
