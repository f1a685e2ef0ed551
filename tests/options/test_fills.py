"""The fill model: what it means, that it learns a known truth within its own intervals, and what it advises."""

import datetime as dt
import math
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.options.fills import (
    PARAMETERS,
    Attempt,
    Conditions,
    Exposure,
    FillTruth,
    Forecast,
    Prior,
    Quoted,
    aggressiveness,
    believe,
    best_gain,
    best_price,
    calibrate,
    expected_gain,
    fill_probability,
    fit,
    forecasts,
    intervals,
    learn,
    log_hazard,
    move,
    probability,
    simulate,
)

_AT = dt.datetime(2026, 1, 5, 15, tzinfo=dt.UTC)
_LASTING = Prior(half_life_days=1e6)
_NOON = Conditions(0.5, 5.0, 1.0, 180.0, 210.0)
_TRUTHS = (FillTruth(), FillTruth(-5.6, 11.0, -0.2, -0.3, -0.5, 1.0, 0.3))


def _attempts(truth: FillTruth, seed: int, count: int) -> list[Attempt]:
    generator = np.random.default_rng(seed)
    return [simulate(truth, generator, _AT + dt.timedelta(seconds=90 * number)) for number in range(count)]


def _folded(attempts, prior=_LASTING):
    belief = believe(prior)
    for attempt in attempts:
        belief = learn(belief, attempt)
    return belief


def _inside(belief, truth: FillTruth, level: float) -> int:
    return sum(
        each.low <= value <= each.high for each, value in zip(intervals(belief, level), truth.values, strict=True)
    )


# --- meaning ----------------------------------------------------------------------------------------------------


def test_a_buyer_pays_natural_at_one_and_far_at_zero_and_a_credit_is_no_different():
    assert aggressiveness(1.30, 1.30, 1.10) == 1.0
    assert aggressiveness(1.10, 1.30, 1.10) == 0.0
    # Sold for a credit: natural receives 1.10, far 1.30; asking for 1.25 is patient.
    assert aggressiveness(-1.25, -1.10, -1.30) == pytest.approx(0.25)
    assert aggressiveness(1.2, 1.2, 1.2) == 1.0
    assert aggressiveness(1.1, 1.2, 1.2) == -2.0
    assert aggressiveness(1.5, 1.30, 1.10) == 1.0
    assert math.isnan(aggressiveness(1.1, math.nan, 1.0))


def test_beyond_far_hope_fades_to_never():
    assert aggressiveness(1.00, 1.30, 1.10) == pytest.approx(-0.5)
    assert aggressiveness(0.01, 1.30, 1.10) == -2.0
    day = 6.5 * 3600
    for place, least, most in ((0.0, 0.9, 1.0), (-1.0, 0.0, 0.01), (-2.0, 0.0, 1e-5)):
        chance = probability(log_hazard(FillTruth(), msgspec.structs.replace(_NOON, aggressiveness=place)), day)
        assert least <= chance <= most


def test_a_unit_that_became_cheaper_has_come_toward_its_buyer():
    assert move(0.4, 99.5, 100.0, 0.1) == pytest.approx(2.0)
    assert move(-0.4, 99.5, 100.0, 0.1) == pytest.approx(-2.0)
    assert move(0.4, 90.0, 100.0, 0.1) == 3.0
    assert move(0.4, 99.0, 100.0, 0.0) == 0.0
    assert move(0.4, math.nan, 100.0, 0.1) == 0.0


@given(st.floats(-12, 3), st.floats(0.01, 600), st.integers(1, 20))
def test_chances_do_not_depend_on_how_time_is_cut(hazard, seconds, parts):
    apart = 1.0
    for _ in range(parts):
        apart *= 1 - probability(hazard, seconds / parts)
    assert 1 - apart == pytest.approx(probability(hazard, seconds), abs=1e-9)


def test_a_condition_that_is_not_known_has_no_chance():
    for name in ("aggressiveness", "spread_ticks", "size", "since_open", "to_close", "move"):
        with pytest.raises(ValueError, match="not known"):
            log_hazard(FillTruth(), msgspec.structs.replace(_NOON, **{name: math.nan}))


def test_the_rate_is_the_hazard_at_the_middle_at_noon():
    assert log_hazard(FillTruth(), _NOON) == pytest.approx(FillTruth().rate, abs=1e-4)


# --- learning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("truth", "seed"), [(_TRUTHS[0], 1), (_TRUTHS[1], 2)])
def test_five_thousand_attempts_teach_the_truth_within_the_beliefs_own_intervals(truth, seed):
    attempts = _attempts(truth, seed, 5000)
    belief = _folded(attempts)
    assert _inside(belief, truth, 0.999) == len(PARAMETERS), (seed, intervals(belief, 0.999))
    # Evidence, not the prior: the intervals have narrowed to a fraction of what was believed before.
    for each, deviation in zip(intervals(belief), Prior().deviation, strict=True):
        assert each.high - each.low < 2 * 1.96 * deviation / 2, (seed, each)
    whole = fit(_LASTING, attempts)
    for one, other, width in zip(belief.mean, whole.mean, intervals(belief), strict=True):
        assert abs(one - other) < (width.high - width.low) / 4, (seed, width.name)


def _coverage(seeds, count: int) -> float:
    inside = sum(_inside(_folded(_attempts(_TRUTHS[0], seed, count)), _TRUTHS[0], 0.9) for seed in seeds)
    return inside / (len(seeds) * len(PARAMETERS))


def test_ninety_percent_intervals_hold_the_truth_about_ninety_times_in_a_hundred():
    # 12 seeds of 7 parameters: 84 looks at 0.9 have a deviation of 0.033.
    assert 0.8 <= _coverage(range(12), 600) <= 0.99


@pytest.mark.long
def test_intervals_hold_the_truth_over_twenty_seeds_of_five_thousand_attempts():
    share = _coverage(range(100, 120), 5000)
    print(f"share of 140 90 % intervals that hold the truth: {share:.3f}")
    # Three deviations of 0.025.
    assert 0.824 <= share <= 0.976


def test_what_was_cancelled_early_does_not_teach_that_it_never_fills():
    """The same market seen with patience and with 2.5 second time-outs: the same belief of its rate, less certain."""
    truth, generator = FillTruth(), np.random.default_rng(7)
    quick = [
        simulate(truth, generator, _AT + dt.timedelta(seconds=90 * each), seconds=2.5, step=0.5) for each in range(5000)
    ]
    assert sum(each.filled for each in quick) < 0.4 * len(quick)
    belief = _folded(quick)
    assert _inside(belief, truth, 0.999) == len(PARAMETERS), intervals(belief, 0.999)
    chance = fill_probability(belief, _NOON, 60)
    assert chance.low < probability(truth.rate, 60) < chance.high


def test_an_attempt_without_a_fill_teaches_by_its_seconds():
    short = learn(believe(), Attempt(_AT, (Exposure(_NOON, 1.0, False),)))
    long = learn(believe(), Attempt(_AT, (Exposure(_NOON, 600.0, False),)))
    before = fill_probability(believe(), _NOON, 60).mean
    assert fill_probability(long, _NOON, 60).mean < 0.5 * fill_probability(short, _NOON, 60).mean
    assert fill_probability(short, _NOON, 60).mean > 0.95 * before


def test_old_evidence_fades_to_the_prior():
    prior = Prior(half_life_days=30.0)
    taught = _folded(_attempts(FillTruth(-8.0, 4.0, -1.5, -1.5, 1.0, 1.0, 1.0), 3, 500), prior)
    nothing = Attempt(_AT + dt.timedelta(days=3000), ())
    later = learn(taught, nothing)
    for one, other, width in zip(later.mean, prior.mean, prior.deviation, strict=True):
        assert abs(one - other) < 1e-3 * width
    half = learn(taught, msgspec.structs.replace(nothing, at=taught.at + dt.timedelta(days=30)))
    before = [each.high - each.low for each in intervals(taught)]
    after = [each.high - each.low for each in intervals(half)]
    assert all(a < b < 1.5 * a for a, b in zip(before, after, strict=True))


def test_a_market_that_changed_is_believed_after_some_time():
    old = [msgspec.structs.replace(each, at=_AT) for each in _attempts(FillTruth(rate=-3.0), 4, 1000)]
    new = [
        msgspec.structs.replace(each, at=_AT + dt.timedelta(days=365))
        for each in _attempts(FillTruth(rate=-6.0), 5, 300)
    ]
    assert abs(_folded([*old, *new], Prior(half_life_days=30.0)).mean[0] + 6.0) < 0.5
    assert abs(_folded([*old, *new]).mean[0] + 6.0) > 1.0


def test_a_belief_survives_the_wire_and_goes_on_as_if_nothing_had_been():
    attempts = _attempts(FillTruth(), 6, 60)
    first = _folded(attempts[:30])
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(first), type=type(first))
    assert again == first
    for attempt in attempts[30:]:
        again = learn(again, attempt)
    assert again == _folded(attempts)
    assert (again.attempts, again.fills) == (60, sum(each.filled for each in attempts))


def test_a_prior_without_a_width_and_an_exposure_without_seconds_are_refused():
    with pytest.raises(ValueError, match="above 0"):
        believe(Prior(deviation=(0.0,) * 7))
    with pytest.raises(ValueError, match="7 means"):
        believe(Prior(mean=(1.0,)))
    with pytest.raises(ValueError, match="above 0, not 0"):
        learn(believe(), Attempt(_AT, (Exposure(_NOON, 0.0, False),)))


# --- advice -----------------------------------------------------------------------------------------------------

_MARKET = Quoted(Decimal("1.00"), Decimal("1.20"), Decimal("0.01"), _NOON)


def test_the_best_price_is_the_lowest_that_gives_the_wanted_chance():
    belief = _folded(_attempts(FillTruth(), 8, 1000))
    advice = best_price(belief, _MARKET, 0.6, 60)
    assert advice is not None
    assert advice.chance.mean >= 0.6
    assert advice.limit % Decimal("0.01") == 0
    lower = aggressiveness(float(advice.limit) - 0.01, 1.20, 1.00)
    assert fill_probability(belief, msgspec.structs.replace(_NOON, aggressiveness=lower), 60).mean < 0.6
    more = best_price(belief, _MARKET, 0.9, 60)
    sooner = best_price(belief, _MARKET, 0.6, 5)
    assert more is not None
    assert sooner is not None
    assert more.limit > advice.limit
    assert sooner.limit > advice.limit


def test_where_even_natural_does_not_give_the_wanted_chance_there_is_no_price():
    belief = _folded(_attempts(FillTruth(rate=-9.0, aggressiveness=3.0), 9, 500))
    assert best_price(belief, _MARKET, 0.5, 5) is None


def test_a_credit_is_advised_like_a_debit():
    credit = Quoted(Decimal("-1.20"), Decimal("-1.00"), Decimal("0.01"), _NOON)
    one, other = best_price(believe(), _MARKET, 0.5, 60), best_price(believe(), credit, 0.5, 60)
    assert one is not None
    assert other is not None
    assert one.limit - _MARKET.far == other.limit - credit.far


def test_expected_gain_weighs_improvement_against_what_a_miss_costs():
    assert expected_gain(0.25, 0.08, 0.02) == pytest.approx(0.25 * 0.08 - 0.75 * 0.02)
    patient = best_gain(believe(), _MARKET, 60, drift=0.0)
    hurried = best_gain(believe(), _MARKET, 60, drift=0.2)
    assert patient.limit < hurried.limit
    assert patient.gain > hurried.gain
    assert best_gain(believe(), _MARKET, 60, drift=50.0).limit == Decimal("1.20")


def test_an_interval_holds_its_mean_and_narrows_with_evidence():
    before = fill_probability(believe(), _NOON, 60)
    after = fill_probability(_folded(_attempts(FillTruth(), 10, 1000)), _NOON, 60)
    assert before.low < before.mean < before.high
    assert after.low < after.mean < after.high
    assert after.high - after.low < (before.high - before.low) / 5


def test_the_chance_in_a_wandering_market_is_what_happens_in_one():
    """Against 4,000 wandering paths of the truth at each of three places."""
    truth, wander, seconds, generator = FillTruth(), 0.15, 60, np.random.default_rng(13)
    belief = msgspec.structs.replace(believe(), mean=truth.values, precision=tuple(map(tuple, np.eye(7) * 1e12)))
    for place in (0.2, 0.5, 0.8):
        moved = np.cumsum(generator.normal(0, wander / 2, (4000, 4 * seconds)), axis=1)
        a = np.clip(place + moved / 2, -2, 1) - 0.5
        hazards = np.exp(truth.rate + truth.aggressiveness * a + truth.move * np.clip(moved, -3, 3))
        filled = float(np.mean(1 - np.exp(-hazards.sum(axis=1) / 4)))
        told = fill_probability(belief, msgspec.structs.replace(_NOON, aggressiveness=place), seconds, wander=wander)
        assert told.mean == pytest.approx(filled, abs=0.025), place
        assert told.low == pytest.approx(told.high, abs=1e-3)


def test_a_crossed_market_and_a_tick_of_nothing_have_no_prices():
    for wrong in (
        Quoted(Decimal("1.20"), Decimal("1.20"), Decimal("0.01"), _NOON),
        Quoted(Decimal("1.00"), Decimal("1.20"), Decimal(0), _NOON),
    ):
        with pytest.raises(ValueError, match="no prices between"):
            best_price(believe(), wrong, 0.5, 60)


def test_a_market_of_ten_thousand_ticks_and_one_off_the_grid_are_looked_at_up_to_natural():
    for quoted in (
        Quoted(Decimal("1"), Decimal("101"), Decimal("0.01"), _NOON),
        Quoted(Decimal("1.003"), Decimal("1.007"), Decimal("0.01"), _NOON),
    ):
        assert best_gain(believe(), quoted, 60, drift=1000.0).limit == quoted.natural


# --- calibration ------------------------------------------------------------------------------------------------


def test_predictions_made_beforehand_beat_the_base_rate_and_lie_on_the_diagonal():
    attempts = _attempts(FillTruth(), 11, 2500)
    belief, chances = believe(_LASTING), []
    for attempt in attempts:
        chances.append(fill_probability(belief, attempt.exposures[0].conditions, 60, wander=0.15).mean)
        belief = learn(belief, attempt)
    score = calibrate(forecasts(chances, attempts, 60))
    assert score.brier < score.base
    assert score.skill > 0.2
    for point in score.curve:
        assert abs(point.chance - point.filled) < 4 * math.sqrt(0.25 / point.weight) + 0.03, point


def test_whoever_says_the_base_rate_has_no_skill():
    score = calibrate([Forecast(0.25, False)] * 3 + [Forecast(0.25, True)])
    assert (score.brier, score.base, score.skill, score.count) == (0.1875, 0.1875, 0.0, 4)
    assert calibrate([Forecast(1.0, True)]).skill == 0.0
    with pytest.raises(ValueError, match="no forecast"):
        calibrate([])


def test_attempts_cancelled_early_do_not_bend_the_base_rate():
    """With half of all attempts cancelled at even moments the share filled within the horizon is still the truth's."""
    generator = np.random.default_rng(12)
    hazard = math.log(math.log(2) / 60)  # half fill within a minute
    attempts = []
    for _ in range(4000):
        fills = generator.exponential(1 / math.exp(hazard))
        ends = generator.uniform(0, 60) if generator.uniform() < 0.5 else 60.0
        took = min(fills, ends)
        attempts.append(Attempt(_AT, (Exposure(_NOON, took, fills <= ends),)))
    score = calibrate(forecasts([0.5] * len(attempts), attempts, 60))
    assert score.base_rate == pytest.approx(0.5, abs=0.025)
    naive = sum(each.filled for each in attempts) / len(attempts)
    assert naive < 0.45
