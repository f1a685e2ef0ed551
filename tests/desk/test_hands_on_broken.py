"""Others trade on a position that is broken: what they mend counts, what they close of its whole units does not."""

from __future__ import annotations

from decimal import Decimal

from broken import SPREAD, canceled, left, legs, mends, of, works
from kit import CALLS, Desk

from actors.messages.positions import PositionMended

A, B = CALLS[1], CALLS[2]


def beside(filled: tuple[int, int] = (0, -2), *hands: tuple[str, int], quantity: int = 1) -> Desk:
    """Three whole spreads, and two more whose order was canceled with so much filled; nothing is quoted any more. An
    operator's order `hand` works meanwhile, if any legs of it are given."""
    desk = Desk()
    desk.submit("o", *SPREAD, limit="4.00", quantity=3)
    desk.sent()
    desk.accept("o")
    desk.fill("o", 0)
    desk.fill("o", 1)
    desk.submit("more", *SPREAD, limit="1.00", quantity=2, position_id="o")
    desk.sent()
    desk.accept("more")
    for leg, amount in enumerate(filled):
        if amount:
            desk.fill("more", leg, amount)
    if hands:
        hand(desk, "hand", *hands, quantity=quantity)
    desk.quote(float("nan"), float("nan"))
    canceled(desk, "more")
    assert not mends(desk)
    return desk


def have(desk: Desk) -> dict[str, int]:
    """What the record has of each leg."""
    record = desk.core.state("positions").ledger.records["more"]
    return {leg.symbol: leg.have for leg in record.legs}


def hand(desk: Desk, name: str, *wanted: tuple[str, int], quantity: int = 1) -> None:
    """An operator's order on the position, working."""
    sells = all(ratio < 0 for _, ratio in wanted)
    desk.submit(name, *wanted, limit="-1.00" if sells else "10.20", quantity=quantity, position_id="o")
    assert desk.order(name).state == "sent", desk.order(name).reason
    desk.sent()
    desk.accept(name)


def stranger(desk: Desk, symbol: str, quantity: int) -> None:
    """A trade at the broker that no order of ours asked for."""
    desk.executions += 1
    desk.event(
        "", -1, symbol, "filled", kind="external", fill_quantity=quantity, fill_price=Decimal("10.10"),
        execution_id=f"hand{desk.executions}",
    )  # fmt: skip


def test_a_whole_unit_closed_in_one_order_leaves_the_broken_part_as_it_is() -> None:
    desk = beside((0, -2), (B, 1), (A, -1))
    desk.fill("hand", 0)
    desk.fill("hand", 1)
    assert desk.book.positions["o"].holdings == {A: 2, B: -4}
    assert have(desk) == {A: 0, B: -2}


def test_a_short_leg_bought_back_by_hand_is_the_surplus_one() -> None:
    desk = beside()
    hand(desk, "buy", (B, 1))
    desk.fill("buy", 0)
    assert have(desk) == {A: 0, B: -1}
    hand(desk, "again", (B, 1))
    desk.fill("again", 0)
    assert [fact.how for fact in of(desk, PositionMended)] == ["by hand"]


def test_more_bought_by_hand_than_is_missing_stays_the_hands() -> None:
    desk = beside((0, -1), (A, 1), quantity=2)
    for _ in range(2):
        desk.fill("hand", 0, 1)
        assert have(desk) == {A: 1, B: -1}
    assert [fact.how for fact in of(desk, PositionMended)] == ["by hand"]


def test_a_unit_traded_away_leg_by_leg_at_the_broker_ends_where_it_began_in_either_order() -> None:
    for trades in (((B, 1), (A, -1)), ((A, -1), (B, 1))):
        desk = beside()
        for symbol, quantity in trades:
            stranger(desk, symbol, quantity)
        assert desk.book.positions["o"].holdings == {A: 2, B: -4}
        assert have(desk) == {A: 0, B: -2}, trades


def test_a_long_leg_sold_out_of_a_whole_unit_uncovers_a_short_one_that_comes_under_care() -> None:
    desk = beside()
    stranger(desk, A, -1)
    assert desk.book.positions["o"].holdings == {A: 2, B: -5}
    assert have(desk) == {A: 0, B: -3}


def test_an_order_of_several_legs_that_all_mend_counts_whole_though_its_legs_fill_one_by_one() -> None:
    condor = ((CALLS[0], 1), (CALLS[1], -1), (CALLS[2], -1), (CALLS[3], 1))
    desk = Desk()
    desk.submit("more", *condor, limit="-3.00", quantity=2)
    desk.sent()
    desk.accept("more")
    for leg in (1, 2):
        desk.fill("more", leg)
    desk.quote(float("nan"), float("nan"))
    canceled(desk, "more")
    desk.submit("hand", (CALLS[1], 1), (CALLS[2], 1), limit="20.40", quantity=1, position_id="more")
    desk.sent()
    desk.accept("hand")
    desk.fill("hand", 0)
    desk.fill("hand", 1)
    assert have(desk) == {CALLS[0]: 0, CALLS[1]: -1, CALLS[2]: -1, CALLS[3]: 0}


def test_a_short_leg_bought_back_at_the_broker_is_not_bought_twice() -> None:
    desk = left((0, -2))
    [ours] = mends(desk)
    works(desk, ours)
    stranger(desk, B, 2)
    assert not desk.book.positions
    assert ours.state == "pending_cancel"
    assert legs(ours) == {A: 2}


def test_killed_after_every_trade_the_record_is_the_same() -> None:
    desk = beside()
    for symbol, quantity in ((A, -1), (B, 2), (A, 1), (B, 1)):
        stranger(desk, symbol, quantity)
        before = dict(have(desk))
        desk.core.kill("positions", desk.now)
        assert have(desk) == before


def test_an_order_of_ours_that_would_now_take_back_too_much_is_canceled_and_a_smaller_one_follows() -> None:
    desk = left((0, -2), limit="-3.00")
    [ours] = mends(desk)
    works(desk, ours)
    stranger(desk, B, 1)
    assert (legs(ours), ours.state) == ({B: 2}, "pending_cancel")
    canceled(desk, ours.order_id)
    assert legs(mends(desk)[1]) == {B: 1}
