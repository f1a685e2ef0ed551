"""A journal in memory: for tests and for replays whose journal nobody keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import msgspec

from actors.runtime._journal import Batch, CommandRow, Head, JournalConflict, JournalError, Row, check_time

#: What the chain starts from.
GENESIS = bytes(32)

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def link(chain: bytes, row: Row) -> bytes:
    """The chain after a row: SHA-256 of the chain before it and of every column of the row."""
    at = row.at.isoformat()
    columns = (row.seq, row.stream, row.version, at, row.kind, row.schema, row.cause, row.body, row.host)
    return hashlib.sha256(chain + _encode(columns)).digest()


class MemoryJournal:
    """The journal protocol over lists. With `hold`, nothing is durable until `settle` says so, as on a slow disk."""

    def __init__(self, *, hold: bool = False) -> None:
        self.on_durable: Callable[[int], None] | None = None
        self.on_failure: Callable[[JournalError], None] | None = None
        self._hold = hold
        self._rows: list[Row] = []
        self._versions: dict[str, int] = {}
        self._commands: list[tuple[CommandRow, int]] = []
        self._by_id: dict[str, CommandRow] = {}
        self._chain = GENESIS
        self._durable = 0
        self._failure: JournalError | None = None
        self.batches = 0
        self.durable_batches = 0
        self._ends: list[int] = []

    @property
    def durable_seq(self) -> int:
        return self._durable

    @property
    def failure(self) -> JournalError | None:
        return self._failure

    def head(self) -> Head:
        return Head(len(self._rows), self._chain)

    def append(self, batch: Batch) -> None:
        if self._failure is not None:
            raise self._failure
        expected, versions = len(self._rows), dict[str, int]()
        for row in batch.rows:
            expected += 1
            version = versions.get(row.stream, self._versions.get(row.stream, 0)) + 1
            check_time(row)
            if row.seq != expected:
                raise JournalConflict(f"row {row.seq} does not follow {expected - 1}")
            if row.version != version:
                raise JournalConflict(f"version {row.version} of {row.stream} does not follow {version - 1}")
            versions[row.stream] = version
        if batch.command is not None and batch.command.id in self._by_id:
            raise JournalConflict(f"command {batch.command.id} was taken before")
        for row in batch.rows:
            self._chain = link(self._chain, row)
        self._rows += batch.rows
        self._versions.update(versions)
        if batch.command is not None:
            self._commands.append((batch.command, len(self._rows)))
            self._by_id[batch.command.id] = batch.command
        self.batches += 1
        self._ends.append(len(self._rows))
        if not self._hold:
            self.settle(len(self._rows))

    def settle(self, seq: int | None = None) -> None:
        """Make everything up to `seq` durable (None: all)."""
        self._durable = max(self._durable, min(len(self._rows), len(self._rows) if seq is None else seq))
        while self.durable_batches < self.batches and self._ends[0] <= self._durable:
            self._ends.pop(0)
            self.durable_batches += 1
        if self.on_durable is not None:
            self.on_durable(self._durable)

    def lose(self) -> None:
        """Forget what is not durable, as a crash does."""
        self._rows = self._rows[: self._durable]
        self.batches -= len(self._ends)
        self._ends = []
        self._versions = {}
        self._chain = GENESIS
        for row in self._rows:
            self._versions[row.stream] = row.version
            self._chain = link(self._chain, row)
        self._commands = [(row, seq) for row, seq in self._commands if seq <= self._durable]
        self._by_id = {row.id: row for row, _ in self._commands}

    def fail(self, error: JournalError) -> None:
        """Refuse everything from here with this error."""
        self._failure = error
        if self.on_failure is not None:
            self.on_failure(error)

    def read(self, after: int = 0, limit: int | None = None) -> Iterator[Row]:
        end = self._durable if limit is None else min(self._durable, after + limit)
        yield from self._rows[after:end]

    def read_stream(self, stream: str, after: int = 0) -> Iterator[Row]:
        for row in self._rows[: self._durable]:
            if row.stream == stream and row.version > after:
                yield row

    def command(self, id: str) -> CommandRow | None:
        row = self._by_id.get(id)
        return row if row is not None and any(row is one for one in self.commands()) else None

    def commands(self) -> Iterator[CommandRow]:
        yield from (row for row, seq in self._commands if seq <= self._durable)

    def close(self) -> None:
        if self._failure is None:
            self.settle()
