"""The kernel's own words: facts about actors and starts, the commands that answer them, errors, telemetry."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from actors.runtime._facts import Command, Fact, Refusal


class Started(Fact, frozen=True, array_like=True):
    """A core began here: the head it found."""

    KIND: ClassVar[str] = "runtime.Started"
    HOST: ClassVar[bool] = True
    head: int
    chain: bytes


class Ended(Fact, frozen=True, array_like=True):
    """A core ended here because it was asked to: the start after it is nobody's crash."""

    KIND: ClassVar[str] = "runtime.Ended"
    HOST: ClassVar[bool] = True


class ActorFailed(Fact, frozen=True, array_like=True):
    """An actor raised on something it must handle, and stopped. `seq` is the fact it failed on, 0 for an input."""

    KIND: ClassVar[str] = "runtime.ActorFailed"
    actor: str
    seq: int
    error: str
    #: The oldest fact that waits for a turn of this actor; 0 for none.
    waits_from: int = 0
    #: It is the fold that broke, not a decision.
    folding: bool = False


class ActorResumed(Fact, frozen=True, array_like=True):
    """An actor that had stopped was folded anew and goes on where it stopped; nothing was skipped."""

    KIND: ClassVar[str] = "runtime.ActorResumed"
    HOST: ClassVar[bool] = True
    actor: str


class FactSkipped(Fact, frozen=True, array_like=True):
    """An operator signed a stopped actor past what it failed on."""

    KIND: ClassVar[str] = "runtime.FactSkipped"
    actor: str
    seq: int
    reason: str
    principal: str
    folding: bool = False


class SkipFact(Command, frozen=True, tag=True):
    """Let a stopped actor go on past what it failed on."""

    actor: str
    seq: int
    reason: str


class GuardRefused(Exception):
    """A write that a guard forbids: a programming error in `decide`. Nothing of that decision was appended."""


class CommandConflict(Refusal):
    """The command id was used before with another body."""


class CommandFailed(Exception):
    """The actor raised while deciding a command: nothing was recorded, and the command is among the dead letters."""


class CoreFailed(Exception):
    """The journal or a guard's fold failed: the core takes nothing any more, and what rested on it is not said."""


class UnknownKind(Exception):
    """The journal holds a kind of fact that this core does not know: it was written by other code."""


class Busy(Exception):
    """The lane of commands is full: try again. Nothing was lost, for nothing was taken."""


class Answer(msgspec.Struct, frozen=True):
    """The reply to a command. Nobody may be told before `seq` is durable."""

    reply: Any
    seq: int
    repeated: bool = False


class DeadLetter(msgspec.Struct, frozen=True):
    """A command that no actor could decide, and why."""

    id: str
    principal: str
    command: Command
    error: str


class Telemetry(msgspec.Struct):
    """What an actor did so far: turns, seconds in them, failures, turns above 50 ms, and the last fact it folded."""

    turns: int = 0
    seconds: float = 0.0
    failures: int = 0
    slow: int = 0
    last_seq: int = 0
