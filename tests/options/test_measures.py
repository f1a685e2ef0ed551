"""Units of the desk's measures, stated once: per contract, per position, and what is unknown stays unknown."""

from __future__ import annotations

import math

import numpy as np
import pytest

from actors.options.measures import (
    beta_delta,
    contract_greeks,
    delta_dollars,
    gamma_per_percent,
    lean_theta,
    signed_sum,
)
from actors.options.pricing import black76, black76_greeks

MARKET = {"strike": 105.0, "time": 0.25, "volatility": 0.3, "factor": math.exp(-0.02 * 0.25), "is_call": True}


def value(spot: float, *, volatility: float = 0.3, rate: float = 0.02, days: float = 0.0) -> float:
    """Dollars of one contract of 100 shares without dividends."""
    time = 0.25 - days / 365
    forward = spot * math.exp(rate * time)
    return 100 * float(black76(forward, 105.0, time, volatility, math.exp(-rate * time), True))


def test_a_contracts_greeks_are_in_dollars_points_days_and_percents() -> None:
    spot = 100.0
    forward = spot * math.exp(0.02 * 0.25)
    raw = black76_greeks(forward, *MARKET.values(), spot=spot)
    one = contract_greeks(raw, forward, 105.0, 0.25, MARKET["factor"], True)
    assert float(one.price) == pytest.approx(value(spot))
    assert float(one.delta) == pytest.approx((value(spot + 0.01) - value(spot - 0.01)) / 0.02, rel=1e-6)
    assert float(one.gamma) == pytest.approx((value(spot + 0.1) - 2 * value(spot) + value(spot - 0.1)) / 0.01, rel=1e-4)
    assert float(one.vega) == pytest.approx((value(spot, volatility=0.305) - value(spot, volatility=0.295)), rel=1e-4)
    assert float(one.rho) == pytest.approx(value(spot, rate=0.025) - value(spot, rate=0.015), rel=1e-4)
    assert float(one.theta) == pytest.approx((value(spot, days=0.01) - value(spot, days=-0.01)) / 0.02, rel=1e-4)
    assert float(one.theta) < 0


def test_under_a_day_theta_is_what_decays_to_the_fixing() -> None:
    strikes = np.array([95.0, 100.0, 105.0])
    raw = black76_greeks(100.0, strikes, 0.25 / 365, 0.3, 1.0, True)
    one = contract_greeks(raw, 100.0, strikes, 0.25 / 365, 1.0, True)
    np.testing.assert_allclose(one.price + one.theta, [500.0, 0.0, 0.0], atol=1e-9)
    assert float(raw.theta[1]) * 100 < float(one.theta[1]) * 1.5


def test_a_positions_measure_is_a_signed_sum_and_unknown_stays_unknown() -> None:
    assert signed_sum([50.0, 20.0], [-2, 5]) == 0.0
    assert signed_sum([math.nan, 20.0], [0, 5]) == 100.0
    assert math.isnan(signed_sum([math.nan, 20.0], [1, 5]))
    assert float(delta_dollars(50.0, 200.0)) == 10_000
    assert float(gamma_per_percent(3.0, 200.0)) == 6.0
    assert beta_delta(50.0, 200.0, 1.5, 600.0) == 25.0
    assert beta_delta(50.0, 200.0, None, 600.0) is None
    with pytest.raises(ValueError, match="reference price 0"):
        beta_delta(50.0, 200.0, 1.0, 0)
    assert float(lean_theta(-104.977431)) == pytest.approx(-0.28761, abs=1e-5)
