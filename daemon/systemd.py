"""What the service manager hears of us: ready, alive, stopping; and the last resort where a stop hangs. No decision."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable

import trio

from actors.runtime import Status


def watchdog_seconds() -> float | None:
    """Within how many seconds the service manager wants a sign of life; None where it does not ask this process."""
    microseconds, asked = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdecimal() or int(microseconds) == 0 or asked != str(os.getpid()):
        return None
    return int(microseconds) / 1e6


async def feed_watchdog(
    pulse: Callable[[], Awaitable[None]], line: Callable[[], str], seconds: float, status: Status
) -> None:
    """Twice in that time say that we live, each time after a `pulse`: a turn of the core, and a write on disk.
    `line` is the status that goes with it.

    A core that hangs, or a journal that does not answer, makes no sign: the service manager ends the process.
    """
    status.started()
    while not status.stopping.is_set():
        await pulse()
        sd_notify(f"WATCHDOG=1\nSTATUS={line()}")
        with trio.move_on_after(seconds / 2):
            await status.stopping.wait()


class LongStart:
    """A start that reads a long journal: at most once in `every` seconds it asks for more time, and says how far it is.

    Without it a journal that takes longer than the service manager's patience would never start again.
    """

    def __init__(self, head: int, every: float = 1.0) -> None:
        self._head, self._every = head, every
        self._said_at = time.monotonic()

    def reads(self, seq: int) -> None:
        """It has come to this fact."""
        now = time.monotonic()
        if now - self._said_at >= self._every:
            self._said_at = now
            sd_notify(f"EXTEND_TIMEOUT_USEC=60000000\nSTATUS=reading the journal, fact {seq} of {self._head}")


def arm_watchdog(seconds: float) -> threading.Timer:
    """End the process with all stacks on stderr unless it ended by itself by then."""

    def hang() -> None:
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        os._exit(1)

    timer = threading.Timer(seconds, hang)
    timer.daemon = True
    timer.start()
    return timer


def sd_notify(state: str) -> None:
    """Tell the service manager; silent when there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(0.1)
        sock.sendto(state.encode(), address)
