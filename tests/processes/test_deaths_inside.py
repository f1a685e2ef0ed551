"""A death put exactly: the bridge at its awaits, the market at its frames and commits, actors after every turn."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from tests.processes.inside import ACTORS, inside_sweep
from tests.processes.sweeps import Row


def holds(row: Row, least: int) -> None:
    """Every point came out right, and there were as many as that."""
    assert not row.failures, "\n".join(row.failures)
    assert row.points >= least
    assert (row.equal, row.as_calm, row.twice, row.lost) == (row.points, row.points, 0, 0)


@pytest.mark.parametrize(("part", "every", "least"), [("edge", 23, 20), ("market", 13, 15)])
def test_at_some_points_of_an_hour_the_book_is_the_brokers_and_the_undisturbed_one(
    tmp_path: Path, part: Literal["edge", "market"], every: int, least: int
) -> None:
    holds(inside_sweep(tmp_path, part, every), least)


@pytest.mark.long
@pytest.mark.parametrize(("part", "least"), [("edge", 450), ("market", 200)])
def test_at_every_point_of_an_hour_the_book_is_the_brokers_and_the_undisturbed_one(
    tmp_path: Path, part: Literal["edge", "market"], least: int
) -> None:
    holds(inside_sweep(tmp_path, part), least)


def test_an_actor_that_forgets_after_every_turn_changes_nothing(tmp_path: Path) -> None:
    holds(inside_sweep(tmp_path, "actors"), 300 * len(ACTORS))
