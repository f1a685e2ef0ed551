"""A small bank for the core's tests: transfers are wanted, judged by a clerk, and moved by a ledger."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

import msgspec

from actors.runtime import (
    Command,
    Core,
    CoreActor,
    Decision,
    Fact,
    Guard,
    Issued,
    MemoryJournal,
    Output,
    Recorded,
    Refusal,
    Write,
)

NOW = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)


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
