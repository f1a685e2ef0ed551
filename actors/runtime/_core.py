"""The core: takes one input, runs its turn and every reaction to quiescence, and commits all of it as one batch.

Synchronous and deterministic: no clock, no I/O but the journal's append. Edges put inputs in and take outputs out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from actors.runtime._actor import CoreActor, Guard, Issued, JobDone, Output, TimerDue, ViewChanged
from actors.runtime._facts import Command, Decision, Fact, Recorded, Refusal
from actors.runtime._journal import Batch, CommandRow, Journal, Row
from actors.runtime._tape import Entry, Tape
from actors.runtime._view import Derive, View
from actors.runtime._words import (
    ActorFailed,
    Answer,
    CommandConflict,
    CommandFailed,
    DeadLetter,
    FactSkipped,
    GuardRefused,
    SkipFact,
    Started,
    Telemetry,
)

#: Seconds above which a turn is counted as slow.
SLOW_TURN = 0.050

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_STREAM = "runtime"


class _Cell:
    """An actor with its state, the facts that wait for its turn, and its timers."""

    __slots__ = ("actor", "backlog", "dirty", "due", "failed", "failure_seq", "fired", "state", "telemetry")

    def __init__(self, actor: CoreActor[Any]) -> None:
        self.actor = actor
        self.state: Any = actor.initial()
        self.backlog: deque[Recorded] = deque()
        self.dirty = True
        self.due: Mapping[str, dt.datetime] = {}
        self.fired: dict[str, dt.datetime] = {}
        self.failed = False
        self.failure_seq = 0
        self.telemetry = Telemetry()


class Core:
    """Runs actors over a journal. One input at a time; see `docs/kernel.md`.

    `derives` are registered view functions; `kinds` adds fact types that no actor declares. `pick`, for tests,
    chooses which
    ready actor goes next: `pick(n)` gives an index below n (None: arrival order). `elapsed` gives seconds for
    telemetry. `on_failure(actor, group, error)` is called when an actor stops; `on_record` for every fact recorded.
    """

    def __init__(
        self,
        actors: Iterable[CoreActor[Any]],
        journal: Journal,
        *,
        guards: Iterable[Guard[Any]] = (),
        derives: Iterable[Derive] = (),
        kinds: Iterable[type[Fact]] = (),
        tape: Tape | None = None,
        pick: Callable[[int], int] | None = None,
        elapsed: Callable[[], float] | None = None,
        on_failure: Callable[[str, str, BaseException], None] | None = None,
        on_record: Callable[[Recorded], None] | None = None,
    ) -> None:
        self._cells = {actor.name: _Cell(actor) for actor in actors}
        self._journal = journal
        self._guards = [(guard, guard.initial()) for guard in guards]
        derives = tuple(derives)
        self._derives = {derive.name: derive.function for derive in derives}
        self._eager = tuple(derive.name for derive in derives if derive.eager)
        self._memory: dict[str, Any] = {}
        self._tape = tape
        self._pick = pick
        self._elapsed = elapsed
        self.on_failure = on_failure
        self.on_record = on_record
        self._route(kinds)
        self.market: View | None = None
        self.dead_letters: list[DeadLetter] = []
        self.slow_turns: list[tuple[str, float]] = []
        self._seq = 0
        self._versions: dict[str, int] = {}
        self._commands: dict[str, CommandRow] = {}
        self._tail: deque[Recorded] = deque()
        self._ready: deque[_Cell] = deque()
        self._rows: list[Row] = []
        self._unreleased: deque[Recorded] = deque()
        self._outputs: list[Output] = []
        self._number = 0
        self._view_number = 0
        self._now: dt.datetime | None = None

    def _route(self, kinds: Iterable[type[Fact]]) -> None:
        self._folds: dict[type[Fact], list[_Cell]] = {}
        self._reacts: dict[type[Fact], list[_Cell]] = {}
        self._releases: dict[type[Fact], list[_Cell]] = {}
        self._inputs: dict[type, list[_Cell]] = {}
        self._owners: dict[type[Command], _Cell] = {}
        self._kinds: dict[str, type[Fact]] = {}
        self._views = [cell for cell in self._cells.values() if cell.actor.views]
        for cell in self._cells.values():
            actor = cell.actor
            for table, declared in (
                (self._folds, actor.folds),
                (self._reacts, actor.reacts),
                (self._releases, actor.releases),
            ):
                for kind in declared:
                    table.setdefault(kind, []).append(cell)
                    self._kinds[kind.KIND] = kind
            for word in actor.inputs:
                self._inputs.setdefault(word, []).append(cell)
            for command in actor.commands:
                if command in self._owners:
                    raise ValueError(f"{command.__name__} belongs to {self._owners[command].actor.name} already")
                self._owners[command] = cell
        self._guards_of: dict[type[Fact], list[int]] = {}
        for index, (guard, _) in enumerate(self._guards):
            for kind in guard.folds:
                self._guards_of.setdefault(kind, []).append(index)
                self._kinds[kind.KIND] = kind
        for kind in (*kinds, Started, ActorFailed, FactSkipped):
            self._kinds[kind.KIND] = kind
        self._decoders = {name: msgspec.msgpack.Decoder(kind) for name, kind in self._kinds.items()}

    # --- starting and reading ---------------------------------------------------------------------------------

    def start(self, now: dt.datetime) -> None:
        """Fold the whole journal, then record `Started`. What was released before is never released again."""
        head = self._journal.head()
        for row in self._journal.read():
            self._fold(self.decode(row))
        self._commands = {row.id: row for row in self._journal.commands()}
        self._now = now
        self._append("host", Started(head.seq, head.chain), now, 0)
        self._settle(now, None)

    def decode(self, row: Row) -> Recorded:
        """A journal row as the fact that actors fold. Raises KeyError for a kind that nobody here knows."""
        kind = self._kinds[row.kind]
        fact = (
            kind.upcast(row.schema, row.body)
            if row.schema != kind.SCHEMA
            else self._decoders[row.kind].decode(row.body)
        )
        return Recorded(row.seq, row.stream, row.version, row.at, row.cause, fact)

    def state(self, actor: str) -> Any:
        """The folded state of an actor. Read only."""
        return self._cells[actor].state

    @property
    def seq(self) -> int:
        """Sequence of the last fact recorded, durable or not."""
        return self._seq

    @property
    def durable_seq(self) -> int:
        """Highest sequence on disk."""
        return self._journal.durable_seq

    def failed(self) -> dict[str, int]:
        """Actors that stopped, each with the sequence of the fact it failed on (0: an input)."""
        return {name: cell.failure_seq for name, cell in self._cells.items() if cell.failed}

    def statistics(self) -> dict[str, Telemetry]:
        """Telemetry by actor."""
        return {name: msgspec.structs.replace(cell.telemetry) for name, cell in self._cells.items()}

    # --- inputs -----------------------------------------------------------------------------------------------

    def command(self, id: str, principal: str, command: Command, now: dt.datetime, number: int | None = None) -> Answer:
        """Decide a command from outside. A repeat of an id gives the same reply, rebuilt from its facts.

        `number` is the input's number at receipt, where it was taken earlier (see `receive`). Raises Refusal (no
        trace, the id stays free), CommandConflict (same id, another body) or CommandFailed.
        """
        number = self.receive() if number is None else number
        body = type(command).__name__.encode() + _encode(command)
        digest = hashlib.sha256(body).digest()
        taken = self._commands.get(id)
        if taken is not None:
            return self._repeat(taken, digest, Issued(id, principal, number, command))
        self._record_input("command", number, now, Issued(id, principal, number, command))
        if isinstance(command, SkipFact):
            return self._skip(id, principal, command, digest, now)
        cell = self._owners.get(type(command))
        if cell is None:
            raise Refusal("unknown_command", f"nobody takes a {type(command).__name__}")
        if cell.failed:
            raise Refusal("unavailable", f"{cell.actor.name} stopped at fact {cell.failure_seq}")
        first = self._seq + 1
        issued = Issued(id, principal, number, command)
        try:
            written = self._write(self._decide(cell, issued, now), now, 0)
        except Refusal:
            raise
        except Exception as error:
            cell.telemetry.failures += 1
            self.dead_letters.append(DeadLetter(id, principal, command, repr(error)))
            raise CommandFailed(f"{cell.actor.name} failed on {type(command).__name__} {id}: {error!r}") from error
        # The reply rests on the decision's own facts; what reacts to them belongs to the same batch.
        self._cascade(now)
        last = first + len(written) - 1 if written else 0
        row = CommandRow(id, digest, principal, first if written else 0, last)
        self._commands[id] = row
        self._settle(now, row)
        return Answer(cell.actor.reply(issued, written), self._seq)

    def tell(self, word: Any, now: dt.datetime, number: int | None = None) -> None:
        """Hand a word of an edge's to every actor that declares its type. Raises TypeError where none does."""
        number = self.receive() if number is None else number
        cells = self._inputs.get(type(word))
        if cells is None:
            raise TypeError(f"nobody takes a {type(word).__name__}")
        self._record_input("word", number, now, word)
        for cell in cells:
            self._turn(cell, word, now, 0)
        self._cascade(now)
        self._settle(now, None)

    def job(self, actor: str, done: JobDone, now: dt.datetime) -> None:
        """Hand the result of CPU-heavy work to the actor that asked for it."""
        self._record_input("job", self.receive(), now, (actor, done))
        self._turn(self._cells[actor], done, now, 0)
        self._cascade(now)
        self._settle(now, None)

    def view(self, base: Any, now: dt.datetime) -> None:
        """A new market view: numbered, derived eagerly where registered so, told to the actors that want views."""
        self._record_input("view", self.receive(), now, base)
        self._view_number += 1
        self.market = View(self._view_number, now, base, self._derives, self._memory)
        for name in self._eager:
            self.market.derived(name)
        changed = ViewChanged(self._view_number)
        for cell in self._views:
            self._turn(cell, changed, now, 0)
        self._cascade(now)
        self._settle(now, None)

    def forget_views(self) -> None:
        """Drop the view and the memory of derivations, as a restart does."""
        self.market = None
        self._memory.clear()

    def advance(self, to: dt.datetime) -> None:
        """Fire every timer due at or before `to`, in (instant, actor, key) order, each with its own instant as now.

        A timer that stays in `due` at the instant at which it fired is not fired again.
        """
        while (first := self._first_due(to)) is not None:
            instant, name, key = first
            cell = self._cells[name]
            cell.fired[key] = instant
            now = instant if self._now is None else max(instant, self._now)
            self._record_input("timer", self.receive(), now, (name, key))
            self._turn(cell, TimerDue(key), now, 0)
            self._cascade(now)
            self._settle(now, None)
        if self._now is None or to > self._now:
            self._now = to

    def next_due(self) -> dt.datetime | None:
        """The instant of the next timer, or None."""
        first = self._first_due(None)
        return None if first is None else first[0]

    def receive(self) -> int:
        """Number an input at receipt. Cancel-all refers to these numbers."""
        self._number += 1
        return self._number

    def kill(self, actor: str, now: dt.datetime) -> None:
        """Drop an actor's state and fold it anew, from the journal and from what is not yet durable."""
        self._record_input("kill", self.receive(), now, actor)
        cell = self._cells[actor]
        cell.state = cell.actor.initial()
        wanted = {kind.KIND for kind in cell.actor.folds}
        durable = self._journal.durable_seq
        for row in self._journal.read():
            if row.seq <= durable and row.kind in wanted:
                cell.state = cell.actor.evolve(cell.state, self.decode(row))
        for recorded in self._tail:
            if recorded.seq > durable and type(recorded.fact).KIND in wanted:
                cell.state = cell.actor.evolve(cell.state, recorded)
        if cell.failure_seq == -1:
            cell.failed, cell.failure_seq = False, 0
        cell.dirty = True

    def take_outputs(self, to: str) -> list[Any]:
        """The words for an edge whose facts are durable, in order; they are handed out once."""
        self.release(self._now)
        taken = [output.word for output in self._outputs if output.to == to]
        if taken:
            self._outputs = [output for output in self._outputs if output.to != to]
        return taken

    def release(self, now: dt.datetime | None) -> None:
        """Ask the owners of durable facts what leaves now. Live: an input of its own, put in when `durable_seq`
        rises."""
        if now is None:
            return
        while self._unreleased and self._unreleased[0].seq <= self._journal.durable_seq:
            recorded = self._unreleased.popleft()
            for cell in self._releases[type(recorded.fact)]:
                for out in cell.actor.release(cell.state, recorded, now):
                    if isinstance(out, Output):
                        self._outputs.append(out)
                    else:
                        self._write(Decision((out,)), now, recorded.seq)
            self._cascade(now)
            self._settle(now, None)

    # --- turns ------------------------------------------------------------------------------------------------

    def _decide(self, cell: _Cell, message: Any, now: dt.datetime) -> Decision:
        telemetry = cell.telemetry
        telemetry.turns += 1
        if self._elapsed is None:
            return cell.actor.decide(cell.state, message, now, self.market)
        began = self._elapsed()
        try:
            return cell.actor.decide(cell.state, message, now, self.market)
        finally:
            took = self._elapsed() - began
            telemetry.seconds += took
            if took > SLOW_TURN:
                telemetry.slow += 1
                self.slow_turns.append((f"{cell.actor.name} {type(message).__name__}", took))

    def _turn(self, cell: _Cell, message: Any, now: dt.datetime, cause: int) -> None:
        """One turn on anything but a command. A failure stops the actor; a word may be kept raw instead."""
        if cell.failed:
            if isinstance(message, Recorded):
                cell.backlog.append(message)
            return
        try:
            self._write(self._decide(cell, message, now), now, cause)
        except Exception as error:
            cell.telemetry.failures += 1
            unreadable = getattr(cell.actor, "unreadable", None)
            if unreadable is not None and type(message) in self._inputs:
                self._write(Decision((unreadable(cell.state, message, error),)), now, cause)
                return
            if isinstance(message, Recorded):
                cell.backlog.appendleft(message)
            self._stop(cell, message.seq if isinstance(message, Recorded) else 0, error, now)

    def _stop(self, cell: _Cell, seq: int, error: BaseException, now: dt.datetime) -> None:
        cell.failed, cell.failure_seq = True, seq
        self._append(_STREAM, ActorFailed(cell.actor.name, seq, repr(error)), now, seq)
        if self.on_failure is not None:
            self.on_failure(cell.actor.name, cell.actor.group, error)

    def _skip(self, id: str, principal: str, command: SkipFact, digest: bytes, now: dt.datetime) -> Answer:
        cell = self._cells.get(command.actor)
        if cell is None or not cell.failed or cell.failure_seq != command.seq:
            raise Refusal("conflict", f"{command.actor} did not stop at fact {command.seq}")
        if not command.reason:
            raise Refusal("invalid", "skipping a fact needs a reason")
        self._append(_STREAM, FactSkipped(command.actor, command.seq, command.reason, principal), now, 0)
        cell.failed, cell.failure_seq = False, 0
        if cell.backlog and cell.backlog[0].seq == command.seq:
            cell.backlog.popleft()
        if cell.backlog:
            self._ready.append(cell)
        self._cascade(now)
        row = CommandRow(id, digest, principal, self._seq, self._seq)
        self._commands[id] = row
        self._settle(now, row)
        return Answer(None, self._seq)

    def _cascade(self, now: dt.datetime) -> None:
        """Run reactions until none is left."""
        while self._ready:
            index = 0 if self._pick is None else self._pick(len(self._ready))
            cell = self._ready[index]
            del self._ready[index]
            if cell.failed or not cell.backlog:
                continue
            recorded = cell.backlog.popleft()
            self._turn(cell, recorded, now, recorded.seq)

    def _write(self, decision: Decision, now: dt.datetime, cause: int) -> tuple[Recorded, ...]:
        """Append all writes of a decision or none: every guard judges every write as of before the decision."""
        for write in decision.writes:
            if type(write.fact).KIND not in self._kinds:
                raise GuardRefused(f"{type(write.fact).__name__} is not a kind that this core knows")
            for guard, state in self._guards:
                why = guard.check(state, write)
                if why is not None:
                    raise GuardRefused(f"{guard.name}: {why}")
        return tuple(self._append(write.stream, write.fact, now, cause) for write in decision.writes)

    def _append(self, stream: str, fact: Fact, now: dt.datetime, cause: int) -> Recorded:
        self._seq += 1
        version = self._versions.get(stream, 0) + 1
        kind = type(fact)
        recorded = Recorded(self._seq, stream, version, now, cause, fact)
        self._rows.append(Row(self._seq, stream, version, now, kind.KIND, kind.SCHEMA, cause, _encode(fact), kind.HOST))
        self._tail.append(recorded)
        self._fold(recorded)
        for cell in self._reacts.get(kind, ()):
            cell.backlog.append(recorded)
            self._ready.append(cell)
        if kind in self._releases:
            self._unreleased.append(recorded)
        if self.on_record is not None:
            self.on_record(recorded)
        return recorded

    def _fold(self, recorded: Recorded) -> None:
        self._seq = recorded.seq
        self._versions[recorded.stream] = recorded.version
        kind = type(recorded.fact)
        for index in self._guards_of.get(kind, ()):
            guard, state = self._guards[index]
            self._guards[index] = (guard, guard.evolve(state, recorded))
        for cell in self._folds.get(kind, ()):
            if cell.failed and cell.failure_seq == -1:
                continue
            try:
                cell.state = cell.actor.evolve(cell.state, recorded)
            except Exception as error:
                # The appender goes on: only the actor whose fold broke stops, until it is killed and folds anew.
                cell.failed, cell.failure_seq = True, -1
                cell.telemetry.failures += 1
                if self.on_failure is not None:
                    self.on_failure(cell.actor.name, cell.actor.group, error)
            cell.dirty = True
            cell.telemetry.last_seq = recorded.seq

    def _settle(self, now: dt.datetime, command: CommandRow | None) -> None:
        """Commit what this input led to, as one batch, and release what is durable already."""
        if self._now is None or now > self._now:
            self._now = now
        if self._rows or command is not None:
            self._journal.append(Batch(tuple(self._rows), command))
            self._rows = []
        durable = self._journal.durable_seq
        while self._tail and self._tail[0].seq <= durable:
            self._tail.popleft()

    def _repeat(self, taken: CommandRow, digest: bytes, issued: Issued) -> Answer:
        if taken.digest != digest:
            raise CommandConflict("conflict", f"command {taken.id} was given before with another body")
        facts = tuple(self._facts(taken.first, taken.last)) if taken.first else ()
        return Answer(self._owners[type(issued.command)].actor.reply(issued, facts), taken.last, repeated=True)

    def _facts(self, first: int, last: int) -> Iterable[Recorded]:
        waiting = {recorded.seq: recorded for recorded in self._tail}
        for row in self._journal.read(first - 1, last - first + 1):
            waiting.setdefault(row.seq, self.decode(row))
        return [waiting[seq] for seq in range(first, last + 1)]

    def _first_due(self, to: dt.datetime | None) -> tuple[dt.datetime, str, str] | None:
        first: tuple[dt.datetime, str, str] | None = None
        for name, cell in self._cells.items():
            if cell.dirty:
                cell.due = dict(cell.actor.due(cell.state))
                cell.fired = {key: at for key, at in cell.fired.items() if cell.due.get(key) == at}
                cell.dirty = False
            if cell.failed:
                continue
            for key, instant in cell.due.items():
                if (to is None or instant <= to) and cell.fired.get(key) != instant:
                    candidate = (instant, name, key)
                    if first is None or candidate < first:
                        first = candidate
        return first

    def _record_input(self, lane: str, number: int, now: dt.datetime, content: Any) -> None:
        if self._tape is not None:
            self._tape.append(Entry(lane, number, now, content))
