"""What orders take of available funds, working orders included, for each kind of account."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.buying_power import Account, available_funds, bp_effect, portfolio_requirement, requirement
from actors.options.orders import OrderLeg
from actors.options.regt import MarginUnknown
from actors.options.risk_market import RiskOrder, risk_order
from tests.options.kit_risk import market, symbol

P730, P740, C750, C760, C770 = (
    symbol("P", 730),
    symbol("P", 740),
    symbol("C", 750),
    symbol("C", 760),
    symbol("C", 770),
)
LATER = symbol("C", 760, "160318")
ALL = (P730, P740, C750, C760, C770, LATER)
CHAIN = market(ALL, {"GOOG": 750.0})
ACCOUNT = Account("reg_t", Decimal(100000), Decimal(100000))
CONDOR = (OrderLeg(P730, 1), OrderLeg(P740, -1), OrderLeg(C760, -1), OrderLeg(C770, 1))


def order(legs, quantity: int, limit: str, fees: str = "0") -> RiskOrder:
    return risk_order("o", legs, quantity, Decimal(limit), fees=Decimal(fees))


def test_a_condor_takes_its_width_less_its_credit_and_fees() -> None:
    found = bp_effect(order(CONDOR, 2, "-3.00", "5.20"), {}, CHAIN, ACCOUNT)
    assert found.change == 600 - Decimal("5.20") - 2000
    assert (found.before, found.after) == (100000, Decimal("98594.80"))
    assert found.words == "buying power -1,405.20: credit 600.00, fees 5.20, initial requirement +2,000.00"


def test_a_long_option_takes_its_price_and_has_no_loan_value() -> None:
    assert bp_effect(order([OrderLeg(C750, 1)], 1, "20.00", "0.65"), {}, CHAIN, ACCOUNT).change == Decimal("-2000.65")
    # Sold again it gives its price back, whatever it is marked at.
    sold = bp_effect(order([OrderLeg(C750, -1)], 1, "-25.00"), {C750: 1}, CHAIN, ACCOUNT)
    assert sold.change == 2500


def test_a_debit_spread_takes_its_debit() -> None:
    legs = (OrderLeg(C750, 1), OrderLeg(C760, -1))
    assert bp_effect(order(legs, 1, "4.00"), {}, CHAIN, ACCOUNT).change == -400


def test_selling_the_long_leg_of_a_spread_asks_for_a_naked_option() -> None:
    premium = Decimal(repr(CHAIN.price(C760)))
    found = bp_effect(order([OrderLeg(C770, -1)], 1, "-5.00"), {C760: -1, C770: 1}, CHAIN, ACCOUNT)
    assert found.requirement_before == 1000
    assert float(found.requirement_after) == pytest.approx(float((premium + 150 - 10) * 100), abs=0.01)
    assert found.change == 500 - (found.requirement_after - 1000)


def test_a_buy_write_takes_half_the_shares() -> None:
    """100 shares at 750 and a call sold at 15: 735 a share paid, shares worth 75,000, 50 % of them asked."""
    legs = (OrderLeg("GOOG", 100), OrderLeg(C760, -1))
    assert bp_effect(order(legs, 1, "735.00"), {}, CHAIN, ACCOUNT).change == -73500 + 75000 - 37500
    cash = Account("cash", Decimal(100000), Decimal(100000))
    assert bp_effect(order(legs, 1, "735.00"), {}, CHAIN, cash).change == -73500


def test_buying_back_a_short_put_gives_its_requirement_back() -> None:
    held = {P740: -1}
    asked = requirement(held, CHAIN, ACCOUNT, "initial").total
    found = bp_effect(order([OrderLeg(P740, 1)], 1, "20.00"), held, CHAIN, ACCOUNT)
    assert found.change == -2000 + asked


def test_a_cash_account_secures_a_put_and_refuses_a_call() -> None:
    cash = Account("cash", Decimal(100000), Decimal(100000))
    assert bp_effect(order([OrderLeg(P740, -1)], 1, "-10.00"), {}, CHAIN, cash).change == 1000 - 74000
    assert bp_effect(order([OrderLeg(C760, -1)], 1, "-10.00"), {}, CHAIN, cash).refused
    held = bp_effect(order([OrderLeg(C760, -1)], 1, "-10.00"), {"GOOG": 100}, CHAIN, cash)
    assert held.refused == ()
    assert held.change == 1000


def test_cover_that_only_works_is_not_counted_on() -> None:
    """A call sold against shares whose purchase is open: it may stay uncovered."""
    buying = risk_order("b", [OrderLeg("GOOG", 1)], 100, Decimal("750.00"))
    call = order([OrderLeg(C760, -1)], 1, "-10.00")
    alone = bp_effect(call, {}, CHAIN, ACCOUNT)
    found = bp_effect(call, {}, CHAIN, ACCOUNT, [buying])
    filled = 100000 - 37500
    assert found.before == filled
    # Filled: 37,500 for covered shares. Unfilled: the naked call. The worse of the two is left.
    assert found.after == min(alone.after, filled + Decimal(1000))


def test_a_working_order_that_frees_funds_is_not_counted_on() -> None:
    closing = risk_order("c", [OrderLeg(P740, 1)], 1, Decimal("20.00"))
    held = {P740: -1}
    assert available_funds(held, CHAIN, ACCOUNT, [closing]) == available_funds(held, CHAIN, ACCOUNT)


def test_many_working_orders_reserve_each_their_own() -> None:
    working = [risk_order(f"w{n}", CONDOR, 1, Decimal("-3.00")) for n in range(6)]
    assert available_funds({}, CHAIN, ACCOUNT, working) == 100000 - 6 * 700


def test_an_underlying_without_a_price_is_refused_in_words() -> None:
    with pytest.raises(MarginUnknown, match="XYZ has no price"):
        bp_effect(order([OrderLeg("XYZ", 1)], 100, "10.00"), {}, CHAIN, ACCOUNT)


# --- portfolio margin -------------------------------------------------------------------------------------------


def test_portfolio_margin_of_shares_is_their_loss_at_15_percent() -> None:
    found = portfolio_requirement({"GOOG": 100}, CHAIN)
    assert found.total == Decimal("11250.00")
    assert found.approximate


def test_portfolio_margin_of_a_vertical_is_at_most_its_loss_and_at_least_the_floor() -> None:
    spread = portfolio_requirement({P740: -1, P730: 1}, CHAIN).total
    assert 2 * Decimal("37.50") <= spread < 1000
    assert portfolio_requirement({C770: 1, C760: 0}, market([C760, C770], {"GOOG": 100.0})).total == Decimal("37.50")


def test_portfolio_margin_counts_long_options_at_their_mark() -> None:
    portfolio = Account("portfolio", Decimal(100000), Decimal(100000))
    mark = Decimal(repr(round(CHAIN.price(C750) * 100, 2)))
    found = bp_effect(order([OrderLeg(C750, 1)], 1, "20.00"), {}, CHAIN, portfolio)
    assert found.change == -2000 + mark - portfolio_requirement({C750: 1}, CHAIN).total
    assert found.words.endswith("(portfolio margin, approximated)")


# --- determinism --------------------------------------------------------------------------------------------------

BOOKS = st.dictionaries(st.sampled_from([*ALL, "GOOG"]), st.integers(-3, 3).filter(bool), max_size=6)


@settings(max_examples=40, deadline=None)
@given(BOOKS, st.permutations(CONDOR), st.sampled_from(("reg_t", "portfolio", "ira")), st.integers(0, 99))
def test_neither_the_order_of_legs_nor_of_the_book_matters(book, legs, kind, seed: int) -> None:
    account = Account(kind, Decimal(50000), Decimal(50000))
    items = list(book.items())
    random.Random(seed).shuffle(items)
    working = [risk_order("w", [OrderLeg(C750, 1)], 1, Decimal("20.00")), risk_order("v", CONDOR, 1, Decimal("-3.00"))]
    one = bp_effect(order(CONDOR, 2, "-3.00"), book, CHAIN, account, working)
    two = bp_effect(order(legs, 2, "-3.00"), dict(items), CHAIN, account, working[::-1])
    assert one == two
