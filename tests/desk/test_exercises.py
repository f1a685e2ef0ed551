"""An exercise whose answer a dead session took with it: unknown until executions or the broker's own book prove it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from actors.messages import lean
from actors.messages.exercises import ExerciseContracts, ExerciseSettled
from config.calendar import ExchangeSessions, Sessions
from daemon.views import ExerciseView, Views
from tests.desk.kit import CALLS, START, Desk

CALL = CALLS[0]
#: After the night's processing, by the rules' 07:45 New York.
MORNING = dt.datetime(2015, 12, 25, 13, 15, tzinfo=dt.UTC)
HELD = (lean.HeldSeen(CALL, 1, Decimal(1), Decimal(1)),)


def asked(now: dt.datetime = START, sessions: Sessions | None = None) -> Desk:
    """A desk that holds one call and has asked for its exercise; nobody answered."""
    desk = Desk(now=now, sessions=sessions)
    desk.event("", -1, CALL, "filled", kind="external", fill_quantity=1, execution_id="broker-7")
    desk.command(ExerciseContracts("e", CALL, 1))
    assert len(desk.sent()) == 1
    return desk


def begin(
    desk: Desk, session: str, *executions: lean.ExecutionSeen, held: tuple[lean.HeldSeen, ...] = HELD,
    cash: str = "100000", fresh: bool = True,
) -> None:  # fmt: skip
    """The session is lost, and this one begins."""
    desk.core.tell(lean.LeanDisconnected("killed"), desk.now)
    account = lean.AccountView(Decimal(cash), Decimal(cash), Decimal(0), Decimal(cash), Decimal(0), held, 0)
    hello = lean.LeanConnected(session, "live", "paper", fresh, account, (), (), executions)
    desk.core.tell(hello, desk.now)
    desk.n = 0


def shown(desk: Desk) -> ExerciseView:
    """What the API shows of it."""
    views = Views()
    for recorded in desk.facts:
        views.add(recorded)
    return views.exercises["e"]


def settled(desk: Desk) -> list[str]:
    return [each.fact.outcome for each in desk.facts if isinstance(each.fact, ExerciseSettled)]


def executed(exercise_id: str) -> lean.ExecutionSeen:
    zero = Decimal(0)
    return lean.ExecutionSeen("broker-8", "exercise", exercise_id, -1, CALL, -1, zero, zero, zero, "B8", 1, "")


def test_a_dead_session_leaves_it_unknown_and_the_same_evening_proves_nothing() -> None:
    desk = asked()
    begin(desk, "2")
    assert (shown(desk).state, settled(desk)) == ("unknown", [])
    desk.wait(6 * 3600)
    begin(desk, "3")
    assert (shown(desk).state, settled(desk)) == ("unknown", [])
    assert desk.sent() == []


def test_the_broker_s_book_after_the_night_proves_that_it_did_not_happen() -> None:
    desk = asked()
    begin(desk, "2")
    desk.wait((MORNING - desk.now).total_seconds())
    begin(desk, "3", fresh=False)
    assert settled(desk) == []
    begin(desk, "4")
    assert (shown(desk).state, settled(desk)) == ("not_exercised", ["not_exercised"])
    assert "2015-12-25 08:15" in shown(desk).reason
    begin(desk, "5")
    assert settled(desk) == ["not_exercised"]


@pytest.mark.parametrize("at", [dt.datetime(2015, 12, 26, 15), dt.datetime(2015, 12, 24, 20)], ids=["Saturday", "late"])
def test_what_is_asked_when_the_exchange_is_closed_waits_for_the_next_session_s_night(at: dt.datetime) -> None:
    # The 24th ends at 13:00 New York, the 25th is a holiday: nobody processes it before the night of Monday, the 28th.
    desk = asked(at.replace(tzinfo=dt.UTC), ExchangeSessions())
    begin(desk, "2")
    for day in (26, 27, 28):
        desk.wait(max(0.0, (MORNING.replace(day=day) - desk.now).total_seconds()))
        begin(desk, f"of {day}")
        assert (shown(desk).state, settled(desk)) == ("unknown", [])
    desk.wait((MORNING.replace(day=29) - desk.now).total_seconds())
    begin(desk, "of 29")
    assert shown(desk).state == "not_exercised"


def test_a_session_that_begins_after_the_night_proves_it_at_once() -> None:
    desk = asked()
    desk.wait((MORNING - desk.now).total_seconds())
    begin(desk, "2")
    assert shown(desk).state == "not_exercised"


def test_executions_that_the_broker_tells_of_prove_that_it_did() -> None:
    desk = asked()
    begin(desk, "2", executed("e"), held=())
    assert (shown(desk).state, settled(desk)) == ("exercised", ["exercised"])
    assert not any(isinstance(each.fact, lean.Anomaly) for each in desk.facts)


def test_executions_that_come_later_prove_it_once() -> None:
    desk = asked()
    begin(desk, "2")
    fields: dict[str, Any] = {"kind": "exercise", "batch": 1}
    desk.event("e", -1, CALL, "filled", fill_quantity=-1, execution_id="broker-8", **fields)
    desk.event("e", -1, "GOOG", "filled", fill_quantity=100, execution_id="broker-9", **fields)
    assert (shown(desk).state, settled(desk)) == ("exercised", ["exercised"])


def test_a_book_that_differs_or_a_trade_by_hand_in_the_contract_proves_nothing() -> None:
    desk = asked()
    begin(desk, "2")
    desk.wait((MORNING - desk.now).total_seconds())
    begin(desk, "3", held=())
    assert settled(desk) == []
    desk.event("", -1, CALL, "filled", kind="external", fill_quantity=-1, execution_id="hand-1")
    begin(desk, "4", held=())
    assert desk.core.state("gateway").agrees
    assert (shown(desk).state, settled(desk)) == ("unknown", [])


def test_what_lean_calls_an_expiry_may_be_the_exercise_and_proves_nothing() -> None:
    # A new session of LEAN's calls what the broker exercised an expiry: the order was a dead session's.
    desk = asked()
    begin(desk, "2")
    desk.event("", -1, CALL, "filled", kind="expiry", fill_quantity=-1, execution_id="night-1", batch=1)
    desk.wait((MORNING - desk.now).total_seconds())
    begin(desk, "3", held=())
    assert desk.core.state("gateway").agrees
    assert (shown(desk).state, settled(desk)) == ("unknown", [])
