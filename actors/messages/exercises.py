"""Exercises of long contracts: asked for, sent, and what became of them. Orders are in `orders`."""

from __future__ import annotations

from typing import ClassVar, Literal

from actors.messages.common import Origin
from actors.runtime import Command, Fact


class ExerciseContracts(Command, frozen=True, tag=True):
    """Exercise `quantity` long contracts of `symbol`."""

    exercise_id: str
    symbol: str
    quantity: int
    tag: str = ""


class ExerciseRequested(Fact, frozen=True, array_like=True):
    """Somebody wants long contracts exercised."""

    KIND: ClassVar[str] = "orders.ExerciseRequested"
    exercise_id: str
    symbol: str
    quantity: int
    principal: str
    tag: str = ""


class ExerciseSent(Fact, frozen=True, array_like=True):
    """The exercise goes to LEAN."""

    KIND: ClassVar[str] = "orders.ExerciseSent"
    exercise_id: str
    symbol: str
    quantity: int
    session: int
    tag: str = ""


class ExerciseReturned(Fact, frozen=True, array_like=True):
    """What LEAN answered to the exercise; the executions come as facts of their own."""

    KIND: ClassVar[str] = "orders.ExerciseReturned"
    exercise_id: str
    origin: Origin
    accepted: bool
    reason: str


class ExerciseUnknown(Fact, frozen=True, array_like=True):
    """The session that was to exercise died without an answer. It is not asked again; only proof ends this."""

    KIND: ClassVar[str] = "orders.ExerciseUnknown"
    exercise_id: str
    reason: str
    origin: Origin


class ExerciseSettled(Fact, frozen=True, array_like=True):
    """Proof of what became of an exercise that a dead session did not answer, and how it is known."""

    KIND: ClassVar[str] = "orders.ExerciseSettled"
    exercise_id: str
    outcome: Literal["exercised", "not_exercised"]
    reason: str
    origin: Origin
