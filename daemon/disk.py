"""Watches the room on the journal's disk: has new risk stopped while there is still room for what ends risk, and gives
up the ballast when even that ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import trio

from actors.messages.breaker import NO_ENTRY, Halt
from actors.runtime import CommandFailed, JournalFull, Refusal, Status
from daemon.driver import Driver
from daemon.journal import SqliteJournal, give_up_ballast, keep_ballast

#: Bytes below which new risk stops: thousands of cancels and reducing orders, and the copy that SQLite keeps of each.
LEAST_ROOM = 64 * 1024 * 1024

#: Bytes kept beside the journal, to be given up below so many bytes: what ends risk is still written then.
BALLAST, LAST_ROOM = 8 * 1024 * 1024, 8 * 1024 * 1024

GIVEN_UP = "full: the ballast was given up, what ends risk is written to its room; free the disk"

#: Seconds between two looks.
_EVERY = 5.0


def room_at(path: Path) -> int:
    """Bytes that this process may still write there; no bound where the file system tells no size, as some of FUSE."""
    disk = os.statvfs(path.parent)
    if disk.f_blocks == 0:
        return sys.maxsize
    return disk.f_bavail * disk.f_frsize


def open_journal(
    path: Path, on_notice: Callable[[str, str], None], room: Callable[[Path], int] = room_at
) -> SqliteJournal:
    """The journal of a daemon that lives on: with its ballast where there is room for it, without one where a full disk
    needs it to be opened at all. Raises the journal's errors."""
    try:
        journal = SqliteJournal(path, live=True)
    except JournalFull:
        if not give_up_ballast(path):
            raise
        on_notice("disk", GIVEN_UP)
        journal = SqliteJournal(path, live=True)
    left = room(journal.path)
    if left >= LEAST_ROOM + BALLAST:
        try:
            keep_ballast(path, BALLAST)
        except OSError as error:
            on_notice("disk", f"no ballast: {error}")
    elif left < LAST_ROOM and give_up_ballast(path):
        on_notice("disk", GIVEN_UP)
    return journal


async def watch_disk(
    driver: Driver,
    room: Callable[[], int],
    release: Callable[[], bool],
    on_notice: Callable[[str, str], None],
    status: Status,
) -> None:
    """Put the breaker at no-entry whenever the room is below the least and it is lower: also once somebody reset it.

    It only raises: that the disk has room again is for the operator to see who resets the breaker. `release` gives up
    the ballast; it is asked when the last room begins.
    """
    status.started()
    while not status.stopping.is_set():
        left = room()
        if left < LAST_ROOM and release():
            on_notice("disk", GIVEN_UP)
        if left < LEAST_ROOM and driver.core.state("breaker").level < NO_ENTRY:
            reason = f"the journal's disk has {left // 2**20} MB left, {LEAST_ROOM // 2**20} MB is the least"
            on_notice("disk", f"{reason}: no entries until an operator resets the breaker")
            # Where the breaker itself is what stopped, the process ends for that, or an operator has it before them.
            with contextlib.suppress(Refusal, CommandFailed):
                await driver.command(f"runtime:disk:{driver.core.seq}", "runtime", Halt(NO_ENTRY, reason))
        with trio.move_on_after(_EVERY):
            await status.stopping.wait()
