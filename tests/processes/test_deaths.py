"""Daemon and market killed (kill -9), the socket cut, in lock-step: our book stays the broker's and the calm run's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.sweeps import FILLS, Ran, Row, Victim, cut_sweep, run, sweep


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The undisturbed day."""
    ran = run(tmp_path_factory.mktemp("calm"), [], *FILLS)
    assert len(ran.ours.orders) == 11
    assert ran.ours.book == ran.brokers.book
    return ran


def holds(row: Row, points: int) -> None:
    """Every point came out right."""
    assert not row.failures, "\n".join(row.failures)
    assert (row.points, row.equal, row.as_calm, row.twice, row.lost) == (points, points, points, 0, 0)


@pytest.mark.parametrize(("victim", "seed"), [("daemon", 1), ("market", 2), ("both", 3)])
def test_killed_at_three_points_of_a_day_the_book_is_the_same(
    tmp_path: Path, calm: Ran, victim: Victim, seed: int
) -> None:
    holds(sweep(tmp_path, victim, 3, 3, seed, calm, *FILLS), 3)


def test_the_socket_is_cut_at_ten_points_and_the_book_is_the_same(tmp_path: Path, calm: Ran) -> None:
    holds(cut_sweep(tmp_path, 10, 10, 5, calm, *FILLS), 10)


@pytest.mark.long
@pytest.mark.parametrize(("victim", "points", "seed"), [("daemon", 100, 7), ("market", 50, 8), ("both", 50, 9)])
def test_killed_at_many_points_of_a_day_the_book_is_the_same(
    tmp_path: Path, calm: Ran, victim: Victim, points: int, seed: int
) -> None:
    holds(sweep(tmp_path, victim, points, 5, seed, calm, *FILLS), points)


@pytest.mark.long
def test_the_socket_is_cut_at_a_hundred_points_and_the_book_is_the_same(tmp_path: Path, calm: Ran) -> None:
    holds(cut_sweep(tmp_path, 100, 10, 11, calm, *FILLS), 100)
