"""A desk in this process, without LEAN or market, and a client of its app: for what needs no fills."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio

from actors.runtime import MarketClock, MemoryJournal, Status
from config.desk import DeskRules
from daemon.api import ApiSettings, make_app
from daemon.desk import desk_core
from daemon.driver import Driver
from daemon.feed import Feed
from daemon.feed_state import Board
from daemon.serve import App, WebServer
from daemon.tokens import Tokens
from daemon.views import Views
from tests.api.kit import TOKENS

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)


class House:
    """What runs, and a client that asks it with a role's token."""

    def __init__(self, driver: Driver, views: Views, tokens: Tokens, feed: Feed, app: App, board: Board) -> None:
        self.driver, self.views, self.tokens, self.feed, self.app = driver, views, tokens, feed, app
        self.board = board
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1")
        self.notices: list[tuple[str, str]] = []

    async def ask(self, method: str, path: str, role: str | None = "admin", **more: Any) -> httpx.Response:
        """One request, with the token of `role` (None: without one)."""
        headers = {} if role is None else {"authorization": f"Bearer {TOKENS.get(role, role)}"}
        with trio.fail_after(20):
            return await self.client.request(method, path, headers={**headers, **more.pop("headers", {})}, **more)


@asynccontextmanager
async def house(
    file: Path | None = None, journal: MemoryJournal | None = None, **settings: Any
) -> AsyncIterator[House]:
    """A desk that runs; `settings` are the API's."""
    kept = journal or MemoryJournal()
    driver = Driver(desk_core(kept, DeskRules()), kept, MarketClock(AT))
    views = Views()
    driver.listen(views.add)
    driver.core.start(AT, views.add)
    kept.settle()  # its beginning: before that it serves nobody
    tokens = Tokens(TOKENS, file)
    board = Board(driver, views, DeskRules())
    feed = Feed(kept, driver.core.decode, tokens, after=views.seq, board=board)
    driver.listen(feed.add)
    made: list[House] = []

    def notice(event: str, text: str) -> None:
        made[0].notices.append((event, text))

    app = make_app(driver, views, tokens, feed, settings=ApiSettings(**settings), notice=notice)
    async with trio.open_nursery() as nursery:
        await nursery.start(_running, driver)
        made.append(House(driver, views, tokens, feed, app, board))
        async with made[0].client:
            yield made[0]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving(served: House, port: int = 0, **options: Any) -> AsyncIterator[WebServer]:
    """The house's app behind the real server, on a port of its own where none is given."""
    server = WebServer(served.app, "127.0.0.1", port, lambda *said: served.notices.append(said), **options)
    status = Status()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run, status)
        await status.wait_started()
        yield server
        served.feed.stop()
        status.stopping.set()


async def _running(driver: Driver, task_status: trio.TaskStatus[None]) -> None:
    async def run(status: Status) -> None:
        await driver.run(status)

    status = Status()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, status)
        await status.wait_started()
        task_status.started()
