"""What dies inside one process, and where: the market at its frames and commits, an edge's task at its awaits, an actor
after every turn. Who plays and who counts is elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import trio

from actors.runtime import Core
from bridge import protocol
from bridge.client import Connection
from bridge.paper import Ledger


class MarketDied(BaseException):
    """The market's process is gone: nothing of its own runs any more."""


class Deaths:
    """Counts the market's points: each frame, and each commit before and after it. It dies at the n-th, once."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.count = 0

    def point(self) -> None:
        """One more. Raises MarketDied at the n-th."""
        self.count += 1
        if self.count == self._number:
            raise MarketDied


class DyingLedger(Ledger):
    """A ledger whose market may die before or after a commit."""

    deaths: Deaths

    def commit(self) -> None:
        self.deaths.point()
        super().commit()
        self.deaths.point()


class DyingConnection(Connection):
    """A connection whose market may die before it sends, and after it has read."""

    def __init__(self, address: str, deaths: Deaths) -> None:
        self._deaths = deaths
        super().__init__(address)

    def send(self, frame: protocol.Frame) -> None:
        self._point()
        super().send(frame)

    def receive(self, timeout: float | None = None) -> protocol.ToLean | None:
        frame = super().receive(timeout)
        self._point()
        return frame

    def _point(self) -> None:
        try:
            self._deaths.point()
        except MarketDied:
            self.close()  # as the kernel does with what a dead process had open
            raise


class AwaitKiller(trio.abc.Instrument):
    """Cancels a child of the tree when its tasks have come to their n-th await. Counts on, so 0 only counts."""

    def __init__(self, number: int, kill: Callable[[], None]) -> None:
        self._number, self._kill = number, kill
        self.root: trio.lowlevel.Task | None = None
        self.count = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task of the child's came to an await (or ended)."""
        if self.root is None or not self._inside(task):
            return
        self.count += 1
        if self.count == self._number:
            self._kill()

    def _inside(self, task: trio.lowlevel.Task) -> bool:
        found: trio.lowlevel.Task | None = task
        while found is not None and found is not self.root:
            found = None if found.parent_nursery is None else found.parent_nursery.parent_task
        return found is not None


class Strikes:
    """From here on an actor loses its memory after every input that the core takes, and after every turn of anybody's
    within one, before the next reaction. `count` says how often."""

    def __init__(self, core: Core, actor: str) -> None:
        self.count = 0
        for name in ("command", "tell", "view", "advance"):
            self._after(core, name, lambda now: core.kill(actor, now))
        cell = core._cells[actor]
        for name in ("obey", "turn"):
            self._after(core._turns, name, lambda now: core._stops.kill(cell, now))

    def _after(self, owner: object, name: str, kill: Callable[[dt.datetime], None]) -> None:
        before = getattr(owner, name)

        def after(*arguments: Any, **named: Any) -> Any:
            try:
                return before(*arguments, **named)
            finally:
                self.count += 1
                kill(next(each for each in arguments if isinstance(each, dt.datetime)))

        setattr(owner, name, after)
