"""How the daemon's process ends, or begins anew: what asks for it, what the service manager hears, and the last resort
where an end hangs. Stops nothing itself."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

import trio

from daemon.systemd import arm_watchdog, sd_notify


class Ending:
    """The end of one run of the daemon, after which the process ends or begins another.

    A process that has not ended `seconds` after the end began shows its stacks and is ended; with None it is somebody
    else's process, and theirs to end.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._watchdog: threading.Timer | None = None
        #: Whether anybody asked for the end, or for a new beginning.
        self.has_begun = False

    def begin(self) -> None:
        """The process ends: whatever the reason, it may not hang from here on. Idempotent."""
        sd_notify("STOPPING=1")
        self._arm()

    def begin_anew(self) -> None:
        """This run ends, and the process begins another. STOPPING would have the service manager kill that one."""
        sd_notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._arm()

    def over(self) -> None:
        """Everything of this run has ended: what the process does next is not to be ended for it."""
        if self._watchdog is not None:
            self._watchdog.cancel()

    def _arm(self) -> None:
        self.has_begun = True
        if self._watchdog is None and self._seconds is not None:
            self._watchdog = arm_watchdog(self._seconds)


async def end_on_signals(
    ending: Ending, stop: Callable[[], None], on_hangup: Callable[[], bool], on_stop: Callable[[], None]
) -> None:
    """Stop at SIGTERM and SIGINT, and at a SIGHUP to which `on_hangup` says yes; once it did, it is not asked again.

    `on_stop` hears of the first two, and has the last word: what a hangup wanted anew is not wanted any more, and after
    them none is heard. It may come after them though it was sent before: each may reach another thread.
    """
    deaf = False
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for number in signals:
            if number != signal.SIGHUP:
                deaf = True
                on_stop()
                ending.begin()
            elif deaf or not on_hangup():
                continue
            else:
                deaf = True
                ending.begin_anew()
            stop()


@contextlib.contextmanager
def calm_signals() -> Iterator[None]:
    """Until the daemon answers them itself, SIGTERM and SIGINT end the process without a word, as nothing was promised
    yet, and SIGHUP does nothing: a service manager takes a death by it for a clean end, and starts nothing anew."""
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_DFL),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
