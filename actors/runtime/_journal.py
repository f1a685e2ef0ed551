"""The journal as the core sees it: rows, batches and one protocol. Implementations live with whoever runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One fact as stored. `at` is market time (aware UTC), `body` the msgpack of the fact, `host` keeps it out of the
    journal hash. `subject` is the part of `kind` before the dot."""

    seq: int
    stream: str
    version: int
    at: dt.datetime
    kind: str
    schema: int
    cause: int
    body: bytes
    host: bool = False

    @property
    def subject(self) -> str:
        """What the fact is about: 'orders' of 'orders.OrderQueued'."""
        return self.kind.partition(".")[0]


class CommandRow(msgspec.Struct, frozen=True, array_like=True):
    """A command that was taken: digest of its body, and the facts it led to (first..last, inclusive; 0, 0 for none)."""

    id: str
    digest: bytes
    principal: str
    first: int
    last: int


class Batch(msgspec.Struct, frozen=True):
    """Everything that one input led to: committed together or not at all. Rows are numbered without gaps."""

    rows: tuple[Row, ...]
    command: CommandRow | None = None


def check_time(row: Row) -> None:
    """Raise JournalConflict unless the row's time is aware UTC: any other reads back as another row."""
    if row.at.utcoffset() != dt.timedelta(0) or row.at.tzname() != "UTC":
        raise JournalConflict(f"row {row.seq} has the time {row.at.isoformat()}, which is not aware utc")


class Head(msgspec.Struct, frozen=True):
    """Where the journal ends: highest sequence (0 when empty) and the chain hash there."""

    seq: int
    chain: bytes


class JournalError(Exception):
    """Base of all journal failures. After one nothing more is confirmed."""


class JournalFull(JournalError):
    """The disk is full: the batch is not on it."""


class JournalReadOnly(JournalError):
    """The file or its folder can't be written."""


class JournalCorrupt(JournalError):
    """A page or row is not what was written; the message names the first bad sequence and the last good one."""


class JournalLocked(JournalError):
    """Another process has this journal; the message names it."""


class JournalConflict(JournalError):
    """A batch does not follow the head, or a stream's version is taken: a second writer or a programming error."""


class Journal(Protocol):
    """An append-only log of facts and commands. One writer; `append` never blocks on the disk when live.

    An empty batch is taken too and brings a write of its own to the disk: that is how one asks whether it still takes.

    `append` checks that the batch follows the head and queues it; `durable_seq` rises once it is on disk, and
    `on_durable(seq)` is then called (in lock-step: before `append` returns; live: from the writer thread).
    A failed write is fatal: the journal refuses everything after it, `failure` holds the error, and `on_failure(error)`
    is called from where it failed.
    """

    on_durable: Callable[[int], None] | None
    on_failure: Callable[[JournalError], None] | None

    @property
    def durable_seq(self) -> int:
        """Highest sequence known to be on disk."""
        ...

    @property
    def failure(self) -> JournalError | None:
        """What ended this journal, or None."""
        ...

    @property
    def batches(self) -> int:
        """Batches appended since it was opened, durable or not."""
        ...

    @property
    def durable_batches(self) -> int:
        """Batches of those that are on disk: tells of a batch that holds no fact, which `durable_seq` does not."""
        ...

    def head(self) -> Head:
        """The end of what was appended, durable or not."""
        ...

    def append(self, batch: Batch) -> None:
        """Take one batch. Raises JournalConflict, or the earlier failure."""
        ...

    def read(self, after: int = 0, limit: int | None = None) -> Iterator[Row]:
        """Durable rows with seq > after, in order."""
        ...

    def read_stream(self, stream: str, after: int = 0) -> Iterator[Row]:
        """Durable rows of one stream with version > after, in order."""
        ...

    def command(self, id: str) -> CommandRow | None:
        """The durable command of this id, if it was taken."""
        ...

    def commands(self) -> Iterator[CommandRow]:
        """All durable commands, in the order in which they were taken."""
        ...

    def close(self) -> None:
        """Write what waits, sync, release the lock. Idempotent."""
        ...
