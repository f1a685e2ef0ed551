"""Watches the room on the journal's disk, and has new risk stopped while there is still room for what ends risk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import trio

from actors.messages.breaker import NO_ENTRY, Halt
from actors.runtime import CommandFailed, Refusal, Status
from daemon.driver import Driver

#: Bytes below which new risk stops: thousands of cancels and reducing orders, and the copy that SQLite keeps of each.
LEAST_ROOM = 64 * 1024 * 1024

#: Seconds between two looks.
_EVERY = 5.0


def room_at(path: Path) -> int:
    """Bytes that this process may still write there."""
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


async def watch_disk(
    driver: Driver, room: Callable[[], int], on_notice: Callable[[str, str], None], status: Status
) -> None:
    """Put the breaker at no-entry whenever the room is below the least and it is lower: also once somebody reset it.

    It only raises: that the disk has room again is for the operator to see who resets the breaker.
    """
    status.started()
    while not status.stopping.is_set():
        left = room()
        if left < LEAST_ROOM and driver.core.state("breaker").level < NO_ENTRY:
            reason = f"the journal's disk has {left // 2**20} MB left, {LEAST_ROOM // 2**20} MB is the least"
            on_notice("disk", f"{reason}: no entries until an operator resets the breaker")
            # Where the breaker itself is what stopped, the process ends for that, or an operator has it before them.
            with contextlib.suppress(Refusal, CommandFailed):
                await driver.command(f"runtime:disk:{driver.core.seq}", "runtime", Halt(NO_ENTRY, reason))
        with trio.move_on_after(_EVERY):
            await status.stopping.wait()
