"""The core: takes one input, runs its turn and every reaction to quiescence, and commits all of it as one batch.

Synchronous and deterministic: no clock, no I/O but the journal's append. Edges put inputs in and take outputs out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from actors.runtime._actor import CoreActor, Group, Guard, Issued, JobDone, TimerDue, ViewChanged
from actors.runtime._appender import Appender, encode
from actors.runtime._cell import Cell, first_due
from actors.runtime._facts import Command, Fact, Recorded
from actors.runtime._gate import Gate
from actors.runtime._journal import CommandRow, Journal, Row
from actors.runtime._recovery import recover
from actors.runtime._routes import Routes
from actors.runtime._stops import Stops
from actors.runtime._tape import Entry, Tape
from actors.runtime._turns import Turns
from actors.runtime._view import Derive, View, Views
from actors.runtime._words import (
    ActorFailed,
    ActorResumed,
    Answer,
    CommandConflict,
    CoreFailed,
    DeadLetter,
    Ended,
    FactSkipped,
    SkipFact,
    Started,
    Telemetry,
)

_OWN: tuple[type[Fact], ...] = (Started, Ended, ActorFailed, ActorResumed, FactSkipped)
#: Input numbers count within a start; the start counts above them, so that numbers never fall.
_START_SHIFT = 32


class Core:
    """Runs actors over a journal. One input at a time; see `docs/kernel.md`.

    `derives` are registered view functions; `kinds` adds fact types that no actor declares. `pick`, for tests, chooses
    which ready actor goes next: `pick(n)` gives an index below n (None: arrival order). `elapsed` gives seconds for
    telemetry. `on_failure(actor, group, error)` is called when an actor stops; `on_record` for every fact recorded.
    One of them that raises ends the core, for half of a decision may be appended.
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
        guards = tuple(guards)
        self._cells = {actor.name: Cell(actor) for actor in actors}
        self._journal = journal
        self._tape = tape
        self._routes = Routes(self._cells.values(), guards, (*kinds, *_OWN))
        self._views = Views(derives)
        self._appender = Appender(journal, self._routes, guards, on_record)
        self._stops = Stops(self._appender, self._cells, on_failure)
        self._turns = Turns(
            self._appender, self._stops, self._routes, self._cells, self._views, pick=pick, elapsed=elapsed
        )
        self._gate = Gate(self._appender, self._stops)
        self._commands: dict[str, CommandRow] = {}
        self._number = 0
        self._now: dt.datetime | None = None

    # --- starting and reading ---------------------------------------------------------------------------------

    def start(self, now: dt.datetime, told: Callable[[Recorded], None] | None = None) -> None:
        """Fold the whole journal, then record `Started`. What was released before is never released again.

        An actor that had stopped is still stopped, its backlog waiting. `told` hears every fact that the journal held,
        so that others who fold it need not read it again. Raises UnknownKind.
        """
        head = self._journal.head()
        starts = recover(self._journal, self._routes, self._appender, self._cells, told)
        self._commands = {row.id: row for row in self._journal.commands()}
        self._number = (starts + 1) << _START_SHIFT
        self._now = now
        self._appender.write_own(Started(head.seq, head.chain), now, 0)
        self._finish(now, None)

    def end(self, now: dt.datetime) -> None:
        """Record `Ended`, the last fact of an orderly stop. What is put in after it is taken all the same."""
        now = self._begin("end", self.receive(), now, None)
        self._appender.write_own(Ended(), now, 0)
        self._finish(now, None)

    @property
    def on_record(self) -> Callable[[Recorded], None] | None:
        """Hears of every fact as it is appended."""
        return self._appender.on_record

    @on_record.setter
    def on_record(self, hear: Callable[[Recorded], None] | None) -> None:
        self._appender.on_record = hear

    @property
    def on_failure(self) -> Callable[[str, str, BaseException], None] | None:
        """Hears of every actor that stops: its name, its group and the error."""
        return self._stops.on_failure

    @on_failure.setter
    def on_failure(self, hear: Callable[[str, str, BaseException], None] | None) -> None:
        self._stops.on_failure = hear

    def decode(self, row: Row) -> Recorded:
        """A journal row as the fact that actors fold. Raises UnknownKind for a kind that nobody here knows."""
        return self._routes.decode(row)

    def state(self, actor: str) -> Any:
        """The folded state of an actor. Read only."""
        return self._cells[actor].state

    @property
    def market(self) -> View | None:
        """The current view, or None before the first."""
        return self._views.current

    @property
    def seq(self) -> int:
        """Sequence of the last fact recorded, durable or not."""
        return self._appender.seq

    @property
    def durable_seq(self) -> int:
        """Highest sequence on disk."""
        return self._journal.durable_seq

    @property
    def fatal(self) -> BaseException | None:
        """What ended this core, or None."""
        return self._appender.fatal

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The latest 1000 commands that no actor could decide. Read only."""
        return list(self._turns.dead_letters)

    @property
    def slow_turns(self) -> list[tuple[str, float]]:
        """The latest 1000 turns above 50 ms: whose and on what, and their seconds. Read only."""
        return list(self._turns.slow)

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

    def receive(self) -> int:
        """Number an input at receipt. Cancel-all refers to these numbers."""
        self._number += 1
        return self._number

    def command(self, id: str, principal: str, command: Command, now: dt.datetime, number: int | None = None) -> Answer:
        """Decide a command from outside. A repeat of an id gives the same reply, rebuilt from its facts.

        `number` is the input's number at receipt, where it was taken earlier (see `receive`). Raises Refusal (no
        trace, the id stays free), CommandConflict (same id, another body) or CommandFailed.
        """
        number = self.receive() if number is None else number
        issued = Issued(id, principal, number, command)
        now = self._begin("command", number, now, issued)
        digest = hashlib.sha256(type(command).__name__.encode() + encode(command)).digest()
        taken = self._commands.get(id)
        if taken is not None:
            return self._repeat(taken, digest, issued)
        if isinstance(command, SkipFact):
            facts = (self._stops.skip(principal, command, now),)
        else:
            facts = self._turns.obey(issued, now)
        first, last = (facts[0].seq, facts[-1].seq) if facts else (0, 0)
        # The reply rests on the decision's own facts; what reacts to them belongs to the same batch.
        row = CommandRow(id, digest, principal, first, last)
        self._finish(now, row)
        self._commands[id] = row
        return Answer(self._reply(issued, facts), self.seq)

    def _repeat(self, taken: CommandRow, digest: bytes, issued: Issued) -> Answer:
        if taken.digest != digest:
            raise CommandConflict("conflict", f"command {taken.id} was given before with another body")
        facts = self._appender.between(taken.first, taken.last) if taken.first else ()
        return Answer(self._reply(issued, facts), taken.last, repeated=True)

    def _reply(self, issued: Issued, facts: tuple[Recorded, ...]) -> Any:
        cell = self._routes.owners.get(type(issued.command))
        return facts if cell is None else cell.actor.reply(issued, facts)

    def tell(self, word: Any, now: dt.datetime, number: int | None = None) -> None:
        """Hand a word of an edge's to every actor that declares its type. Raises TypeError where none does."""
        cells = self._routes.inputs.get(type(word))
        if cells is None:
            raise TypeError(f"nobody takes a {type(word).__name__}")
        now = self._begin("word", self.receive() if number is None else number, now, word)
        for cell in cells:
            self._turns.turn(cell, word, now)
        self._finish(now, None)

    def job(self, actor: str, done: JobDone, now: dt.datetime) -> None:
        """Hand the result of CPU-heavy work to the actor that asked for it. Raises KeyError for no such actor."""
        cell = self._cells[actor]
        now = self._begin("job", self.receive(), now, (actor, done))
        self._turns.turn(cell, done, now)
        self._finish(now, None)

    def view(self, base: Any, now: dt.datetime) -> None:
        """A new market view: numbered, derived eagerly where registered so, told to the actors that want views."""
        now = self._begin("view", self.receive(), now, base)
        # Who reads a derivation that raised fails in a turn of its own; the daemon is told at once.
        view = self._views.show(base, now, lambda name, error: self._stops.tell(f"derive {name}", "book", error))
        changed = ViewChanged(view.number)
        for cell in self._routes.views:
            self._turns.turn(cell, changed, now)
        self._finish(now, None)

    def forget_views(self) -> None:
        """Drop the view and the memory of derivations, as a restart does."""
        self._views.forget()

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
        self._turns.turn(cell, TimerDue(key), now)
        self._finish(now, None)

    def next_due(self) -> dt.datetime | None:
        """The instant of the next timer, or None."""
        first = first_due(self._cells, None)
        return None if first is None else first[0]

    def kill(self, actor: str, now: dt.datetime) -> None:
        """Drop an actor's state and fold it anew, from the journal and from what is not yet durable.

        One that had stopped goes on where it stopped, as `ActorResumed`; what broke it once may break it again.
        """
        cell = self._cells[actor]
        now = self._begin("kill", self.receive(), now, actor)
        self._stops.kill(cell, now)
        self._finish(now, None)

    # --- what leaves ------------------------------------------------------------------------------------------

    def take_outputs(self, to: str) -> list[Any]:
        """The words for an edge whose facts are durable, in order; they are handed out once."""
        self.release(self._now)
        return self._gate.take(to)

    def release(self, now: dt.datetime | None, up_to: int | None = None) -> None:
        """Ask the owners of durable facts what leaves now. Live: an input of its own, put in when `durable_seq` rises.

        `up_to` stops at a sequence, for tapes. Facts of an actor whose fold broke wait until it goes on.
        """
        durable = self._journal.durable_seq if up_to is None else min(up_to, self._journal.durable_seq)
        while now is not None and self._gate.waits(durable):
            now = self._begin("durable", self.receive(), now, durable)
            self._gate.open(durable, now)
            self._finish(now, None)
            if up_to is None:
                durable = self._journal.durable_seq

    # --- one input --------------------------------------------------------------------------------------------

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
        self._turns.react(now)
        self._appender.commit(command)
