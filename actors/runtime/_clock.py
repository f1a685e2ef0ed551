"""The two clocks of live time and market time. The only place of the project's core side that asks what time it is."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Protocol

#: A jump of the system's time beyond so many seconds is told, not hidden.
JUMP = 2.0

#: The pace at which time goes on while it is ahead of the system's.
_PACE_AHEAD = 0.5


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

    Where the system's time was set back, `now` goes on at half its pace until that has come up with it: standing still
    it would hold every deadline for as long as the jump was. `on_jump(seconds)` is called from `now`, signed. `wall`
    and `monotonic` give seconds, for tests.
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
        self._looked = monotonic()
        self._now = wall()
        self._offset = self._now - self._looked

    def now(self) -> dt.datetime:
        """The system's time, or a later one where that was set back."""
        wall, ran = self._wall(), self._monotonic()
        jump = wall - ran - self._offset
        # Since the last look: slow drift, as of a steered clock, must not add up to a jump.
        self._offset += jump
        if abs(jump) > JUMP and self.on_jump is not None:
            self.on_jump(jump)
        self._now = max(wall, self._now + _PACE_AHEAD * (ran - self._looked))
        self._looked = ran
        return dt.datetime.fromtimestamp(self._now, dt.UTC)

    def wait(self, until: dt.datetime) -> float | None:
        """Seconds until then, at least 0."""
        seconds = max(0.0, (until - self.now()).total_seconds())
        ahead = self._now - self._wall()
        # Ahead by so much, the system's time comes up with it after twice that.
        return seconds if ahead <= 0 else seconds / _PACE_AHEAD if seconds < ahead else seconds + ahead


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
