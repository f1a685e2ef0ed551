"""What is broken and waits: for what, and that it goes on by itself once that is there."""

from __future__ import annotations

import pytest
from broken import SPREAD, canceled, left, legs, mends, of, works
from kit import CALLS, Desk

from actors.messages.breaker import ConfirmReset, Halt, StartReset
from actors.messages.lean import LeanDisconnected
from actors.messages.orders import CancelAll, CancelOrder
from actors.messages.positions import MendPosition, PositionMended, PositionUnwinding, PositionWaiting

NAN = float("nan")


def reset(desk: Desk) -> None:
    """Both steps."""
    desk.command(StartReset("it is over"))
    desk.command(ConfirmReset(desk.core.state("breaker").phrase))


def waiting(desk: Desk) -> PositionWaiting:
    """The one fact that says so."""
    [fact] = of(desk, PositionWaiting)
    return fact


def fills(desk: Desk) -> None:
    """The last mending order works and fills."""
    order = mends(desk)[-1]
    works(desk, order)
    for leg in range(len(order.body.legs)):
        desk.fill(order.order_id, leg)


def unpriced() -> Desk:
    """A naked short that waits for quotes."""
    desk = Desk()
    desk.submit("o", *SPREAD, quantity=2)
    desk.accept("o")
    desk.fill("o", 1, -2)
    desk.quote(NAN, NAN)
    canceled(desk, "o")
    desk.wait(60)
    desk.wait(60)
    return desk


@pytest.mark.parametrize("killed", [False, True])
def test_one_that_no_quote_could_price_goes_on_with_the_first_view_that_can(killed: bool) -> None:
    desk = unpriced()
    fact = waiting(desk)
    assert (fact.resumes, fact.naked, mends(desk)) == ("quotes", True, [])
    desk.quote(NAN, 10.2)
    desk.wait(3600)
    if killed:
        desk.core.kill("positions", desk.now)
    desk.quote()
    assert [legs(order) for order in mends(desk)] == [{CALLS[2]: 2}]
    fills(desk)
    assert [fact.how for fact in of(desk, PositionMended)] == ["unwound"]
    assert not desk.book.positions


def test_it_goes_on_only_while_connected_and_below_hard_stop() -> None:
    desk = unpriced()
    desk.core.tell(LeanDisconnected("cut"), desk.now)
    desk.quote()
    assert not mends(desk)
    desk.command(Halt(5, "stop"))
    desk.connect()
    desk.quote()
    assert not mends(desk)
    reset(desk)
    desk.quote()
    assert len(mends(desk)) == 1


def test_after_a_cancel_all_it_pauses_and_is_then_taken_back() -> None:
    desk = left((0, -2))
    [first] = mends(desk)
    works(desk, first)
    desk.wait(30)
    desk.command(CancelAll("enough"))
    desk.sent()
    canceled(desk, first.order_id)
    desk.quote()
    desk.wait(59)
    assert len(mends(desk)) == 1
    assert not of(desk, PositionWaiting)
    desk.wait(1)
    assert [legs(order) for order in mends(desk)][1:] == [{CALLS[2]: 2}]
    fills(desk)
    assert [fact.how for fact in of(desk, PositionMended)] == ["unwound"]


def test_after_an_operators_cancel_of_its_order_it_waits_for_the_operator_and_says_that_it_is_naked() -> None:
    desk = left((0, -2))
    [first] = mends(desk)
    works(desk, first)
    desk.command(CancelOrder(first.order_id, "not now"))
    canceled(desk, first.order_id)
    desk.quote()
    desk.wait(600)
    desk.quote()
    fact = waiting(desk)
    assert fact.reason == f"order {first.order_id} was canceled by operator:test"
    assert (fact.resumes, fact.naked, len(mends(desk))) == ("reset", True, 1)


def test_its_deadline_while_an_operators_cancel_is_on_its_way_does_not_make_it_go_on() -> None:
    desk = left((0, -2))
    [first] = mends(desk)
    works(desk, first)
    desk.wait(59)
    desk.command(CancelOrder(first.order_id, "not now"))
    desk.wait(2)
    canceled(desk, first.order_id)
    assert waiting(desk).resumes == "reset"
    assert len(mends(desk)) == 1


@pytest.mark.parametrize("way", ["complete", "unwind"])
def test_an_operators_later_word_is_done(way: str) -> None:
    desk = left((0, -2))
    [first] = mends(desk)
    works(desk, first)
    desk.command(CancelOrder(first.order_id, "not now"))
    canceled(desk, first.order_id)
    desk.command(MendPosition("o", way, "now"))  # type: ignore[arg-type]
    assert legs(mends(desk)[1]) == ({CALLS[1]: 2} if way == "complete" else {CALLS[2]: 2})


@pytest.mark.parametrize("stop", ["cancel", "halt", "tries"])
def test_what_waits_for_the_operator_goes_on_when_the_breaker_is_reset(stop: str) -> None:
    desk = left((0, -2), limit="-3.00" if stop == "tries" else "1.00")
    works(desk, mends(desk)[-1])
    desk.command(Halt(5 if stop == "halt" else 1, "stop"))
    if stop == "cancel":
        desk.command(CancelOrder(mends(desk)[-1].order_id, "not now"))
    for _ in range(20):
        last = mends(desk)[-1]
        if last.state == "pending_cancel":
            canceled(desk, last.order_id)
        elif last.state == "sent":
            works(desk, last)
        desk.wait(5)
    assert waiting(desk).resumes == "reset"
    before = len(mends(desk))
    reset(desk)
    desk.quote()
    assert of(desk, PositionUnwinding)[-1].reason == "the breaker was reset"
    assert len(mends(desk)) == before + 1
    fills(desk)
    assert not desk.book.positions


def test_another_order_that_works_on_the_position_is_waited_for_in_words_and_its_end_lets_it_go_on() -> None:
    desk = Desk()
    desk.submit("o", *SPREAD, quantity=2)
    desk.accept("o")
    desk.fill("o", 1, -2)
    desk.submit("target", (CALLS[2], 1), limit="1.00", quantity=1, position_id="o")
    desk.sent()
    desk.accept("target")
    canceled(desk, "o")
    desk.quote()
    for _ in range(3):
        desk.wait(60)
        desk.quote()
    assert not mends(desk)
    fact = waiting(desk)
    assert (fact.reason, fact.waits_for) == ("order target works on the position", "target")
    canceled(desk, "target")
    assert [legs(order) for order in mends(desk)] == [{CALLS[2]: 2}]


def test_an_order_of_its_own_that_turns_unknown_after_the_deadline_is_waited_for_in_words() -> None:
    desk = left((0, -2), limit="-3.00")
    [first] = mends(desk)
    works(desk, first)
    desk.wait(61)
    desk.core.tell(LeanDisconnected("cut"), desk.now)
    desk.n = 0
    desk.connect(session="2")
    desk.wait(120)
    desk.quote()
    desk.wait(1)
    assert first.state == "unknown"
    assert waiting(desk).waits_for == first.order_id


@pytest.mark.parametrize("way", ["complete", "unwind"])
def test_an_operators_word_ends_the_pause_after_a_cancel_all(way: str) -> None:
    desk = left((0, -2))
    [first] = mends(desk)
    works(desk, first)
    desk.command(CancelAll("enough"))
    canceled(desk, first.order_id)
    assert len(mends(desk)) == 1
    desk.command(MendPosition("o", way, "now"))  # type: ignore[arg-type]
    assert legs(mends(desk)[1]) == ({CALLS[1]: 2} if way == "complete" else {CALLS[2]: 2})
