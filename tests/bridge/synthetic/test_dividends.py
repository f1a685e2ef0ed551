"""Dividends: paid once on the ex-date to who holds the shares, taken from who is short, a result and never a cash flow,
and the same from the seed and from the files."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest

from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from actors.runtime import MemoryJournal
from bridge import protocol
from bridge.paper import Ledger, Market, read_ledger
from bridge.paper.data import LeanFolder
from bridge.paper.records import CashPaid
from bridge.paper.synthetic import Exchange, SyntheticFeed, export
from bridge.paper.synthetic.instruments import ACME, SESSIONS, dividends
from daemon.replay import ReplayRequest, replay

(EX_DATE, PER_SHARE), *_ = dividends("ACME", 2026)
BEFORE = SESSIONS.previous(EX_DATE)
EXCHANGE = Exchange(7)


def market(path: Path, first: dt.date = BEFORE) -> Market:
    feed = SyntheticFeed(EXCHANGE, first, EX_DATE, underlyings=("ACME", "NOVA"))
    return Market(
        feed, EXCHANGE.hours, cash=Decimal(500000), margin=lean_margin_used, initial=lean_initial_margin,
        ledger=Ledger(path),
    )  # fmt: skip


def told(frames: list[protocol.Frame]) -> list[protocol.DividendPaid]:
    return [
        event
        for frame in frames
        if isinstance(frame, protocol.Step)
        for event in frame.events
        if isinstance(event, protocol.DividendPaid)
    ]


def to_the_dividend(playing: Market) -> protocol.DividendPaid:
    while True:
        if found := told(playing.next()):
            return found[0]


@pytest.mark.parametrize("quantity", [100, -40])
def test_who_holds_the_shares_is_paid_once_and_who_is_short_pays_wherever_the_market_dies(
    tmp_path: Path, quantity: int
) -> None:
    path = tmp_path / "ledger"
    playing = market(path)
    playing.hello()
    playing.next()
    playing.broker.trade_by_hand("ACME", quantity, Decimal(180))
    playing.broker.trade_by_hand("NOVA", 100, Decimal(46))
    before = playing.broker.portfolio.cash
    event = to_the_dividend(playing)
    assert (event.symbol, event.amount, event.quantity, event.cash) == (
        "ACME", ACME.dividend, quantity, quantity * PER_SHARE,
    )  # fmt: skip
    assert event.at == dt.datetime.combine(EX_DATE, dt.time(5), dt.UTC)  # New York's midnight
    cash = playing.broker.portfolio.cash
    assert cash - before == quantity * PER_SHARE == playing.session.portfolio.cash - before
    assert playing._ledger is not None
    playing._ledger.close()

    again = market(path)  # it died after the payment was on disk
    hello = again.hello()
    assert [(paid.payment_id, paid.amount, paid.symbol, paid.quantity) for paid in hello.payments] == [
        (event.payment_id, event.cash, "ACME", quantity)
    ]
    assert not told([frame for _ in range(30) for frame in again.next()])
    assert again.broker.portfolio.cash == cash
    assert again.floor.now.date() == EX_DATE
    assert again.broker.pay_dividend("ACME", PER_SHARE) is None
    assert again._ledger is not None
    again._ledger.close()
    assert [record.amount for record in read_ledger(path) if isinstance(record, CashPaid)] == [event.cash]


def test_a_market_that_dies_before_the_payment_is_on_disk_pays_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    playing = market(path)
    playing.hello()
    playing.next()
    playing.broker.trade_by_hand("ACME", 10, Decimal(180))
    playing._commit()
    while playing.floor.now < SESSIONS.close(BEFORE):
        playing.next()
    assert playing._ledger is not None
    playing._next()  # the midnight is played, and never written
    assert playing.broker.payments
    playing._ledger.close()
    again = market(path)
    assert not again.hello().payments
    event = to_the_dividend(again)
    assert event.cash == 10 * PER_SHARE
    assert len(again.broker.payments) == 1
    assert again._ledger is not None
    again._ledger.close()


def test_nobody_is_paid_who_holds_nothing_but_all_are_told(tmp_path: Path) -> None:
    playing = market(tmp_path / "ledger", first=EX_DATE)
    playing.hello()
    event = to_the_dividend(playing)
    assert (event.quantity, event.cash, event.payment_id) == (0, 0, "")
    assert not playing.broker.payments


def script() -> str:
    def order(name: str, ratio: int, quantity: int) -> str:
        body = {"legs": [{"symbol": "ACME", "ratio": ratio}], "quantity": quantity, "type": "market"}
        at = (SESSIONS.open(BEFORE) + dt.timedelta(minutes=20)).isoformat()
        return json.dumps({"at": at, "submit": {"order_id": name, **body}})

    return order("shares", 1, 200)


def test_the_journal_is_the_same_from_files_and_the_dividend_belongs_to_the_position(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    export(EXCHANGE, folder, BEFORE, EX_DATE, symbols=("ACME  260320C00180000",))
    files = LeanFolder(folder)
    assert (files.dividend("ACME", BEFORE), files.dividend("ACME", EX_DATE)) == (PER_SHARE, 0)
    assert files.dividend("NOVA", BEFORE) == 0
    made, read = (
        replay(
            ReplayRequest(
                data=source, synthetic=None if source else 7, first=BEFORE, last=EX_DATE, underlyings=("ACME",),
                subscribe=(), script_text=script(),
            ),
            journal=MemoryJournal(),
        )
        for source in (None, folder)
    )  # fmt: skip
    assert made.journal_hash == read.journal_hash
    assert made.final.agrees
    assert read.final.agrees
    (fill,) = made.fills
    (position,) = made.positions
    assert position.cash == -200 * fill.price - fill.fee + 200 * PER_SHARE
    assert made.final.cash == fill.cash + 200 * PER_SHARE
