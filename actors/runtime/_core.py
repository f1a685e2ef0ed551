"""The core: takes one input, runs its turn and every reaction to quiescence, and commits all of it as one batch.

Synchronous and deterministic: no clock, no I/O but the journal's append. Edges put inputs in and take outputs out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from actors.runtime._actor import CoreActor, Group, Guard, Issued, JobDone, Output, TimerDue, ViewChanged
from actors.runtime._cell import Cell, first_due
from actors.runtime._facts import Command, Decision, Fact, Recorded, Refusal
from actors.runtime._journal import Batch, CommandRow, Journal, JournalError, Row
from actors.runtime._routes import Routes
from actors.runtime._tape import Entry, Tape
from actors.runtime._view import Derive, View
from actors.runtime._words import (
    ActorFailed,
    ActorResumed,
    Answer,
    CommandConflict,
    CommandFailed,
    CoreFailed,
    DeadLetter,
    FactSkipped,
    GuardRefused,
    SkipFact,
    Started,
    Telemetry,
)

#: Seconds above which a turn is counted as slow.
SLOW_TURN = 0.050

_OWN: tuple[type[Fact], ...] = (Started, ActorFailed, ActorResumed, FactSkipped)
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_STREAM = "runtime"
#: Input numbers count within a start; the start counts above them, so that numbers never fall.
_START_SHIFT = 32


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
        self._cells = {actor.name: Cell(actor) for actor in actors}
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
        self._routes = Routes(self._cells.values(), (guard for guard, _ in self._guards), (*kinds, *_OWN))
        self._views = [cell for cell in self._cells.values() if cell.actor.views]
        self.market: View | None = None
        self.dead_letters: list[DeadLetter] = []
        self.slow_turns: list[tuple[str, float]] = []
        self.fatal: BaseException | None = None
        self._seq = 0
        self._versions: dict[str, int] = {}
        self._commands: dict[str, CommandRow] = {}
        self._tail: deque[Recorded] = deque()
        self._ready: deque[Cell] = deque()
        self._rows: list[Row] = []
        self._unreleased: deque[tuple[Recorded, Iterable[Cell]]] = deque()
        self._broken_folds: list[tuple[Cell, int, Exception]] = []
        self._starts = 0
        self._outputs: list[Output] = []
        self._number = 0
        self._view_number = 0
        self._now: dt.datetime | None = None

    # --- starting and reading ---------------------------------------------------------------------------------

    def start(self, now: dt.datetime, told: Callable[[Recorded], None] | None = None) -> None:
        """Fold the whole journal, then record `Started`. What was released before is never released again.

        An actor that had stopped is still stopped, its backlog waiting. `told` hears every fact that the journal held,
        so that others who fold it need not read it again. Raises UnknownKind.
        """
        head = self._journal.head()
        fold, decode = self._fold, self._routes.decode
        for row in self._journal.read():
            recorded = decode(row)
            fold(recorded)
            if told is not None:
                told(recorded)
            if row.stream == _STREAM:
                self._refold_own(recorded)
        for cell in self._cells.values():
            if cell.failed and cell.waits_from:
                wanted = {kind.KIND for kind in cell.actor.reacts}
                rows = self._journal.read(cell.waits_from - 1)
                cell.backlog.extend(decode(row) for row in rows if row.kind in wanted)
        self._commands = {row.id: row for row in self._journal.commands()}
        self._number = (self._starts + 1) << _START_SHIFT
        self._now = now
        self._append(_STREAM, _encode(started := Started(head.seq, head.chain)), started, now, 0)
        # Folds that broke again are known already, unless the journal does not tell of them.
        self._finish(now, None)

    def _refold_own(self, recorded: Recorded) -> None:
        """Bring back who had stopped and where, from the kernel's own facts."""
        match recorded.fact:
            case Started():
                self._starts += 1
            case ActorFailed(actor, seq, _, waits_from, folding) if actor in self._cells:
                self._cells[actor].stop(seq, waits_from or recorded.seq, folding)
                self._broken_folds = [entry for entry in self._broken_folds if entry[0].actor.name != actor]
            case ActorResumed(actor) if actor in self._cells:
                self._cells[actor].resume()
                self._refold(self._cells[actor], recorded.seq)
            case FactSkipped(actor, seq, _, _, folding) if actor in self._cells:
                cell = self._cells[actor]
                cell.resume()
                if folding:
                    cell.unfolded.append(seq)
                    self._refold(cell, recorded.seq)
            case _:
                pass

    def decode(self, row: Row) -> Recorded:
        """A journal row as the fact that actors fold. Raises UnknownKind for a kind that nobody here knows."""
        return self._routes.decode(row)

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

    def group(self, actor: str) -> Group:
        """The group of an actor: what its failure means."""
        return self._cells[actor].actor.group

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
        issued = Issued(id, principal, number, command)
        now = self._begin("command", number, now, issued)
        digest = hashlib.sha256(type(command).__name__.encode() + _encode(command)).digest()
        taken = self._commands.get(id)
        if taken is not None:
            return self._repeat(taken, digest, issued)
        if isinstance(command, SkipFact):
            facts = self._skip(principal, command, now)
        else:
            facts = self._obey(issued, now)
        first, last = (facts[0].seq, facts[-1].seq) if facts else (0, 0)
        # The reply rests on the decision's own facts; what reacts to them belongs to the same batch.
        row = CommandRow(id, digest, principal, first, last)
        self._finish(now, row)
        self._commands[id] = row
        return Answer(self._reply(issued, facts), self._seq)

    def tell(self, word: Any, now: dt.datetime, number: int | None = None) -> None:
        """Hand a word of an edge's to every actor that declares its type. Raises TypeError where none does."""
        cells = self._routes.inputs.get(type(word))
        if cells is None:
            raise TypeError(f"nobody takes a {type(word).__name__}")
        now = self._begin("word", self.receive() if number is None else number, now, word)
        for cell in cells:
            self._turn(cell, word, now)
        self._finish(now, None)

    def job(self, actor: str, done: JobDone, now: dt.datetime) -> None:
        """Hand the result of CPU-heavy work to the actor that asked for it. Raises KeyError for no such actor."""
        cell = self._cells[actor]
        now = self._begin("job", self.receive(), now, (actor, done))
        self._turn(cell, done, now)
        self._finish(now, None)

    def view(self, base: Any, now: dt.datetime) -> None:
        """A new market view: numbered, derived eagerly where registered so, told to the actors that want views."""
        now = self._begin("view", self.receive(), now, base)
        self._view_number += 1
        self.market = View(self._view_number, now, base, self._derives, self._memory)
        for name in self._eager:
            try:
                self.market.derived(name)
            except Exception as error:
                # Whoever reads it fails in a turn of its own; the daemon is told at once.
                self._tell_failure(f"derive {name}", "book", error)
        changed = ViewChanged(self._view_number)
        for cell in self._views:
            self._turn(cell, changed, now)
        self._finish(now, None)

    def forget_views(self) -> None:
        """Drop the view and the memory of derivations, as a restart does."""
        self.market = None
        self._memory.clear()

    def advance(self, to: dt.datetime) -> None:
        """Fire every timer due at or before `to`, in (instant, actor, key) order, each with its own instant as now.

        A timer that stays in `due` at the instant at which it fired is not fired again.
        """
        while (first := first_due(self._cells, to)) is not None:
            instant, name, key = first
            self.fire(name, key, instant)
        if self._now is None or to > self._now:
            self._now = to

    def fire(self, actor: str, key: str, instant: dt.datetime) -> None:
        """Fire one timer, as `advance` does for each that is due; a tape replays with it."""
        cell = self._cells[actor]
        now = self._begin("timer", self.receive(), instant, (actor, key, instant))
        cell.fired[key] = instant
        self._turn(cell, TimerDue(key), now)
        self._finish(now, None)

    def next_due(self) -> dt.datetime | None:
        """The instant of the next timer, or None."""
        first = first_due(self._cells, None)
        return None if first is None else first[0]

    def receive(self) -> int:
        """Number an input at receipt. Cancel-all refers to these numbers."""
        self._number += 1
        return self._number

    def kill(self, actor: str, now: dt.datetime) -> None:
        """Drop an actor's state and fold it anew, from the journal and from what is not yet durable.

        One that had stopped goes on where it stopped, as `ActorResumed`; what broke it once may break it again.
        """
        cell = self._cells[actor]
        now = self._begin("kill", self.receive(), now, actor)
        stopped = cell.failed
        if stopped and isinstance(cell.stopped_on, TimerDue):
            # Its turn came to nothing: it is due again.
            cell.fired.pop(cell.stopped_on.key, None)
        cell.failed = cell.broken = False
        self._refold(cell, self._seq)
        if stopped and not cell.failed:
            self._resume(cell, ActorResumed(actor), now)
        self._finish(now, None)

    def _refold(self, cell: Cell, last: int) -> None:
        """Fold an actor's state from nothing, up to `last`. Where a fold breaks, the actor is stopped there."""
        cell.state, cell.dirty = cell.actor.initial(), True
        wanted = {kind.KIND for kind in cell.actor.folds}
        durable = min(self._journal.durable_seq, last)
        rows = (row for row in self._journal.read(0, durable) if row.seq <= durable and row.kind in wanted)
        for recorded in (*map(self._routes.decode, rows), *(one for one in self._tail if durable < one.seq <= last)):
            if type(recorded.fact).KIND in wanted and not cell.broken:
                self._evolve(cell, recorded)

    def take_outputs(self, to: str) -> list[Any]:
        """The words for an edge whose facts are durable, in order; they are handed out once."""
        self.release(self._now)
        taken = [output.word for output in self._outputs if output.to == to]
        if taken:
            self._outputs = [output for output in self._outputs if output.to != to]
        return taken

    def release(self, now: dt.datetime | None, up_to: int | None = None) -> None:
        """Ask the owners of durable facts what leaves now. Live: an input of its own, put in when `durable_seq` rises.

        `up_to` stops at a sequence, for tapes. Facts of an actor whose fold broke wait until it goes on.
        """
        durable = self._journal.durable_seq if up_to is None else min(up_to, self._journal.durable_seq)
        if now is None or not self._unreleased or self._unreleased[0][0].seq > durable:
            return
        while self._unreleased and self._unreleased[0][0].seq <= durable:
            now = self._begin("durable", self.receive(), now, durable)
            while self._unreleased and self._unreleased[0][0].seq <= durable:
                recorded, cells = self._unreleased.popleft()
                for cell in cells:
                    self._release(cell, recorded, now)
            self._finish(now, None)
            if up_to is None:
                durable = self._journal.durable_seq

    def _release(self, cell: Cell, recorded: Recorded, now: dt.datetime) -> None:
        if cell.broken:
            # Its state is not what was folded: a last look by it would be blind.
            cell.unreleased.append(recorded)
            return
        try:
            out = tuple(cell.actor.release(cell.state, recorded, now))
            writes = tuple(one for one in out if not isinstance(one, Output))
            self._write(Decision(writes), now, recorded.seq)
        except CoreFailed:
            raise
        except Exception as error:
            # Nothing of it left; whether it should leave later is for the actor to say when it goes on.
            cell.unreleased.append(recorded)
            self._stop(cell, recorded.seq, error, now)
            return
        self._outputs += [one for one in out if isinstance(one, Output)]

    # --- turns ------------------------------------------------------------------------------------------------

    def _decide(self, cell: Cell, message: Any, now: dt.datetime) -> Decision:
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

    def _obey(self, issued: Issued, now: dt.datetime) -> tuple[Recorded, ...]:
        command = issued.command
        cell = self._routes.owners.get(type(command))
        if cell is None:
            raise Refusal("unknown_command", f"nobody takes a {type(command).__name__}")
        if cell.failed:
            raise Refusal("unavailable", f"{cell.actor.name} stopped at fact {cell.failure_seq}")
        try:
            return self._write(self._decide(cell, issued, now), now, 0)
        except (Refusal, CoreFailed):
            raise
        except Exception as error:
            cell.telemetry.failures += 1
            self.dead_letters.append(DeadLetter(issued.id, issued.principal, command, repr(error)))
            what = f"{cell.actor.name} failed on {type(command).__name__} {issued.id}: {error!r}"
            raise CommandFailed(what) from error

    def _turn(self, cell: Cell, message: Any, now: dt.datetime) -> None:
        """One turn on anything but a command. A failure stops the actor; a word may be kept raw instead."""
        waits = not isinstance(message, ViewChanged | TimerDue)
        if cell.failed:
            if waits:
                cell.backlog.append(message)
            return
        cause = message.seq if isinstance(message, Recorded) else 0
        try:
            try:
                self._write(self._decide(cell, message, now), now, cause)
            except CoreFailed:
                raise
            except Exception as error:
                unreadable = getattr(cell.actor, "unreadable", None)
                if unreadable is None or type(message) not in self._routes.inputs:
                    raise
                cell.telemetry.failures += 1
                self._write(Decision((unreadable(cell.state, message, error),)), now, cause)
        except CoreFailed:
            raise
        except Exception as error:
            if waits:
                cell.backlog.appendleft(message)
            cell.stopped_on = message
            self._stop(cell, cause, error, now)

    def _stop(self, cell: Cell, seq: int, error: Exception, now: dt.datetime, folding: bool = False) -> None:
        waiting = [one.seq for one in cell.backlog if isinstance(one, Recorded)]
        fact = ActorFailed(cell.actor.name, seq, repr(error), waiting[0] if waiting else 0, folding)
        cell.stop(seq, fact.waits_from or self._seq + 1, folding)
        cell.telemetry.failures += 1
        self._append(_STREAM, _encode(fact), fact, now, seq)
        self._tell_failure(cell.actor.name, cell.actor.group, error)

    def _tell_failure(self, name: str, group: str, error: Exception) -> None:
        if self.on_failure is not None:
            self.on_failure(name, group, error)

    def _skip(self, principal: str, command: SkipFact, now: dt.datetime) -> tuple[Recorded, ...]:
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
            cell.unfolded.append(command.seq)
            cell.failed = cell.broken = False
            self._refold(cell, self._seq)
        cell.unreleased = deque(one for one in cell.unreleased if one.seq != command.seq)
        fact = FactSkipped(command.actor, command.seq, command.reason, principal, folding)
        return (self._resume(cell, fact, now),)

    def _resume(self, cell: Cell, fact: Fact, now: dt.datetime) -> Recorded:
        if not cell.broken:
            cell.resume()
        recorded = self._append(_STREAM, _encode(fact), fact, now, 0)
        self._ready.extend(cell for _ in cell.backlog)
        self._unreleased.extendleft((one, (cell,)) for one in reversed(cell.unreleased))
        cell.unreleased.clear()
        return recorded

    def _write(self, decision: Decision, now: dt.datetime, cause: int) -> tuple[Recorded, ...]:
        """Append all writes of a decision or none: every guard judges every write as of before the decision."""
        bodies: list[bytes] = []
        for write in decision.writes:
            if type(write.fact).KIND not in self._routes.kinds:
                raise GuardRefused(f"{type(write.fact).__name__} is not a kind that this core knows")
            for guard, state in self._guards:
                why = guard.check(state, write)
                if why is not None:
                    raise GuardRefused(f"{guard.name}: {why}")
            bodies.append(_encode(write.fact))
        return tuple(
            self._append(write.stream, body, write.fact, now, cause)
            for write, body in zip(decision.writes, bodies, strict=True)
        )

    def _append(self, stream: str, body: bytes, fact: Fact, now: dt.datetime, cause: int) -> Recorded:
        seq, version, kind = self._seq + 1, self._versions.get(stream, 0) + 1, type(fact)
        recorded = Recorded(seq, stream, version, now, cause, fact)
        self._rows.append(Row(seq, stream, version, now, kind.KIND, kind.SCHEMA, cause, body, kind.HOST))
        self._tail.append(recorded)
        self._fold(recorded)
        for cell in self._routes.reacts.get(kind, ()):
            cell.backlog.append(recorded)
            self._ready.append(cell)
        if kind in self._routes.releases:
            self._unreleased.append((recorded, self._routes.releases[kind]))
        if self.on_record is not None:
            self.on_record(recorded)
        return recorded

    def _fold(self, recorded: Recorded) -> None:
        self._seq = recorded.seq
        self._versions[recorded.stream] = recorded.version
        kind = type(recorded.fact)
        for index in self._routes.guards.get(kind, ()):
            guard, state = self._guards[index]
            try:
                self._guards[index] = (guard, guard.evolve(state, recorded))
            except Exception as error:
                raise self._die(f"guard {guard.name} broke on fact {recorded.seq}", error) from error
        for cell in self._routes.folds.get(kind, ()):
            if not cell.broken:
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
            self._broken_folds.append((cell, recorded.seq, error))

    # --- the end of an input ----------------------------------------------------------------------------------

    def _begin(self, lane: str, number: int, now: dt.datetime, content: Any) -> dt.datetime:
        """Take an input up: onto the tape, with a `now` that never goes back."""
        if self.fatal is not None:
            raise CoreFailed(f"the core takes nothing after: {self.fatal}") from self.fatal
        if self._now is not None and now < self._now:
            now = self._now
        self._now = now
        if self._tape is not None:
            self._tape.append(Entry(lane, number, now, content))
        return now

    def _finish(self, now: dt.datetime, command: CommandRow | None) -> None:
        """Run reactions until none is left, then commit what this input led to as one batch."""
        while self._ready or self._broken_folds or self._ask_timers(now):
            while self._broken_folds:
                cell, seq, error = self._broken_folds.pop(0)
                self._stop(cell, seq, error, now, folding=True)
            if not self._ready:
                break
            index = 0 if self._pick is None else self._pick(len(self._ready))
            cell = self._ready[index]
            del self._ready[index]
            if cell.backlog and not cell.failed:
                self._turn(cell, cell.backlog.popleft(), now)
        if self._rows or command is not None:
            try:
                self._journal.append(Batch(tuple(self._rows), command))
            except JournalError as error:
                raise self._die("the journal took no more", error) from error
            self._rows = []
        durable = self._journal.durable_seq
        while self._tail and self._tail[0].seq <= durable:
            self._tail.popleft()

    def _ask_timers(self, now: dt.datetime) -> bool:
        """Ask those that folded something for their timers; one that raises stops. True where one did."""
        stopped = False
        for cell in self._cells.values():
            if cell.dirty and not cell.failed:
                try:
                    cell.ask_due()
                except Exception as error:
                    cell.dirty = True
                    self._stop(cell, 0, error, now)
                    stopped = True
        return stopped

    def _die(self, what: str, error: Exception) -> CoreFailed:
        self.fatal = error
        return CoreFailed(f"{what}: {error!r}")

    def _reply(self, issued: Issued, facts: tuple[Recorded, ...]) -> Any:
        cell = self._routes.owners.get(type(issued.command))
        return facts if cell is None else cell.actor.reply(issued, facts)

    def _repeat(self, taken: CommandRow, digest: bytes, issued: Issued) -> Answer:
        if taken.digest != digest:
            raise CommandConflict("conflict", f"command {taken.id} was given before with another body")
        facts = tuple(self._facts(taken.first, taken.last)) if taken.first else ()
        return Answer(self._reply(issued, facts), taken.last, repeated=True)

    def _facts(self, first: int, last: int) -> Iterable[Recorded]:
        waiting = {recorded.seq: recorded for recorded in self._tail}
        for row in self._journal.read(first - 1, last - first + 1):
            waiting.setdefault(row.seq, self.decode(row))
        return [waiting[seq] for seq in range(first, last + 1)]
