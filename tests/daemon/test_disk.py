"""A disk that fills up stops new risk while there is still room to write down what ends it."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.messages.breaker import NO_ENTRY, BreakerRaised, ConfirmReset, Halt, StartReset
from actors.runtime import MarketClock, MemoryJournal, Recorded, Status
from config.desk import DeskRules
from daemon.desk import desk_core
from daemon.disk import BALLAST, GIVEN_UP, LAST_ROOM, LEAST_ROOM, open_journal, room_at, watch_disk
from daemon.driver import Driver
from daemon.journal import verify
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
        nursery.start_soon(
            watch_disk, driver, lambda: room[0], lambda: False, lambda *said: told.append(said), Status()
        )
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


async def test_the_ballast_is_given_up_once_the_last_room_begins(autojump_clock: MockClock) -> None:
    journal = MemoryJournal()
    driver = Driver(desk_core(journal, DeskRules()), journal, MarketClock(AT))
    driver.core.start(AT)
    room, held, told = [LAST_ROOM], [True], list[str]()

    def release() -> bool:
        had, held[0] = held[0], False
        return had

    async with trio.open_nursery() as nursery:
        nursery.start_soon(driver.run, Status())
        nursery.start_soon(watch_disk, driver, lambda: room[0], release, lambda _, text: told.append(text), Status())
        await trio.sleep(60)
        assert held == [True]
        room[0] = LAST_ROOM - 1
        await trio.sleep(60)
        assert held == [False]
        assert told.count(GIVEN_UP) == 1
        nursery.cancel_scope.cancel()


def test_a_journal_has_its_ballast_where_there_is_room_and_gives_it_up_where_there_is_none(tmp_path: Path) -> None:
    path, told = tmp_path / "journal", list[str]()
    ballast = tmp_path / "journal.ballast"
    for room, size in ((LEAST_ROOM, 0), (LEAST_ROOM + BALLAST, BALLAST), (LAST_ROOM, BALLAST), (LAST_ROOM - 1, 0)):
        with open_journal(path, lambda _, text: told.append(text), lambda _, left=room: left):
            assert (ballast.stat().st_size if ballast.exists() else 0) == size
    assert told == [GIVEN_UP]


def fill_up(path: Path) -> None:
    """Write until nothing more fits, which raises OSError."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


@pytest.mark.long  # it mounts, which needs rights that a test machine may not give
def test_a_daemon_starts_on_a_full_disk_without_its_ballast_and_takes_no_entries(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "callboard-test", str(disk)], check=True)
    options = ("run", "--journal", str(disk / "journal"), "--bridge", str(tmp_path / "bridge"), "--clock", "wall")
    try:
        daemon = Process(tmp_path, "run", *options)
        daemon.wait_for("ready: ")
        assert (disk / "journal.ballast").stat().st_size == BALLAST
        daemon.kill()
        with pytest.raises(OSError, match="No space left"):
            fill_up(disk / "filler")
        daemon = Process(tmp_path, "run", *options)
        daemon.wait_for("no entries until")
        assert not (disk / "journal.ballast").exists()
        assert daemon.stop() == 0, daemon.said
        assert verify(disk / "journal").problem is None
    finally:
        daemon.kill()
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(("clock", "watched"), [("wall", True), ("market", False)])
def test_a_daemon_on_the_wall_s_clock_watches_its_disk(tmp_path: Path, clock: str, watched: bool) -> None:
    options = ("--journal", str(tmp_path / "journal"), "--bridge", str(tmp_path / "bridge"), "--clock", clock)
    daemon = Process(tmp_path, "run", "run", *options)
    daemon.wait_for("ready: ")
    assert daemon.stop() == 0, daemon.said
    assert ("running: callboard/disk" in daemon.said) is watched


def test_the_room_is_that_of_the_disk_the_journal_lies_on(tmp_path: Path) -> None:
    assert room_at(tmp_path / "journal") > 0


def test_a_file_system_that_tells_no_size_is_not_a_full_one() -> None:
    assert room_at(Path("/proc/self/journal")) >= LEAST_ROOM
