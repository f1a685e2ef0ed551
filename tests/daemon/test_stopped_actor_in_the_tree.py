"""An actor that fails in the daemon's real tree, over a real journal and API: what is said, shown and signed past."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from actors.messages.breaker import HARD_STOP, REDUCE_ONLY, BreakerRaised
from actors.runtime import (
    ActorFailed,
    CoreActor,
    Decision,
    FactSkipped,
    Output,
    Recorded,
    Status,
    Write,
)
from bridge.server import BridgeSettings
from daemon.groups import SafetyFailed
from daemon.port import BridgePort
from daemon.run import RunRequest, run_daemon
from daemon.tokens import Tokens
from tests.api.kit import TOKENS

AT = dt.datetime(2015, 12, 24, tzinfo=dt.UTC)


class Fragile(CoreActor[list[int]]):
    """Raises at the first halt it hears of, in the function that `fails` names."""

    name = "fragile"
    folds = (BreakerRaised,)
    reacts = (BreakerRaised,)
    releases = (BreakerRaised,)
    fails = ""

    def initial(self) -> list[int]:
        return []

    def _break(self, where: str, is_first: bool) -> None:
        if where == self.fails and is_first:
            raise ZeroDivisionError(f"broken in {where}")

    def evolve(self, state: list[int], recorded: Recorded) -> list[int]:
        fact = recorded.fact
        self._break("evolve", isinstance(fact, BreakerRaised) and fact.reason == "first")
        return [*state, recorded.seq]

    def decide(self, state: list[int], message: Any, now: dt.datetime, market: Any) -> Decision:
        self._break("decide", message.fact.reason == "first")
        return Decision()

    def due(self, state: list[int]) -> Mapping[str, dt.datetime]:
        self._break("due", len(state) == 1)
        return {}

    def release(self, state: list[int], recorded: Recorded, now: dt.datetime) -> Iterable[Output | Write]:
        self._break("release", isinstance(recorded.fact, BreakerRaised) and recorded.fact.reason == "first")
        return ()


class Running:
    """The daemon of a test, with what it told."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, str]] = []
        self.facts: list[Any] = []
        self.failure: Exception | None = None
        self.ended = trio.Event()
        self.port: BridgePort | None = None

    @property
    def address(self) -> str:
        return next(text for event, text in self.notices if event == "api")

    async def ask(self, method: str, path: str, role: str = "admin", **more: Any) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            headers = {"authorization": f"Bearer {TOKENS[role]}"}
            return await client.request(method, self.address + path, headers=headers, timeout=10, **more)

    async def run(self, request: RunRequest, status: Status) -> None:
        def started(port: BridgePort, views: Any) -> None:
            self.port = port

        try:
            await run_daemon(
                request, lambda *said: self.notices.append(said), status, lambda each: self.facts.append(each.fact),
                started,
            )  # fmt: skip
        except Exception as error:
            self.failure = error
            status.started()
        self.ended.set()


@asynccontextmanager
async def running(folder: Path, group: str, fails: str) -> AsyncIterator[Running]:
    """The whole daemon with a fragile actor in a group, from its start to its orderly end."""
    actor = type("FragileOf", (Fragile,), {"group": group, "fails": fails})()
    request = RunRequest(
        journal=folder / "journal", bridge=BridgeSettings(unix=folder / "bridge"), clock="market",
        api=("127.0.0.1", 0), tokens=Tokens(TOKENS), signals=False, more=(actor,),
    )  # fmt: skip
    daemon, status = Running(), Status()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.run, request, status)
        with trio.fail_after(20):
            await status.wait_started()
            yield daemon
            status.stopping.set()
            await daemon.ended.wait()


def nodes(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of the tree, by name."""
    found = {tree["name"]: tree}
    for child in tree["children"]:
        found |= nodes(child)
    return found


@pytest.mark.parametrize(("group", "level"), [("trading", 1), ("service", 1), ("book", REDUCE_ONLY)])
@pytest.mark.parametrize("fails", ["decide", "evolve", "release"])
async def test_it_is_shown_and_an_operator_signs_it_past(tmp_path: Path, group: str, level: int, fails: str) -> None:
    async with running(tmp_path, group, fails) as daemon:
        first = await daemon.ask("POST", "/api/v1/breaker/halt", json={"level": 1, "reason": "first"})
        assert first.status_code == 200, "the command itself is answered"
        port = daemon.port
        assert port is not None
        await port.quiet()
        await port.quiet()
        (failed,) = (fact for fact in daemon.facts if isinstance(fact, ActorFailed))
        assert (failed.actor, "broken in" in failed.error) == ("fragile", True)
        status = (await daemon.ask("GET", "/api/v1/status")).json()
        assert (status["level"], status["failed"]) == (level, ["fragile"])
        assert "stopped: fragile" in status["line"]
        ready = await daemon.ask("GET", "/readyz")
        assert (ready.status_code, ready.json()["failed"]) == (503, ["fragile"])
        tree = nodes((await daemon.ask("GET", "/api/v1/actors")).json())
        assert tree["fragile"]["state"] == tree[group]["state"] == "failed"
        assert tree["fragile"]["failed_at"] == failed.seq
        assert [text for event, text in daemon.notices if event == "failed" and "fragile stopped" in text]

        wrong = await daemon.ask("POST", "/api/v1/actors/fragile/skip", json={"seq": failed.seq + 99, "reason": "no"})
        assert (wrong.status_code, wrong.json()["code"]) == (409, "conflict")
        path, body = "/api/v1/actors/fragile/skip", {"seq": failed.seq, "reason": "looked at it"}
        assert (await daemon.ask("POST", path, "trader", json=body)).status_code == 403
        signed = await daemon.ask("POST", path, json=body)
        assert signed.json() == {"name": "fragile", "seq": failed.seq, "failed": False}
        (skipped,) = (fact for fact in daemon.facts if isinstance(fact, FactSkipped))
        assert (skipped.reason, skipped.principal) == ("looked at it", "operator:admin")
        assert (await daemon.ask("GET", "/readyz")).status_code == 200
    assert daemon.failure is None


@pytest.mark.parametrize("fails", ["decide", "evolve", "due", "release"])
async def test_of_safety_it_ends_the_process_with_the_reason_and_the_next_start_shows_it(
    tmp_path: Path, fails: str
) -> None:
    async with running(tmp_path, "safety", fails) as daemon:
        with trio.CancelScope():
            await daemon.ask("POST", "/api/v1/breaker/halt", json={"level": 1, "reason": "first"})
        await daemon.ended.wait()
    assert isinstance(daemon.failure, SafetyFailed)
    assert f"broken in {fails}" in str(daemon.failure)
    async with running(tmp_path, "safety", "") as again:
        status = (await again.ask("GET", "/api/v1/status")).json()
        assert (status["level"], status["failed"]) == (HARD_STOP, ["fragile"])
    assert again.failure is None, "what is known to have stopped does not end each start"


async def test_timers_that_can_not_be_asked_stop_their_actor_and_no_other(tmp_path: Path) -> None:
    async with running(tmp_path, "trading", "due") as daemon:
        for level in (1, 2):
            answer = await daemon.ask("POST", "/api/v1/breaker/halt", json={"level": level, "reason": f"at {level}"})
            assert answer.status_code == 200
        assert (await daemon.ask("GET", "/api/v1/status")).json()["failed"] == ["fragile"]
    assert daemon.failure is None
