"""The tables of the file, and rows of the journal as columns of theirs. Opens nothing and locks nothing."""

from __future__ import annotations

import datetime as dt
import sqlite3
from functools import lru_cache
from typing import Any

from actors.runtime import Row

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SCHEMA = """
create table if not exists meta (key text primary key, value integer not null) strict;
create table if not exists fact (
    seq integer primary key, stream text not null, version integer not null, subject text not null, at integer not null,
    kind text not null, schema integer not null, cause integer not null, host integer not null, body blob not null,
    chain blob not null, unique (stream, version)
) strict;
create table if not exists command (
    id text primary key, digest blob not null, principal text not null, first integer not null, last integer not null,
    position integer not null unique
) strict;
"""
#: SQLite takes 32,766 values a statement; a fact has 11.
_ROWS_A_STATEMENT = 500
COLUMNS = "seq, stream, version, at, kind, schema, cause, body, host, chain"
#: A change that says nothing: without one SQLite would not touch the disk.
PULSE = "insert into meta values ('pulse', 1) on conflict (key) do update set value = value + 1"


def columns_of(row: Row, chain: bytes) -> tuple[Any, ...]:
    """The values of a fact's row, in the order of its table."""
    return (
        row.seq, row.stream, row.version, row.subject, _micros(row.at), row.kind, row.schema, row.cause, int(row.host),
        row.body, chain,
    )  # fmt: skip


def insert(connection: sqlite3.Connection, table: str, rows: list[tuple[Any, ...]]) -> None:
    """Many rows a statement: each gives the interpreter's lock away, and a busy core is slow to give it back."""
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        chunk = rows[start : start + _ROWS_A_STATEMENT]
        connection.execute(_statement(table, len(chunk[0]), len(chunk)), [value for row in chunk for value in row])


@lru_cache(maxsize=1024)
def _statement(table: str, columns: int, rows: int) -> str:
    one = f"({', '.join('?' * columns)})"
    return f"insert into {table} values {', '.join([one] * rows)}"


def row_of(columns: tuple[Any, ...]) -> Row:
    """A row from the columns of a select, chain last."""
    seq, stream, version, at, kind, schema, cause, body, host, _ = columns
    return Row(seq, stream, version, _EPOCH + dt.timedelta(microseconds=at), kind, schema, cause, body, bool(host))


def _micros(at: dt.datetime) -> int:
    return (at - _EPOCH) // dt.timedelta(microseconds=1)
