"""The market's end of the wire by itself: nothing twice, no false denial, no order lost, a clean end."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from bridge import protocol
from bridge.paper import Market
from bridge.paper.data import Feed, LeanFolder, MarketHours

DATA = Path(__file__).parents[1] / "data" / "lean"
HOURS = MarketHours.load(DATA)
DAY = dt.date(2015, 12, 24)
CALL = "GOOG  160115C00732500"


def opened(last: dt.date = DAY) -> Market:
    """A market at its first step."""
    feed = Feed(LeanFolder(DATA), HOURS, DAY, last, underlyings=("GOOG",), symbols=(CALL,))
    market = Market(feed, HOURS, cash=Decimal(500000), margin=lean_margin_used, initial=lean_initial_margin)
    market.hello()
    while not any(isinstance(frame, protocol.Step) for frame in market.next()):
        pass
    return market


def place(order_id: str, attempt: int = 1, quantity: int = 2, **fields) -> protocol.PlaceOrder:
    values = {"type": "market", "limit_price": None, "time_in_force": "gtc", **fields}
    return protocol.PlaceOrder(
        order_id, attempt, (protocol.Leg(CALL, 1),), quantity, values["type"], values["limit_price"], None, None,
        values["time_in_force"], "", False,
    )  # fmt: skip


def run(market: Market, *commands: protocol.Command) -> protocol.Settle:
    return market.settle(protocol.Done(commands, False))


def returned(settle: protocol.Settle) -> list[protocol.CallReturned]:
    return [event for event in settle.events if isinstance(event, protocol.CallReturned)]


def held(settle: protocol.Settle) -> dict[str, int]:
    assert settle.account is not None
    return {holding.symbol: int(holding.quantity) for holding in settle.account.holdings}


def test_the_same_exercise_twice_exercises_once() -> None:
    market = opened()
    run(market, place("a"))
    first = run(market, protocol.Exercise("x", 1, CALL, 1, ""))
    assert held(first) == {CALL: 1, "GOOG": 100}
    again = run(market, protocol.Exercise("x", 1, CALL, 1, ""))
    assert [(each.ok, each.denied) for each in returned(again)] == [(False, True)]
    assert again.account is None


def test_a_done_exercise_is_known_and_never_denied() -> None:
    market = opened()
    run(market, place("a"), protocol.Exercise("x", 1, CALL, 1, ""))
    (answer,) = returned(run(market, protocol.QueryOrder("x", 1)))
    assert (answer.known_here, answer.denied, answer.status) == (True, False, "filled")


def test_a_higher_attempt_does_not_replace_an_order_that_works() -> None:
    market = opened()
    run(market, place("a", type="limit", limit_price=Decimal("1.00")))
    (answer,) = returned(run(market, place("a", 2)))
    assert (answer.ok, answer.denied) == (False, True)
    (known,) = returned(run(market, protocol.QueryOrder("a", 1)))
    assert known.status == "submitted"


def test_quit_ends_with_a_goodbye_and_the_account() -> None:
    market = opened()
    run(market, place("a"), protocol.Quit("enough"))
    (frame,) = market.next()
    assert isinstance(frame, protocol.Goodbye)
    assert frame.account is not None
    assert [holding.symbol for holding in frame.account.holdings] == [CALL]


@pytest.mark.parametrize("command", [place("a", quantity=0), protocol.Exercise("x", 1, CALL, 0, "")])
def test_a_quantity_of_nothing_is_refused_and_costs_nothing(command: protocol.Command) -> None:
    market = opened()
    settle = run(market, command)
    assert [(each.ok, each.lean_ids) for each in returned(settle)] == [(False, (-10,))]
    assert settle.account is None


def test_stock_can_not_be_exercised() -> None:
    market = opened()
    stock = protocol.PlaceOrder("s", 1, (protocol.Leg("GOOG", 1),), 10, "market", None, None, None, "gtc", "", False)
    settle = run(market, stock, protocol.Exercise("x", 1, "GOOG", 1, ""))
    assert [each.ok for each in returned(settle)] == [True, False]


@pytest.mark.parametrize(("time_in_force", "ended"), [("day", True), ("gtc", False)])
def test_a_day_order_ends_with_its_session(time_in_force: str, ended: bool) -> None:
    market = opened(dt.date(2015, 12, 28))
    run(market, place("a", type="limit", limit_price=Decimal("1.00"), time_in_force=time_in_force))
    canceled: list[dt.datetime] = []
    while True:
        frames = market.next()
        for frame in frames:
            if isinstance(frame, protocol.Step | protocol.Events):
                canceled += [
                    e.at for e in frame.events if isinstance(e, protocol.OrderEvent) and e.status == "canceled"
                ]
        if isinstance(frames[-1], protocol.Goodbye):
            break
    assert canceled == ([dt.datetime(2015, 12, 24, 18, tzinfo=dt.UTC)] if ended else [])


def test_the_same_session_says_hello_again_with_what_works_and_what_it_was_asked() -> None:
    market = opened()
    run(market, place("rests", type="limit", limit_price=Decimal("1.00")))
    run(market, place("fills"))
    again = market.hello("live")
    assert (again.mode, again.fresh_from_broker) == ("live", False)
    assert [order.order_id for order in again.orders] == ["rests"]
    assert dict(again.placed) == {"rests": 1, "fills": 1}
    assert {held.symbol: int(held.quantity) for held in again.account.holdings} == {CALL: 2}
    listing, step = market.everything(())
    assert isinstance(listing, protocol.Listing)
    assert isinstance(step, protocol.Step)
    assert {security.symbol for security in listing.added} == {"GOOG", CALL}
    assert step.quotes.number == [security.number for security in listing.added]


def test_an_amend_is_taken_once_however_often_it_is_told() -> None:
    market = opened()
    run(market, place("a", type="limit", limit_price=Decimal("1.00")))
    change = protocol.AmendOrder("a", 1, 1, limit_price=Decimal("1.10"))
    for _ in range(2):
        assert [each.ok for each in returned(run(market, change))] == [True]
    told = [event for frame in market.next() if isinstance(frame, protocol.Events) for event in frame.events]
    updates = [each for each in told if isinstance(each, protocol.OrderEvent) and each.status == "update_submitted"]
    assert len(updates) == 1


def test_with_nobody_leading_entries_are_canceled_and_what_closes_stays() -> None:
    market = opened()
    run(market, place("held"))
    run(market, place("entry", type="limit", limit_price=Decimal("1.00")))
    closing = protocol.PlaceOrder(
        "exit", 1, (protocol.Leg(CALL, -1),), 2, "limit", Decimal("-90.00"), None, None, "gtc", "", False
    )
    run(market, closing)
    assert market.dead_man() == 1
    assert market.dead_man() == 0
    told = [event for frame in market.next() if isinstance(frame, protocol.Events) for event in frame.events]
    assert {(each.order_id, each.status) for each in told if isinstance(each, protocol.OrderEvent)} == {
        ("entry", "canceled")
    }
