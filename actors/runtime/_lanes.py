"""Live inputs wait here in lanes until the core takes them: control, LEAN's events, commands, one view.

Lock-step has no lanes. No clock and no waiting: the edge that drives the core says when, and hears that a lane is full.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from actors.runtime._core import Core
from actors.runtime._words import Busy

#: After so many inputs of higher lanes a waiting view is taken.
VIEW_PATIENCE = 64

Put = Callable[[Core, dt.datetime, int], Any]
Lane = Literal["control", "lean", "command"]


class LaneStatistics(msgspec.Struct, frozen=True):
    """Inputs waiting per lane, commands refused for a full lane, and views that a newer one replaced."""

    control: int
    lean: int
    command: int
    view: int
    refused: int
    conflated: int


class Lanes:
    """Four lanes in front of one core. Control goes first, then LEAN's events, then commands, then the newest view.

    Control and LEAN's events are never refused (their back-pressure is the edge's); commands are bounded by
    `most_commands`: beyond it `offer` raises Busy and has taken nothing. Every input is numbered when it is
    offered, which is what cancel-all refers to.
    """

    def __init__(self, core: Core, *, most_commands: int = 1000) -> None:
        if most_commands < 1:
            raise ValueError(f"most_commands {most_commands} must be above 0")
        self._core = core
        self._most = most_commands
        self._lanes: dict[Lane, deque[tuple[int, Put]]] = {"control": deque(), "lean": deque(), "command": deque()}
        self._view: Any = None
        self._has_view = False
        self._since_view = 0
        self._refused = 0
        self._conflated = 0

    def offer(self, lane: Lane, put: Put) -> int:
        """Queue an input; `put(core, now, number)` will hand it to the core. Returns its number. Raises Busy."""
        waiting = self._lanes[lane]
        if lane == "command" and len(waiting) >= self._most:
            self._refused += 1
            raise Busy(f"{len(waiting)} commands wait, the limit is {self._most}")
        number = self._core.receive()
        waiting.append((number, put))
        return number

    def offer_view(self, base: Any) -> None:
        """Put the newest view in its one slot; one that still waited there is dropped."""
        self._conflated += self._has_view
        self._view, self._has_view = base, True

    def take(self, now: dt.datetime) -> bool:
        """Run one input to quiescence. False where nothing waits. What `put` raises comes out of here."""
        waiting = next((lane for lane in self._lanes.values() if lane), None)
        if self._has_view and (waiting is None or self._since_view >= VIEW_PATIENCE):
            base, self._view, self._has_view, self._since_view = self._view, None, False, 0
            self._core.view(base, now)
            return True
        if waiting is None:
            return False
        self._since_view = self._since_view + 1 if self._has_view else 0
        number, put = waiting.popleft()
        put(self._core, now, number)
        return True

    def statistics(self) -> LaneStatistics:
        """How many wait, were refused and were replaced."""
        lanes = self._lanes
        return LaneStatistics(
            len(lanes["control"]), len(lanes["lean"]), len(lanes["command"]), int(self._has_view), self._refused,
            self._conflated,
        )  # fmt: skip
