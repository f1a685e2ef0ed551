"""What stopped stays stopped over a restart, and nothing that waits for it is skipped or forgotten."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

import msgspec
import pytest

from actors.runtime import (
    ActorFailed,
    ActorResumed,
    Command,
    Core,
    CoreActor,
    CoreFailed,
    Decision,
    Fact,
    JournalFull,
    MemoryJournal,
    Output,
    Recorded,
    SkipFact,
    UnknownKind,
    Write,
)

NOW = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)


class Put(Command, frozen=True, tag=True):
    amount: int


class Stored(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "shelf.Stored"
    amount: int


class Counted(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "counter.Counted"
    amount: int


class Sum(msgspec.Struct):
    amount: int = 0


class Shelf(CoreActor[Sum]):
    """Stores every amount."""

    name, group, commands = "shelf", "book", (Put,)

    def initial(self) -> Sum:
        return Sum()

    def decide(self, state: Sum, message: Any, now: dt.datetime, market: Any) -> Decision:
        return Decision((Write("shelf", Stored(message.command.amount)),))


class Counter(CoreActor[Sum]):
    """Counts what was stored, and prints it; `bad_turn`, `bad_fold` and `bad_release` are amounts it can't bear."""

    name, group = "counter", "trading"
    folds, reacts, releases = (Counted,), (Stored,), (Counted,)

    def __init__(self, bad_turn: int = -1, bad_fold: int = -1, bad_release: int = -1) -> None:
        self._bad_turn, self._bad_fold, self._bad_release = bad_turn, bad_fold, bad_release

    def initial(self) -> Sum:
        return Sum()

    def evolve(self, state: Sum, recorded: Recorded) -> Sum:
        assert isinstance(recorded.fact, Counted)
        state.amount += recorded.fact.amount
        if recorded.fact.amount == self._bad_fold:
            raise RuntimeError("fold")
        return state

    def decide(self, state: Sum, message: Any, now: dt.datetime, market: Any) -> Decision:
        if message.fact.amount == self._bad_turn:
            raise RuntimeError("turn")
        return Decision((Write("counter", Counted(message.fact.amount)),))

    def release(self, state: Sum, recorded: Recorded, now: dt.datetime) -> tuple[Output, ...]:
        assert isinstance(recorded.fact, Counted)
        if recorded.fact.amount == self._bad_release:
            raise RuntimeError("release")
        return (Output("printer", recorded.fact.amount),)


def start(journal: MemoryJournal, **bad: int) -> Core:
    core = Core([Shelf(), Counter(**bad)], journal)
    core.start(NOW)
    return core


def put(core: Core, *amounts: int) -> None:
    for amount in amounts:
        core.command(f"put {amount}", "test", Put(amount), NOW)


def facts(journal: MemoryJournal, core: Core, kind: type[Fact]) -> list[Any]:
    return [core.decode(row).fact for row in journal.read() if row.kind == kind.KIND]


def skip(core: Core) -> None:
    seq = core.failed()["counter"]
    core.command(f"skip {seq}", "operator", SkipFact("counter", seq, "looked at it"), NOW)


def test_a_restart_does_not_go_past_what_an_actor_failed_on() -> None:
    journal = MemoryJournal()
    first = start(journal, bad_turn=2)
    put(first, 1, 2, 3)
    again = start(journal, bad_turn=2)
    assert again.failed() == first.failed() != {}
    put(again, 4)
    assert again.state("counter").amount == 1
    skip(again)
    assert again.state("counter").amount == 1 + 3 + 4
    third = start(journal, bad_turn=2)
    assert third.failed() == {}
    assert third.state("counter").amount == 8


def test_killing_a_stopped_actor_tries_again_and_with_better_code_nothing_is_missing() -> None:
    journal = MemoryJournal()
    put(start(journal, bad_turn=2), 1, 2, 3)
    same = start(journal, bad_turn=2)
    same.kill("counter", NOW)
    assert "counter" in same.failed()
    assert same.state("counter").amount == 1
    better = start(journal)
    better.kill("counter", NOW)
    assert better.failed() == {}
    assert better.state("counter").amount == 6
    assert len(facts(journal, better, ActorResumed)) == 2
    assert start(journal).state("counter").amount == 6


def test_a_broken_fold_is_recorded_waits_and_can_be_signed_past() -> None:
    journal = MemoryJournal()
    core = start(journal, bad_fold=2)
    put(core, 1, 2, 3)
    (failed,) = facts(journal, core, ActorFailed)
    broken_on = next(row.seq for row in journal.read() if row.kind == Counted.KIND and row.seq == failed.seq)
    assert core.failed() == {"counter": broken_on}
    assert failed.folding
    assert core.failed() == {"counter": failed.seq}
    again = start(journal, bad_fold=2)
    assert again.failed() == core.failed()
    assert len(facts(journal, again, ActorFailed)) == 1
    skip(again)
    assert again.state("counter").amount == 1 + 3
    assert start(journal, bad_fold=2).state("counter").amount == 4


def test_words_of_an_actor_whose_fold_broke_wait_for_its_last_look() -> None:
    core = start(MemoryJournal(), bad_fold=2)
    put(core, 1, 2, 3)
    assert core.take_outputs("printer") == []
    skip(core)
    assert core.take_outputs("printer") == [1, 3]
    assert core.state("counter").amount == 1 + 3


def test_killing_an_actor_whose_fold_broke_folds_anew() -> None:
    journal = MemoryJournal()
    put(start(journal, bad_fold=2), 1, 2, 3)
    core = start(journal)
    assert "counter" in core.failed()
    core.kill("counter", NOW)
    assert core.failed() == {}
    assert core.state("counter").amount == 6


def test_a_release_that_raises_stops_its_actor_and_its_word_is_not_lost() -> None:
    journal = MemoryJournal()
    core = start(journal, bad_release=2)
    put(core, 1, 2)
    assert core.take_outputs("printer") == [1]
    assert "counter" in core.failed()
    put(core, 3)
    assert core.take_outputs("printer") == []
    stopped = core.failed()
    skip(core)
    assert core.take_outputs("printer") == [3]
    assert core.state("counter").amount == 6
    journal = MemoryJournal()
    core = start(journal, bad_release=2)
    put(core, 1, 2)
    core.take_outputs("printer")
    assert core.failed() == stopped
    put(core, 3)
    again = start(journal)
    assert again.failed() == stopped
    skip(again)
    assert again.state("counter").amount == 6


def test_signing_past_is_idempotent() -> None:
    core = start(MemoryJournal(), bad_turn=2)
    put(core, 2)
    command = SkipFact("counter", core.failed()["counter"], "looked at it")
    first = core.command("s", "operator", command, NOW)
    assert core.command("s", "operator", command, NOW).reply == first.reply


def test_input_numbers_never_fall_over_a_restart() -> None:
    journal = MemoryJournal()
    last = [start(journal).receive() for _ in range(3)]
    assert last == sorted(set(last))


def test_now_never_goes_back() -> None:
    journal = MemoryJournal()
    core = start(journal)
    core.command("a", "test", Put(1), NOW + dt.timedelta(seconds=9))
    core.command("b", "test", Put(2), NOW)
    instants = [row.at for row in journal.read()]
    assert instants == sorted(instants)


def test_a_journal_that_fails_ends_the_core() -> None:
    journal = MemoryJournal()
    core = start(journal)
    journal.fail(JournalFull("no room"))
    with pytest.raises(CoreFailed, match="no room"):
        put(core, 1)
    with pytest.raises(CoreFailed, match="no room"):
        put(core, 2)
    assert core.take_outputs("printer") == []


def test_a_fact_that_can_not_be_encoded_leaves_nothing_of_its_decision() -> None:
    journal = MemoryJournal()
    core = start(journal)
    before = core.seq
    core._routes.owners[Put].actor = _Unwritable()
    with pytest.raises(Exception, match="failed on Put"):
        put(core, 1)
    assert core.seq == before
    assert core.state("counter").amount == 0


class _Unwritable(Shelf):
    def decide(self, state: Sum, message: Any, now: dt.datetime, market: Any) -> Decision:
        return Decision((Write("shelf", Stored(1)), Write("shelf", Stored(object()))))  # type: ignore[arg-type]


def test_a_journal_of_other_code_is_named() -> None:
    journal = MemoryJournal()
    put(start(journal), 1)
    with pytest.raises(UnknownKind, match=r"shelf\.Stored|counter\.Counted"):
        Core([Shelf()], journal).start(NOW)
