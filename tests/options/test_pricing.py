"""Black-76 against QuantLib, finite differences and exact limits; implied volatility back to its start."""

from __future__ import annotations

import datetime as dt
import warnings

import numpy as np
import pytest
import QuantLib as ql

from actors.options.pricing import (
    black76,
    black76_curvature,
    black76_greeks,
    forward_from_parity,
    implied_bounds,
    implied_volatility,
    years,
)

TIMES = (1 / 525600, 1 / 365, 0.25, 2.0)
STRIKES, VOLATILITIES = (grid.ravel() for grid in np.meshgrid(np.linspace(20, 400, 39), [0.05, 0.3, 1.0, 3.0]))


@pytest.fixture(autouse=True)
def no_warnings():
    """Limits are values, not warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("rate", [-0.01, 0.0, 0.05])
@pytest.mark.parametrize("call", [True, False])
@pytest.mark.parametrize("time", TIMES)
def test_prices_are_quantlibs_and_invert(call: bool, time: float, rate: float) -> None:
    forward, factor = 100.0, float(np.exp(-rate * time))
    ours = black76(forward, STRIKES, time, VOLATILITIES, factor, call)
    side = ql.Option.Call if call else ql.Option.Put
    theirs = [
        ql.blackFormula(side, float(strike), forward, float(level) * time**0.5, factor)
        for strike, level in zip(STRIKES, VOLATILITIES, strict=True)
    ]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    found = implied_volatility(ours, forward, STRIKES, time, factor, call)
    back = np.isfinite(found)
    np.testing.assert_allclose(found[back], VOLATILITIES[back], rtol=0, atol=1e-8)
    intrinsic = factor * np.maximum((forward - STRIKES) * (1 if call else -1), 0)
    extrinsic = ours - intrinsic
    assert back[(extrinsic > 0.011) & (VOLATILITIES < 4.9)].all()
    assert not back[extrinsic < 0.009].any()


def test_greeks_are_finite_differences_of_the_price() -> None:
    generator = np.random.default_rng(3)
    count, spot, rate, dividend = 500, 99.0, 0.03, 0.01
    strike, time = generator.uniform(60, 150, count), generator.uniform(5 / 365, 2, count)
    level, call = generator.uniform(0.1, 1.2, count), generator.random(count) < 0.5

    def price(s: float, v: np.ndarray, t: np.ndarray, r: float) -> np.ndarray:
        return black76(s * np.exp((r - dividend) * t), strike, t, v, np.exp(-r * t), call)

    forward, factor = spot * np.exp((rate - dividend) * time), np.exp(-rate * time)
    greeks = black76_greeks(forward, strike, time, level, factor, call, spot=spot)
    base = (level, time, rate)
    np.testing.assert_allclose(greeks.price, price(spot, *base), atol=1e-12)
    up, down = price(spot + 1e-4, *base), price(spot - 1e-4, *base)
    np.testing.assert_allclose(greeks.delta, (up - down) / 2e-4, atol=1e-7)
    wide = (price(spot + 1e-2, *base) - 2 * price(spot, *base) + price(spot - 1e-2, *base)) / 1e-4
    np.testing.assert_allclose(greeks.gamma, wide, atol=1e-5)
    vega = (price(spot, level + 1e-5, time, rate) - price(spot, level - 1e-5, time, rate)) / 2e-5
    np.testing.assert_allclose(greeks.vega, vega / 100, atol=1e-7)
    theta = -(price(spot, level, time + 1e-5, rate) - price(spot, level, time - 1e-5, rate)) / 2e-5
    np.testing.assert_allclose(greeks.theta, theta / 365, atol=1e-6)
    rho = (price(spot, level, time, rate + 1e-5) - price(spot, level, time, rate - 1e-5)) / 2e-5
    np.testing.assert_allclose(greeks.rho, rho / 100, atol=1e-7)


def test_second_order_greeks_are_differences_of_the_first() -> None:
    strike = np.array([80.0, 95.0, 100.0, 110.0, 140.0])
    forward, time, level, factor = 100.0, 0.4, 0.35, 0.99
    second = black76_curvature(forward, strike, time, level, factor, True)

    def first(v: float, t: float = time):
        return black76_greeks(forward, strike, t, v, np.exp(np.log(factor) / time * t), True)

    step = 1e-5
    vanna = (first(level + step).delta - first(level - step).delta) / (2 * step) / 100
    volga = (first(level + step).vega - first(level - step).vega) / (2 * step) / 100
    charm = -(first(level, time + step).delta - first(level, time - step).delta) / (2 * step) / 365
    np.testing.assert_allclose(second.vanna, vanna, atol=1e-7)
    np.testing.assert_allclose(second.volga, volga, atol=1e-7)
    np.testing.assert_allclose(second.charm, charm, atol=1e-7)


def test_limits_are_intrinsic_value_without_warnings() -> None:
    strike = np.array([50.0, 100.0, 150.0])
    for time, level in ((0.0, 0.3), (0.5, 0.0)):
        greeks = black76_greeks(100.0, strike, time, level, 1.0, True)
        np.testing.assert_array_equal(greeks.price, [50.0, 0.0, 0.0])
        np.testing.assert_array_equal(greeks.gamma, 0.0)
        assert np.isfinite([greeks.delta, greeks.vega, greeks.theta, greeks.rho]).all()


def test_no_volatility_where_the_price_tells_of_none() -> None:
    price = np.array([np.nan, 0.0, 9.99, 50.0, 101.0, 60.0])
    strike = np.array([100.0, 150.0, 90.0, 50.0, 100.0, 100.0])
    found = implied_volatility(price, 100.0, strike, 0.5, 1.0, True, tick=0.05)
    assert np.isnan(found[:5]).all()
    assert np.isfinite(found[5])


def test_bounds_are_known_where_a_volatility_is_not() -> None:
    bid = np.array([9.9, 10.0, np.nan, 2.0, 1.0, 150.0])
    ask = np.array([10.3, 10.01, 0.5, np.nan, 200.0, 160.0])
    strike = np.array([90.0, 90.0, 130.0, 100.0, 100.0, 100.0])
    low, high = implied_bounds(bid, ask, 100.0, strike, 0.02, 1.0, True, tick=0.05)
    assert low[:3].tolist() == [0.0, 0.0, 0.0]
    assert float(black76(100.0, 90.0, 0.02, high[0], 1.0, True)) == pytest.approx(10.3)
    assert high[1] == 0.0
    assert np.isfinite(high[2])
    assert np.isnan([low[3], high[3]]).all()
    assert (low[4], high[4]) == (pytest.approx(0.177, abs=0.01), 5.0)
    assert (low[5], high[5]) == (5.0, 5.0)
    assert np.isnan(implied_bounds(1.0, 2.0, np.nan, 100.0, 0.1, 1.0, True)).all()


def test_the_forward_falls_out_of_parity_with_missing_quotes_left_out() -> None:
    strike = np.array([90.0, 95.0, 100.0, 105.0, 110.0, 115.0])
    calls = black76(101.3, strike, 0.2, 0.3, 0.99, True)
    puts = black76(101.3, strike, 0.2, 0.3, 0.99, False)
    puts[1] = np.nan
    assert forward_from_parity(strike, calls, puts, 0.99) == pytest.approx(101.3, abs=1e-9)
    assert np.isnan(forward_from_parity(strike, np.full(6, np.nan), puts, 0.99))


def test_time_counts_whole_minutes_and_never_below_zero() -> None:
    now = dt.datetime(2015, 12, 24, 20, 0, 30, tzinfo=dt.UTC)
    assert years(now, now + dt.timedelta(minutes=1, seconds=5)) == pytest.approx(1 / 525600)
    assert years(now, now - dt.timedelta(days=1)) == 0.0
