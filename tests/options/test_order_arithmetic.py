"""Ticks, rounding and leg arithmetic."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.options.orders import LegsError, OrderLeg, cash_of, net_price, validate_legs
from actors.options.ticks import lean_round, round_signed, tick

CALL = "GOOG  160219C00750000"
INDEX = "SPX   260116C05000000"


def test_covered_call_nets_stock_per_share() -> None:
    legs = [OrderLeg("GOOG", 100), OrderLeg(CALL, -1)]
    validate_legs(legs)
    net = net_price(legs, {"GOOG": Decimal("150.27"), CALL: Decimal("3.20")})
    assert net == Decimal("147.07")
    assert cash_of(legs, net, 2) == Decimal(29414)


@pytest.mark.parametrize(
    "legs",
    [
        [],
        [OrderLeg(CALL, 0)],
        [OrderLeg(CALL, 1), OrderLeg(CALL, -2)],
        [OrderLeg(CALL, 2)],
        [OrderLeg(CALL, 1), OrderLeg(INDEX, -1)],
    ],
)
def test_bad_legs_are_refused(legs: list[OrderLeg]) -> None:
    with pytest.raises(LegsError):
        validate_legs(legs)


def test_ticks_of_classes() -> None:
    assert tick(CALL, Decimal("2.99"), penny=True) == Decimal("0.01")
    assert tick(CALL, Decimal(3), penny=True) == Decimal("0.05")
    assert tick(CALL, Decimal(3)) == Decimal("0.10")
    assert tick(INDEX, Decimal(-1), complex_order=True) == Decimal("0.05")
    assert lean_round(INDEX, Decimal("1.03")) == Decimal("1.05")
    assert lean_round(CALL, Decimal("1.034")) == Decimal("1.03")


@given(st.decimals(-50, 50, places=3), st.sampled_from([Decimal("0.01"), Decimal("0.05")]), st.booleans())
def test_rounding_stays_on_the_grid_and_on_its_side(price: Decimal, step: Decimal, opening: bool) -> None:
    rounded = round_signed(price, step, opening=opening)
    assert rounded != 0
    assert rounded % step == 0
    assert rounded <= price if opening else rounded >= price
    assert abs(rounded - price) < 2 * step
