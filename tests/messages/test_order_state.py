"""The order table: every pair of state and fact is either a move of the design's table or not allowed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from actors.messages.common import Evidence, Origin
from actors.messages.order_state import MOVES, TERMINAL, Order, OrderTable, allowed, fold, next_state
from actors.messages.orders import (
    AmendAccepted,
    Amendment,
    AmendRequested,
    CancelRefused,
    CancelRequested,
    LegFilled,
    OrderAccepted,
    OrderApproved,
    OrderBody,
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFact,
    OrderLeg,
    OrderQueued,
    OrderRejected,
    OrderReleased,
    OrderRequeued,
    OrderSent,
    OrderUnknown,
    SendRefused,
    SendWithheld,
    order_stream,
)
from actors.runtime import Recorded

NOW = dt.datetime(2015, 12, 24, 15, tzinfo=dt.UTC)
CALL, OTHER = "GOOG  160219C00750000", "GOOG  160219C00760000"
BODY = OrderBody((OrderLeg(CALL, 1), OrderLeg(OTHER, -1)), 2, "limit", Decimal("5.20"))
ORIGIN = Origin(1, 7)


def fill(leg: int, quantity: int, number: int = 1) -> LegFilled:
    symbol = BODY.legs[leg].symbol
    return LegFilled("a", ORIGIN, leg, symbol, quantity, Decimal("1.5"), Decimal("1.30"), f"1:{leg}:{number}", number)


QUEUED = OrderQueued("a", BODY, "test")
RELEASED = OrderReleased("a", 1)
APPROVED = OrderApproved("a", 1, Decimal(100), False, ("open", "open"), "defined", Evidence(1))
SENT = OrderSent("a", 1, 1, 1, "test")
ACCEPTED = OrderAccepted("a", ORIGIN, 0, 1, ())
CANCELING = CancelRequested("a", "test", "enough")
UNKNOWN = OrderUnknown("a", "silence")

PATHS: dict[str, tuple[OrderFact, ...]] = {
    "queued": (QUEUED,),
    "released": (QUEUED, RELEASED),
    "approved": (QUEUED, RELEASED, APPROVED),
    "sent": (QUEUED, RELEASED, APPROVED, SENT),
    "accepted": (QUEUED, RELEASED, APPROVED, SENT, ACCEPTED),
    "partially_filled": (QUEUED, RELEASED, APPROVED, SENT, ACCEPTED, fill(0, 2)),
    "pending_cancel": (QUEUED, RELEASED, APPROVED, SENT, ACCEPTED, CANCELING),
    "unknown": (QUEUED, RELEASED, APPROVED, SENT, UNKNOWN),
    "filled": (QUEUED, RELEASED, APPROVED, SENT, ACCEPTED, fill(0, 2), fill(1, -2)),
    "canceled": (QUEUED, OrderCanceled("a", None, "enough")),
    "rejected": (QUEUED, RELEASED, APPROVED, SENT, OrderRejected("a", ORIGIN, "no")),
    "expired": (QUEUED, OrderExpired("a", None, "ttl")),
    "denied": (QUEUED, RELEASED, OrderDenied("a", (), Evidence(1))),
}
STATUS_FACTS: dict[str, OrderFact] = {
    "released": OrderReleased("a", 2),
    "approved": APPROVED,
    "denied": OrderDenied("a", (), Evidence(1)),
    "queued": OrderRequeued("a", "lapsed"),
    "sent": SENT,
    "accepted": ACCEPTED,
    "rejected": OrderRejected("a", ORIGIN, "no"),
    "canceled": OrderCanceled("a", ORIGIN, "gone"),
    "expired": OrderExpired("a", ORIGIN, "day is over"),
    "pending_cancel": CANCELING,
    "unknown": UNKNOWN,
}


def after(*facts: OrderFact) -> Order:
    table = OrderTable()
    for number, fact in enumerate(facts, start=1):
        fold(table, Recorded(number, order_stream("a"), number, NOW, 0, fact))
    return table.orders["a"]


def test_every_path_ends_in_the_state_it_is_named_after() -> None:
    assert {name: after(*path).state for name, path in PATHS.items()} == {name: name for name in PATHS}


@pytest.mark.parametrize("state", PATHS)
@pytest.mark.parametrize("target", STATUS_FACTS)
def test_a_status_is_allowed_exactly_where_the_table_has_it(state: str, target: str) -> None:
    order, fact = after(*PATHS[state]), STATUS_FACTS[target]
    moved = next_state(order, fact)
    expected = moved in MOVES[order.state] if moved is not None else order.state not in TERMINAL
    if isinstance(fact, OrderAccepted) and state == "pending_cancel":
        expected = True  # ids of a cancelled order still come: it stays pending
    assert allowed(order, fact) == expected


def test_nothing_leaves_a_terminal_state() -> None:
    for state in TERMINAL:
        assert not MOVES[state]
        assert not any(allowed(after(*PATHS[state]), fact) for fact in STATUS_FACTS.values())


def test_an_execution_is_booked_whatever_the_state_and_shows_the_true_quantity() -> None:
    for state, path in PATHS.items():
        order = after(*path)
        assert allowed(order, fill(0, 1, 9))
        late = after(*path, fill(0, 1, 9))
        assert late.filled[0] == order.filled[0] + 1
        if state in TERMINAL:
            assert late.state == state


def test_a_partial_fill_proves_neither_a_failed_cancel_nor_the_rest_of_an_unknown_order() -> None:
    assert after(*PATHS["pending_cancel"], fill(0, 1)).state == "pending_cancel"
    assert after(*PATHS["unknown"], fill(0, 1)).state == "unknown"
    assert after(*PATHS["pending_cancel"], fill(0, 2), fill(1, -2)).state == "filled"
    assert after(*PATHS["unknown"], fill(0, 2), fill(1, -2)).state == "filled"


def test_a_refused_cancel_gives_back_the_state_before() -> None:
    refused = CancelRefused("a", ORIGIN, "too late")
    assert after(*PATHS["pending_cancel"], refused).state == "accepted"
    assert after(*PATHS["pending_cancel"], fill(0, 1), refused).state == "partially_filled"


def test_what_is_withheld_goes_back_to_the_queue_or_ends_where_a_cancel_is_known() -> None:
    withheld = SendWithheld("a", 1, "halted")
    assert after(*PATHS["sent"], withheld).state == "queued"
    assert after(*PATHS["sent"], CANCELING, withheld).state == "canceled"
    assert not allowed(after(*PATHS["accepted"]), withheld)


def test_a_promise_not_to_send_gives_the_order_back() -> None:
    refused = SendRefused("a", 1, ORIGIN, "reconnecting")
    assert after(*PATHS["sent"], refused).state == "queued"
    assert after(*PATHS["unknown"], refused).state == "queued"


def test_an_amend_down_to_what_filled_ends_the_order() -> None:
    change = AmendRequested("a", 1, Amendment(quantity=1), "test")
    half = (*PATHS["accepted"], fill(0, 1), fill(1, -1, 2))
    assert after(*half, change, AmendAccepted("a", 1, ORIGIN)).state == "filled"


def test_an_order_queued_under_the_first_schema_is_still_read() -> None:
    fields = msgspec.to_builtins(QUEUED)
    old = msgspec.msgpack.encode([*fields[:3], 4_294_967_297, "campaign"])
    assert OrderQueued.SCHEMA == 2
    assert OrderQueued.upcast(1, old) == msgspec.structs.replace(QUEUED, campaign_id="campaign")
    with pytest.raises(ValueError, match="can't read schema 0"):
        OrderQueued.upcast(0, old)
