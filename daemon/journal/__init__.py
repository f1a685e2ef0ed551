"""The journal on disk: SQLite behind the kernel's protocol, its hashes and its tools."""

from daemon.journal.hash import JournalHash, journal_hash

__all__ = ["JournalHash", "journal_hash"]
