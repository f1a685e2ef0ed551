"""The feed by itself: who is too slow is told so and resumes without a gap; a restart is said to everybody."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from actors.messages.lean import LeanNotice
from actors.runtime import Core, MemoryJournal, Recorded, Status
from config.desk import DeskRules
from daemon.desk import desk_core
from daemon.feed import Feed
from daemon.serve import WebServer
from daemon.tokens import Tokens
from tests.api.websocket import Socket

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)
TOKEN = "viewer-0123456789-abcdefghij"


class Served:
    """A feed behind a real server, over a core whose facts are made here."""

    def __init__(self, core: Core, recorded: list[Recorded], feed: Feed, port: int) -> None:
        self.core, self.recorded, self.feed, self.port = core, recorded, feed, port
        self._told = 0

    def happen(self, count: int) -> None:
        """So many facts, all at once."""
        for _ in range(count):
            self._told += 1
            self.core.tell(LeanNotice(self._told, "information", "", "news"), AT)
        while self.recorded:
            self.feed.add(self.recorded.pop(0))

    async def connect(self, **first: Any) -> tuple[Socket, Any]:
        """A client that has heard hello."""
        frame = {"token": TOKEN, **first}
        socket = await trio.to_thread.run_sync(Socket, f"http://127.0.0.1:{self.port}", "/feed", frame)
        return socket, await self.next(socket)

    async def next(self, socket: Socket) -> Any:
        with trio.fail_after(10):
            return await trio.to_thread.run_sync(socket.next, abandon_on_cancel=True)


@asynccontextmanager
async def serving(most_waiting: int) -> AsyncIterator[Served]:
    recorded: list[Recorded] = []
    journal = MemoryJournal()
    core = desk_core(journal, DeskRules(), on_record=recorded.append)
    feed = Feed(journal, core.decode, Tokens({"viewer": TOKEN}), most_waiting=most_waiting, heartbeat_seconds=0.2)
    core.start(AT)
    server = WebServer(Starlette(routes=[WebSocketRoute("/feed", feed.serve)]), "127.0.0.1", 0, lambda *_: None)
    status = Status()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run, status)
        await status.wait_started()
        served = Served(core, recorded, feed, server.port)
        served.happen(0)
        yield served
        nursery.cancel_scope.cancel()


async def test_who_is_too_slow_is_told_so_and_resumes_behind_what_it_saw() -> None:
    async with serving(most_waiting=10) as served:
        client, hello = await served.connect()
        after = hello["after"]
        served.happen(3)
        for _ in range(3):
            frame = await served.next(client)
            while frame["type"] == "heartbeat":
                frame = await served.next(client)
            assert frame["prev"] == after
            after = frame["sequence"]
        served.happen(50)
        frame = await served.next(client)
        while isinstance(frame, dict):
            if frame["type"] == "fact":
                assert frame["prev"] == after
                after = frame["sequence"]
            frame = await served.next(client)
        assert frame == ("closed", 4408)
        again, _ = await served.connect(after=after)
        while after < served.core.seq:
            frame = await served.next(again)
            assert frame["prev"] == after
            after = frame["sequence"]
        again.raw.close()


async def test_a_restart_is_said_at_once_to_a_client_that_waits() -> None:
    async with serving(most_waiting=10) as served:
        client, _ = await served.connect()
        served.feed.stop()
        frame = await served.next(client)
        while isinstance(frame, dict):
            frame = await served.next(client)
        assert frame == ("closed", 1012)


async def test_a_client_that_leaves_is_forgotten_and_a_bad_resume_is_refused() -> None:
    async with serving(most_waiting=10) as served:
        for _ in range(20):
            client, _ = await served.connect()
            client.raw.close()
        with trio.fail_after(10):
            while served.feed.clients:
                await trio.sleep(0.01)
        _, frame = await served.connect(after=-1)
        assert frame == ("closed", 4401)
