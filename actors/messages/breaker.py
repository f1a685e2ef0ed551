"""The circuit breaker: levels by effect, its commands and facts."""

from __future__ import annotations

from typing import ClassVar

from actors.runtime import Command, Fact

#: Levels by effect (0 to 5), as the desk names them.
LEVELS = ("normal", "caution", "no-entry", "reduce-only", "flatten", "hard stop")

NO_ENTRY = 2
REDUCE_ONLY = 3
HARD_STOP = 5


class Halt(Command, frozen=True, tag=True):
    """Raise the breaker to `level` (1 to 5). Lowering is a reset."""

    level: int
    reason: str


class StartReset(Command, frozen=True, tag=True):
    """First step of a reset: answers with the words to confirm."""

    reason: str


class ConfirmReset(Command, frozen=True, tag=True):
    """Second step: `phrase` as the first step gave it."""

    phrase: str


class BreakerRaised(Fact, frozen=True, array_like=True):
    """The breaker is at least at `level` from here until the next reset. Any actor or operator may cause it."""

    KIND: ClassVar[str] = "breaker.BreakerRaised"
    level: int
    reason: str
    principal: str


class ResetStarted(Fact, frozen=True, array_like=True):
    """A reset was asked for; it needs its phrase."""

    KIND: ClassVar[str] = "breaker.ResetStarted"
    phrase: str
    reason: str
    principal: str


class BreakerReset(Fact, frozen=True, array_like=True):
    """The breaker is at 0 again."""

    KIND: ClassVar[str] = "breaker.BreakerReset"
    principal: str
    reason: str
