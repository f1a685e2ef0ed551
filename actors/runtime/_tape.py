"""The tape: every input as the core consumed it. Replaying one gives the same journal; where it is kept is the
edge's."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from actors.runtime._core import Core


class Entry(msgspec.Struct, frozen=True):
    """One input: its lane, its number at receipt, the `now` of its cascade, and what it was."""

    lane: str
    number: int
    now: dt.datetime
    content: Any


class Tape(Protocol):
    """Takes entries in order."""

    def append(self, entry: Entry) -> None:
        """Take the next entry; it is on disk before the batch it led to."""
        ...


class MemoryTape:
    """A tape that is a list."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def append(self, entry: Entry) -> None:
        """Take the next entry."""
        self.entries.append(entry)


def replay(entries: list[Entry], core: Core) -> None:
    """Put the entries into a started core, as they were consumed."""
    from actors.runtime._facts import Refusal
    from actors.runtime._words import CommandFailed

    for entry in entries:
        match entry.lane:
            case "command":
                issued = entry.content
                with contextlib.suppress(Refusal, CommandFailed):
                    core.command(issued.id, issued.principal, issued.command, entry.now, issued.number)
            case "word":
                core.tell(entry.content, entry.now, entry.number)
            case "view":
                core.view(entry.content, entry.now)
            case "timer":
                core.fire(*entry.content)
            case "job":
                core.job(entry.content[0], entry.content[1], entry.now)
            case "kill":
                core.kill(entry.content, entry.now)
            case "end":
                core.end(entry.now)
            case "durable":
                core.release(entry.now, entry.content)
            case lane:
                raise ValueError(f"unknown lane {lane!r} on the tape")
