"""Our book against LEAN's: a difference counts when seen twice, 5 s apart; then no entries until they agree.

Nor before they were compared since LEAN connected, nor, at a real broker, on a book that LEAN read before this morning.
"""

from __future__ import annotations

from decimal import Decimal

from kit import CALLS, Desk

from actors.messages import lean
from actors.messages.lean import Reconciled
from actors.messages.orders import AmendDenied, Amendment, AmendOrder, OrderDenied


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


def hello(
    desk: Desk, cash: str, *held: tuple[str, int], session: str = "1", n: int = 0, brokerage: str = "paper"
) -> None:
    holdings = tuple(lean.HeldSeen(symbol, quantity, Decimal(1), Decimal(1)) for symbol, quantity in held)
    account = lean.AccountView(Decimal(cash), Decimal(cash), Decimal(0), Decimal(0), Decimal(0), holdings, n)
    fresh = session != "1"
    desk.core.tell(lean.LeanConnected(session, "live", brokerage, fresh, account, (), ()), desk.now)  # type: ignore[arg-type]


def filled_spread(desk: Desk) -> None:
    """Own one call vertical, filled while LEAN's end was away: its account has it, we hear of it afterwards."""
    desk.submit("a", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    assert [word.order_id for word in desk.sent()] == ["a"]
    desk.accept("a")
    desk.core.tell(lean.LeanDisconnected("cut"), desk.now)


def test_an_entry_waits_until_what_a_lost_connection_held_back_is_told_and_the_books_agree() -> None:
    desk = Desk()
    filled_spread(desk)
    desk.submit("b", (CALLS[0], 1), (CALLS[3], -1), limit="4.00")
    hello(desk, "99998", (CALLS[1], 1), (CALLS[2], -1), n=desk.n + 2)
    assert desk.order("b").state == "queued"
    assert desk.sent() == []
    desk.fill("a", 0, price="10.00")
    assert desk.order("b").state == "queued"
    desk.fill("a", 1, price="10.00")
    assert [word.order_id for word in desk.sent()] == ["b"]


def test_an_entry_goes_at_once_where_the_account_of_the_handshake_is_our_book() -> None:
    desk = Desk()
    desk.core.tell(lean.LeanDisconnected("cut"), desk.now)
    desk.submit("a", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    hello(desk, "100000")
    assert [word.order_id for word in desk.sent()] == ["a"]


def test_an_order_that_reduces_does_not_wait_for_the_comparison() -> None:
    desk = Desk()
    desk.submit("a", (CALLS[1], 1), limit="10.00")
    desk.sent()
    desk.accept("a")
    desk.fill("a", 0, price="10.00")
    desk.core.tell(lean.LeanDisconnected("cut"), desk.now)
    desk.submit("b", (CALLS[2], 1), limit="4.00")
    desk.submit("c", (CALLS[1], -1), limit="-10.00", position_id="a")
    hello(desk, "12345")
    assert [word.order_id for word in desk.sent()] == ["c"]
    assert desk.order("b").state == "queued"


def test_an_entry_that_waited_is_denied_in_words_where_the_books_turn_out_to_differ() -> None:
    desk = Desk()
    desk.core.tell(lean.LeanDisconnected("cut"), desk.now)
    desk.submit("a", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    hello(desk, "12345")
    show(desk, "12345")
    assert desk.order("a").state == "queued"
    desk.wait(6)
    show(desk, "12345")
    assert desk.order("a").state == "denied"
    denied = next(r.fact for r in reversed(desk.facts) if isinstance(r.fact, OrderDenied))
    assert [reason.control for reason in denied.reasons] == ["reconciliation"]


def test_an_amend_that_adds_risk_is_denied_until_the_books_are_compared() -> None:
    desk = Desk()
    desk.submit("a", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    desk.sent()
    desk.accept("a")
    desk.core.tell(lean.LeanDisconnected("cut"), desk.now)
    hello(desk, "12345")
    desk.command(AmendOrder("a", Amendment(quantity=2)))
    denied = next(r.fact for r in reversed(desk.facts) if isinstance(r.fact, AmendDenied))
    assert [reason.control for reason in denied.reasons] == ["reconciliation"]


def test_at_a_real_broker_entries_need_a_book_that_was_read_this_morning() -> None:
    desk = Desk(connect=False)
    hello(desk, "100000", session="2", brokerage="schwab")
    desk.quote()
    desk.submit("a", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    assert [word.order_id for word in desk.sent()] == ["a"]
    desk.accept("a")
    desk.wait(24 * 3600)
    desk.quote()
    desk.submit("b", (CALLS[0], 1), (CALLS[3], -1), limit="4.00")
    denied = next(r.fact for r in reversed(desk.facts) if isinstance(r.fact, OrderDenied))
    assert [(reason.control, reason.value, reason.limit) for reason in denied.reasons] == [
        ("broker_column", "2015-12-24 10:00", "07:45")
    ]
    hello(desk, "100000", session="3", brokerage="schwab")
    desk.submit("c", (CALLS[0], 1), (CALLS[3], -1), limit="4.00")
    assert desk.order("c").state == "sent"
