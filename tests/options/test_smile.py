"""Smiles: what they say of prices and probabilities, what a fit finds, and the arbitrage seen or refused."""

from __future__ import annotations

import datetime as dt
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr

from actors.options.pricing import black76
from actors.options.smile import FitReport, Smile, flat_smile, violations
from actors.options.smile_fit import NoSmile, Quotes, fit_smile, fit_smiles
from tools.goog_chain import goog_quotes


def raw_svi(a: float, b: float, rho: float, m: float, sigma: float, *, forward: float, time: float) -> Smile:
    """A smile by Gatheral's raw parameters."""
    report = FitReport("svi", 0, 0.0, 0.0, forward, forward)
    return Smile(forward, time, 1.0, a, b * (1 - rho), b * (1 + rho), m, sigma, report)


#: Axel Vogt's smile, with butterfly arbitrage near k = 0.8 (Gatheral and Jacquier, section 3).
VOGT = raw_svi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153, forward=100.0, time=1.0)


def quoted(smile: Smile, strikes: np.ndarray, *, half: float = 0.02) -> Quotes:
    call = strikes >= smile.forward
    middle = smile.price(strikes, call)
    return Quotes(smile.forward, smile.time, smile.factor, strikes, call, middle - half, middle + half, tick=1e-6)


@st.composite
def smiles(draw) -> Smile:
    """SSVI slices, which have no butterfly arbitrage: at the money 8 to 80 %, skewed either way."""
    time = draw(st.floats(0.02, 2.0))
    theta = draw(st.floats(0.08, 0.8)) ** 2 * time
    rho = draw(st.floats(-0.85, 0.85))
    steepest = min(3.9 / (1 + abs(rho)), 2 * np.sqrt(theta / (1 + abs(rho))))
    psi = draw(st.floats(0.1, 0.95)) * steepest
    turn = np.sqrt(1 - rho * rho)
    return raw_svi(
        theta * turn**2 / 2, psi / 2, rho, -rho * theta / psi, turn * theta / psi,
        forward=draw(st.floats(20.0, 4000.0)), time=time,
    )  # fmt: skip


@given(smiles())
@settings(max_examples=60, deadline=None)
def test_quotes_made_from_a_smile_give_it_back(smile: Smile) -> None:
    deviation = float(np.sqrt(smile.total_variance(0.0)))
    strikes = smile.forward * np.exp(np.linspace(-2.5, 2.0, 60) * deviation)
    found = fit_smile(quoted(smile, strikes, half=1e-5 * smile.forward))
    assert isinstance(found, Smile)
    assert found.report.contracts >= 30
    seen = strikes[(strikes >= found.report.lowest) & (strikes <= found.report.highest)]
    np.testing.assert_allclose(found.volatility(seen), smile.volatility(seen), rtol=0, atol=0.002)
    assert found.report.rms < 0.2


def test_known_svi_parameters_come_back() -> None:
    smile = raw_svi(0.01, 0.12, -0.4, 0.05, 0.15, forward=750.0, time=0.25)
    found = fit_smile(quoted(smile, np.linspace(450, 1100, 131), half=1e-4))
    assert isinstance(found, Smile)
    assert found.report.form == "svi"
    for name in ("level", "left", "right", "centre", "width"):
        assert getattr(found, name) == pytest.approx(getattr(smile, name), abs=1e-3), name


@given(smiles())
@settings(max_examples=40, deadline=None)
def test_the_density_is_one_in_all_and_prices_the_forward_and_every_call(smile: Smile) -> None:
    deviation = float(np.sqrt(smile.total_variance(0.0)))
    k = np.linspace(-60 * deviation - 6, 60 * deviation + 6, 200_001)
    price = smile.forward * np.exp(k)
    mass = smile.density(price) * price
    assert (mass >= -1e-12).all()
    assert np.trapezoid(mass, k) == pytest.approx(1.0, abs=2e-4)
    # Wings are power laws: the forward's own tail beyond the grid is what a call there is worth.
    tail = float(smile.price(price[-1], True)) / smile.factor + price[-1] * (
        1 - float(smile.probability_below(price[-1]))
    )
    assert np.trapezoid(mass * price, k) + tail == pytest.approx(smile.forward, rel=5e-4)
    for strike in smile.forward * np.exp(np.array([-1.5, -0.3, 0.0, 0.4, 1.2]) * deviation):
        above = price > strike
        value = (
            np.trapezoid((mass * (price - strike))[above], k[above])
            + tail
            - strike * (1 - float(smile.probability_below(price[-1])))
        )
        assert value == pytest.approx(float(smile.price(strike, True)), abs=1e-3 * smile.forward)


@given(smiles(), st.floats(-2.5, 2.5))
@settings(max_examples=80, deadline=None)
def test_probability_below_is_the_slope_of_puts_and_the_integral_of_the_density(smile: Smile, moves: float) -> None:
    deviation = float(np.sqrt(smile.total_variance(0.0)))
    strike = smile.forward * float(np.exp(moves * deviation))
    step = 1e-4 * smile.forward * deviation
    puts = smile.price(np.array([strike - step, strike + step]), False)
    assert float(smile.probability_below(strike)) == pytest.approx((puts[1] - puts[0]) / (2 * step), abs=1e-6)
    other = strike * float(np.exp(0.3 * deviation))
    between = quad(lambda price: float(smile.density(price)), strike, other, epsabs=1e-10)[0]
    gap = float(smile.probability_below(other) - smile.probability_below(strike))
    assert between == pytest.approx(gap, abs=1e-7)


def test_a_flat_smile_is_the_lognormal() -> None:
    smile = flat_smile(100.0, 0.5, 0.3, 0.98)
    strikes = np.array([60.0, 100.0, 140.0])
    deviation = 0.3 * np.sqrt(0.5)
    lower = np.log(100 / strikes) / deviation - deviation / 2
    np.testing.assert_allclose(smile.volatility(strikes), 0.3)
    np.testing.assert_allclose(smile.probability_below(strikes), ndtr(-lower), atol=1e-14)
    np.testing.assert_allclose(
        smile.density(strikes), np.exp(-(lower**2) / 2) / np.sqrt(2 * np.pi) / strikes / deviation
    )
    np.testing.assert_allclose(smile.price(strikes, True), black76(100.0, strikes, 0.5, 0.3, 0.98, True))
    np.testing.assert_allclose(smile.delta(strikes, True), 0.98 * ndtr(lower + deviation))
    assert smile.probability_below(np.array([-1.0, 0.0])).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="volatility 0"):
        flat_smile(100.0, 0.5, 0.0)


@given(smiles(), st.sampled_from([0.1, 0.25, 0.5, -0.16, -0.25, -0.4]))
@settings(max_examples=60, deadline=None)
def test_the_strike_of_a_delta_has_that_delta(smile: Smile, delta: float) -> None:
    strike = smile.strike_at_delta(delta)
    if strike is None:
        # A wing as steep as it can be keeps far strikes' deltas up: none within eight deviations has this one.
        reach = 8.0 * float(np.sqrt(smile.total_variance(0.0))) + 0.5
        near, far = smile.delta(smile.forward * np.exp([-reach, reach]), delta > 0)
        assert not near > delta > far
    else:
        assert float(smile.delta(strike, delta > 0)) == pytest.approx(delta, abs=1e-6)
    assert smile.strike_at_delta(1.2) is None
    assert smile.strike_at_delta(-1.0) is None


def test_a_known_butterfly_arbitrage_is_named_and_no_fit_returns_it() -> None:
    found = violations((VOGT,), reach=8.0)[0]
    assert found.kind == "butterfly"
    assert found.k == pytest.approx(0.8, abs=0.15)
    strikes = 100 * np.exp(np.linspace(-1.2, 1.2, 80))
    fitted = fit_smile(quoted(VOGT, strikes, half=0.01))
    assert isinstance(fitted, Smile)
    assert violations((fitted,)) == ()
    assert violations((fitted,), reach=8.0) == ()
    assert fitted.report.rms < 1.0


def test_a_wing_steeper_than_two_is_a_vertical_arbitrage() -> None:
    steep = raw_svi(0.02, 1.4, 0.9, 0.0, 0.1, forward=100.0, time=0.5)
    assert "vertical" in [found.kind for found in violations((steep,), reach=30.0)]


def test_total_variance_that_falls_with_time_is_a_calendar_arbitrage() -> None:
    near, far = flat_smile(100.0, 0.1, 0.5), flat_smile(101.0, 0.2, 0.3)
    (found,) = violations((far, near))
    assert (found.kind, found.time) == ("calendar", 0.2)
    assert found.amount == pytest.approx(0.025 - 0.018)
    assert violations((near, flat_smile(101.0, 0.2, 0.4))) == ()


def test_too_little_to_fit_is_said_in_words() -> None:
    strikes = np.arange(80.0, 121.0, 5.0)
    good = quoted(flat_smile(100.0, 0.5, 0.3), strikes)

    def but(**changes) -> NoSmile | Smile:
        fields = {name: getattr(good, name) for name in good.__struct_fields__} | changes
        return fit_smile(Quotes(**fields))

    blank = np.full(strikes.shape, np.nan)
    for refused, word in (
        (but(forward=float("nan")), "forward"),
        (but(time=0.0), "time to expiry"),
        (but(bid=blank, ask=blank), "0 usable"),
        (but(bid=np.zeros(strikes.shape)), "0 usable"),
        (but(bid=good.ask + 1), "0 usable"),
        (but(strikes=strikes + 40, is_call=np.ones(strikes.shape, dtype=bool)), "enclose"),
    ):
        assert isinstance(refused, NoSmile), word
        assert word in refused.reasons[0]
    few = fit_smile(Quotes(100.0, 0.5, 1.0, strikes[1:8], good.is_call[1:8], good.bid[1:8], good.ask[1:8]))
    assert isinstance(few, Smile)
    assert few.report.form == "ssvi"
    np.testing.assert_allclose(few.volatility(strikes[1:8]), 0.3, atol=0.01)


def test_fitting_together_is_fitting_alone_and_twice_is_once() -> None:
    chain = goog_quotes(dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC))
    together = fit_smiles(chain)
    assert fit_smiles(chain) == together
    for quotes, smile in zip(chain, together, strict=True):
        alone = fit_smile(quotes)
        assert type(alone) is type(smile)
        if isinstance(alone, Smile) and isinstance(smile, Smile):
            at = np.linspace(smile.report.lowest, smile.report.highest, 20)
            np.testing.assert_allclose(alone.volatility(at), smile.volatility(at), atol=2e-3)


@pytest.mark.parametrize(("hour", "minute", "fewest"), [(14, 45, 11), (15, 0, 12), (15, 30, 11), (16, 30, 11)])
def test_the_real_chain_of_a_day_has_smiles_without_butterflies(hour: int, minute: int, fewest: int) -> None:
    fitted = fit_smiles(goog_quotes(dt.datetime(2015, 12, 24, hour, minute, tzinfo=dt.UTC)))
    found = [smile for smile in fitted if isinstance(smile, Smile)]
    assert len(found) >= fewest
    assert [bad for bad in violations(found) if bad.kind != "calendar"] == []
    assert [bad for bad in violations(found, reach=8.0) if bad.kind != "calendar"] == []
    for smile in found:
        if smile.time > 2 / 365:
            # Unweighted: one quote dollars wide far out can be nine points off.
            assert smile.report.rms < 1.5, smile.report
            assert 0.1 < float(smile.volatility(smile.forward)) < 0.4


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_any_quotes_give_a_smile_without_butterflies_or_a_reason(seed: int) -> None:
    generator = np.random.default_rng(seed)
    chains: list[Quotes] = []
    for _ in range(int(generator.integers(1, 4))):
        listed = generator.choice(np.arange(40.0, 200.0, 2.5), int(generator.integers(0, 40)), replace=False)
        strikes = np.repeat(np.sort(listed), 2)
        call = np.arange(strikes.size) % 2 == 0
        time, forward = (
            float(generator.choice([1 / 525600, 1 / 365, 0.02, 0.3, 2.0])),
            float(generator.uniform(80, 130)),
        )
        level = generator.uniform(0.03, 2.0) * np.exp(generator.normal(0, generator.choice([0, 0.05, 0.5]), call.size))
        middle = black76(forward, strikes, time, level, 0.98, call) + generator.normal(0, 0.05, call.size)
        half = np.abs(generator.normal(0, generator.choice([0.01, 0.5, 5.0]), call.size))
        bid = np.where(generator.random(call.size) < 0.1, np.nan, middle - half)
        ask = np.where(generator.random(call.size) < 0.1, np.nan, middle + half)
        chains.append(Quotes(forward, time, 0.98, strikes, call, bid, ask))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for found in fit_smiles(chains):
            if isinstance(found, NoSmile):
                assert found.reasons
            else:
                assert [bad for bad in violations((found,), reach=8.0) if bad.kind != "calendar"] == []
