"""A disk that fills up stops new risk while there is still room to write down what ends it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.messages.breaker import NO_ENTRY, BreakerRaised, ConfirmReset, Halt, StartReset
from actors.runtime import MarketClock, MemoryJournal, Recorded, Status
from config.desk import DeskRules
from daemon.desk import desk_core
from daemon.disk import LEAST_ROOM, room_at, watch_disk
from daemon.driver import Driver
from tests.processes.kit import Process

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)


async def test_below_the_least_room_entries_stop_once_and_again_after_a_reset(autojump_clock: MockClock) -> None:
    journal = MemoryJournal()
    driver = Driver(desk_core(journal, DeskRules()), journal, MarketClock(AT))
    driver.core.start(AT)
    room, raised, told = [LEAST_ROOM], list[BreakerRaised](), list[tuple[str, str]]()

    def heard(recorded: Recorded) -> None:
        if isinstance(recorded.fact, BreakerRaised):
            raised.append(recorded.fact)

    driver.listen(heard)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(driver.run, Status())
        nursery.start_soon(watch_disk, driver, lambda: room[0], lambda *said: told.append(said), Status())
        await trio.sleep(60)
        assert raised == []
        assert told == []
        room[0] = LEAST_ROOM - 1
        await trio.sleep(60)
        assert [(each.level, each.reason) for each in raised] == [
            (NO_ENTRY, "the journal's disk has 63 MB left, 64 MB is the least")
        ]
        await driver.command("1", "operator:test", StartReset("it was looked at"))
        await driver.command("2", "operator:test", ConfirmReset(driver.core.state("breaker").phrase))
        await trio.sleep(60)
        assert [each.level for each in raised] == [NO_ENTRY, NO_ENTRY]
        await driver.command("3", "operator:test", Halt(4, "worse"))
        await trio.sleep(60)
        assert len(raised) == 3
        assert [event for event, _ in told] == ["disk", "disk"]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("clock", "watched"), [("wall", True), ("market", False)])
def test_a_daemon_on_the_wall_s_clock_watches_its_disk(tmp_path: Path, clock: str, watched: bool) -> None:
    options = ("--journal", str(tmp_path / "journal"), "--bridge", str(tmp_path / "bridge"), "--clock", clock)
    daemon = Process(tmp_path, "run", "run", *options)
    daemon.wait_for("ready: ")
    assert daemon.stop() == 0, daemon.said
    assert ("running: callboard/disk" in daemon.said) is watched


def test_the_room_is_that_of_the_disk_the_journal_lies_on(tmp_path: Path) -> None:
    assert room_at(tmp_path / "journal") > 0
