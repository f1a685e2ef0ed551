"""Live through `algorithm/main.py` on the double: orders, amends and cancels from LEAN's several threads, cut
connections included. No event is lost, told twice, or out of order within an order."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.messages.lean import LeanOrderEvent
from actors.messages.orders import Amendment, AmendOrder, CancelOrder, OrderBody, OrderLeg, SubmitOrder
from actors.options.contracts import INDEX_ROOTS
from actors.runtime import MarketClock, MemoryJournal, Refusal, Status
from bridge import protocol
from bridge.paper.data import parse_filter
from bridge.server import BridgeServer, BridgeSettings
from config.desk import LEAN_RULES
from daemon.desk import desk_core
from daemon.port import BridgePort
from tests.lean_double.kit import lean_market, load
from tests.lean_double.live import LiveEngine

DAY = "2015-12-24"
LEGS = ("GOOG  160115C00750000", "GOOG  160115C00755000", "GOOG  160115P00745000", "GOOG  160115P00740000")


class ListeningPort(BridgePort):
    """Writes down every order event that reaches the core."""

    heard: list[LeanOrderEvent]

    async def tell(self, words: Sequence[Any]) -> int:
        self.heard += [word for word in words if isinstance(word, LeanOrderEvent)]
        return await super().tell(words)


def _body(chooser: random.Random) -> OrderBody:
    """Something small: a single, a vertical or a condor, at the market, near it, or far from it."""
    legs = LEGS[: chooser.choice((1, 2, 4))]
    ratios = tuple(OrderLeg(leg, 1 if at % 2 == 0 else -1) for at, leg in enumerate(legs))
    if chooser.random() < 0.3:
        return OrderBody(legs=ratios, quantity=1, type="market", limit_price=None)
    limit = Decimal(chooser.choice((1, 5, 12, 30)))
    return OrderBody(legs=ratios, quantity=chooser.choice((1, 2)), type="limit", limit_price=limit)


async def _trade(port: BridgePort, chooser: random.Random, seconds: float, pause: float) -> int:
    """Orders, amends and cancels by chance for so long. How many were taken."""
    taken, names = 0, list[str]()
    number = 0
    until = trio.current_time() + seconds
    while trio.current_time() < until:
        await trio.sleep(pause * chooser.random())
        number += 1
        kind = chooser.random()
        command: Any
        if kind < 0.5 or not names:
            names.append(f"o{number}")
            command = SubmitOrder(names[-1], _body(chooser))
        elif kind < 0.75:
            command = AmendOrder(chooser.choice(names[-8:]), Amendment(limit_price=Decimal(chooser.randrange(1, 30))))
        else:
            command = CancelOrder(chooser.choice(names[-8:]))
        try:
            await port.command(f"test:{number}", "operator:test", command)
            taken += 1
        except Refusal:
            pass
    return taken


async def play(folder: Path, seconds: float, seed: int) -> None:
    """Trade so long, cutting the connection now and then, and compare what was told with what arrived."""
    journal, notices = MemoryJournal(), list[str]()
    core = desk_core(journal, LEAN_RULES)
    begin = dt.datetime(2015, 12, 24, 5, tzinfo=dt.UTC)
    port = ListeningPort(core, journal, MarketClock(begin), (), lambda event, text: None)
    port.heard = []
    core.start(begin)
    wanted = protocol.Subscribe(
        ("GOOG",), (parse_filter("GOOG:standards,strikes=-8..8,days=0..60"),), LEGS, tuple(INDEX_ROOTS.items())
    )
    settings = BridgeSettings(unix=folder / "bridge", subscribe=wanted, dead_man_seconds=60.0)
    server = BridgeServer(port, settings, lambda event, text: notices.append(f"{event} {text}"))
    parameters = {"bridge": str(folder / "bridge"), "session": "live 1", "patience": "20", "cash": "10000000"}
    engine = LiveEngine(_day, parameters, pace=seconds / 205, second=min(1.0, seconds / 60))
    chooser, done = random.Random(seed), trio.Event()
    statuses = Status(), Status()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(port.run, statuses[0])
        nursery.start_soon(server.run, statuses[1])
        await statuses[1].wait_started()

        async def lean() -> None:
            await trio.to_thread.run_sync(engine.live_run, load(), 200)
            done.set()

        async def cut() -> None:
            while True:
                await trio.sleep(seconds / 8)
                link = engine.algorithm._live
                if link.connected:
                    link._connection.close()

        nursery.start_soon(lean)
        with trio.fail_after(30):
            while server.peer is None or core.market is None:
                await trio.sleep(0.02)
        async with trio.open_nursery() as cutting:
            cutting.start_soon(cut)
            taken = await _trade(port, chooser, max(seconds * 0.5, seconds - 60), max(0.02, seconds / 2000))
            cutting.cancel_scope.cancel()
        # What is asked in the last moments may be told after the end, which is nobody's any more.
        await done.wait()
        await port.quiet()
        nursery.cancel_scope.cancel()
    emitted = [(lean_id, status.name.lower()) for lean_id, status in engine.emitted]
    heard = [(word.lean_id, word.status) for word in port.heard]
    by_order = {lean_id: [status for each, status in emitted if each == lean_id] for lean_id, _ in emitted}
    arrived = {lean_id: [status for each, status in heard if each == lean_id] for lean_id, _ in heard}
    threads = engine.called_on
    print(
        f"seed {seed}: {taken} commands taken, {len(emitted)} order events of {len(by_order)} legs' orders, "
        f"{sum('connected session' in text for text in notices) // 2} connections; calls from "
        f"{sorted(threads['call'])}, order events on {sorted(threads['on_order_event'])}"
    )
    assert arrived == by_order
    assert core.state("gateway").seen == engine.algorithm._end.log.last
    held = {symbol: lot.quantity for symbol, lot in engine.market.session.portfolio.holdings.items()}
    assert dict(core.state("gateway").book.holdings) == held
    assert not core.failed()
    assert sum("disconnected" in text for text in notices) >= 2
    assert engine.late_schedules >= 1
    assert len(threads["call"]) > 1
    assert not engine.algorithm.logged or all("connected" in text or "gone" in text for text in engine.algorithm.logged)


def _day(**wanted: Any) -> Any:
    day = dt.date.fromisoformat(DAY)
    return lean_market(**wanted | {"first": day, "last": day, "cash": Decimal(10_000_000), "session": "live 1"})


async def test_some_seconds_live_lose_double_and_disorder_nothing(tmp_path: Path) -> None:
    await play(tmp_path, 8.0, 1)


@pytest.mark.long
async def test_ten_minutes_live_lose_double_and_disorder_nothing(tmp_path: Path) -> None:
    await play(tmp_path, 600.0, 2)


def test_an_open_order_that_cannot_be_read_does_not_keep_lean_from_the_daemon(tmp_path: Path) -> None:
    parameters = {"bridge": str(tmp_path / "nobody"), "patience": "0"}
    engine = LiveEngine(_day, parameters, pace=0.01, second=0.05)
    engine.orders[7] = object()  # type: ignore[assignment]
    engine.live_run(load(), 3)
    assert any("open orders: AttributeError" in line for line in engine.algorithm.logged)
    assert engine.algorithm._live._threads[0].ident is not None  # it was begun, and looked for the daemon
