"""An order's way through queue, gate and gateway, with everything that may cross it."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from kit import CALLS, PUTS, RULES, Desk

from actors.messages import lean
from actors.messages.breaker import BreakerReset, ConfirmReset, Halt, ResetStarted, StartReset
from actors.messages.orders import (
    Amendment,
    AmendOrder,
    CancelAll,
    CancelOrder,
    OrderBody,
    OrderDenied,
    OrderLeg,
    SettleUnknown,
    SubmitOrder,
)
from actors.runtime import CommandConflict, MemoryJournal, Refusal

SPREAD = ((CALLS[1], 1), (CALLS[2], -1))


def test_a_spread_goes_from_body_to_booked_fill() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    (place,) = desk.sent()
    assert (place.order_id, place.attempt, place.body.limit_price) == ("a", 1, Decimal("4.00"))
    desk.accept("a")
    assert desk.order("a").state == "accepted"
    desk.fill("a", 0)
    assert desk.order("a").state == "partially_filled"
    desk.fill("a", 1, price="6.10")
    assert desk.order("a").state == "filled"
    assert desk.book.positions["a"].holdings == {CALLS[1]: 1, CALLS[2]: -1}
    assert desk.book.cash == Decimal(100000) - 400 - 2
    assert desk.kinds().count("PositionOpened") == 1
    assert desk.sent() == []


def test_bytes_leave_only_after_the_send_is_durable() -> None:
    journal = MemoryJournal(hold=True)
    desk = Desk(journal=journal)
    desk.submit("a", *SPREAD, limit="4.00")
    assert desk.sent() == []
    journal.settle()
    assert len(desk.sent()) == 1


def test_a_cancel_between_decision_and_bytes_withholds_them() -> None:
    journal = MemoryJournal(hold=True)
    desk = Desk(journal=journal)
    desk.submit("a", *SPREAD, limit="4.00")
    desk.command(CancelOrder("a", "changed my mind"))
    journal.settle()
    assert desk.sent() == []
    assert desk.order("a").state == "canceled"


def test_a_halt_between_decision_and_bytes_withholds_them() -> None:
    journal = MemoryJournal(hold=True)
    desk = Desk(journal=journal)
    desk.submit("a", *SPREAD, limit="4.00")
    desk.command(Halt(2, "enough"))
    journal.settle()
    assert desk.sent() == []
    journal.settle()
    assert desk.order("a").state == "denied"


def test_cancel_and_fill_cross_on_the_wire() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.accept("a")
    desk.command(CancelOrder("a", "late"))
    assert [type(word).__name__ for word in desk.sent()] == ["Cancel"]
    desk.fill("a", 0)
    desk.fill("a", 1)
    assert desk.order("a").state == "filled"
    desk.event("a", 0, CALLS[1], "canceled")
    assert desk.order("a").state == "filled"


def test_a_fill_after_the_end_is_booked_with_an_anomaly() -> None:
    desk = Desk()
    desk.submit("a", (CALLS[1], 1), limit="10.00")
    desk.sent()
    desk.accept("a")
    desk.event("a", 0, CALLS[1], "canceled")
    assert desk.order("a").state == "canceled"
    desk.fill("a", 0, 1)
    assert desk.order("a").state == "canceled"
    assert desk.order("a").filled == [1]
    assert desk.book.holdings == {CALLS[1]: 1}
    assert "Anomaly" in desk.kinds()


def test_the_same_execution_told_twice_counts_once() -> None:
    desk = Desk()
    desk.submit("a", (CALLS[1], 1), limit="10.00", quantity=2)
    desk.sent()
    desk.accept("a")
    desk.fill("a", 0, 1)
    desk.executions -= 1
    desk.fill("a", 0, 1)
    assert desk.order("a").filled == [1]
    assert desk.book.holdings == {CALLS[1]: 1}


def test_silence_is_unknown_never_a_rejection_and_only_proof_ends_it() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.wait(11)
    assert desk.order("a").state == "unknown"
    (query,) = desk.sent()
    assert (type(query).__name__, query.order_id, query.attempt) == ("Query", "a", 1)
    with pytest.raises(Refusal, match="unknown"):
        desk.command(CancelOrder("a", "now"))
    desk.returned("a", call="query", ok=False, status="", known_here=False)
    assert desk.order("a").state == "unknown"
    desk.returned("a", call="query", status="submitted")
    assert desk.order("a").state == "accepted"


def test_a_denied_attempt_may_be_sent_anew_and_only_as_the_next_one() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.returned("a", ok=False, denied=True, status="denied")
    (place,) = desk.sent()
    assert place.attempt == 2


def test_a_new_session_makes_what_was_sent_unknown_and_sends_nothing_again() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    assert len(desk.sent()) == 1
    desk.core.tell(lean.LeanDisconnected("socket cut"), desk.now)
    desk.connect(session="2")
    assert desk.order("a").state == "unknown"
    assert [type(word).__name__ for word in desk.sent()] == ["Query"]
    desk.command(SettleUnknown("a", "canceled", "the broker's list does not have it"))
    assert desk.order("a").state == "canceled"


def test_a_queue_without_a_connection_waits_and_loses_nothing() -> None:
    desk = Desk(connect=False)
    desk.submit("a", *SPREAD, limit="4.00")
    assert desk.order("a").state == "queued"
    desk.quote()
    desk.connect()
    assert [word.order_id for word in desk.sent()] == ["a"]


def test_an_amend_is_a_request_until_lean_says_so() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.accept("a")
    desk.command(AmendOrder("a", Amendment(limit_price=Decimal("4.10"))))
    assert [type(word).__name__ for word in desk.sent()] == ["Amend"]
    assert desk.order("a").body.limit_price == Decimal("4.00")
    desk.event("a", 0, CALLS[1], "update_submitted")
    assert desk.order("a").body.limit_price == Decimal("4.10")
    desk.fill("a", 0)
    with pytest.raises(Refusal, match="above 0"):
        desk.command(AmendOrder("a", Amendment(quantity=0)))


def test_limits_are_put_on_the_grid_away_from_filling_and_even_money_becomes_a_tick() -> None:
    desk = Desk()
    desk.submit("debit", *SPREAD, limit="4.008")
    desk.submit("credit", (PUTS[2], -1), (PUTS[1], 1), limit="-4.002")
    desk.submit("even", (PUTS[2], -1), (CALLS[1], 1), limit="0")
    limits = {name: desk.order(name).body.limit_price for name in ("debit", "credit", "even")}
    assert limits == {"debit": Decimal("4.00"), "credit": Decimal("-4.01"), "even": Decimal("-0.01")}


@pytest.mark.parametrize(
    ("legs", "limit", "words"),
    [
        (((CALLS[1], 2), (CALLS[2], -2)), "4", "common divisor 2"),
        (((CALLS[1], 1), (CALLS[1], -1)), "4", "more than 1 leg"),
        (((CALLS[1], 0),), "4", "is 0"),
        ((("SPX   160219C02000000", 1), (CALLS[1], -1)), "4", "1 underlying"),
        ((("goog call", 1),), "4", "neither a ticker"),
    ],
)
def test_a_body_that_is_not_normalised_is_refused_in_words(legs, limit: str, words: str) -> None:
    desk = Desk()
    before = len(desk.facts)
    with pytest.raises(Refusal, match=words):
        desk.submit("a", *legs, limit=limit)
    assert len(desk.facts) == before


@pytest.mark.parametrize("price", ["NaN", "sNaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ["limit_price", "stop_price", "leg_limits"])
def test_a_price_that_is_no_number_is_refused_before_anything_reckons_with_it(field: str, price: str) -> None:
    desk, value = Desk(), Decimal(price)
    kind = "stop" if field == "stop_price" else "limit"
    body = OrderBody((OrderLeg(CALLS[1], 1),), 1, kind, **{field: (value,) if field == "leg_limits" else value})
    with pytest.raises(Refusal, match=f"price must be a number, not {price}"):
        desk.command(SubmitOrder("a", body))
    desk.submit("b", (CALLS[1], 1), limit="1.00")
    desk.sent()
    desk.accept("b")
    with pytest.raises(Refusal, match=f"price must be a number, not {price}"):
        desk.command(AmendOrder("b", Amendment(limit_price=value)))


def test_an_amend_that_came_too_late_is_no_anomaly() -> None:
    """The fill was told first, then that the amend is refused: nothing is wrong with the book."""
    desk = Desk()
    desk.submit("a", (CALLS[1], 1), limit="1.00")
    desk.sent()
    desk.accept("a")
    desk.command(AmendOrder("a", Amendment(limit_price=Decimal("1.10"))))
    desk.sent()
    desk.fill("a", 0)
    desk.returned("a", call="amend", ok=False, status="filled", message="Too late to replace")
    assert desk.order("a").state == "filled"
    assert "Anomaly" not in desk.kinds()


def test_market_orders_on_options_are_denied_and_sized_orders_too() -> None:
    desk = Desk()
    desk.command(SubmitOrder("m", OrderBody((OrderLeg(CALLS[1], 1),), 1, "market")))
    desk.submit("big", *SPREAD, limit="4.00", quantity=11)
    desk.submit("naked", (CALLS[1], -1), limit="-10.00")
    reasons = {
        recorded.fact.order_id: [reason.control for reason in recorded.fact.reasons]
        for recorded in desk.facts
        if isinstance(recorded.fact, OrderDenied)
    }
    assert set(reasons) == {"m", "big", "naked"}
    assert "market_order" in reasons["m"]
    assert "size" in reasons["big"]
    assert "maximum_loss" in reasons["naked"]
    assert desk.sent() == []


def test_an_opening_leg_against_another_position_is_a_conflict() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.accept("a")
    desk.fill("a", 0)
    desk.fill("a", 1)
    desk.submit("b", (CALLS[1], -1), (CALLS[0], 1), limit="4.00")
    denied = [recorded.fact for recorded in desk.facts if isinstance(recorded.fact, OrderDenied)]
    assert [reason.control for reason in denied[0].reasons] == ["leg_conflict"]
    assert "position a" in denied[0].reasons[0].message


def test_a_closing_order_passes_at_reduce_only_and_a_second_one_is_over_the_holding() -> None:
    desk = Desk()
    desk.submit("a", (CALLS[1], -1), (CALLS[2], 1), limit="-4.00", quantity=2)
    desk.sent()
    desk.accept("a")
    desk.fill("a", 0)
    desk.fill("a", 1)
    desk.command(Halt(3, "enough"))
    desk.submit("close", (CALLS[1], 1), limit="10.00", quantity=2, position_id="a")
    assert [word.order_id for word in desk.sent()] == ["close"]
    assert desk.order("close").reducing
    desk.submit("again", (CALLS[1], 1), limit="10.00", quantity=1, position_id="a")
    assert desk.order("again").state == "denied"
    assert "crosses_zero" in [r.control for f in desk.facts if isinstance(f.fact, OrderDenied) for r in f.fact.reasons]


def test_reduce_only_cancels_working_entries_and_keeps_closers() -> None:
    desk = Desk()
    desk.submit("held", (CALLS[1], -1), (CALLS[2], 1), limit="-4.00")
    desk.sent()
    desk.accept("held")
    desk.fill("held", 0)
    desk.fill("held", 1)
    desk.submit("close", (CALLS[1], 1), limit="3.00", position_id="held")
    desk.submit("entry", (PUTS[2], -1), (PUTS[1], 1), limit="-4.00")
    desk.sent()
    desk.accept("close")
    desk.accept("entry")
    desk.command(Halt(3, "enough"))
    assert [(type(word).__name__, word.order_id) for word in desk.sent()] == [("Cancel", "entry")]
    assert desk.order("close").state == "accepted"


def test_cancel_all_also_refuses_what_was_received_before_it() -> None:
    desk = Desk()
    early = desk.core.receive()
    desk.command(CancelAll("stop"))
    body = OrderBody((OrderLeg(CALLS[1], 1),), 1, "limit", Decimal(10))
    with pytest.raises(Refusal, match="before the last cancel-all"):
        desk.core.command("late", "operator:test", SubmitOrder("late", body), desk.now, early)
    desk.submit("new", *SPREAD, limit="4.00")
    assert len(desk.sent()) == 1


def test_a_reset_takes_two_steps_and_its_own_phrase() -> None:
    desk = Desk()
    desk.command(Halt(2, "enough"))
    with pytest.raises(Refusal, match="start one first"):
        desk.command(ConfirmReset("reset"))
    answer = desk.command(StartReset("looked at it"))
    (started,) = answer.reply
    assert isinstance(started.fact, ResetStarted)
    with pytest.raises(Refusal, match="the phrase is"):
        desk.command(ConfirmReset("reset"))
    desk.command(ConfirmReset(started.fact.phrase))
    assert isinstance(desk.facts[-1].fact, BreakerReset)
    desk.submit("a", *SPREAD, limit="4.00")
    assert len(desk.sent()) == 1


def test_a_repeated_command_gives_the_same_reply_and_another_body_a_conflict() -> None:
    desk = Desk()
    body = OrderBody((OrderLeg(CALLS[1], 1),), 1, "limit", Decimal(10))
    first = desk.core.command("key", "operator:test", SubmitOrder("a", body), desk.now)
    again = desk.core.command("key", "operator:test", SubmitOrder("a", body), desk.now)
    assert again.repeated
    assert again.reply == first.reply
    with pytest.raises(CommandConflict):
        desk.core.command("key", "operator:test", SubmitOrder("b", body), desk.now)
    assert list(desk.core.state("orders").table.orders) == ["a"]


def test_a_working_order_whose_time_is_over_is_canceled_not_forgotten() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00", ttl_seconds=30.0)
    desk.sent()
    desk.accept("a")
    desk.wait(31)
    assert [type(word).__name__ for word in desk.sent()] == ["Cancel"]
    assert desk.order("a").state == "pending_cancel"


def test_the_window_holds_back_what_is_too_much_at_once() -> None:
    desk = Desk(msgspec.structs.replace(RULES, release_window=2, buying_power_left_fraction=Decimal(0)))
    for number in range(4):
        desk.submit(f"o{number}", *SPREAD, limit="4.00")
    assert [word.order_id for word in desk.sent()] == ["o0", "o1"]
    desk.accept("o0")
    assert [word.order_id for word in desk.sent()] == ["o2"]


def test_a_rejection_ends_an_order_whose_cancel_is_on_its_way() -> None:
    desk = Desk()
    desk.submit("a", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    desk.command(CancelOrder("a"))
    for leg in range(2):
        desk.event("a", leg, CALLS[leg + 1], "invalid", message="no money")
    desk.returned("a", ok=False, status="invalid", message="no money")
    desk.returned("a", call="cancel", ok=False, status="invalid", message="too late")
    assert desk.order("a").state == "rejected"


def test_a_fill_that_crosses_an_amend_to_more_leaves_the_rest_working() -> None:
    desk = Desk()
    desk.submit("a", (CALLS[0], 1), limit="4.00")
    desk.accept("a")
    desk.command(AmendOrder("a", Amendment(quantity=2)))
    desk.sent()
    desk.fill("a", 0, 1)
    assert desk.order("a").state == "partially_filled"
    desk.event("a", 0, CALLS[0], "update_submitted")
    desk.fill("a", 0, 1)
    assert (desk.order("a").state, desk.order("a").filled) == ("filled", [2])
    assert "Anomaly" not in desk.kinds()


def test_an_amend_to_more_that_came_too_late_leaves_the_order_filled() -> None:
    for outcome in ("rejected", "silence"):
        desk = Desk()
        desk.submit("a", (CALLS[0], 1), limit="4.00")
        desk.accept("a")
        desk.command(AmendOrder("a", Amendment(quantity=2)))
        desk.fill("a", 0, 1)
        if outcome == "rejected":
            desk.returned("a", call="amend", ok=False, status="filled")
        else:
            desk.wait(60)
            desk.returned("a", call="query", status="filled", amend="refused")
        assert desk.order("a").state == "filled"


def test_an_entry_that_has_come_to_reduce_is_not_amended_above_a_halt() -> None:
    desk = Desk()
    desk.submit("o", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    for step in (lambda: desk.accept("o"), lambda: desk.fill("o", 0), lambda: desk.fill("o", 1)):
        step()
    desk.submit("buys", (PUTS[0], 1), limit="4.00", position_id="o")
    desk.accept("buys")
    desk.submit("sells", (PUTS[0], -1), (PUTS[1], 1), limit="1.00", position_id="o", allow_netting=True)
    desk.accept("sells")
    for leg in range(2):
        desk.fill("sells", leg)
    assert not desk.order("buys").reducing
    desk.command(Halt(2, "enough"))
    desk.command(AmendOrder("buys", Amendment(limit_price=Decimal("3.00"))))
    assert "ActorFailed" not in desk.kinds()
    assert desk.order("buys").amend == "none"
