"""The daemon dies while LEAN's double plays: a backtest waits and goes on, live cancels entries and takes up again."""

from __future__ import annotations

import datetime as dt
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio

from actors.messages.breaker import REDUCE_ONLY
from actors.messages.orders import OrderBody, OrderLeg, SubmitOrder
from actors.runtime import MarketClock, MemoryJournal, Status
from bridge import protocol
from bridge.server import BridgeServer, BridgeSettings
from config.desk import LEAN_RULES
from daemon.desk import desk_core
from daemon.journal import verify
from daemon.replay import ReplayRequest, replay
from daemon.run import BridgePort
from tests.lean_double.engine import Engine
from tests.lean_double.kit import DATA, lean_market, load
from tests.lean_double.live import LiveEngine
from tests.lean_double.names import BrokerageMessageEvent, BrokerageMessageType
from tests.processes.kit import CHAIN, SCRIPT, Process

DAY = dt.date(2015, 12, 24)
CALL = "GOOG  160115C00750000"


def _daemon(folder: Path) -> Process:
    daemon = Process(
        folder, "run", "run", "--journal", str(folder / "journal"), "--bridge", str(folder / "bridge"), "--clock",
        "market", "--risk", "lean", "--script", str(SCRIPT), "--once", *CHAIN,
    )  # fmt: skip
    daemon.wait_for("ready")
    return daemon


def test_a_backtest_whose_daemon_is_killed_goes_on_to_the_same_book(tmp_path: Path) -> None:
    parameters = {
        "bridge": str(tmp_path / "bridge"), "from": str(DAY), "to": str(DAY), "cash": "100000", "session": "1",
        "brokerage": "paper", "patience": "30",
    }  # fmt: skip
    engine = Engine(lean_market, parameters)
    daemon = _daemon(tmp_path)
    failed: list[BaseException] = []

    def play() -> None:
        try:
            engine.backtest(load())
        except BaseException as error:
            failed.append(error)

    lean = threading.Thread(target=play)
    lean.start()
    for hour, minute in ((15, 30), (16, 40)):
        while lean.is_alive() and engine.now < dt.datetime(2015, 12, 24, hour, minute):
            time.sleep(0.01)
        daemon.kill()
        daemon = _daemon(tmp_path)
    lean.join(120.0)
    assert failed == []
    assert daemon.end() == 0, daemon.said
    report = replay(
        ReplayRequest(data=DATA, first=DAY, last=DAY, underlyings=("GOOG",), subscribe=(CHAIN[3],), script=SCRIPT)
    )
    assert verify(tmp_path / "journal").problem is None
    assert report.orders
    # Sessions that were lost and found again are in the journal too: the book is what must be equal.
    held = {symbol: lot.quantity for symbol, lot in engine.market.session.portfolio.holdings.items()}
    assert held == {each.symbol: each.quantity for each in report.final.holdings}
    assert engine.market.session.portfolio.cash == report.final.cash


async def test_live_cancels_entries_without_a_daemon_relays_the_brokers_words_and_keeps_objects(tmp_path: Path) -> None:
    journal, notices = MemoryJournal(), list[str]()
    core = desk_core(journal, LEAN_RULES)
    begin = dt.datetime(2015, 12, 24, 5, tzinfo=dt.UTC)
    port = BridgePort(core, journal, MarketClock(begin), (), lambda event, text: None)
    core.start(begin)
    wanted = protocol.Subscribe(("GOOG",), (), (CALL,))
    parameters = {"bridge": str(tmp_path / "bridge"), "session": "live", "patience": "20"}

    def make(**chosen: Any) -> Any:
        return lean_market(**chosen | {"first": DAY, "last": DAY, "cash": Decimal(100000), "session": "live"})

    engine = LiveEngine(make, parameters, pace=0.1, second=0.1)
    statuses = Status(), Status(), Status()

    def server() -> BridgeServer:
        settings = BridgeSettings(unix=tmp_path / "bridge", subscribe=wanted, dead_man_seconds=2.0)
        return BridgeServer(port, settings, lambda event, text: notices.append(f"{event} {text}"))

    def state(order_id: str) -> str:
        order = core.state("gateway").table.get(order_id)
        return "" if order is None else order.state

    async def until(true: Any) -> None:
        with trio.fail_after(30):
            while not true():
                await trio.sleep(0.02)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(port.run, statuses[0])
        async with trio.open_nursery() as serving:
            first = server()
            serving.start_soon(first.run, statuses[1])
            await statuses[1].wait_started()
            nursery.start_soon(trio.to_thread.run_sync, engine.live_run, load(), 100)
            await until(lambda: core.market is not None and core.market.base.price("GOOG") is not None)
            entry = OrderBody((OrderLeg(CALL, 1),), 1, "limit", Decimal("0.50"))
            await port.command("c1", "operator:test", SubmitOrder("entry", entry))
            await until(lambda: engine.market.broker.working)
            engine.handler.handle_message(BrokerageMessageEvent(BrokerageMessageType.DISCONNECT, "42", "line down"))
            assert engine.handler.handle_order(type("Args", (), {"order": "by hand"}))
            await until(lambda: core.state("gateway").seen == engine.algorithm._end.log.last)
            assert str(engine.algorithm._end.limits) == "brokerage disconnect: line down"
            await port.command("c2", "operator:test", SubmitOrder("refused", entry))
            await until(lambda: state("refused") == "rejected")
            engine.handler.handle_message(BrokerageMessageEvent(BrokerageMessageType.RECONNECT, "", "back"))
            assert not engine.algorithm._end.limits
            assert (await first.ask_store(protocol.StoreObject("notes/today", b"\x00words"))).ok
            assert (await first.ask_store(protocol.FetchObject("notes/today"))).content == b"\x00words"
            assert (await first.ask_store(protocol.FetchObject("absent"))).ok is False
            serving.cancel_scope.cancel()
        await until(lambda: not engine.market.broker.working)
        assert str(engine.algorithm._end.limits).startswith("no daemon")
        nursery.start_soon(server().run, statuses[2])
        await until(lambda: state("entry") == "canceled")
        await until(lambda: not engine.algorithm._end.limits)
        engine.handler.handle_message(BrokerageMessageEvent(BrokerageMessageType.ERROR, "42", "no permission"))
        await until(lambda: core.state("breaker").level == REDUCE_ONLY)
        await until(lambda: not engine.algorithm._end.limits)
        assert not core.failed()
        nursery.cancel_scope.cancel()
    assert len(engine.orders) == 1
