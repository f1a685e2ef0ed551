"""American exercise: against QuantLib, against what must hold, and taken out of quotes before a smile is fitted."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.american import (
    Dividend,
    DividendError,
    ExtraMissing,
    american_price,
    early_exercise_premium,
    european_quotes,
    present_value,
)
from actors.options.pricing import black76
from actors.options.smile import FitReport, Smile
from actors.options.smile_fit import Quotes, fit_smile

DIVIDENDS = (Dividend(0.02, 0.9), Dividend(0.27, 1.1))
STRIKES = np.array([70.0, 85.0, 95.0, 100.0, 105.0, 115.0, 130.0] * 2)
CALL = np.arange(14) < 7


@pytest.mark.parametrize("dividends", [(), DIVIDENDS])
@pytest.mark.parametrize(("time", "rate"), [(0.04, 0.05), (0.25, 0.0), (0.5, 0.05), (1.0, -0.01)])
def test_the_tree_is_quantlibs_finite_differences_to_about_a_cent(time: float, rate: float, dividends: tuple) -> None:
    market = (100.0, STRIKES, time, 0.3, np.exp(-rate * time), CALL)
    ours = american_price(*market, dividends=dividends)
    theirs = american_price(*market, dividends=dividends, method="quantlib", steps=300)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.013 if time == 1.0 else 0.0075)


@given(
    st.floats(60, 160), st.floats(0.02, 1.5), st.floats(0.1, 0.9), st.floats(-0.02, 0.08), st.booleans(),
    st.lists(st.tuples(st.floats(0.01, 1.5), st.floats(0.0, 3.0)), max_size=2),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_an_american_is_worth_exercise_now_and_its_european_twin_at_least(
    strike: float, time: float, level: float, rate: float, call: bool, paid: list[tuple[float, float]]
) -> None:
    dividends = tuple(Dividend(*each) for each in paid)
    factor = float(np.exp(-rate * time))
    value = float(american_price(100.0, strike, time, level, factor, call, dividends=dividends, steps=60))
    left = 100.0 - float(present_value(dividends, time, rate))
    european = float(black76(left / factor, strike, time, level, factor, call))
    assert value >= max((100.0 - strike) * (1 if call else -1), 0.0) - 1e-9
    assert value >= european - 1e-9
    due = [each for each in dividends if each.time <= time]
    if call and not any(each.amount for each in due) and rate >= 0:
        assert value == pytest.approx(european, abs=1e-6)
    if not call:
        # A put holder gains at most the interest on the strike.
        assert value <= european + strike * max(1 - factor, 0.0) + 0.02


def test_a_call_is_exercised_the_moment_before_a_dividend_larger_than_what_is_left() -> None:
    dividend = (Dividend(1.5 / 365, 1.0),)
    premium = float(early_exercise_premium(100.0, 80.0, 10 / 365, 0.2, 1.0, True, dividends=dividend))
    assert premium == pytest.approx(1.0, abs=1e-3)
    assert float(early_exercise_premium(100.0, 80.0, 1 / 365, 0.2, 1.0, True, dividends=dividend)) < 1e-9
    no_volatility = american_price(100.0, np.array([80.0, 120.0]), 0.1, 0.0, 1.0, [True, False], dividends=dividend)
    np.testing.assert_allclose(no_volatility, [20.0, 21.0])


def test_nothing_known_is_nothing_priced_and_the_rest_is_named() -> None:
    assert np.isnan(american_price(np.nan, 100.0, 0.1, 0.2, 1.0, True))
    assert float(american_price(90.0, 100.0, 0.0, 0.2, 1.0, False)) == 10.0
    with pytest.raises(DividendError, match=r"101\.00 are not below the spot 100\.00"):
        american_price(100.0, 100.0, 1.0, 0.2, 1.0, True, dividends=(Dividend(0.5, 101.0),))
    with pytest.raises(DividendError, match="-1"):
        present_value((Dividend(0.5, -1.0),), 1.0, 0.0)
    with pytest.raises(ValueError, match="steps 5"):
        american_price(100.0, 100.0, 1.0, 0.2, 1.0, True, steps=5)


def test_without_quantlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "QuantLib", None)
    with pytest.raises(ExtraMissing, match=r"callboard\[american\]"):
        american_price(100.0, 100.0, 1.0, 0.2, 1.0, True, method="quantlib")
    assert float(american_price(100.0, 100.0, 1.0, 0.2, 1.0, True)) > 7


def test_the_premium_taken_out_of_quotes_leaves_the_smile_that_made_them() -> None:
    time, rate, spot = 0.4, 0.05, 100.0
    factor = float(np.exp(-rate * time))
    dividends = (Dividend(0.2, 1.2),)
    forward = (spot - float(present_value(dividends, time, rate))) / factor
    truth = Smile(forward, time, factor, 0.004, 0.10, 0.03, 0.0, 0.12, FitReport("svi", 0, 0, 0, forward, forward))
    strikes = np.repeat(np.arange(70.0, 136.0, 2.5), 2)
    call = np.arange(strikes.size) % 2 == 0
    value = american_price(
        spot, strikes, time, truth.volatility(strikes), factor, call, forward=forward, dividends=dividends
    )  # fmt: skip
    # Parity of American prices is off by their premiums: the forward read from them is, too.
    quotes = Quotes(forward + 0.3, time, factor, strikes, call, value - 0.01, value + 0.01)
    plain, adjusted = fit_smile(quotes), fit_smile(european_quotes(quotes, spot, dividends, steps=200))
    assert isinstance(plain, Smile)
    assert isinstance(adjusted, Smile)
    assert adjusted.forward == pytest.approx(forward, abs=0.02)
    at = np.linspace(80.0, 120.0, 9)
    off, left = (np.abs(fit.volatility(at) - truth.volatility(at)).max() for fit in (plain, adjusted))
    assert left < 0.0015
    assert left < off / 4


def test_quotes_without_rate_and_dividends_are_left_alone() -> None:
    strikes = np.array([90.0, 95.0, 100.0, 105.0])
    value = black76(100.0, strikes, 0.1, 0.3, 1.0, strikes >= 100)
    quotes = Quotes(100.0, 0.1, 1.0, strikes, strikes >= 100, value - 0.01, value + 0.01)
    assert european_quotes(quotes, 100.0) is quotes
