"""Orders that close and open in one: what they closed stays closed, what they opened goes back in whole units."""

from __future__ import annotations

from broken import canceled, legs, mends, of, works
from kit import CALLS, Desk

from actors.messages.positions import PositionBroken, PositionMended, PositionUnwinding, PositionWaiting

OLD = ((CALLS[0], 1), (CALLS[1], -1))
#: Buys back the old short leg, sells the old long one, sells the new short one, buys the new long one.
ROLL = ((CALLS[1], 1), (CALLS[0], -1), (CALLS[2], -1), (CALLS[3], 1))


def rolled(*filled: int, limit: str = "-9.00", quantity: int = 2) -> Desk:
    """A spread of two units whose roll was canceled with so much filled of its legs; its limit leaves no completing."""
    desk = Desk()
    desk.submit("o", *OLD, limit="4.00", quantity=2)
    desk.sent()
    desk.accept("o")
    desk.fill("o", 0)
    desk.fill("o", 1)
    desk.submit("roll", *ROLL, limit=limit, quantity=quantity, position_id="o")
    desk.sent()
    desk.accept("roll")
    for leg, amount in enumerate(filled):
        if amount:
            desk.fill("roll", leg, amount)
    canceled(desk, "roll")
    return desk


def mended(desk: Desk) -> list[str]:
    return [fact.how for fact in of(desk, PositionMended)]


def fills(desk: Desk) -> None:
    order = mends(desk)[-1]
    works(desk, order)
    for leg in range(len(order.body.legs)):
        desk.fill(order.order_id, leg)


def test_the_old_legs_closed_whole_and_nothing_opened_leaves_nothing() -> None:
    desk = rolled(2, -2, 0, 0)
    assert not desk.book.positions
    assert not of(desk, PositionBroken)


def test_a_part_of_the_old_closed_and_nothing_opened_is_a_smaller_position_that_stands() -> None:
    desk = rolled(1, -1, 0, 0)
    assert len(of(desk, PositionUnwinding)) == 1
    assert (mended(desk), mends(desk)) == (["unwound"], [])
    assert desk.book.positions["o"].holdings == {CALLS[0]: 1, CALLS[1]: -1}


def test_more_closed_than_opened_in_whole_units_stands_too() -> None:
    desk = rolled(2, -2, -1, 1)
    assert (mended(desk), mends(desk)) == (["unwound"], [])
    assert desk.book.positions["o"].holdings == {CALLS[2]: -1, CALLS[3]: 1}


def test_an_old_long_leg_left_alone_and_a_new_one_alone_both_go() -> None:
    desk = rolled(2, -1, 0, 1)
    assert legs(mends(desk)[-1]) == {CALLS[0]: -1, CALLS[3]: -1}
    fills(desk)
    assert not desk.book.positions
    assert mended(desk) == ["unwound"]


def test_a_new_short_leg_alone_is_bought_back_before_the_old_long_one_is_sold() -> None:
    desk = rolled(2, -1, -2, 0)
    assert legs(mends(desk)[-1]) == {CALLS[2]: 2}
    fills(desk)
    assert legs(mends(desk)[-1]) == {CALLS[0]: -1}
    fills(desk)
    assert (mended(desk), desk.book.positions) == (["unwound"], {})


def test_the_new_opened_beyond_what_was_closed_goes_back_and_the_old_stays() -> None:
    desk = rolled(0, 0, -1, 1)
    assert legs(mends(desk)[-1]) == {CALLS[2]: 1}
    fills(desk)
    assert legs(mends(desk)[-1]) == {CALLS[3]: -1}
    fills(desk)
    assert mended(desk) == ["unwound"]
    assert desk.book.positions["o"].holdings == {CALLS[0]: 2, CALLS[1]: -2}


def test_within_the_limit_a_roll_is_completed_purchases_first() -> None:
    desk = rolled(1, -1, -1, 0, limit="1.00", quantity=1)
    assert legs(mends(desk)[-1]) == {CALLS[3]: 1}
    fills(desk)
    assert mended(desk) == ["completed"]
    assert desk.book.positions["o"].holdings == {CALLS[0]: 1, CALLS[1]: -1, CALLS[2]: -1, CALLS[3]: 1}


def test_a_leg_that_fills_late_for_what_was_closed_since_is_an_opened_one() -> None:
    desk = Desk()
    desk.submit("o", *OLD, limit="4.00", quantity=2)
    desk.sent()
    desk.accept("o")
    desk.fill("o", 0, 1)
    desk.fill("o", 1, -1)
    canceled(desk, "o")
    desk.submit("close", (CALLS[1], 1), limit="10.20", position_id="o")
    desk.sent()
    desk.accept("close")
    desk.fill("close", 0)
    desk.submit("rest", (CALLS[0], -1), limit="-10.00", position_id="o")
    desk.sent()
    desk.accept("rest")
    desk.fill("rest", 0)
    assert not desk.book.positions
    desk.fill("o", 0, 1)  # it crossed the cancel
    [told] = of(desk, PositionBroken)
    assert (told.missing, told.surplus) == (((CALLS[1], -1),), ((CALLS[0], 1),))
    assert not of(desk, PositionWaiting)
    assert mends(desk)
