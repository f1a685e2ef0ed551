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

    # LEAN's price is ours to the last digit; its greeks are those of a lattice, without the rate, theta by the year.
    np.testing.assert_allclose(column("lean_price"), column("same_price"), rtol=0, atol=1e-11)
    np.testing.assert_allclose(column("lean_delta"), column("same_delta"), rtol=0, atol=0.003)
    np.testing.assert_allclose(column("lean_gamma"), column("same_gamma"), rtol=0.011)
    np.testing.assert_allclose(column("lean_vega"), column("same_vega"), rtol=0.023)
    np.testing.assert_allclose(column("lean_theta") / 365, column("same_theta"), rtol=0.027)
    assert np.abs(column("lean_rho")).max() < 0.15 * np.abs(column("same_rho")).max()
    np.testing.assert_allclose(column("lean_iv"), column("our_iv"), rtol=0, atol=0.01)


def test_the_page_of_leans_greeks_is_what_the_tool_writes() -> None:
    assert (Path(__file__).parents[2] / "docs" / "lean-greeks.md").read_text() == PROOF["lean_table"]()
