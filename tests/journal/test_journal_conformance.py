"""Every journal keeps the protocol: in memory, in a file written inline, in a file written by a thread."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.runtime import GENESIS, Batch, CommandRow, Journal, JournalConflict, MemoryJournal, Row, link
from daemon.journal import SqliteJournal, file_hash, journal_hash, verify

NOW = dt.datetime(2026, 11, 24, 15, 30, 12, 345678, tzinfo=dt.UTC)


def row(seq: int, stream: str = "a", version: int | None = None, *, host: bool = False) -> Row:
    return Row(seq, stream, seq if version is None else version, NOW, "bank.Moved", 1, 0, b"body %d" % seq, host)


def command(id: str, first: int = 0, last: int = 0) -> CommandRow:
    return CommandRow(id, b"digest of " + id.encode(), "anna", first, last)


def settle(journal: Journal) -> None:
    """Wait for the disk."""
    end = time.monotonic() + 5
    while journal.durable_seq < journal.head().seq:
        assert journal.failure is None
        assert time.monotonic() < end, "the journal never became durable"
        time.sleep(0.001)


@pytest.fixture(params=["memory", "inline", "live"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    made: Journal
    if request.param == "memory":
        made = MemoryJournal()
    else:
        made = SqliteJournal(tmp_path / "journal.db", live=request.param == "live")
    yield made
    made.close()


def test_an_empty_journal_begins_at_genesis(journal: Journal) -> None:
    assert (journal.head().seq, journal.head().chain, journal.durable_seq) == (0, GENESIS, 0)
    assert list(journal.read()) == []
    assert list(journal.commands()) == []
    assert journal.command("x") is None


def test_rows_come_back_as_they_went_in(journal: Journal) -> None:
    rows = (row(1), row(2, "b", 1), row(3, "a", 2, host=True))
    journal.append(Batch(rows, command("c1", 1, 3)))
    journal.append(Batch((row(4, "b", 2),)))
    journal.append(Batch((), command("c2")))
    settle(journal)
    journal.close() if isinstance(journal, MemoryJournal) else None
    assert list(journal.read()) == [*rows, row(4, "b", 2)]
    assert list(journal.read(after=2)) == [rows[2], row(4, "b", 2)]
    assert list(journal.read(after=1, limit=2)) == [rows[1], rows[2]]
    assert list(journal.read_stream("b")) == [rows[1], row(4, "b", 2)]
    assert list(journal.read_stream("b", after=1)) == [row(4, "b", 2)]
    assert journal.command("c1") == command("c1", 1, 3)
    end = time.monotonic() + 5
    while len(list(journal.commands())) < 2 and time.monotonic() < end:
        time.sleep(0.001)
    assert [each.id for each in journal.commands()] == ["c1", "c2"]


def test_the_chain_links_every_row(journal: Journal) -> None:
    journal.append(Batch((row(1), row(2))))
    assert journal.head().chain == link(link(GENESIS, row(1)), row(2))


@pytest.mark.parametrize(
    "batch",
    [
        Batch((row(3),)),
        Batch((row(1),)),
        Batch((row(2, "a", 3),)),
        Batch((row(2, "a", 2), row(3, "a", 2))),
        Batch((row(2, "a", 2), row(4, "a", 3))),
        Batch((row(2, "a", 2),), command("taken")),
    ],
)
def test_a_batch_that_does_not_follow_is_a_conflict_and_nothing_of_it_is_taken(journal: Journal, batch: Batch) -> None:
    journal.append(Batch((row(1),), command("taken", 1, 1)))
    head = journal.head()
    with pytest.raises(JournalConflict):
        journal.append(batch)
    assert journal.head() == head
    journal.append(Batch((row(2, "a", 2),)))
    settle(journal)
    assert [each.seq for each in journal.read()] == [1, 2]


def test_durability_is_told_in_order_and_never_ahead(journal: Journal) -> None:
    told: list[int] = []
    journal.on_durable = told.append
    for seq in range(1, 51):
        journal.append(Batch((row(seq),)))
        assert journal.durable_seq <= journal.head().seq
    settle(journal)
    end = time.monotonic() + 5
    while (not told or told[-1] < 50) and time.monotonic() < end:
        time.sleep(0.001)
    assert told == sorted(told)
    assert told[-1] == 50


def test_close_is_idempotent_and_writes_what_waits(journal: Journal) -> None:
    for seq in range(1, 101):
        journal.append(Batch((row(seq),)))
    journal.close()
    journal.close()
    assert journal.durable_seq == 100


@pytest.mark.parametrize("live", [False, True])
def test_a_file_goes_on_where_it_ended(tmp_path: Path, live: bool) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path, live=live) as first:
        first.append(Batch((row(1), row(2)), command("c", 1, 2)))
        head = first.head()
    with SqliteJournal(path, live=live) as second:
        assert second.head() == head
        assert second.durable_seq == 2
        with pytest.raises(JournalConflict):
            second.append(Batch((row(3),), command("c", 3, 3)))
        second.append(Batch((row(3),)))
    assert verify(path).problem is None
    assert verify(path).rows == 3


def test_hosts_facts_are_in_the_chain_and_not_in_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    plain = [row(1), row(2)]
    with SqliteJournal(path, live=False) as journal:
        journal.append(Batch((row(1), row(2), row(3, "host", 1, host=True))))
    assert file_hash(path) == journal_hash(plain)
    assert file_hash(path) != journal_hash(plain[:1])


BATCHES = st.lists(
    st.tuples(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=4), st.booleans(), st.sampled_from(["go", "reopen"])
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES, st.booleans())
def test_file_and_memory_agree_through_any_appends_and_reopenings(
    tmp_path_factory: pytest.TempPathFactory, plan, live: bool
) -> None:
    path = tmp_path_factory.mktemp("model") / "journal.db"
    model, journal = MemoryJournal(), SqliteJournal(path, live=live)
    versions: dict[str, int] = {}
    seq = 0
    try:
        for number, (streams, named, then) in enumerate(plan):
            rows = []
            for stream in streams:
                seq += 1
                versions[stream] = versions.get(stream, 0) + 1
                rows.append(row(seq, stream, versions[stream]))
            batch = Batch(tuple(rows), command(f"c{number}", rows[0].seq, seq) if named else None)
            model.append(batch)
            journal.append(batch)
            if then == "reopen":
                journal.close()
                journal = SqliteJournal(path, live=live)
            assert journal.head() == model.head()
        journal.close()
        with SqliteJournal(path, live=False) as again:
            assert list(again.read()) == list(model.read())
            assert list(again.commands()) == list(model.commands())
            assert journal_hash(again.read()) == journal_hash(model.read())
    finally:
        journal.close()
