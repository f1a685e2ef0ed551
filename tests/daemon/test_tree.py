"""Groups' rules with actors that really fail, safe mode, signs of life for the service manager."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from actors.messages.breaker import HARD_STOP, REDUCE_ONLY, BreakerRaised, Halt
from actors.runtime import CoreActor, Decision, MarketClock, MemoryJournal, Recorded, Status
from config.desk import DeskRules
from daemon.desk import desk_core
from daemon.driver import Driver
from daemon.groups import SafetyFailed
from daemon.journal import SqliteJournal
from daemon.outlet import DriverStopped
from daemon.systemd import LongStart, feed_watchdog, watchdog_seconds
from daemon.tree import is_safe_mode
from tests.processes.kit import Process

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)


class Broken(CoreActor[int]):
    """Fails at every halt."""

    name = "broken"
    folds = (BreakerRaised,)
    reacts = (BreakerRaised,)

    @classmethod
    def of(cls, group: str) -> CoreActor[int]:
        """One in this group."""
        return type("BrokenOf", (cls,), {"group": group})()

    def initial(self) -> int:
        return 0

    def evolve(self, state: int, recorded: Recorded) -> int:
        return state + 1

    def decide(self, state: int, message: Any, now: dt.datetime, market: Any) -> Decision:
        raise ZeroDivisionError("broken on purpose")


async def fail_in(group: str) -> tuple[int, dict[str, int], Exception | None]:
    """Breaker level, failed actors and the driver's failure after an actor of this group failed."""
    journal = MemoryJournal()
    driver = Driver(desk_core(journal, DeskRules(), more=(Broken.of(group),)), journal, MarketClock(AT))
    driver.core.start(AT)

    async def run() -> None:
        with contextlib.suppress(SafetyFailed):
            await driver.run(Status())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        with contextlib.suppress(DriverStopped):
            await driver.command("1", "operator:test", Halt(1, "slow down"))
        if group == "safety":
            await driver.stopped.wait()
        else:
            await driver.pulse()
            await driver.pulse()  # a turn after the failure's own
        nursery.cancel_scope.cancel()
    return driver.core.state("breaker").level, driver.core.failed(), driver.failure


@pytest.mark.parametrize("group", ["trading", "service"])
async def test_a_failed_actor_of_trading_or_service_only_degrades(group: str) -> None:
    level, failed, failure = await fail_in(group)
    assert (level, list(failed), failure) == (1, ["broken"], None)


async def test_a_failed_actor_of_the_book_leaves_only_reducing() -> None:
    level, failed, failure = await fail_in("book")
    assert (level, list(failed), failure) == (REDUCE_ONLY, ["broken"], None)


async def test_a_failed_actor_of_safety_stops_hard_and_ends_the_process() -> None:
    level, failed, failure = await fail_in("safety")
    assert (level, list(failed)) == (HARD_STOP, ["broken"])
    assert isinstance(failure, SafetyFailed)


async def test_nothing_that_waits_comes_before_the_halt_for_a_stopped_actor() -> None:
    journal = MemoryJournal()
    driver = Driver(desk_core(journal, DeskRules(), more=(Broken.of("book"),)), journal, MarketClock(AT))
    driver.core.start(AT)
    async with trio.open_nursery() as nursery:
        for number in (1, 2):
            nursery.start_soon(driver.command, str(number), "operator:test", Halt(number, "slow down"))
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(driver.run, Status())
        await driver.pulse()
        await driver.pulse()
        nursery.cancel_scope.cancel()
    facts = [driver.core.decode(row).fact for row in journal.read()]
    assert [fact.level for fact in facts if isinstance(fact, BreakerRaised)][:2] == [1, REDUCE_ONLY]


def test_safe_mode_is_the_third_start_within_ten_minutes() -> None:
    minutes = [AT - dt.timedelta(minutes=each) for each in (30, 11, 9)]
    assert not is_safe_mode(minutes, AT)
    assert is_safe_mode([*minutes, AT - dt.timedelta(minutes=1)], AT)
    assert not is_safe_mode([], AT)


def raised_in(journal: Path) -> list[int]:
    """The breaker's levels that were raised, in order."""
    with SqliteJournal(journal, live=False) as held:
        core = desk_core(held, DeskRules())
        facts = [each.fact for each in map(core.decode, held.read())]
    return [fact.level for fact in facts if isinstance(fact, BreakerRaised)]


def test_a_daemon_that_starts_again_after_two_deaths_stops_hard_and_says_so(tmp_path: Path) -> None:
    options = ("run", "--journal", str(tmp_path / "journal"), "--bridge", str(tmp_path / "bridge"))
    said: list[bool] = []
    for death in (True, False, True, False):
        daemon = Process(tmp_path, "run", *options)
        daemon.wait_for("ready")
        said.append("safe mode: safe mode: start 3 within 10 minutes" in daemon.said)
        if death:
            daemon.kill()
        else:
            assert daemon.stop() == 0, daemon.said
    # The stop in between neither counts nor clears.
    assert said == [False, False, False, True]
    assert raised_in(tmp_path / "journal") == [HARD_STOP]


def test_starts_after_orderly_stops_and_reloads_are_no_safe_mode(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    options = (
        "run", "--journal", str(tmp_path / "journal"), "--bridge", str(tmp_path / "bridge"), "--config", str(settings)
    )  # fmt: skip
    for _ in range(3):
        settings.write_text('[risk]\ndaily_loss = "3 %"\n')
        daemon = Process(tmp_path, "run", *options)
        daemon.wait_for("ready")
        settings.write_text('[risk]\ndaily_loss = "2 %"\n')
        daemon.signal(signal.SIGHUP)
        until = time.monotonic() + 30
        while daemon.said.count("ready: ") < 2:
            assert time.monotonic() < until, daemon.said
            time.sleep(0.01)
        assert daemon.stop() == 0, daemon.said
        assert "safe mode" not in daemon.said
    assert raised_in(tmp_path / "journal") == []


async def test_the_watchdog_is_fed_by_turns_and_starves_where_the_disk_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    manager.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    journal = MemoryJournal(hold=True)
    driver = Driver(desk_core(journal, DeskRules()), journal, MarketClock(AT))
    driver.core.start(AT)
    journal.settle()

    def signs() -> int:
        count = 0
        while True:
            try:
                count += manager.recv(64) == b"WATCHDOG=1\nSTATUS=fine"
            except BlockingIOError:
                return count

    async def fed(within: float, disk: bool = True) -> bool:
        signs()
        with trio.move_on_after(within):
            while not signs():
                if disk:
                    journal.settle()
                await trio.sleep(0.005)
            return True
        return False

    async with trio.open_nursery() as nursery:
        nursery.start_soon(driver.run, Status())
        nursery.start_soon(feed_watchdog, driver.pulse, lambda: "fine", 0.02, Status())
        assert await fed(5.0)
        nursery.start_soon(driver.command, "1", "operator:test", Halt(1, "a fact that waits for the disk"))
        while driver.core.state("breaker").level == 0:
            await trio.sleep(0.001)
        await fed(0.05, disk=False)  # a pulse may have gone through before
        assert not await fed(0.2, disk=False)
        assert await fed(5.0)
        nursery.cancel_scope.cancel()
    manager.close()


def test_the_watchdog_is_only_fed_where_the_service_manager_asks_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert watchdog_seconds() is None
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert watchdog_seconds() is None
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_seconds() == 30.0


def test_a_long_start_asks_for_more_time_as_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        start = LongStart(9, every=0.0)
        start.reads(4)
        assert manager.recv(200) == b"EXTEND_TIMEOUT_USEC=60000000\nSTATUS=reading the journal, fact 4 of 9"
        LongStart(9, every=3600.0).reads(4)
        with pytest.raises(BlockingIOError):
            manager.recv(200)
