"""What is not on disk does not leave, and is in the state all the same."""

from __future__ import annotations

import msgspec

from actors.runtime import (
    MemoryJournal,
)
from tests.runtime.bank import NOW, bank, pay


def test_output_leaves_only_when_its_fact_is_durable_and_only_once() -> None:
    journal = MemoryJournal(hold=True)
    core = bank(journal)
    pay(core, "a", 5)
    pay(core, "b", 6)
    assert core.take_outputs("post") == []
    journal.settle(4)
    assert len(core.take_outputs("post")) == 1
    journal.settle()
    assert len(core.take_outputs("post")) == 1
    assert core.take_outputs("post") == []
    again = bank(journal)
    assert again.take_outputs("post") == []


def test_kill_folds_anew_what_is_durable_and_what_is_not_yet() -> None:
    journal = MemoryJournal(hold=True)
    core = bank(journal)
    pay(core, "a", 5)
    journal.settle()
    pay(core, "b", 6)
    before = msgspec.structs.replace(core.state("ledger"))
    core.kill("ledger", NOW)
    assert core.state("ledger") == before
    assert core.state("ledger").folded == 2
