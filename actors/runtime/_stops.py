"""Actors that stop, and how they go on: signed past what they failed on, or folded anew. Who notices the failure is
elsewhere."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Mapping

from actors.runtime._appender import Appender
from actors.runtime._cell import Cell
from actors.runtime._facts import Fact, Recorded, Refusal
from actors.runtime._words import ActorFailed, ActorResumed, FactSkipped, SkipFact


class Stops:
    """Stops actors and lets them go on, each time by a fact."""

    def __init__(
        self,
        appender: Appender,
        cells: Mapping[str, Cell],
        on_failure: Callable[[str, str, BaseException], None] | None,
    ) -> None:
        self.on_failure = on_failure
        self._appender = appender
        self._cells = cells

    def stop(self, cell: Cell, seq: int, error: Exception, now: dt.datetime, folding: bool = False) -> None:
        """Stop an actor that failed on fact `seq` (0: an input); what comes for it waits from here on."""
        waiting = [one.seq for one in cell.backlog if isinstance(one, Recorded)]
        fact = ActorFailed(cell.actor.name, seq, repr(error), waiting[0] if waiting else 0, folding)
        cell.stop(seq, fact.waits_from or self._appender.seq + 1, folding)
        cell.telemetry.failures += 1
        self._appender.write_own(fact, now, seq)
        self.tell(cell.actor.name, cell.actor.group, error)

    def stop_broken(self, now: dt.datetime) -> None:
        """Stop those whose folds broke while facts were appended."""
        broken = self._appender.broken
        while broken:
            cell, seq, error = broken.pop(0)
            self.stop(cell, seq, error, now, folding=True)

    def tell(self, name: str, group: str, error: Exception) -> None:
        """Say outside that something failed. Raises CoreFailed where that raises."""
        if self.on_failure is not None:
            try:
                self.on_failure(name, group, error)
            except Exception as raised:
                raise self._appender.end("on_failure raised", raised) from raised

    def skip(self, principal: str, command: SkipFact, now: dt.datetime) -> Recorded:
        """Let a stopped actor go on past what it failed on. Raises Refusal."""
        cell = self._cells.get(command.actor)
        if cell is None or not cell.failed or cell.failure_seq != command.seq:
            raise Refusal("conflict", f"{command.actor} did not stop at fact {command.seq}")
        if not command.reason:
            raise Refusal("invalid", "skipping a fact needs a reason")
        folding = cell.broken
        if cell.backlog and not folding:
            oldest = cell.backlog[0]
            # A timer's turn leaves nothing in the backlog: words that came later wait there and must not go with it.
            if oldest is cell.stopped_on or (isinstance(oldest, Recorded) and oldest.seq == command.seq):
                cell.backlog.popleft()
        if folding:
            # Only the fold is signed past, not a turn that had stopped it before.
            cell.rearm()
            cell.unfolded.append(command.seq)
            cell.failed = cell.broken = False
            self._appender.refold(cell, self._appender.seq)
        cell.unreleased = deque(one for one in cell.unreleased if one.seq != command.seq)
        return self._resume(cell, FactSkipped(command.actor, command.seq, command.reason, principal, folding), now)

    def kill(self, cell: Cell, now: dt.datetime) -> None:
        """Drop an actor's state and fold it anew. One that had stopped tries again what it failed on."""
        stopped = cell.failed
        if stopped:
            cell.rearm()
        cell.failed = cell.broken = False
        self._appender.refold(cell, self._appender.seq)
        if stopped and not cell.failed:
            self._resume(cell, ActorResumed(cell.actor.name), now)

    def _resume(self, cell: Cell, fact: Fact, now: dt.datetime) -> Recorded:
        if not cell.broken:
            cell.resume()
        appender = self._appender
        recorded = appender.write_own(fact, now, 0)
        appender.ready.extend(cell for _ in cell.backlog)
        # What it held back is older than all that waits.
        appender.unreleased.extendleft((one, (cell,)) for one in reversed(cell.unreleased))
        cell.unreleased.clear()
        return recorded
