"""Limits with their values and words; greeks, delivery, pins, dividends; and the book without us."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.buying_power import Account
from actors.options.exposure import delivery, dividend_risks, exposures, gamma_loss, pins
from actors.options.limits import RiskLimits, if_we_die, judge
from actors.options.orders import OrderLeg
from actors.options.risk_market import RiskMarket, UnderlyingSeen, risk_order
from actors.options.scenarios import build_grid, stress
from tests.options.kit_risk import NOW, market, symbol

CALL, PUT, LOW, FAR = symbol("C", 760), symbol("P", 740), symbol("P", 730), symbol("P", 600)
DEEP, DEEP_PUT = symbol("C", 700), symbol("P", 700)
SOON = symbol("C", 900, "151228")
ALL = (CALL, PUT, LOW, FAR, DEEP, DEEP_PUT, SOON, symbol("P", 760))
CHAIN = market(ALL, {"GOOG": 750.0, "SPY": 200.0}, betas={"GOOG": 1.2, "SPY": 1.0}, reference=200.0)
ACCOUNT = Account("reg_t", Decimal(100000), Decimal(100000))


def verdict(holdings: dict[str, int], control: str, account: Account = ACCOUNT, chain: RiskMarket = CHAIN):
    found = [each for each in judge(holdings, chain, account, RiskLimits()).verdicts if each.control == control]
    assert len(found) == 1
    return found[0]


def test_limits_of_shares_by_hand() -> None:
    """40 SPY are 8,000 dollars, beta 1: 5 % is 400, 10 % 800, 20 % 1,600, the gap 240, beta delta 80 a percent."""
    held = {"SPY": 40}
    for control, value, limit in (
        ("scenario_5", 400, 6000), ("scenario_10", 800, 12000), ("scenario_20", 1600, 20000), ("gap_3", 240, 4000),
        ("underlying", 1600, 5000), ("beta_delta", 80, 1000),
    ):  # fmt: skip
        found = verdict(held, control)
        assert (found.value, found.limit, found.holds) == (pytest.approx(value), pytest.approx(limit), True)


def test_a_limit_that_breaks_says_value_limit_and_row() -> None:
    found = verdict({"SPY": 700}, "scenario_5")
    assert not found.holds
    assert found.words == (
        "the book at +-5 % (spot -5 %, IV +40 %, now) loses 7,000.00, at most 6,000.00 (6 % of equity) may be lost"
    )


def test_only_what_the_order_made_worse_refuses() -> None:
    held = {"SPY": 2000}
    selling = risk_order("o", [OrderLeg("SPY", -1)], 100, Decimal("-200.00"))
    assert not judge(held, CHAIN, ACCOUNT, RiskLimits(), selling).broken
    buying = risk_order("o", [OrderLeg("SPY", 1)], 100, Decimal("200.00"))
    broken = {each.control for each in judge(held, CHAIN, ACCOUNT, RiskLimits(), buying).broken}
    assert broken == {"scenario_5", "scenario_10", "scenario_20", "gap_3", "underlying", "beta_delta"}


def test_a_switched_off_limit_is_not_judged() -> None:
    off = RiskLimits(
        move_5=None, move_10=None, move_20=None, underlying=None, expiry=None, gap_3=None, delivery=None,
        assigned=False, beta_delta=None, gamma_2=None,
    )  # fmt: skip
    assert judge({"SPY": 2000, PUT: -50}, CHAIN, ACCOUNT, off).verdicts == ()


def test_expiry_and_underlying_are_judged_apart() -> None:
    held = {PUT: -1, "SPY": 10}
    result = stress(build_grid(CHAIN, held), held)
    assert verdict(held, "expiry").value == pytest.approx(-result.by_expiry[dt.date(2016, 2, 19)].min(), abs=0.01)
    assert "the expiry 2016-02-19" in verdict(held, "expiry").words
    assert verdict(held, "underlying").words.startswith("GOOG at worst")


# --- greeks -------------------------------------------------------------------------------------------------------


def test_greeks_of_shares_and_options_add_up() -> None:
    (goog, spy) = exposures({"GOOG": 100, CALL: -2, "SPY": 10}, CHAIN)
    call = exposures({CALL: 1}, CHAIN)[0]
    assert goog.delta == pytest.approx(100 - 2 * call.delta)
    assert 40 < call.delta < 60
    assert call.gamma > 0 > call.theta
    assert goog.gamma_percent == pytest.approx(goog.gamma * 7.5)
    assert goog.delta_dollars == pytest.approx(goog.delta * 750)
    assert goog.beta_delta == pytest.approx(goog.delta_dollars * 1.2 / 200)
    assert (spy.delta, spy.beta_delta) == (10, 10)


def test_greeks_agree_with_small_moves_of_the_grid() -> None:
    from actors.options.scenarios import Scenario

    call = exposures({CALL: 1}, CHAIN)[0]
    moves = [Scenario(1e-4 / 1.2, 0.0, "now"), Scenario(-1e-4 / 1.2, 0.0, "now")]
    up, down = stress(build_grid(CHAIN, [CALL], moves), {CALL: 1}).total
    assert (up - down) / (2 * 0.075) == pytest.approx(call.delta, rel=1e-3)
    assert (up + down) / 0.075**2 == pytest.approx(call.gamma, rel=1e-2)


def test_a_missing_beta_is_shown_and_never_one() -> None:
    bare = msgspec.structs.replace(CHAIN, underlyings={"GOOG": UnderlyingSeen(750.0)})
    (goog,) = exposures({"GOOG": 1000}, bare)
    assert (goog.beta, goog.beta_delta, goog.beta_delta_dollars) == (None, None, None)
    found = verdict({"GOOG": 1000}, "beta_delta", chain=bare)
    assert found.value is None
    assert "beta not known: GOOG" in found.words


def test_an_option_without_volatility_is_in_no_sum_and_named() -> None:
    nan = float("nan")
    bare = msgspec.structs.replace(
        CHAIN, options={**CHAIN.options, CALL: msgspec.structs.replace(CHAIN.options[CALL], volatility=nan)}
    )
    (goog,) = exposures({CALL: 1, "GOOG": 5}, bare)
    assert (goog.delta, goog.missing) == (5, (CALL,))


def test_short_gamma_loss_is_half_gamma_times_the_move_squared() -> None:
    found = exposures({CALL: -10}, CHAIN)
    expected = 0.5 * -found[0].gamma * (750 * 0.02 * 1.2) ** 2
    assert gamma_loss(found, CHAIN) == pytest.approx(expected)
    assert gamma_loss(exposures({CALL: 10}, CHAIN), CHAIN) == 0.0


# --- delivery, pins, dividends ------------------------------------------------------------------------------------


def test_delivery_counts_what_is_near_or_soon_net_of_longs() -> None:
    # 740 is within 5 % of 750, 600 is not; 900 expires in four days.
    assert delivery({PUT: -2, FAR: -5, SOON: -1}, CHAIN).dollars == 2 * 74000 + 90000
    assert delivery({PUT: -2, LOW: 1}, CHAIN).dollars == 2 * 74000 - 73000
    assert delivery({PUT: 2}, CHAIN).dollars == 0
    assert delivery({symbol("P", 2000, root="SPX"): -1}, market([], {"SPX": 2000.0})).dollars == 0


def test_delivery_beyond_one_and_a_half_equity_breaks() -> None:
    found = verdict({PUT: -3}, "delivery")
    assert (found.value, found.limit, found.holds) == (222000.0, 150000.0, False)


def test_assigned_shares_must_leave_maintenance() -> None:
    """Five short puts near the money become 500 shares: a quarter of 375,000 leaves 6,250 of 100,000."""
    found = verdict({PUT: -5}, "assigned")
    assert (found.value, found.holds) == (pytest.approx(100000 - 0.25 * 375000), True)
    assert not verdict({PUT: -6}, "assigned").holds
    # Both sides of a condor near the money: the dearer side counts, not their net of nothing.
    assert delivery({PUT: -1, CALL: -1}, CHAIN).assigned[0] == (
        {PUT: -1, "GOOG": -100}, {CALL: -1, "GOOG": 100}, {},
    )  # fmt: skip


def test_pins_are_physical_and_near_their_fixing() -> None:
    late = dt.datetime(2016, 2, 19, 18, 0, tzinfo=dt.UTC)
    strikes = (740, 749, 755, 790)
    chain = market([symbol("C", k) for k in strikes], {"GOOG": 750.0}, volatility=0.2, now=late)
    held = {symbol("C", k): 1 for k in strikes}
    # Three hours at 20 %: one expected move is 750 x 0.2 x sqrt(3 / 8760) = 2.78; 0.5 % of spot is more, 3.75.
    assert [pin.symbol for pin in pins(held, chain)] == [symbol("C", 749)]
    assert pins(held, chain)[0].width == pytest.approx(3.75)
    assert pins({PUT: -1}, CHAIN) == ()


class Days:
    """Sessions every day."""

    def next(self, date: dt.date) -> dt.date:
        return date + dt.timedelta(days=1)


def dividends(holdings: dict[str, int], *, ask: float, put_ask: float = 5.0, **seen) -> list[str]:
    options = dict(CHAIN.options)
    options[DEEP] = msgspec.structs.replace(options[DEEP], ask=ask)
    options[DEEP_PUT] = msgspec.structs.replace(options[DEEP_PUT], ask=put_ask)
    chain = msgspec.structs.replace(CHAIN, options=options, underlyings={"GOOG": UnderlyingSeen(750.0, **seen)})
    return [risk.words for risk in dividend_risks(holdings, chain, Days())]


def test_short_calls_over_an_ex_date_with_less_extrinsic_than_dividend() -> None:
    tomorrow = NOW.date() + dt.timedelta(days=1)
    risk = dividends({DEEP: -1}, ask=50.40, ex_date=tomorrow, dividend=0.50)
    assert risk == ["GOOG  160219C00700000 is ex 2015-12-25 for 0.50 with 0.40 extrinsic"]
    assert dividends({DEEP: -1}, ask=50.60, ex_date=tomorrow, dividend=0.50) == []
    assert dividends({DEEP: -1}, ask=50.40, ex_date=tomorrow + dt.timedelta(days=3), dividend=0.50) == []
    assert dividends({DEEP: 1}, ask=50.40, ex_date=tomorrow, dividend=0.50) == []
    assert dividends({CALL: -1}, ask=50.40, ex_date=tomorrow, dividend=0.50) == []
    assert len(dividends({DEEP: -1}, ask=58.0, ex_date=tomorrow)) == 1


def test_without_ex_dates_little_extrinsic_is_ex_tomorrow() -> None:
    assert len(dividends({DEEP: -1}, ask=50.09)) == 1
    assert dividends({DEEP: -1}, ask=50.11) == []
    assert len(dividends({DEEP: -1}, ask=50.30, dividend=0.40)) == 1
    assert len(dividends({DEEP: -1}, ask=51.00, put_ask=0.35, dividend=0.40)) == 1
    assert dividends({DEEP: -1}, ask=51.00, put_ask=0.45, dividend=0.40) == []
    assert len(dividends({DEEP: -1}, ask=float("nan"))) == 1


# --- without us -----------------------------------------------------------------------------------------------------


def test_if_we_die_counts_the_next_open_and_what_rests() -> None:
    target = risk_order("t1", [OrderLeg(PUT, 1)], 1, Decimal("5.00"), time_in_force="gtc")
    found = if_we_die({PUT: -1, LOW: 1}, CHAIN, [target])
    assert found.resting == ("t1: +1 GOOG  160219P00740000 until canceled",)
    assert -1000 < found.worst < 0
    assert "at the next open" in found.scenario
    assert found.words.startswith("1 order rests at the broker; to the next open at worst -")
    assert if_we_die({}, CHAIN).words.startswith("no orders rest at the broker; to the next open at worst 0.00")


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*ALL, "GOOG", "SPY"]), st.integers(-3, 3).filter(bool), max_size=6),
    st.integers(0, 99),
)
def test_judgements_do_not_depend_on_the_order_of_the_book(book: dict[str, int], seed: int) -> None:
    items = list(book.items())
    random.Random(seed).shuffle(items)
    order = risk_order("o", [OrderLeg(PUT, -1), OrderLeg(LOW, 1)], 1, Decimal("-3.00"))
    turned = risk_order("o", [OrderLeg(LOW, 1), OrderLeg(PUT, -1)], 1, Decimal("-3.00"))
    one = judge(book, CHAIN, ACCOUNT, RiskLimits(), order)
    two = judge(dict(items), CHAIN, ACCOUNT, RiskLimits(), turned)
    assert one.verdicts == two.verdicts
