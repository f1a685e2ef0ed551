"""The journal in one SQLite file: WAL, full sync, one writer. Live it writes from a thread of its own, else inline.

Nothing is confirmed that is not on disk; after a failed write or sync nothing more is taken.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from actors.runtime import Batch, CommandRow, Head, JournalConflict, JournalError, Row, check_time, link
from daemon.journal._errors import ending, named
from daemon.journal._file import connect, lock, open_head
from daemon.journal._rows import COLUMNS, PULSE, columns_of, insert, row_of

#: Batches that one sync may cover.
MOST_BATCHES = 512


class SqliteJournal:
    """The journal protocol over a file. `path.lock` is held for its whole life.

    `live`: a writer thread takes all batches that wait and commits them with one sync, then calls `on_durable`
    from that
    thread; otherwise `append` commits before it returns. `before_sync`, for tests and benches, runs before each commit.
    Raises JournalLocked, JournalReadOnly, JournalFull or JournalCorrupt when it can't be opened.
    """

    def __init__(self, path: Path, *, live: bool, before_sync: Callable[[], None] | None = None) -> None:
        # Through links: two names of one file must meet at one lock.
        path = path.resolve()
        self.path = path
        self.on_durable: Callable[[int], None] | None = None
        self.on_failure: Callable[[JournalError], None] | None = None
        self._before_sync = before_sync
        self._failure: JournalError | None = None
        self._closed = False
        self._batches = self._durable_batches = 0
        self._lock = lock(path)
        opened: list[sqlite3.Connection] = []
        try:
            self._write = connect(path)
            opened.append(self._write)
            self._head, self._durable = open_head(self._write, path)
            self._versions: dict[str, int] = dict(
                self._write.execute("select stream, max(version) from fact group by stream").fetchall()
            )
            self._ids = {row[0] for row in self._write.execute("select id from command").fetchall()}
            self._positions = len(self._ids)
            self._read = connect(path, read_only=True)
            opened.append(self._read)
            self._reading = threading.Lock()
        except (sqlite3.Error, OSError, JournalError) as error:
            for connection in opened:
                connection.close()
            self._unlock()
            if isinstance(error, JournalError):
                raise
            raise ending(error, path) from error
        self._waiting: queue.SimpleQueue[list[tuple[Batch, list[bytes]]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if live:
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- the protocol -----------------------------------------------------------------------------------------

    @property
    def durable_seq(self) -> int:
        """Highest sequence on disk."""
        return self._durable

    @property
    def failure(self) -> JournalError | None:
        """What ended this journal, or None."""
        return self._failure

    @property
    def batches(self) -> int:
        """Batches appended since it was opened."""
        return self._batches

    @property
    def durable_batches(self) -> int:
        """Batches of those that are on disk."""
        return self._durable_batches

    def head(self) -> Head:
        """The end of what was appended."""
        return self._head

    def append(self, batch: Batch) -> None:
        """Take one batch. Raises JournalConflict, which takes nothing, or what ended the journal."""
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise JournalError(f"{self.path} is closed")
        self._check(batch)
        chain, chains = self._head.chain, list[bytes]()
        for row in batch.rows:
            chain = link(chain, row)
            chains.append(chain)
        if batch.rows:
            self._head = Head(batch.rows[-1].seq, chain)
            for row in batch.rows:
                self._versions[row.stream] = row.version
        if batch.command is not None:
            self._ids.add(batch.command.id)
        self._batches += 1
        if self._thread is not None:
            self._waiting.put([(batch, chains)])
            return
        self._commit([(batch, chains)])
        if self._failure is not None:
            raise self._failure

    def read(self, after: int = 0, limit: int | None = None) -> Iterator[Row]:
        """Durable rows with seq > after, in order. Raises JournalCorrupt where the file can't be read."""
        last = self._durable
        while after < last and (limit is None or limit > 0):
            count = 4096 if limit is None else min(limit, 4096)
            rows = self._query(
                f"select {COLUMNS} from fact where seq > ? and seq <= ? order by seq limit ?",
                (after, last, count),
            )
            if not rows:
                return
            yield from (row_of(columns) for columns in rows)
            after = rows[-1][0]
            limit = None if limit is None else limit - len(rows)

    def read_stream(self, stream: str, after: int = 0) -> Iterator[Row]:
        """Durable rows of one stream with version > after, in order."""
        rows = self._query(
            f"select {COLUMNS} from fact where stream = ? and version > ? and seq <= ? order by version",
            (stream, after, self._durable),
        )
        yield from (row_of(columns) for columns in rows)

    def command(self, id: str) -> CommandRow | None:
        """The durable command of this id, if it was taken."""
        rows = self._query("select id, digest, principal, first, last from command where id = ?", (id,))
        return CommandRow(*rows[0]) if rows else None

    def commands(self) -> Iterator[CommandRow]:
        """All durable commands, in the order in which they were taken."""
        rows = self._query("select id, digest, principal, first, last from command order by position", ())
        yield from (CommandRow(*columns) for columns in rows)

    def close(self) -> None:
        """Write what waits, sync, give the file back. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
        try:
            self._read.close()
            self._write.close()
        finally:
            self._unlock()

    # --- writing ----------------------------------------------------------------------------------------------

    def _check(self, batch: Batch) -> None:
        expected, versions = self._head.seq, dict[str, int]()
        for row in batch.rows:
            expected += 1
            check_time(row)
            if row.seq != expected:
                raise JournalConflict(f"row {row.seq} does not follow {expected - 1}")
            version = versions.get(row.stream, self._versions.get(row.stream, 0)) + 1
            if row.version != version:
                raise JournalConflict(f"version {row.version} of {row.stream} does not follow {version - 1}")
            versions[row.stream] = version
        if batch.command is not None and batch.command.id in self._ids:
            raise JournalConflict(f"command {batch.command.id} was taken before")

    def _run(self) -> None:
        """The writer: all that waits, one commit, one sync; the sync is the window in which the next ones gather."""
        ending = False
        while not ending:
            first = self._waiting.get()
            if first is None:
                return
            taken = first
            while len(taken) < MOST_BATCHES:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ending = True
                    break
                taken += more
            if self._failure is None:
                try:
                    self._commit(taken)
                except Exception as error:  # the listener's: without it nobody would hear of later commits
                    self._end(error)

    def _commit(self, taken: list[tuple[Batch, list[bytes]]]) -> None:
        facts: list[tuple[Any, ...]] = []
        commands: list[tuple[Any, ...]] = []
        for batch, chains in taken:
            facts += [columns_of(row, chain) for row, chain in zip(batch.rows, chains, strict=True)]
            command = batch.command
            if command is not None:
                self._positions += 1
                commands.append(
                    (command.id, command.digest, command.principal, command.first, command.last, self._positions)
                )
        last = facts[-1][0] if facts else self._durable
        try:
            self._write.execute("begin immediate")
            insert(self._write, "fact", facts)
            insert(self._write, "command", commands)
            if not facts and not commands:
                self._write.execute(PULSE)
            if self._before_sync is not None:
                self._before_sync()
            self._write.execute("commit")
        except Exception as error:  # whatever it was, these rows are not on disk and nobody may wait for them
            self._end(error)
            if self._write.in_transaction:
                # the failure above is what matters, and the transaction was never confirmed
                with contextlib.suppress(sqlite3.Error):
                    self._write.execute("rollback")
            return
        self._durable = last
        self._durable_batches += len(taken)
        if self.on_durable is not None:
            self.on_durable(last)

    def _end(self, error: Exception) -> None:
        """Nothing more is taken; whoever waits for durability is told why it never comes."""
        self._failure = ending(error, self.path)
        if self.on_failure is not None:
            with contextlib.suppress(Exception):  # the listener's own trouble must not hide what ended the journal
                self.on_failure(self._failure)

    # --- reading ----------------------------------------------------------------------------------------------

    def _query(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            with self._reading:
                return self._read.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise named(error, self.path) from error

    def _unlock(self) -> None:
        os.close(self._lock)


def open_new(path: Path) -> SqliteJournal:
    """A new journal written inline. Raises FileExistsError where there is one already."""
    if path.exists():
        raise FileExistsError(f"{path} exists already; a replay writes a new journal")
    return SqliteJournal(path, live=False)
