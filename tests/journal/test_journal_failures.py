"""Full disk, read-only disk, damaged file, second daemon, kill -9: a clear error each, nothing confirmed in vain."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_journal_conformance import command, row

from actors.runtime import (
    Batch,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalReadOnly,
)
from daemon.cli import main
from daemon.journal import SqliteJournal, give_up_ballast, keep_ballast, verify

ROOT = Path(__file__).parents[2]


def fill(path: Path, count: int) -> None:
    with SqliteJournal(path, live=False) as journal:
        for seq in range(1, count + 1):
            journal.append(Batch((row(seq),), command(f"c{seq}", seq, seq)))


@pytest.mark.parametrize("live", [False, True])
def test_a_full_disk_ends_the_journal_and_keeps_what_was_confirmed(tmp_path: Path, live: bool) -> None:
    path = tmp_path / "journal.db"
    fill(path, 20)
    journal = SqliteJournal(path, live=live)
    pages = journal._write.execute("pragma page_count").fetchone()[0]
    journal._write.execute(f"pragma max_page_count = {pages + 2}")  # as small as a full disk

    def flood() -> None:
        for seq in range(21, 2000):
            journal.append(Batch((row(seq),)))
            if live:
                time.sleep(0.0005)

    with pytest.raises(JournalFull, match="disk is full"):
        flood()
    confirmed = journal.durable_seq
    assert isinstance(journal.failure, JournalFull)
    with pytest.raises(JournalFull):
        journal.append(Batch((row(journal.head().seq + 1),)))
    journal.close()
    assert 20 <= confirmed < 1999
    assert verify(path).problem is None
    with SqliteJournal(path, live=False) as again:
        assert again.head().seq == confirmed


def test_the_ballast_gives_a_full_disk_room_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path, live=False):
        keep_ballast(path, 1 << 16)
        assert path.with_name("journal.db.ballast").stat().st_size == 1 << 16
        assert give_up_ballast(path)
        assert not give_up_ballast(path)
        assert not path.with_name("journal.db.ballast").exists()


def test_a_file_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path, 3)
    journal = SqliteJournal(path, live=False)
    journal._write.execute("pragma query_only = on")  # what a read-only disk says to a writer, for root too
    with pytest.raises(JournalReadOnly, match=r"journal\.db"):
        journal.append(Batch((row(4),)))
    assert journal.durable_seq == 3
    journal.close()
    with pytest.raises(JournalError, match="nowhere"):
        SqliteJournal(tmp_path / "nowhere" / "journal.db", live=False)


def test_a_changed_row_is_named_with_the_anchor_before_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal.db"
    fill(path, 30)
    with sqlite3.connect(path) as connection:
        connection.execute("update fact set body = x'00' where seq = 17")
    verdict = verify(path)
    assert (verdict.rows, verdict.anchor) == (16, 16)
    assert verdict.problem is not None
    assert "row 17" in verdict.problem
    assert main(["journal", "verify", str(path)]) == 64
    assert "whole up to 16" in capsys.readouterr().out


def test_a_missing_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path, 10)
    with sqlite3.connect(path) as connection:
        connection.execute("delete from fact where seq = 5")
    assert "row 6 stands where 5 should" in str(verify(path).problem)


def test_a_damaged_last_row_refuses_to_open(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path, 10)
    with sqlite3.connect(path) as connection:
        connection.execute("update fact set body = x'00' where seq = 10")
    with pytest.raises(JournalCorrupt, match="row 10"):
        SqliteJournal(path, live=False)


@pytest.mark.parametrize("place", ["header", "pages"])
def test_overwritten_bytes_are_damage_not_a_traceback(tmp_path: Path, place: str) -> None:
    path = tmp_path / "journal.db"
    fill(path, 400)
    data = bytearray(path.read_bytes())
    start, end = (0, 64) if place == "header" else (4096, len(data))
    data[start:end] = os.urandom(end - start)
    path.write_bytes(data)
    assert verify(path).problem is not None
    with pytest.raises(JournalError, match=r"journal\.db"):
        SqliteJournal(path, live=False)


def test_a_second_daemon_is_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with (
        SqliteJournal(path, live=False),
        pytest.raises(JournalLocked, match=f"process {os.getpid()}"),
    ):
        SqliteJournal(path, live=False)
    SqliteJournal(path, live=False).close()


_WRITER = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}]
import datetime as dt
from actors.runtime import Batch, CommandRow, Row
from daemon.journal import SqliteJournal
NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
def row(seq):
    return Row(seq, "a", seq, NOW, "bank.Moved", 1, 0, b"body")
def command(id, first, last):
    return CommandRow(id, b"digest", "anna", first, last)
journal = SqliteJournal(Path({path!r}), live=True)
def durable(seq):
    sys.stdout.write(str(seq) + chr(10))
    sys.stdout.flush()
journal.on_durable = durable
start = journal.head().seq
for number in range(100000):
    seq = start + 3 * number
    journal.append(Batch((row(seq + 1), row(seq + 2), row(seq + 3)), command("c%d" % seq, seq + 1, seq + 3)))
"""


@pytest.mark.parametrize("seed", range(6))
def test_kill_nine_loses_nothing_that_was_confirmed_and_keeps_no_half_batch(tmp_path: Path, seed: int) -> None:
    path, chance = tmp_path / "journal.db", random.Random(seed)
    code = _WRITER.format(root=str(ROOT), path=str(path))
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = [int(writer.stdout.readline())]
    time.sleep(chance.random() * 0.2)
    writer.send_signal(signal.SIGKILL)
    told += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    writer.wait()
    assert verify(path).problem is None
    with SqliteJournal(path, live=False) as journal:
        assert journal.head().seq >= told[-1]
        assert journal.head().seq % 3 == 0
        assert len(list(journal.commands())) == journal.head().seq // 3


def test_the_verb_tails_exports_and_hashes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal.db"
    fill(path, 5)
    assert main(["journal", "verify", str(path), "--json"]) == 0
    assert '"rows": 5' in capsys.readouterr().out
    assert main(["journal", "tail", str(path), "-n", "2"]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ['{"seq":4', '{"seq":5']
    assert main(["journal", "export", str(path), "--after", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["journal", "hash", str(path)]) == 0
    assert len(capsys.readouterr().out.strip()) == 64
    assert main(["journal", "hash", str(tmp_path / "none.db")]) == 1
    assert "does not exist" in capsys.readouterr().err
