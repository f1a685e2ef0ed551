"""Turns: one message to one actor, what it decides appended, then every reaction until none is left. What begins and
ends an input is the core's."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from actors.runtime._actor import Issued, TimerDue, ViewChanged
from actors.runtime._appender import Appender
from actors.runtime._cell import Cell
from actors.runtime._facts import Decision, Recorded, Refusal
from actors.runtime._routes import Routes
from actors.runtime._stops import Stops
from actors.runtime._view import Views
from actors.runtime._words import CommandFailed, CoreFailed, DeadLetter

#: Seconds above which a turn is counted as slow.
SLOW_TURN = 0.050
#: So many dead letters and slow turns are kept, the latest: a core runs for months.
KEPT = 1000


class Turns:
    """Gives actors their turns. `pick` chooses which ready actor goes next (None: arrival order)."""

    def __init__(
        self,
        appender: Appender,
        stops: Stops,
        routes: Routes,
        cells: Mapping[str, Cell],
        views: Views,
        *,
        pick: Callable[[int], int] | None,
        elapsed: Callable[[], float] | None,
    ) -> None:
        self.dead_letters: deque[DeadLetter] = deque(maxlen=KEPT)
        self.slow: deque[tuple[str, float]] = deque(maxlen=KEPT)
        self._appender = appender
        self._stops = stops
        self._routes = routes
        self._cells = cells
        self._views = views
        self._pick = pick
        self._elapsed = elapsed

    def obey(self, issued: Issued, now: dt.datetime) -> tuple[Recorded, ...]:
        """The turn on a command: its own facts. Raises Refusal, or CommandFailed where nothing was recorded."""
        command = issued.command
        cell = self._routes.owners.get(type(command))
        if cell is None:
            raise Refusal("unknown_command", f"nobody takes a {type(command).__name__}")
        if cell.failed:
            raise Refusal("unavailable", f"{cell.actor.name} stopped at fact {cell.failure_seq}")
        try:
            return self._appender.write(self._decide(cell, issued, now), now, 0)
        except (Refusal, CoreFailed):
            raise
        except Exception as error:
            cell.telemetry.failures += 1
            self.dead_letters.append(DeadLetter(issued.id, issued.principal, command, repr(error)))
            what = f"{cell.actor.name} failed on {type(command).__name__} {issued.id}: {error!r}"
            raise CommandFailed(what) from error

    def turn(self, cell: Cell, message: Any, now: dt.datetime) -> None:
        """One turn on anything but a command. A failure stops the actor; a word may be kept raw instead."""
        waits = not isinstance(message, ViewChanged | TimerDue)
        if cell.failed:
            if waits:
                cell.backlog.append(message)
            return
        cause = message.seq if isinstance(message, Recorded) else 0
        try:
            try:
                self._appender.write(self._decide(cell, message, now), now, cause)
            except CoreFailed:
                raise
            except Exception as error:
                unreadable = getattr(cell.actor, "unreadable", None)
                if unreadable is None or type(message) not in self._routes.inputs:
                    raise
                cell.telemetry.failures += 1
                self._appender.write(Decision((unreadable(cell.state, message, error),)), now, cause)
        except CoreFailed:
            raise
        except Exception as error:
            if waits:
                cell.backlog.appendleft(message)
            cell.stopped_on = message
            self._stops.stop(cell, cause, error, now)

    def react(self, now: dt.datetime) -> None:
        """Run reactions until none is left, and know everybody's timers then."""
        ready, broken = self._appender.ready, self._appender.broken
        while ready or broken or self._ask_timers(now):
            self._stops.stop_broken(now)
            if not ready:
                continue
            index = 0 if self._pick is None else self._pick(len(ready))
            cell = ready[index]
            del ready[index]
            if cell.backlog and not cell.failed:
                self.turn(cell, cell.backlog.popleft(), now)

    def _decide(self, cell: Cell, message: Any, now: dt.datetime) -> Decision:
        telemetry = cell.telemetry
        telemetry.turns += 1
        if self._elapsed is None:
            return cell.actor.decide(cell.state, message, now, self._views.current)
        began = self._elapsed()
        try:
            return cell.actor.decide(cell.state, message, now, self._views.current)
        finally:
            took = self._elapsed() - began
            telemetry.seconds += took
            if took > SLOW_TURN:
                telemetry.slow += 1
                self.slow.append((f"{cell.actor.name} {type(message).__name__}", took))

    def _ask_timers(self, now: dt.datetime) -> bool:
        """Ask those that folded something for their timers; one that raises stops. True where one did."""
        stopped = False
        for cell in self._cells.values():
            if cell.dirty and not cell.failed:
                try:
                    cell.ask_due()
                except Exception as error:
                    self._stops.stop(cell, 0, error, now)
                    stopped = True
        return stopped
