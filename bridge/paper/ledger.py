"""The broker's memory on disk: a text file, one line a transaction, whole or not there. No meaning of records here.

A line is the CRC-32 of what follows, a space, and the JSON of the records that happened together; the first line names
the format. A line that was being written when the process died has no effect and is cut off at the next opening.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bridge.paper.records import Record

_FORMAT = b"callboard ledger 1"
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Record])


class LedgerError(Exception):
    """A ledger that can't be used or written; the message names the file, and the line where one is wrong."""


class LedgerLocked(LedgerError):
    """Another market has it."""


class Ledger:
    """One market's ledger. `append` keeps records in memory, `commit` puts all of them on disk or none.

    Made where there is none. Raises LedgerLocked where another process has it open, LedgerError for a damaged one.
    After a commit failed nothing may be told that rests on it; the ledger takes nothing more.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._buffer: list[bytes] = []
        self._failed: OSError | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerError(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise LedgerLocked(f"{path}: another market has it open") from error
        try:
            self._open()
        except BaseException:
            os.close(self._file)
            raise

    def _open(self) -> None:
        #: Every record that was in it at the opening.
        self.records: list[Record] = []
        whole = 0
        for records, end in _read(self._path):
            self.records += records
            whole = end
        os.ftruncate(self._file, whole)
        os.lseek(self._file, 0, os.SEEK_END)
        if not whole:
            self._write(_line(_FORMAT))
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def append(self, record: Record) -> None:
        """Keep a record, as it is now, for the next commit."""
        self._buffer.append(_encoder.encode(record))

    def commit(self) -> None:
        """Return once all that was appended is on disk. Raises LedgerError, then and ever after."""
        if self._buffer:
            line, self._buffer = _line(b"[" + b",".join(self._buffer) + b"]"), []
            self._write(line)

    def _write(self, data: bytes) -> None:
        if self._failed is None:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._file, view) :]
                os.fsync(self._file)
            except OSError as error:
                self._failed = error
        if self._failed is not None:
            raise LedgerError(f"{self._path}: {self._failed.strerror}") from self._failed

    def close(self) -> None:
        """Give it free. What was not committed never happened."""
        os.close(self._file)


def read_ledger(path: Path) -> Iterator[Record]:
    """Every record on disk, oldest first, while a market may be writing. Raises LedgerError, also for no such file."""
    for records, _ in _read(path):
        yield from records


def _line(body: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _read(path: Path) -> Iterator[tuple[list[Record], int]]:
    """Records of each whole line, and where it ends; an unfinished last line is passed over."""
    try:
        *whole, rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}") from error
    lines = [line + b"\n" for line in whole] + ([rest] if rest else [])
    end = 0
    for number, line in enumerate(lines, start=1):
        body = line[9:-1]
        if not line.endswith(b"\n") or line != _line(body):
            if number == len(lines):
                return
            raise LedgerError(f"{path}: line {number} is damaged, and it is not the last of {len(lines)}")
        end += len(line)
        if number == 1:
            if body != _FORMAT:
                raise LedgerError(f"{path}: not a ledger of format {_FORMAT.decode()!r}")
            yield [], end
            continue
        try:
            yield _decoder.decode(body), end
        except (msgspec.MsgspecError, ValueError) as error:
            raise LedgerError(f"{path}: line {number}: {error}") from error
