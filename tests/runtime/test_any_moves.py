"""Any moves and any interleaving: state is the refold, nothing is lost or said early, the tape makes the same rows."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime import (
    CommandFailed,
    Core,
    FactSkipped,
    MemoryJournal,
    MemoryTape,
    Refusal,
    SkipFact,
    replay,
)
from actors.runtime.testing import truncated
from tests.runtime.bank import NOW, Approved, Clerk, Desk, Ledger, Transfer, Wanted, bank

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("pay"), st.integers(-1, 20), st.sampled_from("abc"), st.sampled_from("abc")),
        st.tuples(st.just("fail"), st.just(66), st.sampled_from("abc"), st.sampled_from("abc")),
        st.tuples(st.just("skip"), st.just(0), st.just(""), st.just("")),
        st.tuples(st.just("kill"), st.just(0), st.sampled_from(["desk", "clerk", "ledger"]), st.just("")),
        st.tuples(st.just("settle"), st.integers(0, 200), st.just(""), st.just("")),
    ),
    max_size=40,
)


def _play(core: Core, journal: MemoryJournal, moves: list[tuple[str, int, str, str]]) -> tuple[int, list[int]]:
    taken, left = 0, list[int]()
    for number, (what, amount, first, second) in enumerate(moves):
        if what in ("pay", "fail"):
            if first == second:
                continue
            try:
                core.command(f"c{number}", "test", Transfer(first, second, amount), NOW)
                taken += 1
            except (Refusal, CommandFailed):
                pass
        elif what == "skip" and "clerk" in core.failed():
            core.command(f"c{number}", "operator", SkipFact("clerk", core.failed()["clerk"], "go on"), NOW)
        elif what == "kill":
            core.kill(first, NOW)
        elif what == "settle":
            journal.settle(min(core.seq, journal.durable_seq + amount))
        outputs = core.take_outputs("post")
        durable = {row.seq for row in journal.read()}
        for want in outputs:
            assert want in durable, "nothing leaves that is not on disk"
        left += outputs
        fresh = Core([Desk(), Clerk(), Ledger()], truncated(journal, journal.head().seq))
        fresh.start(NOW)
        for name in ("desk", "clerk", "ledger"):
            assert fresh.state(name) == core.state(name), f"{name} after move {number}"
    return taken, left


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_state_is_the_refold_after_every_input_and_nothing_is_lost_or_said_early(moves) -> None:
    journal = MemoryJournal(hold=True)
    core = bank(journal)
    taken, left = _play(core, journal, moves)
    journal.settle()
    left += core.take_outputs("post")
    facts = [core.decode(row).fact for row in journal.read()]
    wanted = [seq for seq, fact in enumerate(facts, start=1) if isinstance(fact, Wanted)]
    approved = [fact.want for fact in facts if isinstance(fact, Approved)]
    skipped = [fact.seq for fact in facts if isinstance(fact, FactSkipped)]
    waiting = [recorded.seq for recorded in core._cells["clerk"].backlog]
    assert sorted(approved + skipped + waiting) == wanted, "each fact is handled, skipped by hand, or waits"
    assert sorted(left) == sorted(approved)
    assert len(wanted) == taken
    assert sum(core.state("ledger").accounts.values()) == 0


@settings(max_examples=30, deadline=None)
@given(MOVES, st.integers(0, 10_000))
def test_another_interleaving_ends_with_the_same_balances(moves, seed: int) -> None:
    moves = [move for move in moves if move[0] == "pay"]
    plain, mixed = bank(), bank(pick=random.Random(seed).randrange)
    for core in (plain, mixed):
        _play(core, core._journal, moves)  # type: ignore[arg-type]
    assert plain.state("ledger").accounts == mixed.state("ledger").accounts


@settings(max_examples=30, deadline=None)
@given(MOVES)
def test_the_tape_makes_the_same_rows_again(moves) -> None:
    journal, tape = MemoryJournal(hold=True), MemoryTape()
    core = bank(journal, tape=tape)
    _play(core, journal, [move for move in moves if move[0] != "settle"])
    journal.settle()
    again = MemoryJournal()
    replay(tape.entries, bank(again))
    assert list(again.read()) == list(journal.read())
