"""Damage anywhere in the file is damage; a row that can't be kept is refused before anything moves; paths are paths."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path

import msgspec
import pytest
from test_journal_conformance import command, row

from actors.runtime import Batch, JournalConflict, JournalCorrupt, JournalLocked, MemoryJournal
from daemon.journal import SqliteJournal, verify

EAST = dt.timezone(dt.timedelta(hours=-5))


def fill(path: Path, count: int) -> None:
    with SqliteJournal(path, live=False) as journal:
        for seq in range(1, count + 1):
            journal.append(Batch((row(seq),), command(f"c{seq}", seq, seq)))


def test_an_overwritten_page_anywhere_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path, 400)
    whole, size = path.read_bytes(), 4096
    for page in range(1, len(whole) // size):
        path.write_bytes(whole[: page * size] + b"\xa5" * size + whole[(page + 1) * size :])
        assert verify(path).problem is not None, f"page {page + 1} of {len(whole) // size}"
    path.write_bytes(whole)
    assert verify(path).problem is None


@pytest.mark.parametrize(
    "sql", ["update fact set subject = 'other' where seq = 2", "delete from command where id = 'c2'"]
)
def test_a_changed_subject_and_a_lost_command_are_damage(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "journal.db"
    fill(path, 3)
    with sqlite3.connect(path) as connection:
        connection.execute(sql)
    assert verify(path).problem is not None


@pytest.mark.parametrize("kind", ["memory", "inline", "live"])
@pytest.mark.parametrize("zone", [None, EAST])
def test_a_time_that_is_not_utc_is_refused_and_leaves_no_hole(
    tmp_path: Path, kind: str, zone: dt.tzinfo | None
) -> None:
    journal = MemoryJournal() if kind == "memory" else SqliteJournal(tmp_path / "j.db", live=kind == "live")
    journal.append(Batch((row(1),)))
    head = journal.head()
    wrong = msgspec.structs.replace(row(2), at=dt.datetime(2026, 11, 24, 15, tzinfo=zone))
    with pytest.raises(JournalConflict, match="utc"):
        journal.append(Batch((wrong,)))
    assert journal.head() == head
    journal.append(Batch((row(2),)))
    journal.close()
    assert [each.seq for each in (journal.read() if kind == "memory" else _reopened(tmp_path / "j.db"))] == [1, 2]


def _reopened(path: Path) -> list:
    with SqliteJournal(path, live=False) as journal:
        return list(journal.read())


@pytest.mark.parametrize("name", ["desk#1", "desk?x=1", "100%25"])
def test_a_path_is_taken_as_it_is_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    fill(folder / "journal.db", 2)
    assert (folder / "journal.db").is_file()
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert verify(folder / "journal.db").rows == 2


def test_a_link_to_a_journal_is_the_same_journal(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "journal.db")
    with SqliteJournal(tmp_path / "journal.db", live=False), pytest.raises(JournalLocked):
        SqliteJournal(tmp_path / "link.db", live=False)


def test_a_time_beyond_reading_is_damage_and_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path, 3)
    with sqlite3.connect(path) as connection:
        connection.execute("update fact set at = 9223372036854775807 where seq = 3")
    for _ in range(2):
        with pytest.raises(JournalCorrupt, match=r"journal\.db"):
            SqliteJournal(path, live=False)
    assert verify(path).anchor == 2
