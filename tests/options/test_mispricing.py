"""Rich and cheap: the odd quote is found, by how much in which unit, and never by comparison with itself."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from actors.options.mispricing import against_forecast, outliers, residuals
from actors.options.pricing import black76_greeks
from actors.options.realised import Forecast
from actors.options.smile import FitReport, Smile
from actors.options.smile_fit import Quotes, fit_smile, leverage

TRUTH = Smile(100.0, 0.15, 1.0, 0.002, 0.09, 0.03, 0.0, 0.08, FitReport("svi", 0, 0, 0, 100, 100))
STRIKES = np.repeat(np.arange(80.0, 121.0, 2.0), 2)
CALL = np.arange(STRIKES.size) % 2 == 0


def chain(odd: int | None = None, dollars: float = 0.0, half: float = 0.03) -> Quotes:
    """A chain quoted `half` a width around the truth, one quote of it `dollars` off."""
    middle = TRUTH.price(STRIKES, CALL)
    if odd is not None:
        middle[odd] += dollars
    return Quotes(100.0, 0.15, 1.0, STRIKES, CALL, middle - half, middle + half)


def fitted(quotes: Quotes) -> Smile:
    found = fit_smile(quotes)
    assert isinstance(found, Smile)
    return found


def test_the_odd_quote_is_found_in_dollars_spreads_and_points_and_the_rest_is_fair() -> None:
    row = int(np.flatnonzero((STRIKES == 108) & CALL)[0])
    quotes = chain(row, 0.12)
    found = residuals(quotes, fitted(quotes))
    assert found.dollars[row] == pytest.approx(0.12, abs=0.01)
    assert found.spreads[row] == pytest.approx(2.0, abs=0.15)
    vega = float(black76_greeks(100.0, 108.0, 0.15, TRUTH.volatility(108.0), 1.0, True).vega)
    assert found.points[row] == pytest.approx(0.12 / vega, rel=0.1)
    assert found.edge[row] == pytest.approx(0.12 - 0.03, abs=0.01)
    assert np.flatnonzero(outliers(found)).tolist() == [row]
    others = np.arange(STRIKES.size) != row
    # The odd quote still pulls its neighbours' fit a little: far less than it is off itself.
    assert np.nanmax(np.abs(found.dollars[others])) < 0.04
    assert np.nanmax(np.abs(found.edge[others])) < 0.01


def test_a_cheap_quote_is_negative_and_its_edge_is_to_buy() -> None:
    row = int(np.flatnonzero((STRIKES == 94) & ~CALL)[0])
    quotes = chain(row, -0.12)
    found = residuals(quotes, fitted(quotes))
    assert found.dollars[row] < -0.1
    assert found.edge[row] == pytest.approx(-0.09, abs=0.01)


def test_a_residual_is_that_of_a_fit_without_the_quote() -> None:
    for strike in (86.0, 96.0, 104.0, 116.0):
        row = int(np.flatnonzero((strike == STRIKES) & ((strike >= 100) == CALL))[0])
        quotes = chain(row, 0.05)
        with_it = residuals(quotes, fitted(quotes))
        bid = quotes.bid.copy()
        bid[row] = np.nan
        without = fitted(msgspec.structs.replace(quotes, bid=bid))
        middle = 0.5 * (quotes.bid[row] + quotes.ask[row])
        apart = float(middle - without.price(strike, bool(CALL[row])))
        assert with_it.dollars[row] == pytest.approx(apart, abs=0.004)


def test_pulls_add_up_to_the_unknowns_and_quotes_that_make_the_fit_have_no_residual() -> None:
    quotes = chain()
    pull = leverage(quotes, fitted(quotes))
    assert float(pull.sum()) == pytest.approx(5.0, abs=1e-6)
    assert (pull[(STRIKES < 100) == CALL] == 0).all()
    rows = np.flatnonzero(np.isin(STRIKES, [92.0, 96.0, 98.0, 102.0, 104.0, 108.0]))
    few = Quotes(
        100.0, 0.15, 1.0, STRIKES[rows], CALL[rows], quotes.bid[rows], quotes.ask[rows]
    )  # fmt: skip
    smile = fitted(few)
    assert smile.report.form == "ssvi"
    pull = leverage(few, smile)
    assert float(pull.sum()) == pytest.approx(3.0, abs=1e-3)
    found = residuals(few, smile)
    assert np.isnan(found.dollars[pull > 0.5]).all()


def test_missing_quotes_have_no_residual() -> None:
    quotes = chain()
    bid = quotes.bid.copy()
    bid[[3, 10]] = np.nan, 0.0
    found = residuals(msgspec.structs.replace(quotes, bid=bid), fitted(quotes))
    assert np.isnan(found.dollars[[3, 10]]).all()
    assert np.isnan(found.edge[[3, 10]]).all()
    assert not outliers(found)[[3, 10]].any()
    with pytest.raises(ValueError, match="-1"):
        outliers(found, spreads=-1)


@pytest.mark.parametrize(("implied", "view"), [(0.30, "rich"), (0.21, "fair"), (0.1, "cheap")])
def test_implied_is_rich_or_cheap_against_what_is_forecast(implied: float, view: str) -> None:
    found = against_forecast(implied, Forecast(0.2, 0.15, 0.25, 21, 200, 0.4))
    assert found is not None
    assert found.view == view
    assert found.points == pytest.approx(100 * (implied - 0.2))
    assert found.ratio == pytest.approx(implied / 0.2)


def test_without_either_there_is_no_view() -> None:
    assert against_forecast(None, Forecast(0.2, 0.15, 0.25, 21, 200, 0.4)) is None
    assert against_forecast(0.2, None) is None
    assert against_forecast(0.2, Forecast(0.0, 0.0, 0.0, 21, 200, 0.4)) is None
