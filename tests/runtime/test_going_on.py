"""An actor that goes on after a failure has lost nothing and says nothing twice: words, timers, releases, commands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from actors.runtime import (
    Command,
    Core,
    CoreActor,
    Decision,
    Derive,
    Fact,
    Issued,
    JobDone,
    MemoryJournal,
    MemoryTape,
    Output,
    Recorded,
    SkipFact,
    TimerDue,
    Write,
    replay,
)
from actors.runtime.testing import START, check_refold, started, truncated

LATER = START + dt.timedelta(seconds=1)


class Word(msgspec.Struct, frozen=True):
    text: str


class Say(Command, frozen=True, tag=True):
    text: str


class Said(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "talk.Said"
    text: str


class Talker(CoreActor[list[str]]):
    """Records what it is told; a timer says so once, and fails where `mute`."""

    name, group = "talker", "book"
    folds, inputs, commands, releases = (Said,), (Word,), (Say,), (Said,)

    def __init__(self, mute: bool = False) -> None:
        self.mute = mute

    def initial(self) -> list[str]:
        return []

    def evolve(self, state: list[str], recorded: Recorded) -> list[str]:
        assert isinstance(recorded.fact, Said)
        state.append(recorded.fact.text)
        return state

    def due(self, state: list[str]) -> dict[str, dt.datetime]:
        return {} if "timer" in state else {"clock": LATER}

    def decide(self, state: list[str], message: Any, now: dt.datetime, market: Any) -> Decision:
        match message:
            case TimerDue():
                if self.mute:
                    raise RuntimeError("mute")
                text = "timer"
            case JobDone(key=key):
                text = key
            case Issued(command=Say(text=said)):
                text = said
            case _:
                text = message.text
        return Decision((Write("talk", Said(text)),))

    def release(self, state: list[str], recorded: Recorded, now: dt.datetime) -> Iterable[Output]:
        assert isinstance(recorded.fact, Said)
        return (Output(self.name, recorded.fact.text),)


class Echo(CoreActor[list[str]]):
    """Releases the same facts; its fold breaks on one of them."""

    name, group = "echo", "book"
    folds, releases = (Said,), (Said,)

    def initial(self) -> list[str]:
        return []

    def evolve(self, state: list[str], recorded: Recorded) -> list[str]:
        assert isinstance(recorded.fact, Said)
        if recorded.fact.text == "broken":
            raise RuntimeError("fold")
        state.append(recorded.fact.text)
        return state

    def release(self, state: list[str], recorded: Recorded, now: dt.datetime) -> Iterable[Output]:
        assert isinstance(recorded.fact, Said)
        return (Output(self.name, recorded.fact.text),)


def test_signing_past_a_failed_timer_drops_no_word_that_waits() -> None:
    core = started([Talker(mute=True)])
    core.advance(LATER)
    assert core.failed() == {"talker": 0}
    core.tell(Word("waits"), LATER)
    core.command("s", "operator", SkipFact("talker", 0, "seen"), LATER)
    assert core.failed() == {}
    assert core.state("talker") == ["waits"]


def test_a_timer_whose_turn_failed_is_due_again_after_a_kill() -> None:
    talker = Talker(mute=True)
    core = started([talker])
    core.advance(LATER)
    talker.mute = False
    core.kill("talker", LATER)
    core.advance(LATER)
    assert core.state("talker") == ["timer"]


def test_what_another_actor_held_back_leaves_once_and_nothing_of_ours_again() -> None:
    core = started([Talker(), Echo()])
    for text in ("a", "broken", "b"):
        core.tell(Word(text), START)
    said = core.take_outputs("talker")
    core.command("s", "operator", SkipFact("echo", core.failed()["echo"], "seen"), START)
    assert said + core.take_outputs("talker") == ["a", "broken", "b"]


def test_the_kit_s_crash_keeps_commands_and_its_refold_sees_the_tail() -> None:
    journal = MemoryJournal(hold=True)
    core = started([Talker()], journal)
    core.command("x", "test", Say("hi"), START)
    check_refold(core, lambda: [Talker()], journal)
    journal.settle()
    assert started([Talker()], truncated(journal, journal.durable_seq)).command("x", "test", Say("hi"), START).repeated


def test_jobs_come_back_to_their_actor_and_eager_derivations_run_for_every_view() -> None:
    seen: list[int] = []

    def note(previous: Any, base: int, now: dt.datetime) -> int:
        seen.append(base)
        return base

    core: Core = started([Talker()], derives=(Derive("note", note, eager=True),))
    core.view(1, START)
    core.view(2, START)
    core.job("talker", JobDone("fitted", 1), START)
    assert seen == [1, 2]
    assert core.state("talker") == ["fitted"]


def test_a_tape_with_a_slow_disk_timers_and_kills_makes_the_same_rows() -> None:
    journal, tape = MemoryJournal(hold=True), MemoryTape()
    core = started([Talker()], journal, tape=tape)
    for number in range(6):
        core.tell(Word(str(number)), START)
        if number % 2:
            journal.settle()
            core.take_outputs("talker")
    core.advance(LATER)
    core.kill("talker", LATER)
    journal.settle()
    again = MemoryJournal()
    replay(tape.entries, started([Talker()], again))
    assert list(again.read()) == list(journal.read())
