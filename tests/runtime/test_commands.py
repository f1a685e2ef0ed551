"""Commands: one batch with all reactions, no trace of a refusal, the same answer to a repeat."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from actors.runtime import (
    CommandConflict,
    CommandFailed,
    Core,
    Decision,
    MemoryJournal,
    Refusal,
    Write,
)
from tests.runtime.bank import Desk, Moved, Transfer, Wants, bank, kinds, pay


def test_a_command_and_all_its_reactions_are_one_batch() -> None:
    journal = MemoryJournal(hold=True)
    core = bank(journal)
    answer = pay(core, "a", 5)
    assert core.state("ledger").accounts == {"anna": -5, "bert": 5}
    assert answer.seq == core.seq
    journal.lose()
    assert list(journal.read()) == []
    assert list(journal.commands()) == []


def test_a_refusal_leaves_no_trace_and_its_id_stays_free() -> None:
    core = bank()
    before = core.seq
    with pytest.raises(Refusal, match="above 0"):
        pay(core, "a", 0)
    assert core.seq == before
    assert pay(core, "a", 5).repeated is False


def test_a_repeat_gets_the_same_reply_after_a_restart_too_and_another_body_a_conflict() -> None:
    journal = MemoryJournal()
    core = bank(journal)
    first = pay(core, "a", 5)
    again = bank(journal)
    repeat = pay(again, "a", 5)
    assert (repeat.reply, repeat.repeated) == (first.reply, True)
    assert again.state("ledger").accounts == {"anna": -5, "bert": 5}
    with pytest.raises(CommandConflict):
        pay(again, "a", 6)


def test_a_guard_refuses_all_writes_of_a_decision_or_none() -> None:
    core = bank()
    core._routes.owners[Transfer].actor = _SelfDealing()
    with pytest.raises(CommandFailed):
        pay(core, "a", 5)
    assert kinds(core) == ["Started"]
    assert core.dead_letters[0].id == "a"


class _SelfDealing(Desk):
    def decide(self, state: Wants, message: Any, now: dt.datetime, market: Any) -> Decision:
        return Decision((Write("ledger", Moved("anna", "bert", 1)), Write("ledger", Moved("anna", "anna", 1))))


def test_a_decide_that_raises_on_a_command_records_nothing_and_leaves_a_dead_letter() -> None:
    core = bank()
    before = core.seq
    with pytest.raises(CommandFailed, match="thirteen"):
        pay(core, "a", 13)
    assert core.seq == before
    assert [letter.id for letter in core.dead_letters] == ["a"]
    assert core.failed() == {}
    pay(core, "b", 5)


def test_only_the_latest_dead_letters_and_slow_turns_are_kept() -> None:
    seconds = iter(range(10_000))
    core = bank(elapsed=lambda: float(next(seconds)))
    for number in range(1001):
        with pytest.raises(CommandFailed):
            pay(core, str(number), 13)
    assert (len(core.dead_letters), len(core.slow_turns)) == (1000, 1000)
    assert (core.dead_letters[0].id, core.dead_letters[-1].id) == ("1", "1000")
    assert core.statistics()["desk"].slow == 1001


def test_every_declared_command_has_one_owner() -> None:
    with pytest.raises(ValueError, match="belongs to desk already"):
        Core([Desk(), _Second()], MemoryJournal())


class _Second(Desk):
    name = "second"
