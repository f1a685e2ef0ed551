"""A client's key makes one order: repeated, altered, its answer lost on the way or the daemon gone meanwhile."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.runtime import MemoryJournal
from tests.api.house import House, house
from tests.api.kit import CONDOR

ORDER: dict[str, Any] = {"order_id": "mine", **CONDOR}


def queued(journal: MemoryJournal, order_id: str) -> int:
    """How often the journal has this order queued."""
    return sum(row.kind == "orders.OrderQueued" and row.stream == f"order/{order_id}" for row in journal.read())


async def test_a_repeated_key_is_the_same_order_and_an_altered_body_a_conflict() -> None:
    journal = MemoryJournal()
    async with house(journal=journal) as served:
        assert (await served.ask("POST", "/api/v1/orders", json=ORDER)).status_code == 201
        again = await served.ask("POST", "/api/v1/orders", json=ORDER)
        assert (again.status_code, again.headers["location"]) == (200, "/api/v1/orders/mine")
        for change in ({"quantity": 2}, {"limit_price": "-5.45"}, {"legs": list(reversed(CONDOR["legs"]))}):  # type: ignore[call-overload]
            altered = await served.ask("POST", "/api/v1/orders", json={**ORDER, **change})
            assert (altered.status_code, altered.json()["code"]) == (409, "conflict")
    assert queued(journal, "mine") == 1


async def test_a_commands_own_key_gives_it_once_and_conflicts_with_another() -> None:
    journal = MemoryJournal()
    async with house(journal=journal) as served:
        key = {"idempotency-key": "out-now"}
        for _ in range(3):
            body = {"level": 2, "reason": "lunch"}
            halted = await served.ask("POST", "/api/v1/breaker/halt", json=body, headers=key)
            assert (halted.status_code, halted.json()["level"]) == (200, 2)
        body = {"level": 3, "reason": "lunch"}
        other = await served.ask("POST", "/api/v1/breaker/halt", json=body, headers=key)
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        long = await served.ask("POST", "/api/v1/breaker/halt", json=body, headers={"idempotency-key": "x" * 101})
        assert (long.status_code, long.json()["code"]) == (422, "invalid")
    assert sum(row.kind == "breaker.BreakerRaised" for row in journal.read()) == 1


async def test_many_at_once_under_one_key_make_one_order() -> None:
    journal = MemoryJournal()
    async with house(journal=journal) as served:
        statuses: list[int] = []

        async def submit() -> None:
            statuses.append((await served.ask("POST", "/api/v1/orders", json=ORDER)).status_code)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(submit)
        assert sorted(statuses) == [200] * 19 + [201]
    assert queued(journal, "mine") == 1


async def test_a_lost_answer_and_a_retry_make_one_order() -> None:
    """The client leaves at each moment between its first byte and the answer, and asks again with the same key."""
    journal = MemoryJournal()
    async with house(journal=journal, requests_per_second=1e6, burst=10**6) as served:
        lost, taken = 0, 0
        for number in range(60):
            body = {**ORDER, "order_id": f"lost-{number}", "allow_netting": True}
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_leave_after, scope, number % 10)
                    await served.ask("POST", "/api/v1/orders", json=body)
                    nursery.cancel_scope.cancel()
            lost += scope.cancelled_caught
            taken += scope.cancelled_caught and queued(journal, f"lost-{number}")
            answer = await served.ask("POST", "/api/v1/orders", json=body)
            assert answer.status_code in (200, 201), answer.text
            assert queued(journal, f"lost-{number}") == 1
        print(f"{lost} of 60 answers lost on the way, {taken} of them of orders that were taken")
        assert taken > 5


async def _leave_after(scope: trio.CancelScope, steps: int) -> None:
    for _ in range(steps):
        await trio.lowlevel.checkpoint()
    scope.cancel()


@pytest.mark.parametrize(("reached", "status"), [(True, 200), (False, 201)])
async def test_a_daemon_that_ends_says_that_it_does_not_know_and_the_key_asks_again(reached: bool, status: int) -> None:
    """Whether the order came to the disk or not before the end, the same key asks for one order."""
    journal = MemoryJournal(hold=True)
    answers: list[httpx.Response] = []

    async def submit(served: House) -> None:
        answers.append(await served.ask("POST", "/api/v1/orders", json=ORDER))

    async with trio.open_nursery() as nursery, house(journal=journal) as served:
        nursery.start_soon(submit, served)
        await wait_all_tasks_blocked()
        assert answers == []
        assert served.driver.core.state("orders").table.get("mine") is not None
        seen = await served.ask("GET", "/api/v1/orders/mine")
        assert seen.status_code == 404, "what is not on disk is not shown"
    assert (answers[0].status_code, answers[0].json()["code"]) == (503, "outcome_unknown")
    assert "ask again with the same id" in answers[0].json()["detail"]
    if reached:
        journal.settle()
    else:
        journal.lose()
    async with house(journal=journal) as served, trio.open_nursery() as nursery:
        nursery.start_soon(submit, served)
        await wait_all_tasks_blocked()
        journal.settle()
    assert answers[1].status_code == status
    assert queued(journal, "mine") == 1
