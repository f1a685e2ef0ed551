"""The API edge killed at each of its awaits: `python tests/api/deaths.py [--every N]` prints what came of it.

An operator submits, amends and cancels over real sockets, again where no answer came; a client follows the feed.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])

import httpx
import trio

from actors.messages.orders import AmendRequested, OrderCanceled, OrderQueued
from actors.runtime import Backoff, Child, MemoryJournal, Status, Supervisor
from daemon.feed_client import FeedClient
from daemon.serve import WebServer
from tests.api.house import House, house
from tests.api.kit import TOKENS
from tests.processes.dying import AwaitKiller

ORDERS = 4
_CONDOR = (("P00735000", 1), ("P00745000", -1), ("C00755000", -1), ("C00765000", 1))


class Left(NamedTuple):
    """What a run left: each order's end, what was asked for, what the feed's client saw, and what was counted."""

    states: dict[str, tuple[str, str | None]]
    queued: list[str]
    seen: list[int]
    head: int
    restarts: int
    awaits: int


async def play(await_number: int = 0) -> Left:
    """One operator's round with the API killed at its n-th await (0: never)."""
    journal = MemoryJournal()
    async with house(journal=journal, requests_per_second=10_000.0, burst=10_000) as served:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port: int = listeners[0].socket.getsockname()[1]
        await listeners[0].aclose()
        killer = AwaitKiller(await_number, lambda: tree.kill("api"))

        async def api(status: Status) -> None:
            killer.root = trio.lowlevel.current_task()
            try:
                await WebServer(served.app, "127.0.0.1", port, lambda *said: None).run(status)
            finally:
                killer.root = None

        tree = Supervisor("callboard", [Child("api", api, backoff=Backoff(first=0.001, most=0.01))])
        seen: list[int] = []
        trio.lowlevel.add_instrument(killer)
        try:
            async with trio.open_nursery() as nursery:
                ready = Status()
                nursery.start_soon(tree.run, ready)
                await ready.wait_started()
                address = f"http://127.0.0.1:{port}"
                nursery.start_soon(_follow, address, seen)
                with trio.fail_after(30):
                    await _operate(address)
                    head = journal.head().seq
                    while not seen or seen[-1] < head:
                        await trio.sleep(0.002)
                awaits = killer.count
                nursery.cancel_scope.cancel()
        finally:
            trio.lowlevel.remove_instrument(killer)
        return _left(served, journal, seen, sum(report.restarts for report in tree.report()), awaits)


def _left(served: House, journal: MemoryJournal, seen: list[int], restarts: int, awaits: int) -> Left:
    facts = [served.driver.core.decode(row).fact for row in journal.read()]
    orders = served.views.orders.orders
    states = {
        order_id: (order.state, None if order.body.limit_price is None else str(order.body.limit_price))
        for order_id, order in sorted(orders.items())
    }
    queued = [fact.order_id for fact in facts if isinstance(fact, OrderQueued)]
    queued += [f"{fact.order_id} amended" for fact in facts if isinstance(fact, AmendRequested)]
    queued += [f"{fact.order_id} canceled" for fact in facts if isinstance(fact, OrderCanceled)]
    return Left(states, sorted(queued), seen, journal.head().seq, restarts, awaits)


async def _operate(address: str) -> None:
    legs = [{"symbol": f"GOOG  160115{name}", "ratio": ratio} for name, ratio in _CONDOR]
    for number in range(ORDERS):
        order_id = f"order-{number}"
        body = {"order_id": order_id, "legs": legs, "quantity": 1, "limit_price": f"-{number + 5}.00"}
        await _insist(address, "POST", "/orders", f"submit {order_id}", body)
        if number % 2:
            await _insist(address, "PATCH", f"/orders/{order_id}", f"amend {order_id}", {"limit_price": "-9.50"})
        if number == ORDERS - 1:
            await _insist(address, "DELETE", f"/orders/{order_id}", f"cancel {order_id}")


async def _insist(address: str, method: str, path: str, key: str, body: object = None) -> Any:
    """Ask under one key until there is an answer, as one does who does not know what became of the first try."""
    headers = {"authorization": f"Bearer {TOKENS['admin']}", "idempotency-key": key}
    while True:
        try:
            async with httpx.AsyncClient() as client:
                answer = await client.request(method, f"{address}/api/v1{path}", json=body, headers=headers, timeout=5)
        except httpx.TransportError:
            await trio.sleep(0.002)
            continue
        if answer.status_code == 503:
            await trio.sleep(0.002)
            continue
        assert answer.status_code in (200, 201, 202), f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()


async def _follow(address: str, seen: list[int]) -> None:
    client = FeedClient(address, TOKENS["viewer"], after=0, backoff=Backoff(first=0.001, most=0.01))
    async with aclosing(client.facts()) as facts:
        async for fact in facts:
            seen.append(fact["sequence"])


def failures(calm: Left, ran: Left, number: int) -> list[str]:
    """In words, what is not as in the undisturbed run."""
    found: list[str] = []
    if ran.states != calm.states:
        found.append(f"await {number}: orders ended as {ran.states}, undisturbed {calm.states}")
    if ran.queued != calm.queued:
        found.append(f"await {number}: asked for {ran.queued}, undisturbed {calm.queued}")
    if ran.seen != list(range(1, ran.head + 1)):
        found.append(f"await {number}: the feed told {ran.seen} of {ran.head} facts")
    return found


def sweep(every: int = 1) -> tuple[int, int, list[str]]:
    """How many points, how many killed, and what failed."""
    calm = trio.run(play)
    points, killed, failed = 0, 0, list[str]()
    for number in range(1, calm.awaits + 1, every):
        ran = trio.run(partial(play, number))
        points, killed = points + 1, killed + ran.restarts
        failed += failures(calm, ran, number)
    return points, killed, failed


def main() -> int:
    """Print one line, and every failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="each n-th await only (1)")
    points, killed, failed = sweep(parser.parse_args().every)
    print(f"api and feed, at each await: {points} points, {killed} kills, {points - len(failed)} equal")
    print(*failed, sep="\n", end="\n" if failed else "")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
