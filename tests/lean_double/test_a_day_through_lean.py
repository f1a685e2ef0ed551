"""A day played by the double through `algorithm/main.py`, the wire and the daemon is the day that a replay plays."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.options.contracts import INDEX_ROOTS
from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from bridge import protocol
from bridge.paper import Market
from bridge.paper.data import parse_filter
from bridge.paper.synthetic import Exchange, SyntheticFeed
from bridge.paper.synthetic.instruments import SESSIONS, dividends
from bridge.server import BridgeSettings
from config.desk import LEAN_RULES
from daemon.journal import file_hash, verify
from daemon.replay import ReplayRequest, replay
from daemon.replay.script import read_script, symbols_of
from daemon.run import RunRequest, run_daemon
from tests.conformance import traces
from tests.lean_double.engine import Engine, MakeMarket
from tests.lean_double.kit import DATA, lean_market, load

DAY = dt.date(2015, 12, 24)
CHAIN = "GOOG:weeklys,strikes=-30..30,days=0..60"
QUICK = ("combo_limit",)
TRACED = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in traces.NAMES if name != "schedule"
]
CASH = Decimal(100000)
SCRIPT = DATA.parent / "demo.jsonl"


async def through_lean(
    folder: Path, script: Path, chains: tuple[str, ...], first: dt.date, last: dt.date, underlying: str = "GOOG",
    cash: Decimal = CASH, make_market: MakeMarket = lean_market,
) -> Engine:  # fmt: skip
    """Run the daemon in this thread and LEAN's double in another, to the end of the run."""
    lines = read_script(script, LEAN_RULES.default_time_in_force)
    symbols = tuple(dict.fromkeys(symbol for line in lines for symbol in symbols_of(line.command)))
    wanted = protocol.Subscribe(
        (underlying,), tuple(parse_filter(chain) for chain in chains), symbols, tuple(INDEX_ROOTS.items())
    )
    address = folder / "bridge"
    request = RunRequest(
        journal=folder / "journal", bridge=BridgeSettings(unix=address, subscribe=wanted), clock="market", risk="lean",
        script=script, once=True,
    )  # fmt: skip
    parameters = {
        "bridge": str(address), "from": str(first), "to": str(last), "cash": str(cash), "session": "1",
        "brokerage": "paper", "patience": "10",
    }  # fmt: skip
    engine = Engine(make_market, parameters)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(run_daemon, request, lambda event, text: print(event, text)))
        await trio.to_thread.run_sync(engine.backtest, load())
    return engine


async def test_the_demo_day_leaves_the_journal_of_the_replay(tmp_path: Path) -> None:
    engine = await through_lean(tmp_path, SCRIPT, (CHAIN,), DAY, DAY)
    report = replay(
        ReplayRequest(
            data=DATA, first=DAY, last=DAY, underlyings=("GOOG",), subscribe=(CHAIN,), script=SCRIPT,
            cash=CASH,
        )
    )  # fmt: skip
    assert verify(tmp_path / "journal").problem is None
    print(f"{len(report.fills)} fills, {engine.market.session.told.last} events, hash {report.journal_hash}")
    assert file_hash(tmp_path / "journal") == report.journal_hash
    assert len(report.fills) == 10


@pytest.mark.parametrize("name", TRACED)
async def test_a_recorded_run_leaves_the_journal_of_its_replay(tmp_path: Path, name: str) -> None:
    trace = traces.read(name)
    script = tmp_path / "script.jsonl"
    script.write_text(traces.script_text(trace))
    first, last = dt.date.fromisoformat(trace.first), dt.date.fromisoformat(trace.last)
    subscribe = (trace.subscribe,) if trace.subscribe else ()
    engine = await through_lean(tmp_path, script, subscribe, first, last, trace.underlying, trace.cash)
    report = replay(
        ReplayRequest(
            data=DATA, first=first, last=last, underlyings=(trace.underlying,), subscribe=subscribe, script=script,
            cash=trace.cash,
        )
    )  # fmt: skip
    print(f"{len(report.fills)} fills, {engine.market.session.told.last} events, hash {report.journal_hash}")
    assert verify(tmp_path / "journal").problem is None
    assert file_hash(tmp_path / "journal") == report.journal_hash


async def test_a_dividend_of_leans_is_booked_as_the_replay_books_it(tmp_path: Path) -> None:
    (ex_date, per_share), *_ = dividends("ACME", 2026)
    first = SESSIONS.previous(ex_date)
    at = (SESSIONS.open(first) + dt.timedelta(minutes=20)).isoformat()
    order = {"order_id": "shares", "legs": [{"symbol": "ACME", "ratio": -1}], "quantity": 50, "type": "market"}
    script = tmp_path / "script.jsonl"
    script.write_text(json.dumps({"at": at, "submit": order}))
    exchange = Exchange(7)

    def make(*, cash: Decimal, **wanted: Any) -> Market:
        feed = SyntheticFeed(exchange, wanted.pop("first"), wanted.pop("last"), **wanted)
        return Market(
            feed, exchange.hours, cash=cash, margin=lean_margin_used, initial=lean_initial_margin, session="1"
        )

    engine = await through_lean(tmp_path, script, (), first, ex_date, "ACME", CASH, make)
    report = replay(
        ReplayRequest(
            data=None, synthetic=7, first=first, last=ex_date, underlyings=("ACME",), subscribe=(), script=script,
            cash=CASH,
        )
    )  # fmt: skip
    (fill,) = report.fills
    assert report.final.cash == fill.cash - 50 * per_share == engine.market.broker.portfolio.cash
    assert file_hash(tmp_path / "journal") == report.journal_hash
