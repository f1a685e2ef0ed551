"""Lanes: control first, a full lane says so and takes nothing, a view waits at most 64 inputs. And the test kit."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

import msgspec
import pytest

from actors.runtime import (
    Busy,
    Command,
    Core,
    CoreActor,
    Decision,
    Fact,
    Lanes,
    MemoryJournal,
    Recorded,
    ViewChanged,
    Write,
)
from actors.runtime.testing import START, batch_ends, check_refold, crash_points, started


class Note(Command, frozen=True, tag=True):
    text: str


class Noted(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "notes.Noted"
    text: str


class Notes(msgspec.Struct):
    texts: list[str] = msgspec.field(default_factory=list)


class Pad(CoreActor[Notes]):
    name, group = "pad", "book"
    commands, folds, views = (Note,), (Noted,), True

    def initial(self) -> Notes:
        return Notes()

    def evolve(self, state: Notes, recorded: Recorded) -> Notes:
        assert isinstance(recorded.fact, Noted)
        state.texts.append(recorded.fact.text)
        return state

    def decide(self, state: Notes, message: Any, now: dt.datetime, market: Any) -> Decision:
        text = f"view {market.base}" if isinstance(message, ViewChanged) else message.command.text
        return Decision((Write("pad", Noted(text)),))


def note(text: str):
    return lambda core, now, number: core.command(f"{text}-{number}", "test", Note(text), now, number)


def drain(lanes: Lanes) -> None:
    while lanes.take(START):
        pass


def test_control_goes_before_events_before_commands_before_the_view() -> None:
    core = started([Pad()])
    lanes = Lanes(core)
    lanes.offer_view("old")
    lanes.offer_view("new")
    for lane in ("command", "lean", "control"):
        lanes.offer(lane, note(lane))  # type: ignore[arg-type]
    assert lanes.statistics().conflated == 1
    drain(lanes)
    assert core.state("pad").texts == ["control", "lean", "command", "view new"]


def test_a_full_lane_of_commands_says_so_and_loses_nothing_that_it_took() -> None:
    core = started([Pad()])
    lanes = Lanes(core, most_commands=2)
    lanes.offer("command", note("a"))
    lanes.offer("command", note("b"))
    with pytest.raises(Busy, match="limit is 2"):
        lanes.offer("command", note("c"))
    for number in range(1000):
        lanes.offer("lean", note(f"event {number}"))
    assert lanes.statistics().refused == 1
    drain(lanes)
    texts = core.state("pad").texts
    assert len(texts) == 1002
    assert texts[-2:] == ["a", "b"]


def test_a_view_waits_at_most_sixty_four_inputs() -> None:
    core = started([Pad()])
    lanes = Lanes(core)
    for number in range(200):
        lanes.offer("lean", note(str(number)))
    lanes.offer_view("now")
    drain(lanes)
    assert core.state("pad").texts.index("view now") == 64


def test_inputs_are_numbered_when_they_are_received() -> None:
    core = started([Pad()])
    lanes = Lanes(core)
    early = lanes.offer("command", note("early"))
    late = lanes.offer("control", note("late"))
    assert early < late


def test_the_kit_crashes_at_every_batch_and_holds_state_against_a_refold() -> None:
    journal = MemoryJournal()
    core = started([Pad()], journal)

    def run(core: Core) -> None:
        for number in range(5):
            core.command(str(number), "test", Note(str(number)), START)

    ends = batch_ends(core, run, journal)
    check_refold(core, lambda: [Pad()], journal)
    lengths = [len(started([Pad()], crashed).state("pad").texts) for crashed in crash_points(ends, journal)]
    assert lengths == [0, 1, 2, 3, 4, 5]
    core.state("pad").texts.append("never recorded")
    with pytest.raises(AssertionError, match="pad"):
        check_refold(core, lambda: [Pad()], journal)
