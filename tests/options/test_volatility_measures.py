"""Constant maturity, slope and skew; rank and percentile; realised volatility and its forecast."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.options.iv_history import APART, FEWEST, WINDOW, standing, standing_of
from actors.options.pricing import black76_greeks
from actors.options.realised import Bars, BarsError, bars, har_forecast, session_variance, yang_zhang
from actors.options.smile import FitReport, Smile, flat_smile
from actors.options.term import constant_maturity, skew, smile_points, term_slope

levels = st.floats(0.05, 2.0)


# --- term structure ---------------------------------------------------------------------------------------------------


def test_total_variance_is_linear_in_time_between_the_expiries_around() -> None:
    found = constant_maturity([(44.0, 0.25), (16.0, 0.35), (9.0, 9.9), (72.0, 9.9)])
    assert found == pytest.approx(math.sqrt((0.5 * 0.35**2 * 16 + 0.5 * 0.25**2 * 44) / 30))
    assert constant_maturity([(30.0, 0.2), (44.0, 0.5)]) == 0.2


def test_nothing_is_extrapolated_and_unknowns_are_left_out() -> None:
    assert constant_maturity([]) is None
    assert constant_maturity([(31.0, 0.2), (60.0, 0.2)]) is None
    assert constant_maturity([(7.0, 0.2), (29.0, 0.2)]) is None
    assert constant_maturity([(0.5, 0.2), (60.0, 0.2)]) is None
    assert constant_maturity([(20.0, math.nan), (60.0, 0.2)]) is None


@given(st.lists(st.tuples(st.floats(1, 400), levels), min_size=2, max_size=8), levels)
def test_a_flat_term_structure_has_its_own_level_and_no_slope(points: list[tuple[float, float]], level: float) -> None:
    flat = [(days, level) for days, _ in points]
    found = constant_maturity(flat)
    assert found is None or found == pytest.approx(level)
    assert term_slope(flat) in (None, pytest.approx(0.0, abs=1e-9))


def test_the_slope_is_in_points_and_positive_in_contango() -> None:
    points = smile_points([flat_smile(100.0, days / 365, level) for days, level in ((120, 0.3), (90, 0.3), (30, 0.2))])
    assert [days for days, _ in points] == pytest.approx([30, 90, 120])
    assert term_slope([(29.0, 0.2), (31.0, 0.2), (90.0, 0.3), (91.0, 0.3)]) == pytest.approx(10.0)
    assert term_slope([(29.0, 0.2), (31.0, 0.2)]) is None
    with pytest.raises(ValueError, match="near 90"):
        term_slope([], 90, 30)


def test_skew_is_read_at_the_25_delta_strikes_where_the_fit_saw_them() -> None:
    def slanted(lowest: float, highest: float) -> Smile:
        return Smile(100.0, 0.1, 1.0, 0.001, 0.06, 0.01, 0.0, 0.05, FitReport("svi", 30, 0, 0, lowest, highest))

    smile = slanted(50, 150)
    found = skew(smile)
    assert found is not None
    for strike, level, call in zip(found.strikes, (found.put, found.call), (False, True), strict=True):
        delta = float(black76_greeks(100.0, strike, 0.1, level / 100, 1.0, call).delta)
        assert abs(delta) == pytest.approx(0.25, abs=1e-6)
    assert found.risk_reversal > 0
    assert found.butterfly == pytest.approx((found.put + found.call) / 2 - 100 * float(smile.volatility(100.0)))
    assert skew(slanted(99, 150)) is None
    flat = skew(flat_smile(100.0, 0.1, 0.3))
    assert flat is not None
    assert flat.risk_reversal == pytest.approx(0.0)
    with pytest.raises(ValueError, match=r"delta 0\.5"):
        skew(smile, 0.5)


# --- rank and percentile ----------------------------------------------------------------------------------------------


def test_rank_and_percentile_by_hand() -> None:
    history = [0.10 + 0.001 * i for i in range(200)]
    found = standing(0.2, history)
    assert found.rank == pytest.approx(100 * 0.1 / 0.199)
    assert found.percentile == pytest.approx(100 * 100.5 / 200)
    assert (found.samples, found.source, found.reason) == (200, "own", "")


def test_without_enough_history_there_is_none_never_50() -> None:
    few = standing(0.2, [0.1, 0.3] * 62 + [None] * 100)
    assert (few.rank, few.percentile, few.samples) == (None, None, 124)
    assert "no_iv_history: 124 of 126" in few.reason
    flat = standing(0.2, [0.2] * 252)
    assert (flat.rank, flat.percentile) == (None, None)
    assert "never moved" in flat.reason
    assert standing(None, [0.1, 0.2] * 100).rank is None
    assert standing(math.nan, [0.1, 0.2] * 100).reason == "no volatility today"


def test_only_the_last_252_sessions_count_and_a_session_without_a_quote_is_still_one() -> None:
    old = [9.0] * 50
    year = [0.1, 0.3] * 100 + [None] * 52
    assert standing(0.2, old + year).rank == pytest.approx(50.0)
    assert standing(0.2, old + year[:-1]).highest == 9.0


def test_one_spike_sets_rank_and_percentile_apart() -> None:
    found = standing(0.2, [0.15] * 125 + [0.1] * 100 + [0.9])
    assert found.rank is not None
    assert found.percentile is not None
    assert found.percentile - found.rank > APART
    assert found.apart


@given(st.lists(st.one_of(st.none(), levels), max_size=300), levels)
def test_both_stay_between_0_and_100_and_need_126(history: list[float | None], today: float) -> None:
    found = standing(today, history)
    known = [value for value in history[-WINDOW:] if value is not None]
    assert found.samples == len(known)
    if len(known) < FEWEST or min(known) == max(known):
        assert (found.rank, found.percentile) == (None, None)
    else:
        assert found.rank is not None
        assert found.percentile is not None
        assert 0 <= found.rank <= 100
        assert 0 <= found.percentile <= 100
        assert (found.rank == 0) == (today <= min(known))
        assert (found.percentile == 100) == (today > max(known))


def test_a_proxy_serves_until_there_are_own_samples_and_is_never_mixed() -> None:
    own, proxy = [0.1, 0.3] * 63, [15.0, 25.0] * 100
    assert standing_of(0.2, own, 24.0, proxy).source == "own"
    before = standing_of(0.2, own[1:], 24.0, proxy)
    assert (before.source, before.rank) == ("proxy", pytest.approx(90.0))
    neither = standing_of(0.2, own[1:], None, [])
    assert (neither.source, neither.rank) == ("none", None)


# --- realised ---------------------------------------------------------------------------------------------------------


def walk(sessions: int, volatility: float, *, drift: float = 0.0, night: float = 0.3, seed: int = 7) -> Bars:
    """Bars of a random walk of 390 minutes a session; `night` is the night's share of the variance."""
    generator = np.random.default_rng(seed)
    variance = volatility**2 / 252
    nights = generator.normal(drift / 252 * night, np.sqrt(variance * night), sessions)
    minutes = generator.normal(
        drift / 252 * (1 - night) / 390, np.sqrt(variance * (1 - night) / 390), (sessions, 390)
    )  # fmt: skip
    inside = np.concatenate((np.zeros((sessions, 1)), np.cumsum(minutes, axis=1)), axis=1)
    opens = np.cumsum(nights) + np.concatenate((np.zeros(1), np.cumsum(inside[:, -1])[:-1]))
    path = np.exp(opens[:, np.newaxis] + inside) * 100
    return bars(path[:, 0], path.max(axis=1), path.min(axis=1), path[:, -1])


@pytest.mark.parametrize("drift", [0.0, 2.0])
def test_yang_zhang_finds_the_volatility_whatever_the_drift(drift: float) -> None:
    # Extremes seen by the minute are a little inside the true ones, which costs some 4 %.
    assert yang_zhang(walk(2000, 0.3, drift=drift)) == pytest.approx(0.3, rel=0.05)


def test_yang_zhang_is_its_formula() -> None:
    days = bars([100, 102, 101, 105], [103, 104, 106, 107], [99, 100, 100, 103], [101, 103, 104, 104])
    night = np.log([102 / 101, 101 / 103, 105 / 104])
    day = np.log([103 / 102, 104 / 101, 104 / 105])
    inside = [
        math.log(h / c) * math.log(h / o) + math.log(low / c) * math.log(low / o)
        for o, h, low, c in ((102, 104, 100, 103), (101, 106, 100, 104), (105, 107, 103, 104))
    ]
    k = 0.34 / (1.34 + 4 / 2)
    variance = np.var(night, ddof=1) + k * np.var(day, ddof=1) + (1 - k) * np.mean(inside)
    assert yang_zhang(days) == pytest.approx(math.sqrt(252 * variance))
    assert yang_zhang(bars([1, 1], [1, 1], [1, 1], [1, 1])) is None


def test_bars_that_are_none_are_named() -> None:
    with pytest.raises(BarsError, match="bar 1"):
        bars([1, 1], [2, 0.5], [0.5, 0.4], [1, 1])
    with pytest.raises(BarsError, match="one length"):
        bars([1], [2, 2], [1], [1])


def test_the_forecast_finds_the_coefficients_of_a_har_process() -> None:
    generator = np.random.default_rng(5)
    values = [1e-4] * 22
    for _ in range(6000):
        mean = 1e-5 + 0.35 * values[-1] + 0.3 * np.mean(values[-5:]) + 0.25 * np.mean(values[-22:])
        values.append(float(mean * generator.gamma(8.0, 1 / 8.0)))
    found = har_forecast(values, 1)
    assert found is not None
    truth = 1e-5 + 0.35 * values[-1] + 0.3 * np.mean(values[-5:]) + 0.25 * np.mean(values[-22:])
    assert found.volatility == pytest.approx(math.sqrt(252 * truth), rel=0.05)
    assert found.low < found.volatility < found.high


def test_the_forecast_of_a_steady_market_is_its_level_and_it_needs_history() -> None:
    variance = session_variance(walk(600, 0.25))
    found = har_forecast(variance)
    assert found is not None
    assert found.volatility == pytest.approx(0.25, rel=0.12)
    assert har_forecast(variance[:140]) is None
    steady = har_forecast(np.full(300, 1e-4))
    assert steady is not None
    assert steady.volatility == pytest.approx(math.sqrt(252e-4))
    with pytest.raises(ValueError, match="horizon 0"):
        har_forecast(variance, 0)
    with pytest.raises(ValueError, match="finite"):
        har_forecast([math.nan] * 300)
