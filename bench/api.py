"""From an HTTP submit to its durable reply: idle, and under a flood of 200,000 market events, with the ratio.

The daemon (journal on disk with full sync, core, API) is a process of its own; the flood comes to the driver as the
bridge brings it, in batches, each event a fact that is journaled; a market view comes with every batch. The client
keeps one connection, and cancels what it submitted, unmeasured.
"""

from __future__ import annotations

import argparse
import datetime as dt
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import trio

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

TOKEN = "admin-0123456789-abcdefghij"
BATCH = 50
LEGS = [{"symbol": "GOOG  160115P00735000", "ratio": 1}, {"symbol": "GOOG  160115P00745000", "ratio": -1}]


async def serve(events: int) -> None:
    """A daemon without LEAN, whose flood begins when a line comes on stdin; says when it is over."""
    from actors.messages.lean import LeanNotice
    from actors.messages.market import no_market
    from actors.runtime import Status, WallClock
    from config.desk import DeskRules
    from daemon.api import ApiSettings, make_app
    from daemon.desk import desk_core
    from daemon.driver import Driver
    from daemon.feed import Feed
    from daemon.journal import SqliteJournal
    from daemon.run import SWITCH_SECONDS
    from daemon.serve import WebServer
    from daemon.tokens import Tokens
    from daemon.views import Views

    sys.setswitchinterval(SWITCH_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Path(folder) / "journal", live=True)
        driver = Driver(desk_core(journal, DeskRules()), journal, WallClock(lambda seconds: None))
        views = Views()
        driver.core.start(driver.clock.now(), views.add)
        driver.listen(views.add)
        tokens = Tokens({"admin": TOKEN})
        feed = Feed(journal, driver.core.decode, tokens, after=views.seq)
        driver.listen(feed.add)
        settings = ApiSettings(requests_per_second=1e9, burst=10**9)
        server = WebServer(make_app(driver, views, tokens, feed, settings=settings), "127.0.0.1", 0, print)
        async with trio.open_nursery() as nursery:
            for run in (driver.run, server.run):
                status = Status()
                nursery.start_soon(run, status)
                await status.wait_started()
            print(server.port, flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline)
            began = time.perf_counter()
            for first in range(0, events, BATCH):
                await driver.tell([LeanNotice(first + n + 1, "quote", "GOOG", f"{first + n}") for n in range(BATCH)])
                driver.show(no_market(driver.clock.now()))
            await driver.durable(driver.core.seq)
            print(f"{time.perf_counter() - began:.2f}", flush=True)
            await trio.sleep_forever()


class Client:
    """Submits over one connection and measures each."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        self._count = 0

    def ask(self, method: str, path: str, body: object = None) -> int:
        """The status of one request."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def submit(self) -> float:
        """Seconds from a submit to its durable reply."""
        self._count += 1
        name = f"{id(self)}-{self._count}"
        body: dict[str, Any] = {"order_id": name, "legs": LEGS, "quantity": 1, "limit_price": "-1.00"}
        began = time.perf_counter()
        assert self.ask("POST", "/api/v1/orders", body) == 201
        took = time.perf_counter() - began
        assert self.ask("DELETE", f"/api/v1/orders/{name}") == 200
        return took


def percentile(values: list[float], part: float) -> float:
    """In milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def main(events: int, idle: int) -> None:
    """The table."""
    command = [sys.executable, __file__, "--serve", "--events", str(events)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        client = Client(int(process.stdout.readline()))
        for _ in range(50):
            client.submit()
        quiet = [client.submit() for _ in range(idle)]
        process.stdin.write("go\n")
        process.stdin.flush()
        flood: list[float] = []
        over: list[str] = []
        out = process.stdout

        waiting = threading.Thread(target=lambda: over.append(out.readline()))
        waiting.start()
        while waiting.is_alive():
            flood.append(client.submit())
        seconds = float(over[0])
    finally:
        process.kill()
        process.wait()
    print(f"{dt.date.today()}: submit to durable reply, milliseconds")
    print(f"{'':>8} {'submits':>8} {'p50':>8} {'p99':>8}")
    for label, values in (("idle", quiet), ("flood", flood)):
        print(f"{label:>8} {len(values):>8} {percentile(values, 0.5):>8.2f} {percentile(values, 0.99):>8.2f}")
    print(
        f"   ratio {'':>8} {percentile(flood, 0.5) / percentile(quiet, 0.5):>8.2f} "
        f"{percentile(flood, 0.99) / percentile(quiet, 0.99):>8.2f}"
    )
    print(f"flood: {events:,} events journaled in {seconds:.1f} s, {events / seconds:,.0f} a second")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--idle", type=int, default=500)
    args = parser.parse_args()
    if args.serve:
        trio.run(serve, args.events)
    else:
        main(args.events, args.idle)
