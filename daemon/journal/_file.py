"""The journal's file and what lies beside it: its connection, its lock, its ballast. Writes no fact."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

from actors.runtime import GENESIS, Head, JournalCorrupt, JournalError, JournalLocked, link
from daemon.journal._errors import named_os
from daemon.journal._rows import COLUMNS, SCHEMA, row_of

FORMAT = 1


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection that syncs each commit to the disk, its tables made; or one that only reads."""
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0
    )
    if not read_only:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.executescript(SCHEMA)
    return connection


def open_head(connection: sqlite3.Connection, path: Path) -> tuple[Head, int]:
    """Head and durable sequence; the last row's chain is checked, the rest is `verify`'s."""
    known = connection.execute("select value from meta where key = 'format'").fetchone()
    if known is None:
        connection.execute("insert into meta values ('format', ?)", (FORMAT,))
    elif known[0] != FORMAT:
        raise JournalError(f"{path} has format {known[0]}, this program reads {FORMAT}")
    rows = connection.execute(f"select {COLUMNS} from fact order by seq desc limit 2").fetchall()
    if not rows:
        return Head(0, GENESIS), 0
    before = rows[1][-1] if len(rows) > 1 else GENESIS
    try:
        good = link(before, row_of(rows[0])) == rows[0][-1]
    except (ValueError, OverflowError, TypeError):
        good = False
    if not good:
        raise JournalCorrupt(f"{path}: row {rows[0][0]} is not what was written; good up to {rows[0][0] - 1}")
    return Head(rows[0][0], rows[0][-1]), rows[0][0]


def lock(path: Path) -> int:
    """Hold the file for this process. Raises JournalLocked with the holder's number where another does."""
    name = path.with_name(path.name + ".lock")
    try:
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise named_os(error, path) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise JournalLocked(f"{path} is used by process {holder}") from error
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
    except OSError:
        pass  # the number is only for the other's message; the lock holds without it
    return handle


def ballast_of(path: Path) -> Path:
    """Where the ballast lies: beside the journal's own file, through links."""
    path = path.resolve()
    return path.with_name(path.name + ".ballast")


def keep_ballast(path: Path, size: int) -> None:
    """Have `size` bytes beside the journal to give up later. Raises OSError, and leaves none, where they don't fit."""
    ballast = ballast_of(path)
    if ballast.exists() and ballast.stat().st_size == size:
        return
    try:
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError:
        ballast.unlink(missing_ok=True)
        raise


def give_up_ballast(path: Path) -> bool:
    """Remove the journal's ballast, so that a full disk takes a little more. False where there is none left."""
    ballast = ballast_of(path)
    if not ballast.exists():
        return False
    ballast.unlink()
    return True
