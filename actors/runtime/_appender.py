"""Facts on their way into the journal: judged by guards, numbered, folded at once by every subscriber, committed as one
batch. Who takes turns on them, and what leaves for them, is decided elsewhere; it waits here in order."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from actors.runtime._actor import Guard
from actors.runtime._cell import Cell
from actors.runtime._facts import Decision, Fact, Recorded
from actors.runtime._journal import Batch, CommandRow, Journal, Row
from actors.runtime._routes import Routes
from actors.runtime._words import CoreFailed, GuardRefused

#: The stream of the kernel's own facts.
OWN_STREAM = "runtime"

encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Appender:
    """The one way by which state changes.

    `ready` holds a cell for each message that appending put into its backlog; `unreleased` each fact that something
    may leave for, with those to ask once it is durable; `broken` the folds that raised, until their actors are stopped.
    """

    def __init__(
        self,
        journal: Journal,
        routes: Routes,
        guards: Iterable[Guard[Any]],
        on_record: Callable[[Recorded], None] | None,
    ) -> None:
        self.seq = 0
        self.ready: deque[Cell] = deque()
        self.unreleased: deque[tuple[Recorded, Iterable[Cell]]] = deque()
        self.broken: list[tuple[Cell, int, Exception]] = []
        self.on_record = on_record
        #: What ended it: after that nothing is taken any more.
        self.fatal: BaseException | None = None
        self._journal = journal
        self._routes = routes
        self._guards = [(guard, guard.initial()) for guard in guards]
        self._versions: dict[str, int] = {}
        self._rows: list[Row] = []
        self._tail: deque[Recorded] = deque()

    def write(self, decision: Decision, now: dt.datetime, cause: int) -> tuple[Recorded, ...]:
        """Append all writes of a decision or none: every guard judges every write as of before the decision."""
        bodies: list[bytes] = []
        for write in decision.writes:
            if type(write.fact).KIND not in self._routes.kinds:
                raise GuardRefused(f"{type(write.fact).__name__} is not a kind that this core knows")
            for guard, state in self._guards:
                why = guard.check(state, write)
                if why is not None:
                    raise GuardRefused(f"{guard.name}: {why}")
            bodies.append(encode(write.fact))
        return tuple(
            self._append(write.stream, body, write.fact, now, cause)
            for write, body in zip(decision.writes, bodies, strict=True)
        )

    def write_own(self, fact: Fact, now: dt.datetime, cause: int) -> Recorded:
        """Append a fact of the kernel's own, which no guard judges."""
        return self._append(OWN_STREAM, encode(fact), fact, now, cause)

    def _append(self, stream: str, body: bytes, fact: Fact, now: dt.datetime, cause: int) -> Recorded:
        seq, version, kind = self.seq + 1, self._versions.get(stream, 0) + 1, type(fact)
        recorded = Recorded(seq, stream, version, now, cause, fact)
        self._rows.append(Row(seq, stream, version, now, kind.KIND, kind.SCHEMA, cause, body, kind.HOST))
        self._tail.append(recorded)
        self.fold(recorded)
        for cell in self._routes.reacts.get(kind, ()):
            cell.backlog.append(recorded)
            self.ready.append(cell)
        if kind in self._routes.releases:
            self.unreleased.append((recorded, self._routes.releases[kind]))
        if self.on_record is not None:
            try:
                self.on_record(recorded)
            except Exception as error:
                # Half of a decision may be appended: it must not count as the failure of who decided.
                raise self.end("on_record raised", error) from error
        return recorded

    def fold(self, recorded: Recorded) -> None:
        """Bring every subscriber's state up to a fact that has its number. Raises CoreFailed where a guard's breaks."""
        self.seq = recorded.seq
        self._versions[recorded.stream] = recorded.version
        kind = type(recorded.fact)
        for index in self._routes.guards.get(kind, ()):
            guard, state = self._guards[index]
            try:
                self._guards[index] = (guard, guard.evolve(state, recorded))
            except Exception as error:
                raise self.end(f"guard {guard.name} broke on fact {recorded.seq}", error) from error
        for cell in self._routes.folds.get(kind, ()):
            if not cell.broken:
                self._evolve(cell, recorded)

    def refold(self, cell: Cell, last: int) -> None:
        """Fold an actor's state from nothing, up to `last`. Where a fold breaks, the actor is stopped there."""
        cell.state, cell.dirty = cell.actor.initial(), True
        wanted = {kind.KIND for kind in cell.actor.folds}
        durable = min(self._journal.durable_seq, last)
        rows = (row for row in self._journal.read(0, durable) if row.seq <= durable and row.kind in wanted)
        for recorded in (*map(self._routes.decode, rows), *(one for one in self._tail if durable < one.seq <= last)):
            if type(recorded.fact).KIND in wanted and not cell.broken:
                self._evolve(cell, recorded)

    def _evolve(self, cell: Cell, recorded: Recorded) -> None:
        cell.telemetry.last_seq = recorded.seq
        cell.dirty = True
        if recorded.seq in cell.unfolded:
            return
        try:
            cell.state = cell.actor.evolve(cell.state, recorded)
        except Exception as error:
            # The appender goes on: only the actor whose fold broke stops.
            cell.failed = cell.broken = True
            self.broken.append((cell, recorded.seq, error))

    def commit(self, command: CommandRow | None) -> None:
        """Hand all that was appended since to the journal, as one batch. Raises CoreFailed where it takes no more."""
        if self._rows or command is not None:
            try:
                self._journal.append(Batch(tuple(self._rows), command))
            except Exception as error:
                raise self.end("the journal took no more", error) from error
            self._rows = []
        durable = self._journal.durable_seq
        while self._tail and self._tail[0].seq <= durable:
            self._tail.popleft()

    def between(self, first: int, last: int) -> tuple[Recorded, ...]:
        """The facts from `first` to `last`, inclusive, durable or not."""
        found = {recorded.seq: recorded for recorded in self._tail}
        for row in self._journal.read(first - 1, last - first + 1):
            found.setdefault(row.seq, self._routes.decode(row))
        return tuple(found[seq] for seq in range(first, last + 1))

    def end(self, what: str, error: Exception) -> CoreFailed:
        """Take nothing any more; gives what is to be raised."""
        self.fatal = error
        return CoreFailed(f"{what}: {error!r}")
