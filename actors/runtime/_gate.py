"""The gate: what leaves, and not before the fact behind it is durable. When it is asked is the core's."""

from __future__ import annotations

import datetime as dt
from typing import Any

from actors.runtime._actor import Output
from actors.runtime._appender import Appender
from actors.runtime._cell import Cell
from actors.runtime._facts import Decision, Recorded
from actors.runtime._stops import Stops
from actors.runtime._words import CoreFailed


class Gate:
    """Asks the owners of durable facts what leaves, and keeps their words until their edge takes them."""

    def __init__(self, appender: Appender, stops: Stops) -> None:
        self._appender = appender
        self._stops = stops
        self._outputs: list[Output] = []

    def waits(self, durable: int) -> bool:
        """Whether a fact up to this sequence was not asked for yet."""
        unreleased = self._appender.unreleased
        return bool(unreleased) and unreleased[0][0].seq <= durable

    def open(self, durable: int, now: dt.datetime) -> None:
        """Ask for every fact up to this sequence, in order."""
        while self.waits(durable):
            recorded, cells = self._appender.unreleased.popleft()
            for cell in cells:
                self._release(cell, recorded, now)

    def take(self, to: str) -> list[Any]:
        """The words for one edge, once."""
        taken = [output.word for output in self._outputs if output.to == to]
        if taken:
            self._outputs = [output for output in self._outputs if output.to != to]
        return taken

    def _release(self, cell: Cell, recorded: Recorded, now: dt.datetime) -> None:
        if cell.broken:
            # Its state is not what was folded: a last look by it would be blind.
            cell.unreleased.append(recorded)
            return
        try:
            out = tuple(cell.actor.release(cell.state, recorded, now))
            writes = tuple(one for one in out if not isinstance(one, Output))
            self._appender.write(Decision(writes), now, recorded.seq)
        except CoreFailed:
            raise
        except Exception as error:
            # Nothing of it left; whether it should leave later is for the actor to say when it goes on.
            cell.unreleased.append(recorded)
            if cell.failed:
                # It waits for what stopped it first, which must be answered by itself.
                cell.telemetry.failures += 1
            else:
                self._stops.stop(cell, recorded.seq, error, now)
            return
        self._outputs += [one for one in out if isinstance(one, Output)]
