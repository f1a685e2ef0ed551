"""Daemon, market, both and the socket die in live time while a trader trades: our book stays the broker's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.live_sweeps import Kind, live_sweep


@pytest.mark.parametrize(
    ("kind", "points", "seed"), [("daemon", 2, 1), ("market", 1, 2), ("both", 1, 3), ("cut", 2, 4), ("stop", 1, 5)]
)
def test_after_deaths_in_live_time_the_book_is_the_brokers(tmp_path: Path, kind: Kind, points: int, seed: int) -> None:
    row = live_sweep(tmp_path, kind, points, points, seed)
    assert not row.failures, "\n".join(row.failures)
    assert (row.points, row.equal, row.twice, row.lost) == (points, points, 0, 0)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "points", "seed"),
    [("daemon", 100, 7), ("market", 50, 8), ("both", 50, 9), ("cut", 100, 10), ("stop", 10, 11)],
)
def test_after_many_deaths_in_live_time_the_book_is_the_brokers(
    tmp_path: Path, kind: Kind, points: int, seed: int
) -> None:
    row = live_sweep(tmp_path, kind, points, 10, seed)
    assert not row.failures, "\n".join(row.failures)
    assert (row.points, row.equal, row.twice, row.lost) == (points, points, 0, 0)
