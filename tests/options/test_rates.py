"""Rates by date and discount curves by time, from rows that are passed in."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.options.rates import NO_RATES, DiscountCurve, RateError, RateHistory, flat_curve, parse_rates

CSV = Path(__file__).parents[1] / "data/lean/alternative/interest-rate/usa/interest-rate.csv"


def test_leans_rows_are_a_step_by_date() -> None:
    history = parse_rates(CSV.read_text().splitlines())
    assert history.on(dt.date(2015, 12, 16)) == 0.0075
    assert history.on(dt.date(2015, 12, 17)) == 0.01
    assert history.on(dt.date(2015, 12, 24)) == 0.01
    assert history.on(dt.date(1999, 1, 1)) == 0.0225
    assert history.on(dt.date(2030, 1, 1)) == 0.055
    assert float(history.curve(dt.date(2015, 12, 24)).factor(2.0)) == pytest.approx(np.exp(-0.02))


def test_without_rows_money_costs_nothing() -> None:
    assert RateHistory().on(dt.date(2026, 1, 1)) == 0.0
    assert RateHistory().curve(dt.date(2026, 1, 1)) is NO_RATES
    np.testing.assert_array_equal(NO_RATES.factor([0.0, 1.0, 30.0]), 1.0)


def test_between_nodes_the_forward_rate_is_constant() -> None:
    curve = DiscountCurve((0.5, 1.0), (0.02, 0.04))
    np.testing.assert_allclose(curve.rate([0.0, 0.25, 0.5, 1.0, 5.0]), [0.02, 0.02, 0.02, 0.04, 0.04])
    assert float(curve.factor(0.75)) == pytest.approx(np.sqrt(curve.factor(0.5) * curve.factor(1.0)))
    assert float(flat_curve(-0.01).factor(1.0)) > 1


@given(st.lists(st.tuples(st.floats(0.01, 30), st.floats(-0.05, 0.2)), max_size=6, unique_by=lambda node: node[0]))
def test_a_curve_hits_its_nodes_and_is_one_today(nodes: list[tuple[float, float]]) -> None:
    nodes.sort()
    curve = DiscountCurve(tuple(time for time, _ in nodes), tuple(rate for _, rate in nodes))
    assert float(curve.factor(0.0)) == 1.0
    for time, rate in nodes:
        assert float(curve.rate(time)) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: parse_rates(["DATE,RATE", "2015-12-17,much"]), "line 2"),
        (lambda: parse_rates(["2015-13-17,1"]), "line 1"),
        (lambda: parse_rates(["2015-12-17,nan"]), "line 1"),
        (lambda: DiscountCurve((1.0,), ()), "1 times and 0 rates"),
        (lambda: DiscountCurve((1.0, 0.5), (0.0, 0.0)), "rise"),
        (lambda: flat_curve(float("inf")), "finite"),
    ],
)
def test_bad_rows_are_named(make, word: str) -> None:
    with pytest.raises(RateError, match=word):
        make()
