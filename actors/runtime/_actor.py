"""The contract of a core actor: pure functions over messages, folded state, derived timers, gated output."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

import msgspec

from actors.runtime._facts import Command, Decision, Fact, Recorded, Write

State = TypeVar("State")
Group = Literal["safety", "book", "trading", "service"]


class TimerDue(msgspec.Struct, frozen=True):
    """A timer that `due` named has come."""

    key: str


class ViewChanged(msgspec.Struct, frozen=True):
    """The market view has a new number. Only told to actors that declare `views`; never journaled."""

    number: int


class JobDone(msgspec.Struct, frozen=True):
    """The result of CPU-heavy work that an edge ran for this actor."""

    key: str
    result: Any


class Issued(msgspec.Struct, frozen=True):
    """A command as the core hands it to its actor: with its id, who sent it and its number at receipt."""

    id: str
    principal: str
    number: int
    command: Command


class Output(msgspec.Struct, frozen=True):
    """A word for an edge: `to` names the edge ('lean', 'alerts', …)."""

    to: str
    word: Any


class CoreActor(Generic[State]):
    """Base of all core actors. Subclasses are stateless: state is handed in and comes back.

    Class attributes say what the core routes here: `folds` (facts that `evolve` folds), `reacts` (facts that also get
    a turn of `decide`), `commands`, `inputs` (types of other inputs: the words of an edge), `views`, and `releases`
    (facts that `release` turns into output once they are durable).
    """

    name: ClassVar[str]
    group: ClassVar[Group]
    folds: ClassVar[tuple[type[Fact], ...]] = ()
    reacts: ClassVar[tuple[type[Fact], ...]] = ()
    commands: ClassVar[tuple[type[Command], ...]] = ()
    inputs: ClassVar[tuple[type, ...]] = ()
    releases: ClassVar[tuple[type[Fact], ...]] = ()
    views: ClassVar[bool] = False

    def initial(self) -> State:
        """The state before any fact."""
        raise NotImplementedError

    def evolve(self, state: State, recorded: Recorded) -> State:
        """Fold one fact of `folds`. May change `state` in place and return it; called by the core only."""
        return state

    def decide(self, state: State, message: Any, now: dt.datetime, market: Any) -> Decision:
        """Answer one message: `Issued`, `Recorded` of `reacts`, an input, `TimerDue`, `JobDone` or `ViewChanged`.

        Pure: reads `state` and `market`, changes neither. Raises Refusal to refuse a command.
        """
        return Decision()

    def reply(self, issued: Issued, facts: tuple[Recorded, ...]) -> Any:
        """The reply to a command that was taken, from the facts that its decision wrote: so a repeat gets the same."""
        return facts

    def due(self, state: State) -> Mapping[str, dt.datetime]:
        """The timers that this state implies: key to instant. Derived, so that no crash loses one.

        The core asks again only after `state` has folded a fact. A timer that stays in `due` unchanged after its
        turn is not fired again; it must be answered by a fact that moves or removes it.
        """
        return {}

    def release(self, state: State, recorded: Recorded, now: dt.datetime) -> Iterable[Output | Write]:
        """What leaves now that this fact is durable, by the state of now: words for edges, or facts instead."""
        return ()


class Guard(Generic[State]):
    """A rule that the append itself checks, whoever decided: fold of its own, refusal is a programming error."""

    name: ClassVar[str]
    folds: ClassVar[tuple[type[Fact], ...]] = ()

    def initial(self) -> State:
        """The state before any fact."""
        raise NotImplementedError

    def evolve(self, state: State, recorded: Recorded) -> State:
        """Fold one fact of `folds`."""
        return state

    def check(self, state: State, write: Write) -> str | None:
        """Why this write must not be appended now, or None."""
        return None
