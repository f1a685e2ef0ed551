"""Chances of books: against integration of the density, hand formulas, symmetry and simulation."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from actors.options.book_model import NoModel, book_model, curve
from actors.options.contracts import Contract
from actors.options.orders import OrderLeg
from actors.options.payoff import Leg, MixedUnderlyings, payoff
from actors.options.pricing import black76
from actors.options.probability import (
    chances,
    chances_at_nearest,
    order_chances,
    short_strikes,
    target_before_stop,
    touch,
    wilson,
)
from actors.options.smile import FitReport, Smile, flat_smile

NEAR, FAR = dt.date(2026, 12, 18), dt.date(2027, 3, 19)
SKEWED = Smile(101.0, 0.1, 0.995, 0.001, 0.08, 0.02, 0.0, 0.06, FitReport("svi", 0, 0, 0, 101, 101))
FLAT = {NEAR: flat_smile(100.0, 0.1, 0.3), FAR: flat_smile(100.0, 0.35, 0.3)}


def option(right: str, strike: int, expiry: dt.date = NEAR) -> str:
    return Contract("XYZ", expiry, "C" if right == "C" else "P", Decimal(strike)).symbol


books = st.lists(
    st.builds(Leg, st.builds(option, st.sampled_from("CP"), st.integers(80, 120)), st.integers(-3, 3)), max_size=5
).flatmap(lambda legs: st.just(legs) | st.just([*legs, Leg("XYZ", 100)]))


@given(books, st.floats(-2000, 2000))
@settings(max_examples=100, deadline=None)
def test_pop_and_mean_are_the_integrals_of_the_density(legs: list[Leg], cash: float) -> None:
    found = chances(payoff(legs), cash, SKEWED)
    k = np.linspace(-4, 3, 40_001)
    price = SKEWED.forward * np.exp(k)
    mass = SKEWED.density(price) * price * (k[1] - k[0])
    exact = payoff(legs)
    values = np.interp(price, [float(s) for s in exact.spots], [float(v) for v in exact.values]) + cash
    beyond = price > float(exact.spots[-1])
    last = float(exact.values[-1]) + cash
    values = np.where(beyond, last + float(exact.slope) * (price - float(exact.spots[-1])), values)
    assert found.profit == pytest.approx(float(mass @ (values > 0)), abs=2e-3)
    assert found.expected == pytest.approx(float(mass @ values), abs=0.5)
    assert not found.estimate


@given(books, st.floats(-2000, 2000))
@settings(max_examples=60, deadline=None)
def test_the_grid_at_the_nearest_expiry_is_the_exact_answer_where_legs_expire_together(
    legs: list[Leg], cash: float
) -> None:
    model = book_model(legs, 100.5, {NEAR: SKEWED})
    found = chances_at_nearest(model, cash)
    if not model.options:
        assert found is None
        return
    exact = chances(payoff(legs), cash, SKEWED)
    assert found is not None
    assert not found.estimate
    assert found.profit == pytest.approx(exact.profit, abs=2e-3)
    assert found.expected == pytest.approx(exact.expected, abs=1.0)


def test_a_short_put_wins_above_its_break_even_and_fair_books_expect_nothing() -> None:
    legs = [Leg(option("P", 95), -1)]
    premium = 100 * float(SKEWED.price(95.0, False)) / SKEWED.factor
    found = chances(payoff(legs), premium, SKEWED)
    assert found.profit == pytest.approx(1 - float(SKEWED.probability_below(95 - premium / 100)))
    assert found.expected == pytest.approx(0.0, abs=1e-9)
    assert chances(payoff(legs), premium - 1.3, SKEWED).expected == pytest.approx(-1.3)


@pytest.mark.parametrize(("cash", "profit"), [(0.0, 0.0), (1.0, 1.0), (-1.0, 0.0)])
def test_an_empty_book_wins_by_its_cash_alone(cash: float, profit: float) -> None:
    found = chances(payoff([]), cash, SKEWED)
    assert (found.profit, found.expected) == (profit, cash)


def test_an_orders_chances_are_at_its_limit_after_round_trip_fees() -> None:
    legs = [OrderLeg(option("P", 95), -1), OrderLeg(option("P", 90), 1)]
    found = order_chances(legs, Decimal("-1.05"), 3, Decimal("7.80"), 100.0, FLAT)
    assert found is not None
    even = 95 - (3 * 105 - 7.80) / 300
    assert found.profit == pytest.approx(1 - float(FLAT[NEAR].probability_below(even)))
    free = order_chances(legs, Decimal("-1.05"), 3, Decimal(0), 100.0, FLAT)
    assert free is not None
    assert free.expected - found.expected == pytest.approx(7.80)
    with pytest.raises(ValueError, match="quantity 0"):
        order_chances(legs, Decimal(-1), 0, Decimal(0), 100.0, FLAT)
    with pytest.raises(NoModel, match="no smile for its expiry 2026-12-18"):
        order_chances(legs, Decimal(-1), 1, Decimal(0), 100.0, {})


def test_where_legs_expire_apart_there_is_none_unless_as_an_estimate() -> None:
    calendar = [OrderLeg(option("C", 100), -1), OrderLeg(option("C", 100, FAR), 1)]
    arguments = (Decimal("3.30"), 1, Decimal("2.60"), 100.0, FLAT)
    assert order_chances(calendar, *arguments) is None
    found = order_chances(calendar, *arguments, estimates=True)
    assert found is not None
    assert found.estimate
    # At the nearest expiry the far call is Black's, the near one intrinsic value.
    price = 100 * np.exp(np.linspace(-0.9, 0.9, 20_001))
    value = 100 * (black76(price, 100.0, 0.25, 0.3, 1.0, True) - np.maximum(price - 100, 0)) - 330 - 2.60
    mass = np.diff(FLAT[NEAR].probability_below(price))
    middle = 0.5 * (value[1:] + value[:-1])
    assert found.profit == pytest.approx(float(mass @ (middle > 0)), abs=1e-3)
    assert found.expected == pytest.approx(float(mass @ middle), abs=0.1)
    assert order_chances([OrderLeg("XYZ", 1)], Decimal(100), 1, Decimal(0), 100.0, FLAT) is None


def test_todays_curve_is_the_books_value_as_spot_moves() -> None:
    legs = [Leg(option("C", 100), -1), Leg(option("C", 105, FAR), 2), Leg("XYZ", -50)]
    model = book_model(legs, 100.0, FLAT)
    drawn = curve(model, -120.0, reach=0.1, points=21)
    spot = drawn.spots[7]
    near, far = black76(spot, 100.0, 0.1, 0.3, 1.0, True), black76(spot, 105.0, 0.35, 0.3, 1.0, True)
    assert drawn.now[7] == pytest.approx(-100 * near + 200 * far - 50 * spot - 120)
    later = black76(spot, 105.0, 0.25, 0.3, 1.0, True)
    assert drawn.expiry[7] == pytest.approx(-100 * max(spot - 100, 0) + 200 * later - 50 * spot - 120)
    assert drawn.estimate
    assert short_strikes(model) == [100.0]
    with pytest.raises(ValueError, match="outside 0 to the nearest"):
        model.value(100.0, 0.2)
    with pytest.raises(MixedUnderlyings, match="XYZ and ABC"):
        book_model([*legs, Leg("ABC", 1)], 100.0, FLAT)


# --- touch ------------------------------------------------------------------------------------------------------------


@given(st.floats(70, 140), st.floats(0.1, 0.8), st.floats(-0.1, 0.1))
@settings(deadline=None)
def test_touch_is_at_least_the_chance_to_end_beyond_and_one_at_the_spot(
    strike: float, level: float, carry: float
) -> None:
    smile = flat_smile(100 * math.exp(carry * 0.2), 0.2, level)
    found = float(touch(smile, 100.0, strike))
    below = float(smile.probability_below(strike))
    assert (1 - below if strike > 100 else below) - 1e-12 <= found <= 1
    assert float(touch(smile, 100.0, 100.0)) == 1.0
    further = strike * 1.02 if strike > 100 else strike / 1.02
    assert float(touch(smile, 100.0, further)) <= found + 1e-12


def test_touch_is_what_a_simulated_walk_does() -> None:
    smile = flat_smile(102.0, 0.25, 0.4)
    generator = np.random.Generator(np.random.PCG64(11))
    steps, paths, barrier = 8, 200_000, 115.0
    deviation = 0.4 * math.sqrt(0.25 / steps)
    moves = generator.normal(math.log(1.02) / steps - deviation**2 / 2, deviation, (paths, steps))
    walk = np.concatenate((np.zeros((paths, 1)), np.cumsum(moves, axis=1)), axis=1)
    left = math.log(barrier / 100) - walk
    # Chance that the bridge between two looks goes over the barrier.
    bridge = np.exp(-2 * np.maximum(left[:, 1:], 0) * np.maximum(left[:, :-1], 0) / deviation**2)
    missed = np.prod(1 - np.where((left[:, 1:] <= 0) | (left[:, :-1] <= 0), 1.0, bridge), axis=1)
    assert float(touch(smile, 100.0, barrier)) == pytest.approx(1 - missed.mean(), abs=0.005)
    driftless = flat_smile(100 * math.exp(0.5 * 0.4**2 * 0.25), 0.25, 0.4)
    reflected = 2 * float(ndtr(-math.log(1.15) / 0.2))
    assert float(touch(driftless, 100.0, 115.0)) == pytest.approx(reflected)


# --- target before stop -----------------------------------------------------------------------------------------------

LINE = book_model([Leg(option("C", 100), 1), Leg(option("P", 100), -1)], 100.0, FLAT)


@pytest.mark.parametrize(("target", "stop"), [(200.0, -200.0), (300.0, -100.0), (100.0, -300.0)])
def test_a_fair_line_reaches_target_first_as_often_as_a_gambler_does(target: float, stop: float) -> None:
    race = target_before_stop(LINE, 0.0, target, stop, seed=3, paths=4000, steps=400)
    assert race is not None
    assert race.target + race.stop + race.neither == pytest.approx(1.0)
    assert race.neither < 0.02
    # Overshoot at each look makes the nearer end a little likelier.
    assert race.target == pytest.approx(-stop / (target - stop), abs=0.035)
    assert race.interval[0] < race.target < race.interval[1]


def test_the_same_seed_gives_the_same_race_and_more_paths_a_narrower_interval() -> None:
    few = target_before_stop(LINE, 0.0, 200, -200, seed=3, paths=500)
    assert few == target_before_stop(LINE, 0.0, 200, -200, seed=3, paths=500)
    assert few != target_before_stop(LINE, 0.0, 200, -200, seed=4, paths=500)
    many = target_before_stop(LINE, 0.0, 200, -200, seed=3, paths=8000)
    assert few is not None
    assert many is not None
    assert np.diff(many.interval) < np.diff(few.interval) / 3
    assert target_before_stop(book_model([Leg("XYZ", 100)], 100.0, FLAT), 0.0, 1, -1, seed=1) is None
    with pytest.raises(ValueError, match="stop 5 must be below"):
        target_before_stop(LINE, 0.0, 5, 5, seed=1)


def test_a_short_strangles_time_works_for_its_target() -> None:
    model = book_model([Leg(option("C", 110), -1), Leg(option("P", 90), -1)], 100.0, FLAT)
    credit = -float(model.value(100.0))
    race = target_before_stop(model, credit, 0.5 * credit, -2 * credit, seed=9)
    assert race is not None
    assert 0.6 < race.target < 0.95


def test_wilsons_interval_by_hand() -> None:
    assert wilson(50, 100) == pytest.approx((0.40383, 0.59617), abs=1e-5)
    assert wilson(0, 100)[0] == pytest.approx(0.0)
    with pytest.raises(ValueError, match="5 of 4"):
        wilson(5, 4)
