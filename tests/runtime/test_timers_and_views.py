"""Timers fire in order, each at its own instant; derivations of a view run once and remember."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from actors.runtime import (
    Core,
    CoreActor,
    Decision,
    Derive,
    Fact,
    MemoryJournal,
    Recorded,
    TimerDue,
    ViewChanged,
    Write,
)
from tests.runtime.bank import NOW

SECOND = dt.timedelta(seconds=1)


class Reminded(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "bank.Reminded"
    who: str


class Alarm(CoreActor[dict]):
    """Two alarms at their instants, and a view watcher."""

    name, group = "alarm", "service"
    folds, views = (Reminded,), True

    def __init__(self, name: str, times: dict[str, dt.datetime]) -> None:
        self.name = name  # type: ignore[misc]
        self._times = times

    def initial(self) -> dict:
        return {}

    def evolve(self, state: dict, recorded: Recorded) -> dict:
        assert isinstance(recorded.fact, Reminded)
        state[recorded.fact.who] = recorded.at
        return state

    def due(self, state: dict) -> dict[str, dt.datetime]:
        return {key: at for key, at in self._times.items() if f"{self.name}:{key}" not in state}

    def decide(self, state: dict, message: Any, now: dt.datetime, market: Any) -> Decision:
        match message:
            case TimerDue(key=key) if not key.startswith("mute"):
                return Decision((Write("alarm", Reminded(f"{self.name}:{key}")),))
            case ViewChanged():
                return Decision((Write("alarm", Reminded(f"view {market.number} {market.derived('sum')}")),))
        return Decision()


def test_timers_fire_by_instant_actor_and_key_each_with_its_own_instant() -> None:
    first = Alarm("b", {"y": NOW + SECOND, "x": NOW + SECOND, "mute": NOW})
    second = Alarm("a", {"z": NOW + SECOND, "late": NOW + 5 * SECOND})
    core = Core([first, second], MemoryJournal())
    core.start(NOW)
    assert core.next_due() == NOW
    core.advance(NOW + 3 * SECOND)
    facts = [core.decode(row) for row in core._journal.read()][1:]
    assert [recorded.fact.who for recorded in facts] == ["a:z", "b:x", "b:y"]
    assert {recorded.at for recorded in facts} == {NOW + SECOND}
    core.advance(NOW + 4 * SECOND)
    assert core.seq == 4, "a timer that stays due where it fired is not fired again"
    core.advance(NOW + 5 * SECOND)
    assert core.seq == 5


def test_a_lazy_derivation_runs_once_a_view_and_keeps_its_memory_until_it_is_forgotten() -> None:
    calls: list[Any] = []

    def add(previous: Any, base: int, now: dt.datetime) -> int:
        calls.append(previous)
        return (previous or 0) + base

    core = Core([Alarm("a", {})], MemoryJournal(), derives=(Derive("sum", add),))
    core.start(NOW)
    core.view(3, NOW)
    core.view(4, NOW)
    assert core.market is not None
    assert core.market.derived("sum") == 7
    assert calls == [None, 3]
    core.forget_views()
    core.view(5, NOW)
    assert calls == [None, 3, None]
