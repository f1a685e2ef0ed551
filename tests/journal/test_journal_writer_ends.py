"""Whatever stops the writer ends the journal by name: nobody waits for a disk that will never answer."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from test_journal_conformance import row

from actors.runtime import Batch, JournalError
from daemon.cli import main
from daemon.journal import SqliteJournal, verify


def failed(journal: SqliteJournal) -> JournalError:
    end = time.monotonic() + 5
    while journal.failure is None:
        assert time.monotonic() < end, "the writer stopped and told nobody"
        time.sleep(0.001)
    return journal.failure


@pytest.mark.parametrize("live", [False, True])
def test_a_row_that_the_file_can_not_hold_ends_the_journal(tmp_path: Path, live: bool) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path, live=live) as journal:
        journal.append(Batch((row(1),)))
        while journal.durable_seq < 1:
            time.sleep(0.001)
        too_wide = msgspec.structs.replace(row(2), schema=2**63)
        if live:
            journal.append(Batch((too_wide,)))
        else:
            with pytest.raises(JournalError, match=r"journal\.db"):
                journal.append(Batch((too_wide,)))
        assert "journal.db" in str(failed(journal))
        with pytest.raises(JournalError):
            journal.append(Batch((row(3),)))
        assert journal.durable_seq == 1
    assert verify(path).rows == 1


def test_a_listener_that_raises_ends_a_live_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    def deaf(_: int) -> None:
        raise RuntimeError("deaf")

    with SqliteJournal(path, live=True) as journal:
        journal.on_durable = deaf
        journal.append(Batch((row(1),)))
        assert "deaf" in str(failed(journal))
    assert verify(path).rows == 1


@pytest.mark.parametrize("action", ["verify", "tail", "export", "hash"])
def test_a_file_that_is_not_there_is_no_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str) -> None:
    assert main(["journal", action, str(tmp_path / "none.db")]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
