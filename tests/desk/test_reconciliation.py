"""Our book against LEAN's: a difference counts when seen twice, 5 s apart; then no entries until they agree."""

from __future__ import annotations

from decimal import Decimal

from kit import CALLS, Desk

from actors.messages import lean
from actors.messages.lean import Reconciled
from actors.messages.orders import OrderDenied


def show(desk: Desk, cash: str, *held: tuple[str, int]) -> None:
    holdings = tuple(lean.HeldSeen(symbol, quantity, Decimal(1), Decimal(1)) for symbol, quantity in held)
    view = lean.AccountView(Decimal(cash), Decimal(cash), Decimal(0), Decimal(0), Decimal(0), holdings, desk.n)
    desk.core.tell(lean.LeanAccount(view), desk.now)


def verdicts(desk: Desk) -> list[bool]:
    return [recorded.fact.agree for recorded in desk.facts if isinstance(recorded.fact, Reconciled)]


def test_an_account_that_crossed_a_fill_is_no_difference() -> None:
    desk = Desk()
    show(desk, "100000")
    desk.submit("a", (CALLS[1], 1), limit="10.00")
    desk.sent()
    desk.accept("a")
    desk.fill("a", 0, price="10.00")
    show(desk, "100000")
    desk.wait(2)
    show(desk, "98999", (CALLS[1], 1))
    assert verdicts(desk) == [True]


def test_a_difference_that_stays_marks_the_book_and_stops_entries_until_they_agree() -> None:
    desk = Desk()
    show(desk, "100000")
    show(desk, "100000", (CALLS[1], 1))
    desk.wait(3)
    show(desk, "100000", (CALLS[1], 1))
    assert verdicts(desk) == [True]
    desk.wait(3)
    show(desk, "100000", (CALLS[1], 1))
    assert verdicts(desk) == [True, False]
    told = next(r.fact for r in reversed(desk.facts) if isinstance(r.fact, Reconciled))
    assert told.differences == (f"{CALLS[1].strip()}: ours 0, lean 1",)
    assert told.broker is None
    desk.quote()
    desk.submit("a", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    assert desk.sent() == []
    denied = next(r.fact for r in reversed(desk.facts) if isinstance(r.fact, OrderDenied))
    assert "reconciliation" in [reason.control for reason in denied.reasons]
    show(desk, "100000")
    assert verdicts(desk) == [True, False, True]
    desk.submit("b", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    assert [word.order_id for word in desk.sent()] == ["b"]
