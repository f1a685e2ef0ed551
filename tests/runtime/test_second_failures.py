"""What fails while something has failed already: neither failure hides the other, and nothing unsigned is passed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import pytest

from actors.runtime import (
    Core,
    CoreActor,
    CoreFailed,
    Decision,
    Fact,
    MemoryJournal,
    Output,
    Recorded,
    SkipFact,
    TimerDue,
    Write,
)
from actors.runtime.testing import START, started

LATER = START + dt.timedelta(seconds=1)


class Word(msgspec.Struct, frozen=True):
    text: str


class Heard(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "ear.Heard"
    text: str


class Kept(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "clerk.Kept"
    text: str


class Ear(CoreActor[list[str]]):
    """Records every word."""

    name, group, inputs = "ear", "book", (Word,)

    def initial(self) -> list[str]:
        return []

    def decide(self, state: list[str], message: Any, now: dt.datetime, market: Any) -> Decision:
        return Decision((Write("ear", Heard(message.text)),))


class Clerk(CoreActor[list[str]]):
    """Keeps what was heard and prints it, and has one timer. `bad` holds what it can't do: 'turn x', 'fold x', …"""

    name, group = "clerk", "trading"
    folds, reacts, releases = (Heard, Kept), (Heard,), (Kept,)

    def __init__(self, *bad: str) -> None:
        self.bad = set(bad)

    def _can(self, what: str) -> None:
        if what in self.bad:
            raise RuntimeError(what)

    def initial(self) -> list[str]:
        return []

    def evolve(self, state: list[str], recorded: Recorded) -> list[str]:
        fact = recorded.fact
        assert isinstance(fact, Heard | Kept)
        if isinstance(fact, Heard):
            self._can(f"fold {fact.text}")
        else:
            state.append(fact.text)
        return state

    def due(self, state: list[str]) -> Mapping[str, dt.datetime]:
        self._can(f"due {state[-1]}" if state else "due")
        return {} if "timer" in state else {"timer": LATER}

    def decide(self, state: list[str], message: Any, now: dt.datetime, market: Any) -> Decision:
        text = "timer" if isinstance(message, TimerDue) else message.fact.text
        self._can(f"turn {text}")
        return Decision((Write("clerk", Kept(text)),))

    def release(self, state: list[str], recorded: Recorded, now: dt.datetime) -> tuple[Output, ...]:
        assert isinstance(recorded.fact, Kept)
        self._can(f"release {recorded.fact.text}")
        return (Output("printer", recorded.fact.text),)


class Other(CoreActor[int]):
    """Folds what is kept, and its fold breaks on 'x'."""

    name, group, folds = "other", "service", (Kept,)

    def initial(self) -> int:
        return 0

    def evolve(self, state: int, recorded: Recorded) -> int:
        assert isinstance(recorded.fact, Kept)
        if recorded.fact.text == "x":
            raise RuntimeError("x")
        return state + 1


def hear(core: Core, *texts: str) -> None:
    for text in texts:
        core.tell(Word(text), START)


def skip(core: Core) -> None:
    seq = core.failed()["clerk"]
    core.command(f"skip at {core.seq}", "operator", SkipFact("clerk", seq, "looked at it"), START)


def test_a_release_that_raises_in_a_stopped_actor_does_not_pass_the_turn_that_stopped_it() -> None:
    journal, clerk = MemoryJournal(hold=True), Clerk("turn b", "release a")
    core = started([Ear(), clerk], journal)
    hear(core, "a", "b")
    stopped = core.failed()
    journal.settle()
    assert core.take_outputs("printer") == []
    assert core.failed() == stopped, "it is stopped at the turn still"
    clerk.bad = {"release a"}
    core.kill("clerk", START)
    assert core.state("clerk") == ["a", "b"]
    journal.settle()
    assert core.take_outputs("printer") == ["b"]
    assert core.failed() != {}, "the release was tried again, and stopped it by itself"
    skip(core)
    assert core.failed() == {}
    assert core.state("clerk") == ["a", "b"]


def test_signing_past_a_fold_leaves_a_timer_due_whose_turn_had_stopped_the_actor() -> None:
    clerk = Clerk("turn timer", "fold x")
    core = started([Ear(), clerk])
    core.advance(LATER)
    hear(core, "x")
    clerk.bad = {"fold x"}
    skip(core)
    assert core.failed() == {}
    core.advance(LATER)
    assert core.state("clerk") == ["x", "timer"]


def test_a_fold_that_breaks_in_newer_code_is_known_though_the_journal_tells_of_a_later_turn() -> None:
    journal = MemoryJournal()
    hear(started([Ear(), Clerk("turn b")], journal), "a", "b", "c")
    core = started([Ear(), Clerk("fold a")], journal)
    broken_on = next(row.seq for row in journal.read() if row.kind == Heard.KIND)
    assert core.failed() == {"clerk": broken_on}
    skip(core)
    assert core.failed() == {}
    assert core.state("clerk") == ["a", "b", "c"]


@pytest.mark.parametrize("way", ["killed", "signed past"])
def test_a_fold_that_breaks_in_newer_code_is_known_though_the_actor_had_gone_on_since(way: str) -> None:
    journal, clerk = MemoryJournal(), Clerk("turn b")
    first = started([Ear(), clerk], journal)
    hear(first, "a", "b", "c")
    clerk.bad = set()
    if way == "killed":
        first.kill("clerk", START)
    else:
        skip(first)
    core = started([Ear(), Clerk("fold a")], journal)
    broken_on = next(row.seq for row in journal.read() if row.kind == Heard.KIND)
    assert core.failed() == {"clerk": broken_on}
    assert [row.kind for row in journal.read()].count("runtime.ActorFailed") == 2


@pytest.mark.parametrize("bad", ["fold x", "nothing"])
def test_after_a_restart_the_state_of_an_actor_whose_fold_broke_ends_before_that_fact(bad: str) -> None:
    journal = MemoryJournal()
    hear(started([Ear(), Clerk("fold x")], journal), "a", "x", "b")
    core = started([Ear(), Clerk(bad)], journal)
    assert core.state("clerk") == ["a"]
    assert core.failed() != {}
    core.kill("clerk", START)
    assert core.state("clerk") == (["a"] if bad == "fold x" else ["a", "x", "b"])


def test_timers_that_can_not_be_told_stop_their_actor_where_another_s_fold_broke_too() -> None:
    core = started([Ear(), Clerk("due x"), Other()])
    hear(core, "x")
    assert set(core.failed()) == {"clerk", "other"}
    assert core.next_due() is None


@pytest.mark.parametrize("hook", ["on_record", "on_failure"])
def test_a_hook_that_raises_ends_the_core_and_is_no_failure_of_an_actor(hook: str) -> None:
    def deaf(*_: Any) -> None:
        raise RuntimeError("deaf")

    journal = MemoryJournal()
    core = started([Ear(), Clerk("turn a")], journal)
    before = journal.head().seq
    setattr(core, hook, deaf)
    with pytest.raises(CoreFailed, match=f"{hook} raised.*deaf"):
        hear(core, "a")
    with pytest.raises(CoreFailed):
        hear(core, "b")
    assert journal.head().seq == before, "nothing of an input that did not end"
