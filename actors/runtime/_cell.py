"""An actor as the core keeps it: state, backlog, timers, whether it stopped and where. No routing, no journal."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Mapping
from typing import Any

from actors.runtime._actor import CoreActor, TimerDue
from actors.runtime._facts import Recorded
from actors.runtime._words import Telemetry


class Cell:
    """One actor. `backlog` holds what waits for its turns in order of arrival; `unfolded` the facts signed past."""

    __slots__ = (
        "actor", "backlog", "broken", "dirty", "due", "failed", "failure_seq", "fired", "state", "stopped_on",
        "telemetry", "unfolded", "unreleased", "waits_from",
    )  # fmt: skip

    def __init__(self, actor: CoreActor[Any]) -> None:
        self.actor = actor
        self.state: Any = actor.initial()
        self.backlog: deque[Any] = deque()
        self.unreleased: deque[Recorded] = deque()
        self.unfolded: list[int] = []
        self.dirty = True
        self.due: Mapping[str, dt.datetime] = {}
        self.fired: dict[str, dt.datetime] = {}
        self.failed = False
        self.broken = False
        self.failure_seq = 0
        self.waits_from = 0
        #: The message whose turn failed in this run; None after a restart, a fold or a release.
        self.stopped_on: Any = None
        self.telemetry = Telemetry()

    def stop(self, seq: int, waits_from: int, folding: bool) -> None:
        """It failed on fact `seq` (0: an input); every fact it reacts to from `waits_from` on still waits."""
        self.failed, self.broken, self.failure_seq, self.waits_from = True, folding, seq, waits_from

    def resume(self) -> None:
        """It goes on."""
        self.failed, self.broken, self.failure_seq, self.waits_from = False, False, 0, 0
        self.stopped_on = None

    def rearm(self) -> None:
        """Where a timer's turn is what stopped it, that timer is due again: its turn came to nothing."""
        if isinstance(self.stopped_on, TimerDue):
            self.fired.pop(self.stopped_on.key, None)

    def ask_due(self) -> Mapping[str, dt.datetime]:
        """Its timers; the actor is asked again if it folded anything since."""
        if self.dirty:
            self.due = dict(self.actor.due(self.state))
            self.dirty = False
            self.fired = {key: at for key, at in self.fired.items() if self.due.get(key) == at}
        return self.due


def first_due(cells: Mapping[str, Cell], to: dt.datetime | None) -> tuple[dt.datetime, str, str] | None:
    """The earliest timer of all (instant, actor, key), not after `to`; stopped actors' timers wait."""
    first: tuple[dt.datetime, str, str] | None = None
    for name, cell in cells.items():
        if cell.failed:
            continue
        for key, instant in cell.ask_due().items():
            if (to is None or instant <= to) and cell.fired.get(key) != instant:
                candidate = (instant, name, key)
                if first is None or candidate < first:
                    first = candidate
    return first
