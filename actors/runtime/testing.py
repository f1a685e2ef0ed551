"""A test kit: a started core in three lines, crashes at every durable point, and state held against a refold.

For tests only; nothing that runs imports it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from actors.runtime._actor import CoreActor
from actors.runtime._core import Core
from actors.runtime._journal import Batch
from actors.runtime._memory import MemoryJournal

#: The instant at which a test's core starts unless it says otherwise.
START = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)

MakeActors = Callable[[], Iterable[CoreActor[Any]]]


def started(
    actors: Iterable[CoreActor[Any]], journal: MemoryJournal | None = None, now: dt.datetime = START, **options: Any
) -> Core:
    """A core over these actors, started. `options` go to Core."""
    core = Core(actors, MemoryJournal() if journal is None else journal, **options)
    core.start(now)
    return core


def truncated(journal: MemoryJournal, seq: int) -> MemoryJournal:
    """A copy of what a journal holds up to a sequence, durable or not there, all of it durable here.

    A command is kept with its batch: one whose facts end above `seq` is gone. Cut at ends of batches.
    """
    copy = MemoryJournal()
    after = 0
    for command, end in journal._commands:
        if end > seq:
            break
        copy.append(Batch(tuple(journal._rows[after:end]), command))
        after = end
    if after < seq:
        copy.append(Batch(tuple(journal._rows[after:seq])))
    return copy


def crash_points(batches: Iterable[int], journal: MemoryJournal) -> Iterator[MemoryJournal]:
    """The journal as a crash after each of these sequences would leave it; they are ends of batches."""
    for seq in batches:
        yield truncated(journal, seq)


def batch_ends(core: Core, run: Callable[[Core], None], journal: MemoryJournal) -> list[int]:
    """Run a workload and return the sequence at the end of every batch that it committed."""
    ends = [journal.head().seq]
    before = journal.on_durable

    def note(seq: int) -> None:
        if seq != ends[-1]:
            ends.append(seq)

    journal.on_durable = note
    try:
        run(core)
    finally:
        journal.on_durable = before
    return ends


def check_refold(core: Core, make: MakeActors, journal: MemoryJournal, **options: Any) -> None:
    """Raise AssertionError where an actor's state is not what a fresh core folds from all that was appended."""
    fresh = Core(make(), truncated(journal, journal.head().seq), **options)
    fresh.start(START)
    for actor in make():
        ours, folded = core.state(actor.name), fresh.state(actor.name)
        assert ours == folded, f"{actor.name}: {ours} at the head, {folded} folded anew"
