"""A connection that breaks and comes back: nothing twice, nothing forgotten, nothing proved by the wrong session."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.messages import lean
from actors.messages.breaker import Halt
from actors.messages.exercises import ExerciseContracts
from actors.messages.orders import Amendment, AmendOrder, CancelAll, CancelOrder
from actors.runtime import Refusal
from config.desk import LEAN_RULES
from tests.desk.kit import CALLS, Desk

SPREAD = ((CALLS[1], 1), (CALLS[2], -1))


def reconnect(desk: Desk, session: str = "1") -> None:
    desk.core.tell(lean.LeanDisconnected("the socket was cut"), desk.now)
    desk.connect(session=session)


def sent(desk: Desk) -> list[str]:
    return [f"{type(word).__name__} {word.order_id}" for word in desk.sent()]


def test_an_order_without_outcome_is_asked_after_and_a_denial_by_the_same_session_sends_it_anew() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    assert sent(desk) == ["Place a"]
    reconnect(desk)
    assert desk.order("a").state == "unknown"
    assert sent(desk) == ["Query a"]
    desk.returned("a", call="query", ok=False, status="", denied=True, known_here=False)
    assert desk.order("a").attempt == 2
    assert sent(desk) == ["Place a"]


def test_a_denial_by_another_session_proves_nothing() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    reconnect(desk, session="2")
    assert sent(desk) == ["Query a"]
    desk.returned("a", call="query", ok=False, status="", denied=True, known_here=False)
    assert desk.order("a").state == "unknown"
    assert sent(desk) == []


def test_absent_at_the_broker_proves_that_it_may_be_sent() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    reconnect(desk, session="2")
    desk.sent()
    desk.returned("a", call="query", status="absent")
    assert desk.order("a").attempt == 2
    assert sent(desk) == ["Place a"]


def test_a_query_that_got_lost_is_asked_again() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    for _ in range(3):
        reconnect(desk)
        assert sent(desk) == ["Query a"]


def test_a_cancel_on_its_way_is_told_again_and_an_amend_too() -> None:
    desk = Desk()
    for name in ("a", "b"):
        desk.submit(name, *SPREAD, limit="4.00")
        desk.sent()
        desk.accept(name)
    desk.command(CancelOrder("a"))
    desk.command(AmendOrder("b", Amendment(limit_price=None, quantity=2)))
    assert sorted(sent(desk)) == ["Amend b", "Cancel a"]
    reconnect(desk)
    assert sorted(sent(desk)) == ["Amend b", "Cancel a"]


def test_an_amend_that_adds_risk_is_not_told_again_above_a_halt() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.accept("a")
    desk.command(AmendOrder("a", Amendment(quantity=2)))
    desk.sent()
    desk.command(Halt(2, "enough"))
    reconnect(desk)
    assert sent(desk) == []


def test_events_told_again_are_recorded_once() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.accept("a")
    before = len(desk.facts)
    desk.n = 0
    desk.event("a", 0, CALLS[1], "submitted")
    desk.event("a", 1, CALLS[2], "submitted")
    assert len(desk.facts) == before
    desk.n = 1
    assert desk.core.state("gateway").seen == 2


def test_an_execution_outside_of_orders_counts_once_over_sessions() -> None:
    desk = Desk()
    fill = {"kind": "external", "fill_quantity": 1, "execution_id": "broker-7"}
    desk.event("", -1, CALLS[0], "filled", **fill)
    held = desk.book.holdings[CALLS[0]]
    reconnect(desk, session="2")
    desk.n = 0
    desk.event("", -1, CALLS[0], "filled", **fill)
    assert desk.book.holdings[CALLS[0]] == held == 1
    assert msgspec.structs.asdict(desk.facts[-1].fact)["what"] == "execution seen before"


def test_a_transfer_is_told_again_until_its_cash_moved_and_booked_once() -> None:
    desk = Desk(mode="backtest")
    desk.command(lean.TransferCash(Decimal(-250), "withdrawal"))
    (first,) = desk.sent()
    reconnect(desk)
    assert desk.sent() == [first]
    cash = desk.book.cash
    for n in (1, 2):
        desk.core.tell(lean.LeanCashMoved(n, first.amount, first.reason, first.transfer_id), desk.now)
    assert desk.book.cash == cash - 250
    reconnect(desk)
    assert desk.sent() == []


def test_a_new_session_tells_what_was_executed_and_it_is_booked_once() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.accept("a")
    desk.fill("a", 0)
    seen = [
        lean.ExecutionSeen(
            f"x{leg + 1}", "order", "" if leg else "a", leg, CALLS[leg + 1], 1 - 2 * leg, Decimal("10.10"), Decimal(1),
            Decimal(0), f"ba{leg}", 1, "",
        )
        for leg in range(2)
    ]  # fmt: skip
    by_hand = lean.ExecutionSeen(
        "x9", "external", "", -1, CALLS[0], 3, Decimal(5), Decimal(0), Decimal(0), "b77", 2, "by hand"
    )
    told = (*seen, by_hand)
    for session in ("2", "3"):
        desk.core.tell(lean.LeanDisconnected("killed"), desk.now)
        desk.n = 0
        account = lean.AccountView(desk.book.cash, desk.book.cash, Decimal(0), Decimal(0), Decimal(0), (), 0)
        desk.core.tell(
            lean.LeanConnected(session, "live", "paper", True, account, (), (), told),
            desk.now,  # type: ignore[arg-type]
        )
    assert (desk.order("a").state, desk.order("a").filled) == ("filled", [1, -1])
    assert desk.book.holdings == {CALLS[0]: 3, CALLS[1]: 1, CALLS[2]: -1}


def test_a_working_order_is_found_again_by_the_brokers_id_though_its_tag_is_gone() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.submit("b", *SPREAD, limit="4.00")
    desk.sent()
    desk.accept("a")
    desk.command(CancelOrder("a"))
    desk.sent()
    desk.core.tell(lean.LeanDisconnected("killed"), desk.now)
    account = lean.AccountView(desk.book.cash, desk.book.cash, Decimal(0), Decimal(0), Decimal(0), (), 0)
    listed = lean.OpenOrderSeen("", desk.order("a").body.legs, 1, (0, 0), (1, 2), ("ba0",), "")
    desk.core.tell(lean.LeanConnected("2", "live", "paper", True, account, (listed,), ()), desk.now)  # type: ignore[arg-type]
    assert desk.order("a").state == "pending_cancel"
    assert desk.order("a").lean_ids == {0: 1, 1: 2}
    assert desk.order("b").state == "unknown"
    assert sorted(sent(desk)) == ["Cancel a", "Query b"]


def test_an_unknown_order_that_works_after_all_is_canceled_again_where_a_cancel_was_wanted() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.accept("a")
    desk.command(CancelOrder("a"))
    reconnect(desk, session="2")
    assert desk.order("a").state == "unknown"
    desk.sent()
    desk.n = 0
    desk.returned("a", call="query", status="submitted")
    assert desk.order("a").state == "pending_cancel"
    assert sent(desk) == ["Cancel a"]


def test_a_cancel_of_an_order_that_never_arrived_asks_after_it_and_the_denial_ends_it() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.command(CancelOrder("a"))
    desk.sent()  # both are lost with the connection
    reconnect(desk)
    assert sent(desk) == ["Cancel a"]
    desk.returned("a", call="cancel", ok=False, status="invalid", known_here=False)
    assert sent(desk) == ["Query a"]
    desk.returned("a", call="query", ok=False, status="", denied=True, known_here=False)
    assert desk.order("a").state == "canceled"
    assert sent(desk) == []


def test_an_unknown_entry_that_works_after_all_is_canceled_at_reduce_only() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    reconnect(desk)
    desk.command(Halt(3, "enough"))
    desk.sent()
    desk.returned("a", call="query", status="submitted")
    assert desk.order("a").state == "pending_cancel"
    assert sent(desk) == ["Cancel a"]


def test_what_was_unknown_at_a_cancel_all_ends_as_soon_as_it_is_proved() -> None:
    desk = Desk()
    for name in ("a", "b"):
        desk.submit(name, *SPREAD, limit="4.00")
    desk.sent()
    reconnect(desk)
    desk.command(CancelAll("enough"))
    desk.sent()
    desk.returned("a", call="query", status="submitted")
    desk.returned("b", call="query", ok=False, status="", denied=True, known_here=False)
    assert desk.order("a").state == "pending_cancel"
    assert desk.order("b").state == "canceled"
    assert sent(desk) == ["Cancel a"]


def test_an_unknown_order_that_is_told_to_work_is_canceled_again_where_a_cancel_was_wanted() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.sent()
    desk.command(CancelOrder("a"))
    desk.wait(60)
    desk.sent()
    assert desk.order("a").state == "unknown"
    desk.accept("a")
    assert desk.order("a").state == "pending_cancel"
    assert sent(desk) == ["Cancel a"]


def test_an_exercise_that_a_lost_connection_swallowed_is_told_again_until_it_is_answered() -> None:
    desk = Desk()
    desk.event("", -1, CALLS[0], "filled", kind="external", fill_quantity=1, execution_id="broker-7")
    desk.command(ExerciseContracts("e", CALLS[0], 1))
    (first,) = desk.sent()
    reconnect(desk)
    assert desk.sent() == [first]
    desk.returned("e", call="exercise", status="filled")
    desk.returned("e", call="exercise", ok=False, status="denied", denied=True)
    assert [fact for fact in desk.kinds() if fact == "ExerciseReturned"] == ["ExerciseReturned"]
    reconnect(desk)
    assert desk.sent() == []


def test_an_exercise_that_a_dead_session_did_not_answer_is_told_to_the_operator_and_not_repeated() -> None:
    desk = Desk()
    desk.event("", -1, CALLS[0], "filled", kind="external", fill_quantity=1, execution_id="broker-7")
    desk.command(ExerciseContracts("e", CALLS[0], 1))
    desk.sent()
    reconnect(desk, session="2")
    assert desk.sent() == []
    assert [recorded.fact.order_id for recorded in desk.facts if isinstance(recorded.fact, lean.Anomaly)] == ["e"]


def test_an_exercise_is_refused_while_nobody_would_hear_of_it() -> None:
    desk = Desk()
    desk.event("", -1, CALLS[0], "filled", kind="external", fill_quantity=1, execution_id="broker-7")
    desk.core.tell(lean.LeanDisconnected("killed"), desk.now)
    with pytest.raises(Refusal, match="not connected"):
        desk.command(ExerciseContracts("e", CALLS[0], 1))


def test_an_amend_that_nobody_was_there_to_take_is_told_when_the_session_is_back() -> None:
    desk = Desk(LEAN_RULES)
    desk.submit("a", (CALLS[1], 1), limit="10.00")
    desk.sent()
    desk.accept("a")
    desk.core.tell(lean.LeanDisconnected("cut"), desk.now)
    desk.command(AmendOrder("a", Amendment(limit_price=Decimal("10.10"))))
    assert desk.sent() == []
    desk.connect()
    assert [(type(word).__name__, word.generation) for word in desk.sent()] == [("Amend", 1)]
    assert desk.order("a").amend == "sent"
