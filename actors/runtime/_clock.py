"""The two clocks of live time and market time. The only place of the project's core side that asks what time it is."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Protocol

#: A jump of the system's time beyond so many seconds is told, not hidden.
JUMP = 2.0


class Clock(Protocol):
    """Aware UTC instants that never go back."""

    def now(self) -> dt.datetime:
        """The present instant."""
        ...

    def wait(self, until: dt.datetime) -> float | None:
        """Seconds of the system's time until an instant comes by itself; None where only data brings it."""
        ...


class WallClock:
    """The system's time. `now` never goes back; a jump of more than 2 s against the monotonic clock is reported once.

    `on_jump(seconds)` is called from `now`, signed. `wall` and `monotonic` give seconds, for tests.
    """

    def __init__(
        self,
        on_jump: Callable[[float], None] | None = None,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.on_jump = on_jump
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()
        self._last = dt.datetime.fromtimestamp(wall(), dt.UTC)

    def now(self) -> dt.datetime:
        """The system's time, or the last one given where that is later."""
        wall = self._wall()
        jump = wall - self._monotonic() - self._offset
        # Since the last look: slow drift, as of a steered clock, must not add up to a jump.
        self._offset += jump
        if abs(jump) > JUMP and self.on_jump is not None:
            self.on_jump(jump)
        self._last = max(self._last, dt.datetime.fromtimestamp(wall, dt.UTC))
        return self._last

    def wait(self, until: dt.datetime) -> float | None:
        """Seconds until then, at least 0."""
        return max(0.0, (until - self.now()).total_seconds())


class MarketClock:
    """Time that data moves: it stands still between instants."""

    def __init__(self, start: dt.datetime) -> None:
        self._now = start

    def now(self) -> dt.datetime:
        """The last instant moved to."""
        return self._now

    def move(self, to: dt.datetime) -> None:
        """Go forward; never back."""
        self._now = max(self._now, to)

    def wait(self, until: dt.datetime) -> float | None:
        """0 where it has come, else None: it comes with data."""
        return 0.0 if until <= self._now else None
