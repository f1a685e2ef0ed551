"""LEAN's end keeps its promises: each attempt once, events resolved and numbered, refusals that hold, no risk unled."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from bridge import protocol
from bridge.lean_end import LeanEnd
from bridge.lean_limits import AWAY, ERROR, UNLED
from bridge.lean_words import Answer, Heard, Known, marked, unmarked

AT = dt.datetime(2026, 1, 2, 15, tzinfo=dt.UTC)
CALL, PUT = "GOOG  160115C00750000", "GOOG  160115P00740000"


class Lean:
    """The edge: what LEAN answers is scripted, what it was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answer = Answer((1,), True)
        self.during: Callable[[], None] = lambda: None
        self.holdings: tuple[protocol.Holding, ...] = ()

    def now(self) -> dt.datetime:
        return AT

    def account(self, seen: int) -> protocol.Account:
        cash, zero = Decimal(100000), Decimal(0)
        return protocol.Account(cash, zero, cash, zero, cash, zero, self.holdings, seen)

    def _take(self, *asked: Any) -> Answer:
        self.asked.append(asked)
        self.during()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def place(self, frame: protocol.PlaceOrder, tag: str) -> Answer:
        return self._take("place", frame.order_id, tag)

    def amend(self, known: Known, frame: protocol.AmendOrder, tag: str | None) -> Answer:
        return self._take("amend", frame.order_id, frame.generation)

    def cancel(self, known: Known, tag: str) -> Answer:
        return self._take("cancel", known.order_id, tag)

    def exercise(self, frame: protocol.Exercise, tag: str) -> Answer:
        return self._take("exercise", frame.exercise_id, tag)

    def other(self, frame: Any) -> protocol.StoredObject | None:
        self.asked.append(("other", frame))
        return None


def place(
    order_id: str, attempt: int = 1, *, legs: tuple[tuple[str, int], ...] = ((CALL, 1),), quantity: int = 1
) -> Any:
    return protocol.PlaceOrder(
        order_id, attempt, tuple(protocol.Leg(*leg) for leg in legs), quantity, "limit", Decimal(5), None, None, "day",
        "mine", len(legs) > 1,
    )  # fmt: skip


def heard(lean_id: int, status: str = "submitted", event_id: int = 1, **more: Any) -> Heard:
    chosen: dict[str, Any] = {
        "symbol": CALL, "fill_price": Decimal(0), "fill_quantity": 0, "quantity": 1, "fee": Decimal(0), "message": "",
        "tag": "cb:a mine", **more,
    }  # fmt: skip
    return Heard(AT, lean_id, event_id, status=status, **chosen)


@pytest.fixture
def lean() -> Lean:
    return Lean()


@pytest.fixture
def end(lean: Lean) -> LeanEnd:
    return LeanEnd(lean, "s", "live", "paper")


def told(end: LeanEnd) -> list[protocol.Event]:
    return list(end.log.since(0))


def returned(end: LeanEnd) -> protocol.CallReturned:
    last = told(end)[-1]
    assert isinstance(last, protocol.CallReturned)
    return last


def test_events_inside_a_call_wait_for_its_ids_and_come_before_its_return(lean: Lean, end: LeanEnd) -> None:
    def during() -> None:
        end.hear(heard(1))
        end.hear(heard(1, "filled", 2, fill_quantity=1, fill_price=Decimal("4.5")))
        assert told(end) == []

    lean.during = during
    end.run([place("a")])
    first, second, third = told(end)
    assert isinstance(first, protocol.OrderEvent)
    assert isinstance(second, protocol.OrderEvent)
    assert (first.order_id, first.leg, first.tag, first.n) == ("a", 0, "mine", 1)
    assert (second.execution_id, second.batch) == ("s:1:2", 1)
    assert isinstance(third, protocol.CallReturned)
    assert (third.ok, third.status, third.lean_ids) == (True, "filled", (1,))
    assert lean.asked == [("place", "a", "cb:a mine")]


def test_an_attempt_is_marked_before_lean_is_called_and_never_made_twice(lean: Lean, end: LeanEnd) -> None:
    lean.answer = ValueError("lean throws")  # type: ignore[assignment]
    end.run([place("a", 1)])
    assert (returned(end).status, returned(end).raised, returned(end).message) == (
        "raised",
        "ValueError",
        "lean throws",
    )
    end.run([place("a", 1)])
    assert returned(end).denied
    assert len(lean.asked) == 1
    lean.answer = Answer((7,), True)
    end.run([place("a", 2)])
    assert returned(end).ok
    end.run([place("a", 3)])
    assert returned(end).denied
    assert "would make it twice" in returned(end).message
    assert len(lean.asked) == 2
    assert end.hello(AT, False).placed == (("a", 2),)


def test_a_question_about_an_attempt_never_seen_denies_it_for_good(lean: Lean, end: LeanEnd) -> None:
    end.run([protocol.QueryOrder("a", 2)])
    assert (returned(end).denied, returned(end).known_here) == (True, False)
    end.run([place("a", 2)])
    assert returned(end).denied
    assert lean.asked == []


def test_a_hello_empties_the_inbox_and_lists_what_works(lean: Lean, end: LeanEnd) -> None:
    end.run([place("a")])
    end.hear(heard(1))
    end.inbox.append(place("b"))
    hello = end.hello(AT, False)
    assert [order.order_id for order in hello.orders] == ["a"]
    assert end.drain() == []
    assert [asked[1] for asked in lean.asked] == ["a"]
    assert hello.last_event == 2


def test_an_amend_s_generation_is_taken_once_also_where_lean_refuses_it(lean: Lean, end: LeanEnd) -> None:
    end.run([place("a")])
    amend = protocol.AmendOrder("a", 1, 1, limit_price=Decimal(6))
    lean.answer = Answer((1,), False, "Error: InvalidOrderStatus")
    end.run([amend])
    assert not returned(end).ok
    lean.answer = Answer((1,), True)
    end.run([amend])  # told again after a lost connection: the refusal is on its way, and stands
    assert (returned(end).ok, returned(end).message) == (True, "this amend was taken before")
    assert [asked[0] for asked in lean.asked] == ["place", "amend"]
    end.run([msgspec.structs.replace(amend, generation=2)])
    assert [asked[0] for asked in lean.asked] == ["place", "amend", "amend"]
    end.run([protocol.CancelOrder("nobody's")])
    assert not returned(end).known_here


def test_an_order_nobody_here_asked_for_is_external_and_lean_s_own_are_named(end: LeanEnd) -> None:
    end.hear(heard(50, tag="by hand"))
    end.hear(heard(51, tag="Margin Call"))
    end.hear(heard(52, "filled", own="assignment", tag="", fill_quantity=1))
    end.hear(heard(53, "filled", own="expiry", tag="", fill_quantity=1))
    kinds = [event.kind for event in told(end) if isinstance(event, protocol.OrderEvent)]
    assert kinds == ["external", "margin_call", "assignment", "expiry"]
    assert all(event.order_id == "" for event in told(end) if isinstance(event, protocol.OrderEvent))


def test_legs_filled_at_once_share_a_batch_and_an_exercise_with_its_shares(lean: Lean, end: LeanEnd) -> None:
    lean.answer = Answer((1, 2), True)
    end.run([place("a", legs=((CALL, 1), (PUT, -1)))])
    end.hear(heard(1, "filled", 2, fill_quantity=1))
    end.hear(heard(2, "filled", 2, fill_quantity=-1, symbol=PUT))
    lean.answer = Answer((3,), True)
    end.run([protocol.Exercise("x", 1, CALL, 1, "")])
    end.hear(heard(3, "filled", 2, fill_quantity=-1, tag="cb:x"))
    end.hear(heard(3, "filled", 3, fill_quantity=100, symbol="GOOG", tag="cb:x"))
    fills = [event for event in told(end) if isinstance(event, protocol.OrderEvent)]
    assert [(event.batch, event.kind, event.order_id) for event in fills] == [
        (1, "order", "a"), (1, "order", "a"), (2, "exercise", "x"), (2, "exercise", "x"),
    ]  # fmt: skip


def test_unled_only_what_closes_stays_and_passes(lean: Lean, end: LeanEnd) -> None:
    lean.holdings = (protocol.Holding(CALL, Decimal(2), Decimal(3), Decimal(3)),)
    end.run([place("opens")])
    lean.answer = Answer((2,), True)
    end.run([place("closes", legs=((CALL, -1),))])
    end.hear(heard(1))
    end.hear(heard(2, tag="cb:closes mine"))
    end.account()
    assert end.cancel_entries() == 1
    assert lean.asked[-1] == ("cancel", "opens", "")
    end.limits.set(UNLED, "no daemon for 30 s")
    end.run([place("more")])
    assert (returned(end).ok, returned(end).denied) == (False, False)
    assert "only reducing orders pass" in returned(end).message
    lean.answer = Answer((3,), True)
    end.run([place("rest", legs=((CALL, -1),))])
    assert returned(end).ok
    end.hear(heard(3, tag="cb:rest mine"))
    end.run([place("beyond", legs=((CALL, -1),))])  # both contracts have a closing order at work already
    assert not returned(end).ok


def test_after_the_end_no_command_runs(lean: Lean, end: LeanEnd) -> None:
    end.inbox.append(place("a"))
    end.close()
    end.inbox.append(place("b"))
    end.drain()
    assert lean.asked == []


def test_a_tag_carries_the_order_s_id_and_gives_the_user_s_back() -> None:
    for tag in ("", "mine", " two  words "):
        assert unmarked(marked("o-1", tag)) == ("o-1", tag)
    assert unmarked("by hand") == ("", "by hand")


def test_an_order_taken_over_from_the_broker_can_be_cancelled_again(lean: Lean, end: LeanEnd) -> None:
    known = Known("old", 0, (protocol.Leg(CALL, 1),), 1, "limit", False, False, Decimal(5), "", (9,))
    known.told, known.broker_ids = {0: "submitted"}, ("B1",)
    end.adopt(lambda: [known])
    assert [(order.order_id, order.broker_ids) for order in end.hello(AT, True).orders] == [("old", ("B1",))]
    end.run([protocol.CancelOrder("old")])
    assert lean.asked == [("cancel", "old", "")]
    assert returned(end).status == "cancel_pending"


def test_what_is_told_of_an_order_while_it_is_taken_over_is_told_as_its_own(end: LeanEnd) -> None:
    known = Known("old", 0, (protocol.Leg(CALL, 1),), 1, "limit", False, False, Decimal(5), "", (9,))
    thread = threading.Thread(target=end.hear, args=(heard(9, "filled", fill_quantity=1, tag=""),))

    def read() -> list[Known]:
        thread.start()
        thread.join(0.2)  # LEAN's other threads tell of it before it is known here
        return [known]

    end.adopt(read)
    thread.join()
    (event,) = told(end)
    assert isinstance(event, protocol.OrderEvent)
    assert (event.kind, event.order_id) == ("order", "old")


def test_a_partly_filled_exit_is_no_entry_when_nobody_leads(lean: Lean, end: LeanEnd) -> None:
    lean.holdings = (protocol.Holding(CALL, Decimal(2), Decimal(3), Decimal(3)),)
    end.run([place("closes", legs=((CALL, -1),), quantity=2)])
    end.hear(heard(1, tag="cb:closes mine"))
    end.hear(heard(1, "partially_filled", 2, tag="cb:closes mine", fill_quantity=-1))
    lean.holdings = (protocol.Holding(CALL, Decimal(1), Decimal(3), Decimal(3)),)
    end.account()
    assert end.cancel_entries() == 0


def test_a_cancel_and_a_question_hit_the_attempt_that_they_name_and_no_other(lean: Lean, end: LeanEnd) -> None:
    lean.answer = Answer((1,), False, "Error: no")
    end.run([place("a", 1)])
    end.hear(heard(1, "invalid"))
    lean.answer = Answer((2,), True)
    end.run([place("a", 2)])
    end.run([protocol.CancelOrder("a", "", 1)])
    assert (returned(end).ok, returned(end).attempt, returned(end).known_here) == (False, 1, True)
    end.run([protocol.CancelOrder("a", "", 3)])
    assert not returned(end).known_here
    end.run([protocol.QueryOrder("a", 1)])
    assert (returned(end).known_here, returned(end).denied) == (False, False)
    assert [asked[0] for asked in lean.asked] == ["place", "place"]
    end.run([protocol.CancelOrder("a", "", 2)])
    assert (returned(end).status, returned(end).attempt) == ("cancel_pending", 2)
    assert lean.asked[-1][:2] == ("cancel", "a")


def test_every_answer_to_an_amend_of_leg_limits_names_its_generation(lean: Lean, end: LeanEnd) -> None:
    lean.answer = Answer((1, 2), True)
    end.run([place("a", legs=((CALL, 1), (PUT, -1)))])
    for generation in (1, 2):
        end.run([protocol.AmendOrder("a", 1, generation, leg_limits=(Decimal(generation), Decimal(3)))])
        assert returned(end).generation == generation
    seen = list[int]()
    for event_id, lean_id in enumerate((1, 2, 1, 2), start=2):
        end.hear(heard(lean_id, "update_submitted", event_id, symbol=CALL if lean_id == 1 else PUT))
        event = told(end)[-1]
        assert isinstance(event, protocol.OrderEvent)
        seen.append(event.generation)
    assert seen == [1, 1, 2, 2]


def test_a_question_about_an_amend_says_what_became_of_it(lean: Lean, end: LeanEnd) -> None:
    end.run([place("a")])
    end.hear(heard(1))

    def asked(generation: int) -> str:
        end.run([protocol.QueryOrder("a", 1, generation)])
        return returned(end).amend

    end.run([protocol.AmendOrder("a", 1, 1, limit_price=Decimal(6))])
    assert (asked(0), asked(1)) == ("", "pending")
    end.hear(heard(1, "update_submitted", 2))
    assert asked(1) == "stands"
    lean.answer = Answer((1,), False, "Error: no")
    end.run([protocol.AmendOrder("a", 1, 2, limit_price=Decimal(7))])
    assert asked(2) == "refused"
    assert asked(3) == "never"
    lean.answer = Answer((1,), True)
    end.run([protocol.AmendOrder("a", 1, 3, limit_price=Decimal(8))])  # what was promised holds
    assert (len(lean.asked), asked(3), asked(1)) == (3, "refused", "stands")


def test_an_entry_whose_cancel_lean_did_not_take_is_asked_for_again_and_one_it_took_is_not(
    lean: Lean, end: LeanEnd
) -> None:
    end.run([place("opens")])
    end.hear(heard(1))
    end.account()
    lean.answer = Answer((1,), False, "Error: brokerage is not connected")
    assert end.cancel_entries() == 0
    lean.answer = Answer((1,), True)
    assert [end.cancel_entries(), end.cancel_entries()] == [1, 0]
    assert [asked[0] for asked in lean.asked] == ["place", "cancel", "cancel"]
    end.hear(heard(1, "cancel_pending", 2))
    assert end.cancel_entries() == 0
    end.hear(heard(1, "submitted", 3))  # the brokerage did not take it
    assert end.cancel_entries() == 1


def test_each_reason_to_only_reduce_is_lifted_apart(end: LeanEnd) -> None:
    end.brokerage_said("disconnect", "2", "line down")
    assert end.limits.set(UNLED, "no daemon for 30 s")
    assert not end.limits.set(UNLED, "no daemon for 31 s")
    end.brokerage_said("reconnect", "", "back")
    assert str(end.limits) == "no daemon for 30 s"
    end.brokerage_said("disconnect", "2", "line down")
    end.limits.lift(UNLED)
    assert str(end.limits) == "brokerage disconnect: line down"
    end.brokerage_said("warning", "3", "mind")
    end.limits.lift(AWAY)
    assert not end.limits
    said = [(each.severity, each.source) for each in told(end) if isinstance(each, protocol.Notice)]
    assert set(said) == {("disconnect", "brokerage"), ("reconnect", "brokerage"), ("warning", "brokerage")}


def test_an_error_of_the_brokerages_holds_until_the_daemon_has_it_and_for_what_it_sent_before(
    lean: Lean, end: LeanEnd
) -> None:
    end.event(protocol.CashMoved, Decimal(1), "before")
    end.brokerage_said("error", "42", "no permission")
    end.acknowledged(1)
    assert str(end.limits) == "brokerage error: no permission"
    end.inbox.append(place("sent before"))
    end.acknowledged(2)
    end.inbox.append(place("sent after"))
    end.drain()
    assert [asked[1] for asked in lean.asked] == ["sent after"]
    assert not end.limits
    end.brokerage_said("error", "42", "again")
    end.acknowledged(end.log.last)
    end.hello(AT, False)  # empties the inbox: the welcome says once more what is on disk
    assert end.limits
    end.acknowledged(end.log.last)
    end.drain()
    assert not end.limits


def test_an_error_in_a_backtest_holds_until_its_acknowledgement(lean: Lean) -> None:
    end = LeanEnd(lean, "s", "backtest", "lean")
    end.brokerage_said("error", "42", "no permission")
    end.acknowledged(1)
    assert not end.limits
    assert not end.inbox


def test_an_entry_is_not_amended_while_only_reducing_orders_pass(lean: Lean, end: LeanEnd) -> None:
    lean.holdings = (protocol.Holding(CALL, Decimal(2), Decimal(3), Decimal(3)),)
    end.account()
    end.run([place("opens")])
    lean.answer = Answer((2,), True)
    end.run([place("closes", legs=((CALL, -1),))])
    end.limits.set(ERROR, "brokerage error: no permission")
    end.run([protocol.AmendOrder("opens", 1, 1, quantity=2)])
    assert (returned(end).ok, returned(end).generation) == (False, 1)
    assert "only reducing orders pass" in returned(end).message
    end.run([protocol.AmendOrder("closes", 1, 1, limit_price=Decimal(-4), quantity=2)])
    assert returned(end).ok
    end.run([protocol.AmendOrder("closes", 1, 2, quantity=3)])
    assert not returned(end).ok
    end.run([protocol.QueryOrder("opens", 1, 1)])
    assert returned(end).amend == "refused"
    assert [asked[0] for asked in lean.asked] == ["place", "place", "amend"]


def test_an_attempt_that_was_made_is_not_denied_when_it_comes_again(lean: Lean, end: LeanEnd) -> None:
    end.run([place("a", 1)])
    end.hear(heard(1))
    end.run([place("a", 1)])
    assert (returned(end).ok, returned(end).denied, returned(end).status) == (True, False, "submitted")
    assert len(lean.asked) == 1


def test_an_order_that_lean_took_before_it_threw_stands(lean: Lean, end: LeanEnd) -> None:
    lean.answer = ValueError("after the order was sent")  # type: ignore[assignment]
    lean.during = lambda: end.hear(heard(7))
    end.run([place("a", legs=((CALL, 1), (PUT, -1)))])
    event, answer = told(end)
    assert isinstance(event, protocol.OrderEvent)
    assert (event.kind, event.order_id, event.leg, event.tag) == ("order", "a", 0, "mine")
    assert isinstance(answer, protocol.CallReturned)
    assert (answer.ok, answer.status, answer.raised, answer.lean_ids) == (True, "submitted", "ValueError", (7, -10))
    lean.during = lambda: None
    end.hear(heard(8, "filled", 2, symbol=PUT, fill_quantity=-1))
    event = told(end)[-1]
    assert isinstance(event, protocol.OrderEvent)
    assert (event.kind, event.order_id, event.leg) == ("order", "a", 1)
    end.run([place("a", 2)])
    assert returned(end).denied
    assert len(lean.asked) == 1


def test_an_order_that_lean_tells_of_after_it_threw_is_still_ours(lean: Lean, end: LeanEnd) -> None:
    lean.answer = ValueError("no answer")  # type: ignore[assignment]
    end.run([place("a")])
    assert (returned(end).ok, returned(end).status) == (False, "raised")
    end.hear(heard(7, "filled", 2, fill_quantity=1))
    event = told(end)[-1]
    assert isinstance(event, protocol.OrderEvent)
    assert (event.kind, event.order_id, event.leg) == ("order", "a", 0)
    end.run([place("a", 2)])
    assert returned(end).denied
