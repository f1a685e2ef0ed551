"""The broker's ledger: whole transactions or none, one writer, damage named; a market over it goes on where it was."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from bridge import protocol
from bridge.paper import Books, Ledger, LedgerError, LedgerLocked, Market, read_ledger
from bridge.paper.data import Feed, LeanFolder, MarketHours
from bridge.paper.records import CashPaid, Opened
from daemon.cli import main

DATA = Path(__file__).parents[1] / "data" / "lean"
HOURS = MarketHours.load(DATA)
DAY = dt.date(2015, 12, 24)
CALL, PUT = "GOOG  160115C00750000", "GOOG  160115P00735000"
AT = dt.datetime(2015, 12, 24, 15, tzinfo=dt.UTC)


def made(path: Path) -> Market:
    feed = Feed(LeanFolder(DATA), HOURS, DAY, DAY, underlyings=("GOOG",), symbols=(CALL, PUT))
    return Market(
        feed, HOURS, cash=Decimal(500000), margin=lean_margin_used, initial=lean_initial_margin, ledger=Ledger(path)
    )


def opened(path: Path) -> Market:
    """A market at its first step with a bar."""
    market = made(path)
    market.hello()
    steps(market, 2)
    return market


def steps(market: Market, count: int) -> list[protocol.Step]:
    found: list[protocol.Step] = []
    while len(found) < count:
        found += [frame for frame in market.next() if isinstance(frame, protocol.Step)]
    return found


def again(market: Market, path: Path) -> Market:
    """The process died: what it had not committed is gone, the lock too."""
    assert market._ledger is not None
    market._ledger.close()
    return made(path)


def buy(order_id: str, limit: str | None, symbol: str = CALL, quantity: int = 2) -> protocol.PlaceOrder:
    price = None if limit is None else Decimal(limit)
    return protocol.PlaceOrder(
        order_id, 1, (protocol.Leg(symbol, 1),), quantity, "market" if limit is None else "limit", price, None, None,
        "gtc", "a tag", False,
    )  # fmt: skip


def run(market: Market, *commands: protocol.Command) -> protocol.Settle:
    return market.settle(protocol.Done(commands, False))


def test_a_transaction_is_there_whole_or_not_at_all_wherever_the_file_ends(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger = Ledger(path)
    ledger.append(Opened(Decimal(100)))
    ledger.commit()
    first = path.stat().st_size
    for number in (1, 2):
        ledger.append(CashPaid(f"c{number}", AT, Decimal(5), "paid in"))
    ledger.commit()
    ledger.close()
    whole = path.read_bytes()
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        reopened = Ledger(path)
        assert len(reopened.records) == 1
        reopened.append(CashPaid("c9", AT, Decimal(7), "after the crash"))
        reopened.commit()
        reopened.close()
        assert Books.of(read_ledger(path)).portfolio.cash == 107


def test_what_was_appended_and_not_committed_never_happened(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.append(Opened(Decimal(100)))
    ledger.close()
    assert list(read_ledger(tmp_path / "ledger")) == []


def test_a_changed_byte_before_the_last_line_is_named_and_nothing_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger = Ledger(path)
    for amount in (1, 2, 3):
        ledger.append(CashPaid("c", AT, Decimal(amount), ""))
        ledger.commit()
    ledger.close()
    data = bytearray(path.read_bytes())
    second = data.index(b"\n") + 12
    data[second] ^= 1
    path.write_bytes(data)
    with pytest.raises(LedgerError, match="line 2 is damaged"):
        Ledger(path)
    assert path.read_bytes() == bytes(data)


def test_another_file_is_not_taken_for_a_ledger_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "letter"
    path.write_text("dear broker\nplease\n")
    with pytest.raises(LedgerError, match="line 1 is damaged"):
        Ledger(path)
    assert path.read_text() == "dear broker\nplease\n"


def test_two_markets_can_not_have_one_ledger(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger")
    with pytest.raises(LedgerLocked):
        Ledger(tmp_path / "ledger")
    first.close()
    Ledger(tmp_path / "ledger").close()


def test_a_market_over_a_ledger_goes_on_as_a_new_session_with_the_brokers_memory(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    market = opened(path)
    run(market, buy("filled", None), buy("rests", "0.05", PUT), protocol.MoveCash(Decimal(-10), "withdrawal"))
    steps(market, 5)
    before, at = market.session.account(), market.floor.now
    market = again(market, path)
    hello = market.hello()
    assert market.resumed
    assert (hello.session, hello.fresh_from_broker, hello.at, hello.last_event) == ("2", True, at, 0)
    assert hello.account == protocol.Account(
        before.cash, before.unsettled, before.value, before.margin_used, before.margin_remaining, before.fees,
        before.holdings,
    )  # fmt: skip
    assert [(order.order_id, order.lean_ids, order.broker_ids) for order in hello.orders] == [("rests", (1,), ("b2",))]
    assert [(each.execution_id, each.order_id, each.quantity) for each in hello.executions] == [("x1", "filled", 2)]
    assert [(paid.payment_id, paid.amount) for paid in hello.payments] == [("c1", Decimal(-10))]


def test_the_resumed_feed_continues_at_the_next_instant_with_the_same_quotes(tmp_path: Path) -> None:
    calm = opened(tmp_path / "calm")
    market = opened(tmp_path / "ledger")
    for each in (calm, market):
        run(each, buy("rests", "0.05", PUT))
        steps(each, 10)
    market = again(market, tmp_path / "ledger")
    market.hello()
    _, step = market.everything(())
    assert isinstance(step, protocol.Step)
    assert step.at == calm.floor.now
    assert str(step.quotes) == str(calm.everything(())[1].quotes)  # type: ignore[union-attr]
    for ours, theirs in zip(steps(market, 20), steps(calm, 20), strict=True):
        assert (ours.at, str(ours.quotes), ours.open) == (theirs.at, str(theirs.quotes), theirs.open)


def test_the_new_session_never_places_what_the_broker_has_and_proves_what_it_has_not(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    market = opened(path)
    run(market, buy("filled", None), buy("rests", "0.05", PUT))
    market = again(market, path)
    market.hello()
    answers = [
        (event.status, event.denied, event.known_here)
        for event in run(
            market, buy("filled", None), buy("rests", "0.05", PUT), protocol.QueryOrder("filled", 1),
            protocol.QueryOrder("rests", 1), protocol.QueryOrder("never", 1), buy("never", "0.05", PUT),
        ).events
        if isinstance(event, protocol.CallReturned)
    ]  # fmt: skip
    assert answers == [
        ("denied", True, True), ("denied", True, True), ("filled", False, True), ("submitted", False, True),
        ("absent", False, False), ("denied", True, True),
    ]  # fmt: skip
    assert len(market.broker.orders) == 2


def test_people_can_read_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    market = opened(tmp_path / "ledger")
    run(market, buy("filled", None), buy("rests", "0.05", PUT))
    assert main(["ledger", str(tmp_path / "ledger")]) == 0
    text = capsys.readouterr().out
    assert "b1 filled market: +2 GOOG  160115C00750000 (+2): filled" in text
    assert "x1 2015-12-24" in text
    assert "cash: " in text
    assert main(["ledger", str(tmp_path / "ledger"), "--json"]) == 0
    assert capsys.readouterr().out.count('"type": "Placed"') == 2
    assert main(["ledger", str(tmp_path / "nowhere")]) == 1
    assert "No such file" in capsys.readouterr().err
