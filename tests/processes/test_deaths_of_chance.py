"""Deaths over a market that fills by chance, legs apart: after them chance falls as if nothing had been."""

from __future__ import annotations

from pathlib import Path

from tests.processes.sweeps import run, sweep

CHANCE = ("--fills", "realistic", "--seed", "4", "--legs-apart")


def test_market_and_daemon_killed_in_a_day_of_chance_leave_its_undisturbed_book(tmp_path: Path) -> None:
    calm = run(tmp_path / "calm", [], *CHANCE)
    assert calm.ours.book == calm.brokers.book
    row = sweep(tmp_path, "both", 3, 3, 6, calm, *CHANCE)
    assert not row.failures, "\n".join(row.failures)
    assert (row.points, row.equal, row.as_calm, row.twice, row.lost) == (3, 3, 3, 0, 0)
