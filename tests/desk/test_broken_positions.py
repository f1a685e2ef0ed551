"""An ended order left its legs unequal: completed within the collar, else unwound, else it waits for a hand."""

from __future__ import annotations

import random

import pytest
from broken import SPREAD, canceled, left, legs, mends, of, works
from kit import CALLS, Desk

from actors.messages.breaker import Halt
from actors.messages.positions import (
    MendPosition,
    PositionBroken,
    PositionMended,
    PositionUnwinding,
    PositionWaiting,
)
from actors.runtime import Refusal
from daemon.views import BrokenView, Views


def viewed(desk: Desk) -> dict[str, dict[str, BrokenView]]:
    """What the read models show as broken."""
    views = Views()
    for recorded in desk.facts:
        views.add(recorded)
    return views.broken


def test_a_naked_short_is_completed_by_buying_its_long_leg_at_natural() -> None:
    desk = left((0, -2))
    [told] = of(desk, PositionBroken)
    assert (told.missing, told.surplus, told.naked) == (((CALLS[1], 2),), ((CALLS[2], -2),), True)
    [order] = mends(desk)
    assert (legs(order), str(order.body.limit_price), order.state) == ({CALLS[1]: 2}, "10.20", "sent")
    works(desk, order)
    desk.fill(order.order_id, 0, price="10.20")
    assert [fact.how for fact in of(desk, PositionMended)] == ["completed"]
    assert desk.book.positions["o"].holdings == {CALLS[1]: 2, CALLS[2]: -2}


def test_a_long_leg_alone_is_completed_by_selling_what_it_covers() -> None:
    desk = left((2, -1))
    assert not of(desk, PositionBroken)[0].naked
    [order] = mends(desk)
    assert (legs(order), order.state) == ({CALLS[2]: -1}, "sent")


def test_what_the_limit_does_not_leave_is_unwound_and_the_short_is_bought_back() -> None:
    desk = left((0, -2), limit="-3.00")
    assert "middle" in of(desk, PositionUnwinding)[0].reason
    [order] = mends(desk)
    assert (legs(order), order.reducing) == ({CALLS[2]: 2}, True)
    works(desk, order)
    desk.fill(order.order_id, 0)
    assert [fact.how for fact in of(desk, PositionMended)] == ["unwound"]
    assert not desk.book.positions


def test_after_the_deadline_completing_ends_and_what_is_left_is_taken_back_one_order_at_a_time() -> None:
    desk = left((0, -2))
    [first] = mends(desk)
    works(desk, first)
    desk.wait(60)
    assert len(mends(desk)) == 1
    assert first.state == "pending_cancel"
    desk.fill(first.order_id, 0, 1, price="10.20")  # it crossed the cancel
    canceled(desk, first.order_id)
    second = mends(desk)[1]
    assert legs(second) == {CALLS[2]: 1}
    works(desk, second)
    desk.fill(second.order_id, 0)
    assert desk.book.positions["o"].holdings == {CALLS[1]: 1, CALLS[2]: -1}
    assert [fact.how for fact in of(desk, PositionMended)] == ["unwound"]


def test_under_a_halt_it_is_unwound_and_at_hard_stop_nothing_is_wanted() -> None:
    desk = Desk()
    desk.submit("o", *SPREAD, quantity=2)
    desk.accept("o")
    desk.fill("o", 1, -2)
    desk.command(Halt(3, "enough"))
    canceled(desk, "o")
    assert [legs(order) for order in mends(desk)] == [{CALLS[2]: 2}]
    stopped = Desk()
    stopped.submit("o", *SPREAD, quantity=2)
    stopped.accept("o")
    stopped.fill("o", 1, -2)
    stopped.command(Halt(5, "stop"))
    canceled(stopped, "o")
    assert not mends(stopped)
    assert [fact.reason for fact in of(stopped, PositionWaiting)] == ["the breaker is at hard stop"]


def test_without_quotes_it_says_so_and_waits_and_a_hand_may_keep_it() -> None:
    desk = Desk()
    desk.submit("o", *SPREAD, quantity=2)
    desk.accept("o")
    desk.fill("o", 1, -2)
    desk.quote(float("nan"), float("nan"))
    canceled(desk, "o")
    desk.wait(60)
    desk.wait(60)
    assert not mends(desk)
    assert "has no ask" in of(desk, PositionWaiting)[0].reason
    (shown,) = viewed(desk)["o"].values()
    assert (shown.phase, shown.missing, shown.naked, shown.deadline) == ("waiting", {CALLS[1]: 2}, True, None)
    with pytest.raises(Refusal, match="needs a reason"):
        desk.command(MendPosition("o", "keep", ""))
    desk.command(MendPosition("o", "keep", "it is what i want"))
    assert [(fact.how, fact.principal) for fact in of(desk, PositionMended)] == [("kept", "operator:test")]
    assert viewed(desk) == {}
    with pytest.raises(Refusal, match="is not broken"):
        desk.command(MendPosition("o", "keep", "again"))


def test_an_operators_own_close_makes_ours_give_way_and_ends_it() -> None:
    desk = left((0, -2), limit="-3.00")
    [ours] = mends(desk)
    works(desk, ours)
    desk.submit("hand", (CALLS[2], 1), limit="10.20", quantity=2, position_id="o")
    assert ours.state == "pending_cancel"
    canceled(desk, ours.order_id)
    desk.submit("hand2", (CALLS[2], 1), limit="10.20", quantity=2, position_id="o")
    desk.accept("hand2")
    desk.fill("hand2", 0)
    assert [fact.how for fact in of(desk, PositionMended)] == ["by hand"]
    assert not desk.book.positions


def test_six_tries_and_then_it_waits() -> None:
    desk = left((0, -2), limit="-3.00")
    for _ in range(6):
        order = mends(desk)[-1]
        works(desk, order)
        desk.wait(10)
        canceled(desk, order.order_id)
    assert len(mends(desk)) == 6
    assert [fact.reason for fact in of(desk, PositionWaiting)] == ["not taken back in 6 tries"]


def test_what_a_canceled_order_of_its_own_fills_late_beyond_what_was_needed_goes_back_too() -> None:
    desk = left((0, -2), limit="-3.00")
    [first] = mends(desk)
    works(desk, first)
    desk.wait(10)
    canceled(desk, first.order_id)
    second = mends(desk)[1]
    works(desk, second)
    desk.fill(second.order_id, 0)
    assert not desk.book.positions
    desk.fill(first.order_id, 0, 1)  # it crossed the cancel
    assert desk.book.positions["o"].holdings == {CALLS[2]: 1}
    assert of(desk, PositionBroken)[-1].surplus == ((CALLS[2], 1),)
    third = mends(desk)[2]
    assert legs(third) == {CALLS[2]: -1}
    works(desk, third)
    desk.fill(third.order_id, 0)
    assert not desk.book.positions
    assert len(of(desk, PositionMended)) == 2


CONDOR = ((CALLS[0], 1), (CALLS[1], -1), (CALLS[2], -1), (CALLS[3], 1))


def play(seed: int, kills: bool) -> Desk:
    """An order whose legs fill as they like, then its mending with fills, parts, refusals and late fills."""
    rng = random.Random(seed)
    desk = Desk()
    shape = rng.choice((SPREAD, CONDOR, tuple((symbol, -ratio) for symbol, ratio in SPREAD)))
    desk.submit("o", *shape, limit=rng.choice(("1.00", "-3.00", "4.00")), quantity=3)
    desk.accept("o")
    for leg in range(len(shape)):
        for _ in range(rng.randint(0, 3)):
            if desk.order("o").open_quantity(leg):
                desk.fill("o", leg, shape[leg][1])
    if rng.random() < 0.3:
        desk.command(Halt(rng.randint(1, 4), "race"))
    if not desk.order("o").terminal:
        canceled(desk, "o")
    for _ in range(60):
        if kills:
            for actor in ("positions", "orders"):
                desk.core.kill(actor, desk.now)
        for order in list(desk.core.state("orders").table.live.values()):
            desk.sent()
            if order.state == "sent":
                desk.accept(order.order_id)
            for leg in range(len(order.body.legs)):
                if order.open_quantity(leg) and rng.random() < 0.3:
                    amount = order.open_quantity(leg)
                    desk.fill(order.order_id, leg, amount if rng.random() < 0.5 else amount // abs(amount))
            if order.state in ("pending_cancel", "unknown"):
                canceled(desk, order.order_id)
        desk.quote()
        desk.wait(rng.choice((1, 5, 10)))
        check(desk, seed)
    return desk


def check(desk: Desk, seed: int) -> None:
    """At every moment: one order on the position, and no holding turned round."""
    assert len(desk.core.state("orders").table.live) <= 1, f"seed {seed}"
    assert not desk.core.failed(), f"seed {seed}"
    for position in desk.book.positions.values():
        for symbol, held in position.holdings.items():
            ratio = next(leg.ratio for leg in desk.order("o").body.legs if leg.symbol == symbol)
            assert held * ratio > 0, f"seed {seed}: {symbol} turned round"


def test_whatever_fills_the_legs_end_equal_or_a_fact_says_that_a_hand_is_needed() -> None:
    ends: dict[str, int] = {}
    for seed in range(120):
        desk = play(seed, kills=False)
        position = desk.book.positions.get("o")
        record = desk.core.state("positions").ledger.records.get("o")
        if record is None:
            continue
        ends[record.phase] = ends.get(record.phase, 0) + 1
        assert record.phase in ("mended", "waiting"), f"seed {seed}: {record}"
        if record.phase == "mended" and position is not None:
            body = desk.order("o").body
            units = {position.holding(leg.symbol) / leg.ratio for leg in body.legs}
            assert len(units) == 1, f"seed {seed}: {position.holdings}"
    assert ends["mended"] > 50, ends


def test_killed_after_every_input_the_book_is_the_same() -> None:
    for seed in range(20):
        calm, killed = play(seed, kills=False), play(seed, kills=True)
        assert [each.fact for each in calm.facts] == [each.fact for each in killed.facts], f"seed {seed}"
