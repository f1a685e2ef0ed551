"""The core's rules, on a small bank: transfers are wanted, judged by a clerk, and moved by a ledger."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime import (
    ActorFailed,
    Command,
    CommandConflict,
    CommandFailed,
    Core,
    CoreActor,
    Decision,
    Derive,
    Fact,
    FactSkipped,
    Guard,
    GuardRefused,
    Issued,
    MemoryJournal,
    MemoryTape,
    Output,
    Recorded,
    Refusal,
    SkipFact,
    TimerDue,
    ViewChanged,
    Write,
    replay,
)

NOW = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


class Transfer(Command, frozen=True, tag=True):
    payer: str
    payee: str
    amount: int


class Ping(msgspec.Struct, frozen=True):
    text: str


class Wanted(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "bank.Wanted"
    payer: str
    payee: str
    amount: int


class Approved(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "bank.Approved"
    want: int


class Moved(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "bank.Moved"
    payer: str
    payee: str
    amount: int


class Pinged(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "bank.Pinged"
    text: str


class Reminded(Fact, frozen=True, array_like=True):
    KIND: ClassVar[str] = "bank.Reminded"
    who: str


class Wants(msgspec.Struct):
    open: dict[int, tuple[str, str, int]] = msgspec.field(default_factory=dict)


class Balances(msgspec.Struct):
    accounts: dict[str, int] = msgspec.field(default_factory=dict)
    folded: int = 0


class Desk(CoreActor[Wants]):
    """Takes transfers and asks for approval by recording them."""

    name, group = "desk", "trading"
    commands, folds = (Transfer,), (Wanted, Approved)

    def initial(self) -> Wants:
        return Wants()

    def evolve(self, state: Wants, recorded: Recorded) -> Wants:
        match recorded.fact:
            case Wanted(payer=payer, payee=payee, amount=amount):
                state.open[recorded.seq] = (payer, payee, amount)
            case Approved(want=want):
                state.open.pop(want, None)
        return state

    def decide(self, state: Wants, message: Any, now: dt.datetime, market: Any) -> Decision:
        assert isinstance(message, Issued)
        command = message.command
        assert isinstance(command, Transfer)
        if command.amount == 13:
            raise RuntimeError("thirteen")
        if command.amount <= 0:
            raise Refusal("invalid", f"amount {command.amount} must be above 0")
        wanted = Wanted(command.payer, command.payee, command.amount)
        return Decision((Write(f"account/{command.payer}", wanted),))

    def reply(self, issued: Issued, facts: tuple[Recorded, ...]) -> Any:
        return ("taken", facts[0].seq)


class Clerk(CoreActor[Wants]):
    """Approves everything but fails on an amount of 66, for good."""

    name, group = "clerk", "safety"
    folds, reacts, releases = (Approved,), (Wanted,), (Approved,)

    def initial(self) -> Wants:
        return Wants()

    def evolve(self, state: Wants, recorded: Recorded) -> Wants:
        assert isinstance(recorded.fact, Approved)
        state.open[recorded.fact.want] = ("", "", 0)
        return state

    def decide(self, state: Wants, message: Any, now: dt.datetime, market: Any) -> Decision:
        fact = message.fact
        if fact.amount == 66:
            raise RuntimeError("sixty-six")
        return Decision(
            (Write("clerk", Approved(message.seq)), Write("ledger", Moved(fact.payer, fact.payee, fact.amount)))
        )

    def release(self, state: Wants, recorded: Recorded, now: dt.datetime):
        assert isinstance(recorded.fact, Approved)
        return (Output("post", recorded.fact.want),)


class Ledger(CoreActor[Balances]):
    """Folds what moved; its fold breaks on an amount of 99."""

    name, group = "ledger", "book"
    folds, inputs = (Moved, Pinged), (Ping,)

    def initial(self) -> Balances:
        return Balances()

    def evolve(self, state: Balances, recorded: Recorded) -> Balances:
        state.folded += 1
        if isinstance(recorded.fact, Moved):
            moved = recorded.fact
            if moved.amount == 99:
                raise RuntimeError("ninety-nine")
            state.accounts[moved.payer] = state.accounts.get(moved.payer, 0) - moved.amount
            state.accounts[moved.payee] = state.accounts.get(moved.payee, 0) + moved.amount
        return state

    def decide(self, state: Balances, message: Any, now: dt.datetime, market: Any) -> Decision:
        if message.text == "rubbish":
            raise ValueError("can't read it")
        return Decision((Write("ledger", Pinged(message.text)),))

    def unreadable(self, state: Balances, word: Any, error: Exception) -> Write:
        return Write("ledger", Pinged(f"unreadable: {word.text}"))


class NoSelfTransfer(Guard[int]):
    """A rule of the append itself."""

    name = "no-self"

    def initial(self) -> int:
        return 0

    def check(self, state: int, write: Write) -> str | None:
        if isinstance(write.fact, Moved) and write.fact.payer == write.fact.payee:
            return f"{write.fact.payer} would pay itself"
        return None


def bank(journal: MemoryJournal | None = None, **options: Any) -> Core:
    core = Core([Desk(), Clerk(), Ledger()], journal or MemoryJournal(), guards=(NoSelfTransfer(),), **options)
    core.start(NOW)
    return core


def pay(core: Core, id: str, amount: int, payer: str = "anna", payee: str = "bert"):
    return core.command(id, "test", Transfer(payer, payee, amount), NOW)


def kinds(core: Core) -> list[str]:
    return [row.kind.partition(".")[2] for row in core._journal.read()]


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


def test_a_failing_reaction_stops_its_actor_and_nothing_is_skipped() -> None:
    failures: list[tuple[str, str]] = []
    core = bank(on_failure=lambda actor, group, error: failures.append((actor, group)))
    pay(core, "a", 5)
    pay(core, "b", 66)
    pay(core, "c", 7)
    assert failures == [("clerk", "safety")]
    (stopped,) = (row for row in core._journal.read() if row.kind == ActorFailed.KIND)
    failed = core.decode(stopped).fact
    assert isinstance(failed, ActorFailed)
    assert core.state("ledger").accounts == {"anna": -5, "bert": 5}
    with pytest.raises(Refusal, match="did not stop"):
        core.command("s0", "operator", SkipFact("clerk", failed.seq + 1, "looked at it"), NOW)
    with pytest.raises(Refusal, match="reason"):
        core.command("s1", "operator", SkipFact("clerk", failed.seq, ""), NOW)
    core.command("s2", "operator", SkipFact("clerk", failed.seq, "looked at it"), NOW)
    assert core.failed() == {}
    assert core.state("ledger").accounts == {"anna": -12, "bert": 12}
    assert "FactSkipped" in kinds(core)


def test_a_fold_that_breaks_stops_its_own_actor_and_not_the_appender() -> None:
    core = bank()
    pay(core, "a", 99)
    assert kinds(core)[-2:] == ["Moved", "ActorFailed"]
    assert core.failed() == {"ledger": core.seq - 1}
    pay(core, "b", 5)
    assert core.state("clerk").open


def test_a_word_that_can_not_be_decided_is_kept_raw() -> None:
    core = bank()
    core.tell(Ping("rubbish"), NOW)
    core.tell(Ping("hello"), NOW)
    assert core.failed() == {}
    texts = [core.decode(row).fact for row in core._journal.read() if row.kind == Pinged.KIND]
    assert texts == [Pinged("unreadable: rubbish"), Pinged("hello")]
    with pytest.raises(TypeError):
        core.tell("nobody takes a text", NOW)


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


def test_every_declared_command_has_one_owner() -> None:
    with pytest.raises(ValueError, match="belongs to desk already"):
        Core([Desk(), _Second()], MemoryJournal())


class _Second(Desk):
    name = "second"


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
        fresh = Core([Desk(), Clerk(), Ledger()], _copy(journal, core))
        fresh.start(NOW)
        for name in ("desk", "clerk", "ledger"):
            assert fresh.state(name) == core.state(name), f"{name} after move {number}"
    return taken, left


def _copy(journal: MemoryJournal, core: Core) -> MemoryJournal:
    """The journal as if all that was appended were on disk."""
    whole = MemoryJournal()
    whole._rows, whole._durable, whole._chain = list(journal._rows), len(journal._rows), journal._chain
    for row in whole._rows:
        whole._versions[row.stream] = row.version
    return whole


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


def test_guard_refused_is_a_programming_error_of_a_reaction_too() -> None:
    core = bank()
    core.command("a", "test", Transfer("anna", "anna", 5), NOW)
    assert "clerk" in core.failed()
    assert GuardRefused.__name__ in core.decode(list(core._journal.read())[-1]).fact.error  # type: ignore[attr-defined]
