"""The driver: replies wait for the disk, groups have their rules, and nobody waits for ever on a dead core."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.messages.breaker import BreakerRaised, Halt
from actors.messages.lean import LeanNotice
from actors.runtime import (
    Command,
    CoreActor,
    Decision,
    JournalError,
    MarketClock,
    MemoryJournal,
    Recorded,
    Refusal,
    Status,
    TimerDue,
)
from config.desk import DeskRules
from daemon.desk import desk_core
from daemon.driver import Driver
from daemon.groups import SafetyFailed
from daemon.outlet import DriverStopped

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)


@asynccontextmanager
async def driving(journal: MemoryJournal, raises: list[BaseException] | None = None) -> AsyncIterator[Driver]:
    driver = Driver(desk_core(journal, DeskRules()), journal, MarketClock(AT))
    driver.core.start(AT)

    async def run() -> None:
        try:
            await driver.run(Status())
        except Exception as error:
            if raises is None:
                raise
            raises.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield driver
        nursery.cancel_scope.cancel()


async def test_a_reply_and_a_fact_leave_only_when_they_are_on_disk() -> None:
    journal = MemoryJournal(hold=True)
    heard: list[Recorded] = []
    answers: list[Any] = []
    async with driving(journal) as driver:
        driver.listen(heard.append)

        async def halt() -> None:
            answers.append(await driver.command("1", "operator:test", Halt(2, "enough")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(halt)
            await wait_all_tasks_blocked()
            assert driver.core.state("breaker").level == 2
            assert (answers, heard) == ([], [])
            journal.settle()
        assert len(answers) == 1
        await wait_all_tasks_blocked()
        assert any(isinstance(recorded.fact, BreakerRaised) for recorded in heard)


class Nod(Command, frozen=True, tag=True):
    """Wants nothing but an answer."""


class Nodder(CoreActor[None]):
    name = "nodder"
    group = "service"
    commands = (Nod,)

    def initial(self) -> None:
        return None


async def test_the_answer_to_a_command_that_leaves_no_fact_waits_for_its_own_row() -> None:
    journal = MemoryJournal(hold=True)
    driver = Driver(desk_core(journal, DeskRules(), more=(Nodder(),)), journal, MarketClock(AT))
    driver.core.start(AT)
    journal.settle()
    answered = trio.Event()

    async def nod() -> None:
        await driver.command("1", "operator:test", Nod())
        answered.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(driver.run, Status())
        nursery.start_soon(nod)
        await wait_all_tasks_blocked()
        assert not answered.is_set()
        journal.settle()
        with trio.fail_after(5):
            await answered.wait()
        nursery.cancel_scope.cancel()


async def test_a_refusal_reaches_who_asked_and_harms_nobody() -> None:
    async with driving(MemoryJournal()) as driver:
        with pytest.raises(Refusal, match="outside 1 to 5"):
            await driver.command("1", "operator:test", Halt(9, "too much"))
        await driver.command("1", "operator:test", Halt(1, "fine"))


async def test_when_the_journal_fails_everybody_who_waits_is_told() -> None:
    journal = MemoryJournal(hold=True)
    ended: list[BaseException] = []
    async with driving(journal, ended) as driver, trio.open_nursery() as nursery:

        async def halt() -> None:
            with pytest.raises(DriverStopped, match="may not be on disk"):
                await driver.command("1", "operator:test", Halt(2, "enough"))

        nursery.start_soon(halt)
        await wait_all_tasks_blocked()
        journal.fail(JournalError("the disk is gone"))
        with trio.fail_after(5):
            while not ended:
                await trio.sleep(0.001)
    assert isinstance(ended[0], JournalError)
    with pytest.raises(DriverStopped):
        await driver.command("2", "operator:test", Halt(2, "enough"))


@pytest.mark.parametrize(("actor", "level"), [("positions", 3), ("gateway", 5), ("performance", 0)])
async def test_an_actor_that_stops_has_the_rule_of_its_group(actor: str, level: int) -> None:
    ended: list[BaseException] = []
    async with driving(MemoryJournal(), ended) as driver:
        core = driver.core
        group = core._cells[actor].actor.group
        assert core.on_failure is not None
        core.on_failure(actor, group, RuntimeError("broken"))
        if group == "safety":
            with trio.fail_after(5):
                while not ended:
                    await trio.sleep(0.001)
        else:
            await driver.tell([LeanNotice(1, "information", "", "still here")])
        assert core.state("breaker").level == level
    assert [type(error) for error in ended] == ([SafetyFailed] if group == "safety" else [])


async def test_a_listener_that_raises_ends_neither_the_driver_nor_what_the_others_hear() -> None:
    heard: list[Recorded] = []
    said: list[tuple[str, str]] = []

    def broken(recorded: Recorded) -> None:
        raise ValueError(f"can't fold {recorded.seq}")

    async with driving(MemoryJournal()) as driver:
        driver.on_deaf = lambda name, text: said.append((name, text))
        driver.listen(broken)
        driver.listen(heard.append)
        for number in range(3):
            with trio.fail_after(5):
                await driver.command(str(number), "operator:test", Halt(number + 1, "on it goes"))
        assert [type(each.fact) for each in heard].count(BreakerRaised) == 3
        assert len(said) == 1
        assert "can't fold" in said[0][1]
        assert list(driver.deaf) == [said[0][0]]


async def test_it_serves_once_its_beginning_is_on_disk_and_its_end_is_on_disk_before_it_ended() -> None:
    journal = MemoryJournal(hold=True)
    driver = Driver(desk_core(journal, DeskRules()), journal, MarketClock(AT))
    driver.core.start(AT)
    status = Status()
    ended = trio.Event()

    async def run() -> None:
        await driver.run(status)
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        assert not status.is_started
        journal.settle()
        await status.wait_started()
        status.stopping.set()
        await wait_all_tasks_blocked()
        assert not ended.is_set()
        journal.settle()
        await ended.wait()
    assert [row.kind for row in journal.read()] == ["runtime.Started", "runtime.Ended"]


async def test_one_that_failed_leaves_no_end_in_its_journal() -> None:
    journal = MemoryJournal()
    driver = Driver(desk_core(journal, DeskRules()), journal, MarketClock(AT))
    driver.core.start(AT)
    assert driver.core.on_failure is not None
    driver.core.on_failure("orders", "safety", ZeroDivisionError("broken on purpose"))
    with pytest.raises(SafetyFailed):
        await driver.run(Status())
    assert "runtime.Ended" not in [row.kind for row in journal.read()]


class Fragile(CoreActor[int]):
    """Takes notices, and stops for what it is made for: at its timer, or at its first notice."""

    name = "fragile"
    group = "safety"
    inputs = (LeanNotice,)

    def __init__(self, at: type[Any]) -> None:
        self._at = at

    def initial(self) -> int:
        return 0

    def evolve(self, state: int, recorded: Recorded) -> int:
        return state

    def due(self, state: int) -> dict[str, dt.datetime]:
        return {"soon": AT}

    def decide(self, state: int, message: Any, now: dt.datetime, market: Any) -> Decision:
        if isinstance(message, self._at):
            raise ZeroDivisionError("broken on purpose")
        return Decision()


@pytest.mark.parametrize("stops_at", [TimerDue, LeanNotice])
async def test_words_that_an_actor_of_safety_may_not_have_taken_are_not_acknowledged(stops_at: type[Any]) -> None:
    journal, said = MemoryJournal(), list[str]()
    driver = Driver(desk_core(journal, DeskRules(), more=(Fragile(stops_at),)), journal, MarketClock(AT))
    driver.core.start(AT)

    async def tell() -> None:
        notices = [LeanNotice(number, "information", "", "still here") for number in (1, 2)]
        try:
            await driver.durable(await driver.tell(notices))
            said.append("acknowledged")
        except DriverStopped:
            said.append("not acknowledged")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        await wait_all_tasks_blocked()
        with pytest.raises(SafetyFailed):
            await driver.run(Status())
    assert said == ["not acknowledged"]
    # What is told anew need not be taken now, and behind the failure nothing is.
    assert driver.core.statistics()["gateway"].turns == (0 if stops_at is TimerDue else 1)
