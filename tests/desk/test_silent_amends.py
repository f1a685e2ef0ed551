"""An amend that nobody answers is unknown by itself: its order works on, it is asked after, and only proof ends it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.messages import lean
from actors.messages.breaker import Halt
from actors.messages.orders import Amendment, AmendOrder, CancelOrder, SettleUnknown
from tests.desk.kit import CALLS, RULES, Desk

SPREAD = ((CALLS[1], 1), (CALLS[2], -1))
SILENCE = RULES.outcome_seconds + 1


def amended(**change: object) -> Desk:
    """An order that works for long, and an amend of it that is on its way."""
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00", quantity=2)
    desk.accept("a")
    desk.wait(3600)
    desk.quote()
    desk.command(AmendOrder("a", Amendment(**(change or {"limit_price": Decimal("4.20")}))))  # type: ignore[arg-type]
    desk.sent()
    return desk


def state(desk: Desk) -> tuple[str, str]:
    order = desk.order("a")
    return order.state, order.amend


def reconnect(desk: Desk, session: str = "1") -> None:
    desk.core.tell(lean.LeanDisconnected("the socket was cut"), desk.now)
    if session != "1":
        desk.n = 0
    desk.connect(session=session)


def test_silence_makes_the_amend_unknown_and_not_its_order() -> None:
    desk = amended()
    desk.wait(1)
    assert state(desk) == ("accepted", "sent")  # the order has long worked: its own age is no silence
    desk.wait(SILENCE)
    assert state(desk) == ("accepted", "unknown")
    assert desk.sent() == [lean.Query("a", 1, 1)]
    desk.wait(10 * SILENCE)
    assert state(desk) == ("accepted", "unknown")
    assert "OrderUnknown" not in desk.kinds()
    assert desk.kinds().count("AmendUnknown") == 1


@pytest.mark.parametrize(
    ("answer", "amend", "limit"),
    [
        ("stands", "none", "4.20"), ("refused", "none", "4.00"), ("never", "none", "4.00"),
        ("pending", "unknown", "4.00"), ("", "unknown", "4.00"),
    ],
)  # fmt: skip
def test_only_proof_ends_it(answer: str, amend: str, limit: str) -> None:
    desk = amended()
    desk.wait(SILENCE)
    desk.returned("a", call="query", amend=answer)
    assert state(desk) == ("accepted", amend)
    assert desk.order("a").body.limit_price == Decimal(limit)


def test_a_late_update_proves_it_and_one_of_an_older_generation_does_not() -> None:
    desk = amended()
    desk.event("a", 0, CALLS[1], "update_submitted")
    desk.command(AmendOrder("a", Amendment(limit_price=Decimal("4.30"))))
    desk.event("a", 1, CALLS[2], "update_submitted", generation=1)
    desk.returned("a", call="amend", ok=False, status="submitted", generation=1)
    assert state(desk) == ("accepted", "sent")
    desk.wait(SILENCE)
    desk.event("a", 1, CALLS[2], "update_submitted", generation=1)
    desk.returned("a", call="query", amend="refused", generation=1)
    assert state(desk) == ("accepted", "unknown")
    desk.event("a", 1, CALLS[2], "update_submitted", generation=2)
    assert state(desk) == ("accepted", "none")
    assert desk.order("a").body.limit_price == Decimal("4.30")


def test_a_fill_of_the_old_quantity_waits_for_the_proof_of_an_amend_to_more() -> None:
    desk = amended(quantity=3)
    desk.wait(SILENCE)
    for leg in range(2):
        desk.fill("a", leg)
    assert state(desk) == ("partially_filled", "unknown")
    desk.returned("a", call="query", status="filled", amend="refused")
    assert state(desk) == ("filled", "none")


def test_after_a_lost_connection_the_same_session_is_asked_and_a_new_one_is_told_again() -> None:
    desk = amended()
    desk.wait(SILENCE)
    desk.sent()
    reconnect(desk)
    assert desk.sent() == [lean.Query("a", 1, 1)]
    desk.core.tell(lean.LeanDisconnected("killed"), desk.now)
    desk.n = 0
    account = lean.AccountView(desk.book.cash, desk.book.cash, Decimal(0), Decimal(0), Decimal(0), (), 0)
    listed = lean.OpenOrderSeen("a", desk.order("a").body.legs, 2, (0, 0), (1, 2), ("ba0",), "")
    desk.core.tell(lean.LeanConnected("2", "live", "paper", True, account, (listed,), ()), desk.now)
    assert desk.sent() == [lean.Amend("a", 1, 1, Amendment(limit_price=Decimal("4.20")))]
    desk.returned("a", call="query", amend="never")  # a promise of the wrong session's
    assert state(desk) == ("accepted", "unknown")
    desk.event("a", 0, CALLS[1], "update_submitted")
    assert state(desk) == ("accepted", "none")


def test_an_unknown_amend_is_not_told_again_above_a_halt_but_can_be_canceled() -> None:
    desk = amended()
    desk.wait(SILENCE)
    desk.sent()
    desk.command(Halt(1, "caution"))
    desk.command(CancelOrder("a"))
    assert desk.sent() == [lean.Cancel("a", 1, "")]
    desk.event("a", 0, CALLS[1], "canceled")
    desk.event("a", 1, CALLS[2], "canceled")
    assert desk.order("a").state == "canceled"


@pytest.mark.parametrize(("word", "limit"), [("accepted", "4.20"), ("rejected", "4.00")])
def test_an_operator_settles_it(word: str, limit: str) -> None:
    desk = amended()
    desk.wait(SILENCE)
    desk.command(SettleUnknown("a", word, "the broker was called"))  # type: ignore[arg-type]
    assert state(desk) == ("accepted", "none")
    assert desk.order("a").body.limit_price == Decimal(limit)


def test_an_answer_about_another_attempt_changes_nothing() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    reconnect(desk)
    desk.returned("a", call="query", ok=False, status="", denied=True, known_here=False)
    assert desk.order("a").attempt == 2
    desk.sent()
    desk.command(CancelOrder("a"))
    desk.sent()
    for call in ("cancel", "place", "query"):
        desk.returned("a", call=call, ok=False, status="invalid", attempt=1)
    assert desk.order("a").state == "pending_cancel"
    desk.returned("a", call="place", ok=False, status="invalid")
    assert desk.order("a").state == "rejected"


def test_a_question_about_the_order_does_not_forbid_an_amend_that_is_told_again() -> None:
    desk = Desk()
    desk.submit("a", *SPREAD, limit="4.00")
    desk.command(AmendOrder("a", Amendment(quantity=2)))
    desk.sent()  # both are lost with the connection
    reconnect(desk)
    told = desk.sent()
    assert lean.Query("a", 1, 0) in told
    assert lean.Amend("a", 1, 1, Amendment(quantity=2)) in told
