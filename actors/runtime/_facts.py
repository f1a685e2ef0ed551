"""What is recorded: facts, the streams they go to, and the record that subscribers fold. No trading words here."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar, Self

import msgspec


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """Something that happened, append-only. Fields are only ever added at the end, with defaults.

    `KIND` names it in the journal ('orders.OrderQueued'), `SCHEMA` counts the versions of its body, `HOST` marks
    facts about this machine (sessions, starts, kills), which the journal hash leaves out.
    """

    KIND: ClassVar[str] = ""
    SCHEMA: ClassVar[int] = 1
    HOST: ClassVar[bool] = False

    @classmethod
    def upcast(cls, schema: int, body: bytes) -> Self:
        """A fact of this kind from a body of an older schema. Kinds that changed override it."""
        raise ValueError(f"{cls.KIND} has schema {cls.SCHEMA} and can't read schema {schema}")


class Command(msgspec.Struct, frozen=True):
    """Something that somebody outside wants done; it comes with an id and a principal (see `Issued`)."""


class Write(msgspec.Struct, frozen=True):
    """One fact for one stream, proposed by a decision."""

    stream: str
    fact: Fact


class Recorded(msgspec.Struct, frozen=True):
    """A fact as the journal holds it: what every subscriber folds, live and in recovery alike.

    `seq` counts over the whole journal from 1, `version` within `stream` from 1, `at` is market time, `cause` is the
    sequence number of the fact that this one reacts to (0 when it answers an input from outside).
    """

    seq: int
    stream: str
    version: int
    at: dt.datetime
    cause: int
    fact: Fact


class Decision(msgspec.Struct, frozen=True):
    """What a turn wants: facts to append, all or none."""

    writes: tuple[Write, ...] = ()


class Refusal(Exception):
    """A command that can't be taken: `code` is one word for machines, the message a lower-case fact for people.

    It leaves no trace in the journal, so the same command id may be used again.
    """

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
