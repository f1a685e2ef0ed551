"""Disks that are really full or really read-only: a tmpfs of a megabyte, limits and rights."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from test_journal_conformance import row

from actors.runtime import Batch, JournalError, JournalFull, JournalReadOnly, Row
from daemon.journal import SqliteJournal, give_up_ballast, keep_ballast, verify

ROOT = Path(__file__).parents[2]
# They need rights that a test machine may not give: run by `make long`, which fails without them.
pytestmark = pytest.mark.long


def wide(seq: int) -> Row:
    return msgspec.structs.replace(row(seq), body=b"x" * 4000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "callboard-test", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("live", [False, True])
def test_a_disk_that_fills_up_ends_the_journal_and_keeps_what_was_confirmed(small_disk: Path, live: bool) -> None:
    path = small_disk / "journal.db"
    told: list[int] = []
    journal = SqliteJournal(path, live=live)
    journal.on_durable = told.append

    def flood() -> None:
        for seq in range(1, 2000):
            journal.append(Batch((wide(seq),)))
            if live:
                time.sleep(0.0005)

    with pytest.raises(JournalFull, match="disk is full"):
        flood()
    confirmed = journal.durable_seq
    assert isinstance(journal.failure, JournalFull)
    assert told[-1] == confirmed > 0
    assert [each.seq for each in journal.read()] == list(range(1, confirmed + 1))
    journal.close()
    verdict = verify(path)
    assert (verdict.problem, verdict.rows) == (None, confirmed)
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    with SqliteJournal(path, live=False) as again:
        assert again.head().seq == confirmed
        again.append(Batch((wide(confirmed + 1),)))
    assert verify(path).rows == confirmed + 1


def test_the_ballast_lets_a_full_disk_take_a_little_more(small_disk: Path) -> None:
    path = small_disk / "journal.db"
    journal = SqliteJournal(path, live=False)
    keep_ballast(path, 1 << 18)

    def flood() -> None:
        for seq in range(1, 2000):
            journal.append(Batch((wide(seq),)))

    with pytest.raises(JournalFull):
        flood()
    confirmed = journal.durable_seq
    assert give_up_ballast(path)
    journal.close()
    with SqliteJournal(path, live=False) as again:
        for seq in range(confirmed + 1, confirmed + 11):
            again.append(Batch((row(seq),)))
    assert verify(path).rows == confirmed + 10


def test_a_disk_without_room_for_the_ballast_says_so_and_keeps_none(small_disk: Path) -> None:
    path = small_disk / "journal.db"
    with pytest.raises(OSError, match="No space left"):
        keep_ballast(path, 1 << 22)
    assert not path.with_name("journal.db.ballast").exists()
    with SqliteJournal(path, live=False) as journal:
        journal.append(Batch((row(1),)))
    assert verify(path).rows == 1


def test_a_disk_mounted_read_only_is_named(small_disk: Path) -> None:
    path = small_disk / "journal.db"
    with SqliteJournal(path, live=False) as journal:
        journal.append(Batch((row(1),)))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(JournalReadOnly, match=r"journal\.db"):
        SqliteJournal(path, live=False)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    with SqliteJournal(path, live=False) as journal:
        assert journal.head().seq == 1


_AS_NOBODY = """
import os, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {here!r}]
from test_journal_conformance import row
from actors.runtime import Batch, JournalReadOnly
from daemon.journal import SqliteJournal, verify
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
path = Path({path!r})
try:
    SqliteJournal(path, live=False)
except JournalReadOnly as error:
    print("read-only:", error)
"""


@pytest.mark.parametrize("what", ["folder", "file"])
def test_missing_rights_are_named(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    path = folder / "journal.db"
    with SqliteJournal(path, live=False) as journal:
        journal.append(Batch((row(1),)))
    for each in folder.iterdir():
        each.chmod(0o666 if what == "folder" else 0o444)
    folder.chmod(0o555 if what == "folder" else 0o777)
    if what == "folder":
        path.with_name("journal.db.lock").unlink()
    for parent in [tmp_path, *list(tmp_path.parents)[:2]]:
        parent.chmod(0o755)
    code = _AS_NOBODY.format(root=str(ROOT), here=str(Path(__file__).parent), path=str(path))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    folder.chmod(0o755)
    assert ran.stdout.startswith("read-only:"), ran.stderr
    assert "journal.db" in ran.stdout


def test_a_limit_on_the_file_ends_the_journal_and_keeps_what_was_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = SqliteJournal(path, live=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, hard))  # needs no rights; writes beyond it fail

    def flood() -> None:
        for seq in range(1, 2000):
            journal.append(Batch((wide(seq),)))

    try:
        with pytest.raises(JournalError, match=r"journal\.db"):
            flood()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    confirmed = journal.durable_seq
    journal.close()
    assert confirmed > 0
    assert verify(path).rows == confirmed
