"""Closing quantity is reserved like buying power: by closers that may fill, and by no other."""

from __future__ import annotations

from decimal import Decimal

from kit import CALLS, Desk

from actors.messages.lean import LeanDisconnected
from actors.messages.orders import Amendment, AmendOrder, CancelOrder

CLOSE = (CALLS[1], -1)


def holding(quantity: int = 2) -> Desk:
    """A desk that holds so many calls."""
    desk = Desk()
    desk.submit("o", (CALLS[1], 1), limit="10.20", quantity=quantity)
    desk.sent()
    desk.accept("o")
    desk.fill("o", 0)
    return desk


def closes(desk: Desk, order_id: str, quantity: int = 2) -> None:
    desk.submit(order_id, CLOSE, limit="-10.00", quantity=quantity, position_id="o")


def states(desk: Desk, *names: str) -> list[str]:
    return [desk.order(name).state for name in names]


def test_of_two_queued_closers_of_everything_the_first_is_sent_and_the_second_is_one_too_many() -> None:
    desk = holding()
    desk.core.tell(LeanDisconnected("cut"), desk.now)
    closes(desk, "first")
    closes(desk, "second")
    assert states(desk, "first", "second") == ["queued", "queued"]
    desk.n = 0
    desk.connect(session="2")
    assert states(desk, "first", "second") == ["sent", "denied"]
    assert desk.order("first").reducing
    assert "2 to close and 2 closing, 2 held" in desk.order("second").reason


def test_queued_closers_do_not_wait_for_the_comparison_of_the_books_because_of_each_other() -> None:
    desk = holding()
    desk.core.tell(LeanDisconnected("cut"), desk.now)
    for name in ("first", "second"):
        closes(desk, name)
    desk.n = 0
    desk.connect("12345", session="2")
    assert states(desk, "first", "second") == ["sent", "denied"]


def test_approved_working_and_unknown_closers_reserve() -> None:
    desk = holding()
    closes(desk, "first")
    closes(desk, "second")
    assert states(desk, "first", "second") == ["sent", "denied"]
    desk.sent()
    desk.accept("first")
    closes(desk, "third")
    desk.n = 0
    desk.connect(session="2")
    desk.sent()
    assert states(desk, "first", "third") == ["unknown", "denied"]
    closes(desk, "fourth", 1)
    assert states(desk, "fourth") == ["denied"]


def test_a_closer_that_was_canceled_reserves_nothing_and_one_being_canceled_still_does() -> None:
    desk = holding()
    closes(desk, "first")
    desk.sent()
    desk.accept("first")
    desk.command(CancelOrder("first", "by hand"))
    closes(desk, "second")
    assert states(desk, "first", "second") == ["pending_cancel", "denied"]
    desk.event("first", 0, CALLS[1], "canceled")
    closes(desk, "third")
    assert states(desk, "first", "third") == ["canceled", "sent"]


def test_a_closer_that_is_amended_to_more_reserves_the_more_as_soon_as_that_is_approved() -> None:
    desk = holding()
    closes(desk, "first", 1)
    desk.sent()
    desk.accept("first")
    desk.command(AmendOrder("first", Amendment(quantity=2)))
    assert desk.order("first").amend == "sent"
    closes(desk, "second", 1)
    assert states(desk, "second") == ["denied"]


def test_what_a_closer_has_filled_is_no_longer_its_to_close() -> None:
    desk = holding(3)
    closes(desk, "first", 2)
    desk.sent()
    desk.accept("first")
    desk.fill("first", 0, -1)
    closes(desk, "second", 1)
    assert states(desk, "second") == ["sent"]
    closes(desk, "third", 1)
    assert states(desk, "third") == ["denied"]
    assert desk.book.positions["o"].holdings == {CALLS[1]: 2}
    assert desk.order("second").reserved == Decimal(0)
