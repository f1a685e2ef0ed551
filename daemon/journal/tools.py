"""Looking at a journal from outside: verify, tail, export, hash. Read-only, with a connection of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from actors.runtime import GENESIS, Fact, JournalError, Row, link
from daemon.journal._rows import row_of
from daemon.journal.hash import journal_hash

_COLUMNS = "seq, stream, version, at, kind, schema, cause, body, host, chain"


class Verdict(msgspec.Struct, frozen=True):
    """What verify found: rows read, the last good sequence with its chain (the anchor), and what was wrong after it."""

    rows: int
    anchor: int
    chain: str
    problem: str | None


def rows(path: Path, after: int = 0) -> Iterator[tuple[Row, bytes]]:
    """Rows with seq > after and their chain, in order. Raises JournalError where the file can't be opened or read."""
    if not path.is_file():
        raise JournalError(f"{path} does not exist")
    try:
        connection = _open(path)
        try:
            for columns in connection.execute(f"select {_COLUMNS} from fact where seq > ? order by seq", (after,)):
                yield row_of(columns), columns[-1]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {error}") from error


def verify(path: Path) -> Verdict:
    """Check every row's number, version and chain, from the first; stops at the first that is not what was written.
    Raises JournalError where there is no file: nothing to verify is not damage."""
    if not path.is_file():
        raise JournalError(f"{path} does not exist")
    count, chain = 0, GENESIS
    versions: dict[str, int] = {}
    try:
        for row, written in rows(path):
            problem = None
            if row.seq != count + 1:
                problem = f"row {row.seq} stands where {count + 1} should"
            elif row.version != versions.get(row.stream, 0) + 1:
                problem = f"row {row.seq}: version {row.version} of {row.stream} does not follow"
            elif link(chain, row) != written:
                problem = f"row {row.seq} is not what was written ({row.kind} of {row.stream})"
            if problem is not None:
                return Verdict(count, count, chain.hex(), problem)
            chain, count = written, row.seq
            versions[row.stream] = row.version
    except (JournalError, ValueError, OverflowError, TypeError) as error:
        return Verdict(count, count, chain.hex(), f"after row {count}: {error}")
    return Verdict(count, count, chain.hex(), _beside_the_chain(path))


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _beside_the_chain(path: Path) -> str | None:
    """What is wrong with the file where the chain does not look: pages, indexes, subjects, commands without a place."""
    try:
        connection = _open(path)
        try:
            (said,) = connection.execute("pragma integrity_check(1)").fetchone()
            if said != "ok":
                return f"the file is damaged: {said}"
            wrong = "select min(seq) from fact where subject <> substr(kind, 1, instr(kind || '.', '.') - 1)"
            (seq,) = connection.execute(wrong).fetchone()
            if seq is not None:
                return f"row {seq} has a subject that its kind does not"
            count, last = connection.execute("select count(*), coalesce(max(position), 0) from command").fetchone()
            return None if count == last else f"{last - count} of {last} commands are missing"
        finally:
            connection.close()
    except sqlite3.Error as error:
        return f"the file is damaged: {error}"


def file_hash(path: Path) -> str:
    """The journal hash of a file: what happened, without host and wall time."""
    return journal_hash(row for row, _ in rows(path))


def readable(row: Row, kinds: Mapping[str, type[Fact]]) -> dict[str, Any]:
    """A row as plain values; the body decoded where its kind is known, in hexadecimal where it is not."""
    kind = kinds.get(row.kind)
    body: Any = row.body.hex()
    if kind is not None and row.schema == kind.SCHEMA:
        fact = msgspec.msgpack.decode(row.body, type=kind)
        body = {field: getattr(fact, field) for field in fact.__struct_fields__}
    return {
        "seq": row.seq, "stream": row.stream, "version": row.version, "at": row.at, "kind": row.kind,
        "cause": row.cause, "body": body,
    }  # fmt: skip


def export(path: Path, kinds: Mapping[str, type[Fact]], after: int = 0) -> Iterator[bytes]:
    """Rows as JSON lines."""
    for row, _ in rows(path, after):
        yield msgspec.json.encode(readable(row, kinds)) + b"\n"
