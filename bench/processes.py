"""Two processes by the clock: start to ready and kill -9 to reconciled with 1,000 open orders, steps a second in
lock-step with 704 contracts, an order's round trip. Every number is this machine's, at this load."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from actors.messages.orders import OrderAccepted, OrderBody, OrderLeg, SubmitOrder
from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from actors.runtime import MarketClock, Recorded, Status
from bridge.client import Connection
from bridge.paper import Books, Market, read_ledger
from bridge.paper.data import Feed, LeanFolder, MarketHours
from bridge.paper.process import LiveMarket
from bridge.server import BridgeServer, BridgeSettings
from config.desk import LEAN_RULES
from daemon.desk import desk_core
from daemon.journal import SqliteJournal
from daemon.port import BridgePort
from tests.processes.kit import CHAIN, DATA, DAY, Process

PUT = "GOOG  160115P00735000"
ORDERS = 1000
LIVE = ("--clock", "market", "--speed", "60", "--risk", "lean")


def quantiles(seconds: list[float], unit: float = 1.0) -> str:
    """p50 and p95 (p99 from 100 samples on)."""
    ordered = sorted(seconds)
    high = 0.99 if len(ordered) >= 100 else 0.95
    at = ordered[min(len(ordered) - 1, int(high * len(ordered)))]
    return f"p50 {ordered[len(ordered) // 2] * unit:8.2f}   p{high * 100:.0f} {at * unit:8.2f}   (n = {len(ordered)})"


def last(journal: Path, kind: str) -> int:
    """Sequence of the last fact of a kind."""
    with sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True) as connection:
        return connection.execute("select coalesce(max(seq), 0) from fact where kind = ?", (kind,)).fetchone()[0]


def open_orders(folder: Path) -> None:
    """A day in lock-step until the broker has them all; then both processes are gone."""
    line = {"at": "2015-12-24T14:40:00Z"}
    legs = [{"symbol": PUT, "ratio": 1}]
    script = folder / "script.jsonl"
    script.write_text("\n".join(
        json.dumps({**line, "submit": {
            "order_id": f"o{number}", "legs": legs, "quantity": 1, "type": "limit", "limit_price": "0.05",
            "time_in_force": "gtc",
        }})
        for number in range(ORDERS)
    ))  # fmt: skip
    daemon = Process(
        folder, "build", "run", "--journal", str(folder / "journal"), "--bridge", str(folder / "bridge"), "--clock",
        "market", "--risk", "lean", "--script", str(script),
    )  # fmt: skip
    daemon.wait_for("ready")
    market = market_of(folder, "--patience", "30")
    while not market.ended:
        if (folder / "ledger").exists() and (folder / "ledger").read_bytes().count(b'"Placed"') == ORDERS:
            break
        time.sleep(0.05)
    market.kill()
    daemon.kill()
    assert len(Books.of(read_ledger(folder / "ledger")).working) == ORDERS


def market_of(folder: Path, *more: str) -> Process:
    """The market over the folder's ledger."""
    return Process(
        folder, "market", "market", "--bridge", str(folder / "bridge"), "--data", str(DATA / "lean"), "--underlying",
        "GOOG", "--symbol", PUT, *DAY, "--ledger", str(folder / "ledger"), "--cash", "100000", *more,
    )  # fmt: skip


def daemon_of(folder: Path) -> Process:
    """The daemon over the folder's journal, live."""
    return Process(
        folder, "run", "run", "--journal", str(folder / "journal"), "--bridge", str(folder / "bridge"), *LIVE
    )


def starts(folder: Path, count: int) -> list[float]:
    """Seconds from the start of the process, imports included, to ready."""
    found: list[float] = []
    for _ in range(count):
        began = time.monotonic()
        daemon = daemon_of(folder)
        daemon.wait_for("ready")
        found.append(time.monotonic() - began)
        daemon.kill()
    return found


def recoveries(folder: Path, victim: str, count: int) -> list[float]:
    """Seconds from kill -9 of one of them, live, until the account was compared again."""
    daemon, market = daemon_of(folder), market_of(folder, "--speed", "60")
    found: list[float] = []
    try:
        daemon.wait_for("connected: session")
        for _ in range(count):
            time.sleep(0.5)
            before = last(folder / "journal", "lean.SessionOpened")
            began = time.monotonic()
            if victim == "daemon":
                daemon.kill()
                daemon = daemon_of(folder)
            else:
                market.kill()
                market = market_of(folder, "--speed", "60")
            while True:
                opened = last(folder / "journal", "lean.SessionOpened")
                if opened > before and last(folder / "journal", "lean.AccountSeen") > opened:
                    break
                assert time.monotonic() - began < 60, daemon.said + market.said
                time.sleep(0.005)
            found.append(time.monotonic() - began)
    finally:
        daemon.kill()
        market.kill()
    return found


def lock_step(folder: Path) -> tuple[float, int]:
    """Seconds and steps of a GOOG day of 704 contracts through the socket."""
    daemon = Process(
        folder, "run", "run", "--journal", str(folder / "journal"), "--bridge", str(folder / "bridge"), "--clock",
        "market", "--risk", "lean", "--once",
    )  # fmt: skip
    daemon.wait_for("ready")
    market = Process(
        folder, "market", "market", "--bridge", str(folder / "bridge"), "--data", str(DATA / "lean"), *CHAIN, *DAY
    )
    try:
        daemon.wait_for("connected: session")
        began = time.monotonic()
        assert market.end() == 0, market.said
        return time.monotonic() - began, 210
    finally:
        market.kill()
        daemon.kill()


async def round_trips(folder: Path, count: int) -> list[float]:
    """Seconds from a submit to its acceptance on disk: queue, risk, disk, socket, broker, socket, disk."""
    journal = SqliteJournal(folder / "journal", live=True)
    start = dt.datetime(2015, 12, 24, 14, 0, tzinfo=dt.UTC)
    core = desk_core(journal, LEAN_RULES)
    port = BridgePort(core, journal, MarketClock(start), (), lambda event, text: None)
    core.start(start)
    server = BridgeServer(port, BridgeSettings(unix=folder / "bridge"), lambda event, text: None)
    accepted: dict[str, trio.Event] = {}

    def hear(recorded: Recorded) -> None:
        if isinstance(recorded.fact, OrderAccepted):
            accepted[recorded.fact.order_id].set()

    port.listen(hear)
    hours = MarketHours.load(DATA / "lean")
    day = start.date()
    feed = Feed(LeanFolder(DATA / "lean"), hours, day, day, underlyings=("GOOG",), symbols=(PUT,))
    market = Market(feed, hours, cash=Decimal(100000), margin=lean_margin_used, initial=lean_initial_margin)
    live = LiveMarket(market, lambda: Connection(str(folder / "bridge")), 600.0, lambda event, text: None)
    found: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(port.run, Status())
        nursery.start_soon(server.run, Status())
        thread = threading.Thread(target=live.run, daemon=True)
        thread.start()
        while port.clock.now() < dt.datetime(2015, 12, 24, 14, 35, tzinfo=dt.UTC):
            await trio.sleep(0.01)
        for number in range(count):
            order_id = f"r{number}"
            accepted[order_id] = trio.Event()
            body = OrderBody((OrderLeg(PUT, 1),), 1, "limit", Decimal("0.05"))
            began = time.perf_counter()
            await port.command(order_id, "operator:bench", SubmitOrder(order_id, body))
            with trio.fail_after(30):
                await accepted[order_id].wait()
            found.append(time.perf_counter() - began)
        live.stop("measured")
        while thread.is_alive():
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    journal.close()
    return found


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        root = Path(name)
        for part in ("orders", "day", "trips"):
            (root / part).mkdir()
        open_orders(root / "orders")
        print(f"start to ready, {ORDERS} open orders, s         {quantiles(starts(root / 'orders', 7))}", flush=True)
        for victim in ("daemon", "market"):
            took = recoveries(root / "orders", victim, 5)
            print(f"kill -9 of {victim} to reconciled, {ORDERS}, s    {quantiles(took)}", flush=True)
        seconds, steps = lock_step(root / "day")
        print(
            f"lock-step through the socket, 704 contracts    {steps / seconds:.0f} steps/s ({seconds:.1f} s)",
            flush=True,
        )
        took = trio.run(round_trips, root / "trips", 200)
        print(f"order to accepted and on disk, ms               {quantiles(took, 1000)}")


if __name__ == "__main__":
    main()
