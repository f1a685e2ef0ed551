"""Supervisors on a mock clock: restarts, back-off, intensity, kills and the order of the end."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import Backoff, Child, Status, Supervisor, TooManyRestarts

PLAIN = Backoff(first=1.0, most=8.0, jitter=0.0, reset=60.0)


def serving(log: list[str], name: str, linger: float = 0.0) -> Callable[[Status], Awaitable[None]]:
    async def run(status: Status) -> None:
        log.append(f"{name} began")
        status.started()
        try:
            await status.stopping.wait()
            await trio.sleep(linger)
            log.append(f"{name} ended")
        except trio.Cancelled:
            log.append(f"{name} cancelled")
            raise

    return run


def failing(log: list[float], times: int | None = None) -> Callable[[Status], Awaitable[None]]:
    async def run(status: Status) -> None:
        log.append(trio.current_time())
        if times is None or len(log) <= times:
            raise OSError("no route")
        status.started()
        await status.stopping.wait()

    return run


async def test_children_start_in_order_and_stop_in_reverse(autojump_clock: MockClock) -> None:
    log: list[str] = []
    supervisor = Supervisor("edges", [Child(name, serving(log, name)) for name in ("a", "b", "c")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await wait_all_tasks_blocked()
        supervisor.stop()
    assert log == ["a began", "b began", "c began", "c ended", "b ended", "a ended"]


async def test_the_next_child_waits_until_the_one_before_serves(autojump_clock: MockClock) -> None:
    log: list[str] = []

    async def slow(status: Status) -> None:
        await trio.sleep(5)
        log.append("slow serves")
        status.started()
        await status.stopping.wait()

    supervisor = Supervisor("edges", [Child("slow", slow), Child("quick", serving(log, "quick"))])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(6)
        supervisor.stop()
    assert log[:2] == ["slow serves", "quick began"]


async def test_failures_back_off_twice_as_long_each_time_up_to_the_most(autojump_clock: MockClock) -> None:
    starts: list[float] = []
    child = Child("flaky", failing(starts, times=5), backoff=PLAIN)
    supervisor = Supervisor("edges", [child], intensity=10)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(30)
        supervisor.stop()
    assert [round(at - began) for at in starts] == [0, 1, 3, 7, 15, 23]


async def test_the_back_off_begins_anew_after_a_good_while(autojump_clock: MockClock) -> None:
    starts: list[float] = []

    async def works_a_while(status: Status) -> None:
        starts.append(trio.current_time())
        status.started()
        await trio.sleep(100)
        raise OSError("gone")

    supervisor = Supervisor("edges", [Child("x", works_a_while, backoff=PLAIN)], intensity=10, period=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(350)
        supervisor.stop()
    assert [round(later - at) for at, later in itertools.pairwise(starts)] == [101, 101, 101]


async def test_too_many_failures_stop_everything_and_escalate(autojump_clock: MockClock) -> None:
    log: list[str] = []
    starts: list[float] = []
    children = [Child("good", serving(log, "good")), Child("bad", failing(starts), backoff=PLAIN)]
    with pytest.raises(TooManyRestarts, match="4 failures within 60 s, the limit is 3; the last was bad"):
        await Supervisor("edges", children, intensity=3, period=60).run()
    assert log == ["good began", "good cancelled"]


async def test_who_gives_up_before_a_child_serves_is_never_called_started(autojump_clock: MockClock) -> None:
    status = Status()
    with pytest.raises(TooManyRestarts):
        await Supervisor("edges", [Child("bad", failing([]), backoff=PLAIN)], intensity=2).run(status)
    assert not status.is_started


async def test_start_up_that_hangs_counts_as_a_failure(autojump_clock: MockClock) -> None:
    supervisor = Supervisor("edges", [Child("hung", lambda status: trio.sleep_forever(), start_within=2)], intensity=0)
    with pytest.raises(TooManyRestarts, match="did not start within 2 s"):
        await supervisor.run()
    assert "did not start within 2 s" in supervisor.report()[0].last_error


@pytest.mark.parametrize(("restart", "again"), [("permanent", 1), ("transient", 1), ("temporary", 0)])
async def test_a_killed_child_comes_back_by_its_rule(autojump_clock: MockClock, restart: str, again: int) -> None:
    log: list[str] = []
    supervisor = Supervisor("edges", [Child("x", serving(log, "x"), restart=restart, backoff=PLAIN)])  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await wait_all_tasks_blocked()
        supervisor.kill("x")
        await trio.sleep(5)
        report = supervisor.report()[0]
        supervisor.stop()
    assert report.restarts == again
    assert log.count("x began") == 1 + again
    assert "killed" in report.last_error


async def test_a_transient_child_that_returns_stays_ended_and_a_permanent_one_does_not(
    autojump_clock: MockClock,
) -> None:
    runs = {"transient": 0, "permanent": 0}

    def returning(name: str) -> Callable[[Status], Awaitable[None]]:
        async def run(status: Status) -> None:
            runs[name] += 1
            status.started()
            await trio.sleep(1)

        return run

    children = [Child(name, returning(name), restart=name, backoff=PLAIN) for name in runs]  # type: ignore[arg-type]
    supervisor = Supervisor("edges", children, intensity=50)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(8)
        supervisor.stop()
    assert runs["transient"] == 1
    assert runs["permanent"] > 1
    assert "returned, and nobody asked it to" in supervisor.report()[1].last_error


async def test_who_does_not_end_in_its_time_is_cancelled(autojump_clock: MockClock) -> None:
    log: list[str] = []
    children = [Child("quick", serving(log, "quick")), Child("slow", serving(log, "slow", linger=100), deadline=2)]
    supervisor = Supervisor("edges", children)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        supervisor.stop()
    assert trio.current_time() - began == pytest.approx(2)
    assert log[-2:] == ["slow cancelled", "quick ended"]


async def test_supervisors_nest_and_an_escalation_restarts_the_branch(autojump_clock: MockClock) -> None:
    starts: list[float] = []
    child = Child("flaky", failing(starts, times=3), backoff=PLAIN)
    # Each run of the branch bears one failure: it escalates twice, then the child works.
    branch = Child("branch", lambda status: Supervisor("branch", [child], intensity=1).run(status), backoff=PLAIN)
    root = Supervisor("root", [branch], intensity=5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(root.run)
        await trio.sleep(30)
        report = root.report()[0]
        root.stop()
    assert len(starts) == 4
    assert report.state == "running"
    assert report.restarts == 1


async def test_a_stop_while_it_starts_ends_at_once_and_nobody_is_called_started(autojump_clock: MockClock) -> None:
    log: list[str] = []

    async def starts_never(status: Status) -> None:
        log.append("began")
        await status.stopping.wait()
        log.append("stopped")

    async def later(status: Status) -> None:
        log.append("began later")

    supervisor = Supervisor("top", [Child("first", starts_never), Child("second", later)])
    status = Status()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run, status)
        await trio.sleep(1)
        supervisor.stop()
        with trio.fail_after(1):
            while nursery.child_tasks:
                await trio.sleep(0.01)
    assert log == ["began", "stopped"]
    assert not status.is_started
