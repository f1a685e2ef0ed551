"""Errors of SQLite and of the disk as the situations that they are. Raises nothing itself."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from actors.runtime import JournalCorrupt, JournalError, JournalFull, JournalLocked, JournalReadOnly


def named(error: sqlite3.Error, path: Path) -> JournalError:
    """SQLite's error as the situation that it is."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return JournalFull(f"{path}: the disk is full; the last batch is not on it")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return JournalReadOnly(f"{path} can't be written: {error}")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return JournalCorrupt(f"{path} is damaged: {error}; run 'callboard journal verify'")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalLocked(f"{path} is locked by another program: {error}")
    return JournalError(f"{path}: {error}")


def ending(error: Exception, path: Path) -> JournalError:
    """What ended the journal, as the situation that it is, with its cause."""
    if isinstance(error, sqlite3.Error):
        failure = named(error, path)
    elif isinstance(error, OSError):
        failure = named_os(error, path)
    else:
        failure = JournalError(f"{path}: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def named_os(error: OSError, path: Path) -> JournalError:
    """The disk's error as the situation that it is."""
    if error.errno == errno.ENOSPC:
        return JournalFull(f"{path}: the disk is full; the last batch is not on it")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return JournalReadOnly(f"{path} can't be written: {error.strerror}")
    return JournalError(f"{path}: {error}")
