"""The journal on disk: SQLite behind the kernel's protocol, its hashes and its tools."""

from daemon.journal._file import give_up_ballast, keep_ballast
from daemon.journal.hash import JournalHash, journal_hash
from daemon.journal.sqlite import SqliteJournal, open_new
from daemon.journal.tools import Verdict, export, file_hash, readable, rows, verify

__all__ = [
    "JournalHash", "SqliteJournal", "Verdict", "export", "file_hash", "give_up_ballast", "journal_hash", "keep_ballast",
    "open_new", "readable", "rows", "verify",
]  # fmt: skip
