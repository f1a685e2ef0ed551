"""Every frame survives the wire, rubbish is an error with a reason, and translation loses nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import lean, orders
from bridge import protocol, translate

NOW = dt.datetime(2015, 12, 24, 14, 31, tzinfo=dt.UTC)
CALL = "GOOG  160219C00750000"
ACCOUNT = protocol.Account(
    Decimal("100.5"), Decimal(0), Decimal("99.25"), Decimal(1), Decimal(2), Decimal("0.65"),
    (protocol.Holding(CALL, Decimal(-2), Decimal("1.5"), Decimal("1.25")),), 7,
)  # fmt: skip
EVENT = protocol.OrderEvent(
    1, NOW, "order", "a", 0, CALL, "filled", Decimal("1.5"), -2, -2, Decimal("1.30"), "1:1:2", "", "tag", 1, 2, 1
)
QUOTES = protocol.Quotes([1], [1.0], [1.5], [10.0], [12.0], [float("nan")], [0.0], [5.0])
FRAMES = (
    protocol.Hello(1, "1", "backtest", "paper", True, NOW, ACCOUNT, (), (("a", 1),), 3),
    protocol.Listing(
        NOW, (protocol.Security(1, CALL, "option", "GOOG", 100, "american", "physical", Decimal("0.01")),)
    ),
    protocol.Settle(1, NOW, 5, (EVENT, protocol.CashMoved(2, NOW, Decimal(-9), "out")), ACCOUNT),
    protocol.Events((protocol.CallReturned(3, NOW, "place", "a", 1, False, "invalid", (-10,), "no"),)),
    protocol.Goodbye(NOW, "over", ACCOUNT), protocol.Heartbeat(NOW, ("GOOG",)), protocol.StoredObject("k", True, b"x"),
)  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_frame_comes_back_as_it_went(frame: protocol.Frame) -> None:
    sent = protocol.encode(frame)
    assert int.from_bytes(sent[:4], "big") == len(sent) - 4
    assert protocol.decode_to_daemon(sent[4:]) == frame


@given(st.binary(max_size=300))
def test_random_bytes_never_raise_anything_but_a_protocol_error(body: bytes) -> None:
    for decode in (protocol.decode_to_daemon, protocol.decode_to_lean):
        with contextlib.suppress(protocol.ProtocolError):
            decode(body)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_flipped_byte_never_raises_anything_else(place: int, value: int) -> None:
    body = bytearray(protocol.encode(FRAMES[2])[4:])
    body[place % len(body)] = value
    with contextlib.suppress(protocol.ProtocolError):
        protocol.decode_to_daemon(bytes(body))


def test_an_unreadable_frame_says_where_it_broke() -> None:
    with pytest.raises(protocol.ProtocolError, match="unreadable frame from lean"):
        protocol.decode_to_daemon(b"rubbish")
    with pytest.raises(protocol.ProtocolError, match="unreadable frame from the daemon"):
        protocol.decode_to_lean(b"")


def test_a_frame_beyond_the_limit_is_not_sent() -> None:
    with pytest.raises(protocol.ProtocolError, match="above the limit"):
        protocol.encode(protocol.StoreObject("k", bytes(protocol.MAX_FRAME + 1)))


def test_every_event_has_an_input() -> None:
    events = (
        EVENT, protocol.CallReturned(1, NOW, "query", "a", 1, True, "filled", (1,), ""),
        protocol.CashMoved(1, NOW, Decimal(5), "in"), protocol.MarginCalled(1, NOW, ((CALL, 2),)),
        protocol.Delisted(1, NOW, CALL, True), protocol.DividendPaid(1, NOW, "GOOG", Decimal("0.4")),
        protocol.Split(1, NOW, "GOOG", Decimal("0.5"), False), protocol.Notice(1, NOW, "error", "7", "text"),
    )  # fmt: skip
    inputs = [translate.event(event) for event in events]
    assert all(each.n == 1 for each in inputs)
    assert inputs[0].fill_quantity == -2
    assert inputs[0].execution_id == "1:1:2"


def test_words_become_the_frames_that_say_the_same() -> None:
    body = orders.OrderBody((orders.OrderLeg(CALL, -1), orders.OrderLeg("GOOG", 100)), 2, "limit", Decimal("-3.5"))
    frame = translate.word(lean.Place("a", 1, body))
    assert isinstance(frame, protocol.PlaceOrder)
    assert (frame.combo, frame.limit_price, [leg.ratio for leg in frame.legs]) == (True, Decimal("-3.5"), [-1, 100])
    assert translate.word(lean.Query("a", 2)) == protocol.QueryOrder("a", 2)
    with pytest.raises(TypeError):
        translate.word("nonsense")


def test_a_view_keeps_rows_that_stay_and_replaces_only_what_changed() -> None:
    view = translate.empty_view(NOW)
    other = protocol.Security(2, "GOOG", "equity", "GOOG", 1, "", "", Decimal("0.01"))
    call = protocol.Security(1, CALL, "option", "GOOG", 100, "american", "physical", Decimal("0.01"))
    view = translate.listed(view, protocol.Listing(NOW, (call, other)))
    step = protocol.Step(1, NOW, 5, True, (), None, QUOTES, ("GOOG",))
    first = translate.stepped(view, translate.row_numbers(view), step)
    assert (first.quote(CALL).bid, first.quote("GOOG").bid, first.quote("NONE").bid) == (1.0, None, None)
    assert view.quote(CALL).bid is None, "a view never changes"
    second = translate.listed(first, protocol.Listing(NOW, (), (2,)))
    assert second.quote(CALL).bid == 1.0
    assert second.security("GOOG") is None


def test_a_step_does_not_make_what_is_stale_alive() -> None:
    view = translate.listed(translate.empty_view(NOW), FRAMES[1])  # type: ignore[arg-type]
    rows = translate.row_numbers(view)
    empty = protocol.Quotes([], [], [], [], [], [], [], [])
    first = protocol.Step(1, NOW, 0, True, (), None, empty, ("GOOG", "SPX"))
    later = NOW + dt.timedelta(seconds=90)
    second = protocol.Step(2, later, 0, False, (), None, empty, ("GOOG", "SPX"), ("GOOG",))
    view = translate.stepped(translate.stepped(view, rows, first), rows, second)
    assert view.alive == {"GOOG": NOW, "SPX": later}
    assert view.open == {"GOOG", "SPX"}
