"""The journal's hash: what happened, without when on the wall it did and on which host. Equal inputs, equal hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from actors.runtime import Recorded, Row

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class JournalHash:
    """SHA-256 over (stream, version, kind, schema, body, market time) of every fact in order, facts marked `host` left
    out. May be fed facts as they are recorded or rows as they are read."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, recorded: Recorded) -> None:
        """Take the next fact."""
        kind = type(recorded.fact)
        if not kind.HOST:
            row = (
                recorded.stream,
                recorded.version,
                kind.KIND,
                kind.SCHEMA,
                _encode(recorded.fact),
                recorded.at,
            )
            self._sha.update(_encode(row))

    def add_row(self, row: Row) -> None:
        """Take the next row."""
        if not row.host:
            self._sha.update(_encode((row.stream, row.version, row.kind, row.schema, row.body, row.at)))

    def hexdigest(self) -> str:
        """The hash of what was taken so far."""
        return self._sha.hexdigest()


def journal_hash(rows: Iterable[Row]) -> str:
    """The hash of a journal's rows."""
    hasher = JournalHash()
    for row in rows:
        hasher.add_row(row)
    return hasher.hexdigest()
