"""The limits of the printed proof hold: QuantLib, vollib, finite differences, round trips, LEAN's own greeks."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

PROOF = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "pricing_proof.py"))


def test_the_largest_differences_on_the_grid_are_within_their_limits() -> None:
    rows, trip = PROOF["prove"]()
    measures = {(row.oracle, row.measure) for row in rows}
    assert {("quantlib", name) for name in (*PROOF["FIRST"], "vanna", "volga")} <= measures
    assert {("vollib", name) for name in PROOF["FIRST"]} <= measures
    assert {("finite differences", name) for name in (*PROOF["FIRST"][1:], *PROOF["SECOND"])} <= measures
    for row in rows:
        assert row.points > 2000, row
        assert row.relative < PROOF["LIMITS"][row.oracle], row
    assert trip.lost == 0
    assert trip.invented == 0
    assert trip.allowed > 1000
    assert trip.error < PROOF["LIMITS"]["iv round trip"]
    assert trip.excess < 2.0


def test_leans_greeks_are_ours_but_for_rate_tree_and_unit() -> None:
    rows = PROOF["lean_rows"]()
    assert len(rows) == 78

    def column(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows])

    assert np.abs(column("lean_delta") - column("at_lean_iv_delta")).max() < 0.02
    np.testing.assert_allclose(column("lean_gamma"), column("at_lean_iv_gamma"), rtol=0.06)
    np.testing.assert_allclose(column("lean_vega"), column("at_lean_iv_vega"), rtol=0.06)
    np.testing.assert_allclose(column("lean_theta") / 365, column("at_lean_iv_theta"), rtol=0.1)
