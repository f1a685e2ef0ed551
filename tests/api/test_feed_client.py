"""The feed's client: however often and wherever it is cut, it ends with exactly the facts of the journal."""

from __future__ import annotations

import random
import socket
from contextlib import aclosing
from typing import Any

import pytest
import trio

from actors.messages.lean import LeanNotice
from actors.runtime import Backoff, MemoryJournal
from daemon.feed_client import FeedClient, FeedRefused, OtherJournal
from daemon.views import named
from tests.api.house import House, house, serving
from tests.api.kit import TOKENS

SOON = Backoff(first=0.001, most=0.002)


class Cutter:
    """A proxy that cuts each connection after some bytes of answer, hard or softly, until it has cut `cuts` times."""

    def __init__(self, port: int, cuts: int, chooser: random.Random) -> None:
        self._port, self.cuts, self._chooser = port, cuts, chooser
        self.done = 0

    async def serve(self, client: trio.SocketStream) -> None:
        server = await trio.open_tcp_stream("127.0.0.1", self._port)
        left = self._chooser.choice((0, 100, 200, 1000, 5000, 20_000))
        left = self._chooser.randrange(left + 1) if self.done < self.cuts else 2**60
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._forward, client, server)
                async for data in server:
                    await client.send_all(data[:left])
                    left -= len(data)
                    if left <= 0:
                        break
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        if left <= 0:
            self.done += 1
            if self._chooser.random() < 0.5:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        await trio.aclose_forcefully(client)
        await trio.aclose_forcefully(server)

    async def _forward(self, client: trio.SocketStream, server: trio.SocketStream) -> None:
        async for data in client:
            await server.send_all(data)


async def happen(served: House, count: int) -> None:
    """So many facts, a few at a time."""
    for number in range(count):
        await served.driver.tell([LeanNotice(number + 1, "information", "", f"news {number}")])
        if not number % 20:
            await trio.sleep(0.001)


async def test_a_client_cut_at_200_random_moments_ends_with_exactly_the_journals_facts() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    journal = MemoryJournal()
    async with house(journal=journal) as served, serving(served) as server, trio.open_nursery() as nursery:
        cutter = Cutter(server.port, 200, random.Random(seed))
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, cutter.serve, listeners)
        port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(happen, served, 3000)
        client = FeedClient(f"http://127.0.0.1:{port}", TOKENS["viewer"], after=0, states=["status"], backoff=SOON)
        seen: list[dict[str, Any]] = []
        with trio.fail_after(120):
            async with aclosing(client.facts()) as facts:
                async for fact in facts:
                    seen.append(fact)
                    if cutter.done >= cutter.cuts and len(seen) > 3000 and fact["sequence"] == served.driver.core.seq:
                        break
        print(f"{cutter.done} cuts, {client.resumed} connections beyond the first, {len(seen)} facts")
        kept = [served.driver.core.decode(row) for row in journal.read()]
        assert [fact["sequence"] for fact in seen] == [each.seq for each in kept]
        assert [fact["fact"] for fact in seen if fact["kind"] == "lean.EventSeen"] == [
            named(each.fact) for each in kept if type(each.fact).KIND == "lean.EventSeen"
        ]
        assert client.resumed >= cutter.cuts
        nursery.cancel_scope.cancel()
    assert served.notices == []


async def test_a_client_goes_on_over_a_restart_of_the_daemon_without_a_gap() -> None:
    journal = MemoryJournal()
    seen: list[int] = []
    resumed = 0

    async def follow(port: int) -> None:
        nonlocal resumed
        client = FeedClient(f"http://127.0.0.1:{port}", TOKENS["viewer"], after=0, backoff=SOON)
        async with aclosing(client.facts()) as facts:
            async for fact in facts:
                seen.append(fact["sequence"])
                resumed = client.resumed

    port = 0
    async with trio.open_nursery() as nursery:
        for turn in range(3):
            async with house(journal=journal) as served, serving(served, port) as server:
                if not port:
                    port = server.port
                    nursery.start_soon(follow, port)
                for number in range(50):
                    await served.driver.tell([LeanNotice(turn * 50 + number + 1, "information", "", "news")])
                with trio.fail_after(20):
                    while not seen or seen[-1] < served.driver.core.seq:
                        await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 153
    assert resumed >= 2


async def test_who_may_not_is_told_so_and_does_not_try_for_ever() -> None:
    async with house() as served, serving(served) as server:
        client = FeedClient(f"http://127.0.0.1:{server.port}", "nobody's", backoff=SOON)
        with trio.fail_after(10), pytest.raises(FeedRefused, match="a known token is needed") as refused:
            await anext(client.frames())
        assert refused.value.code == 4401


async def test_a_revoked_token_ends_the_feed() -> None:
    async with house() as served, serving(served) as server:
        token = served.tokens.make("screen", "viewer")
        client = FeedClient(f"http://127.0.0.1:{server.port}", token, states=["status"], backoff=SOON)

        async def follow() -> None:
            async with aclosing(client.frames()) as frames:
                async for frame in frames:
                    if frame["type"] == "state":
                        served.tokens.revoke("screen")

        with trio.fail_after(10), pytest.raises(FeedRefused, match="revoked"):
            await follow()


async def test_another_journal_is_no_place_to_resume_in() -> None:
    async with house() as served, serving(served) as server:
        address = f"http://127.0.0.1:{server.port}"
        for client in (
            FeedClient(address, TOKENS["viewer"], after=1, epoch="another", backoff=SOON),
            FeedClient(address, TOKENS["viewer"], after=10**9, backoff=SOON),
        ):
            with trio.fail_after(10), pytest.raises(OtherJournal):
                await anext(client.frames())
