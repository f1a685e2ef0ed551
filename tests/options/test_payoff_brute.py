"""Payoff at expiry against adding up each leg by hand."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.payoff import UNLIMITED, Leg, payoff

OPTION = st.tuples(st.sampled_from("CP"), st.integers(1, 40), st.integers(-5, 5))


def _by_hand(options: list[tuple[str, int, int]], shares: int, spot: Decimal) -> Decimal:
    total = shares * spot
    for right, strike, quantity in options:
        total += 100 * quantity * max(spot - strike if right == "C" else strike - spot, Decimal(0))
    return total


@settings(max_examples=1500, deadline=None)
@given(st.lists(OPTION, max_size=6), st.integers(-500, 500))
def test_payoff_equals_the_sum_of_its_legs(options: list[tuple[str, int, int]], shares: int) -> None:
    legs = [Leg(f"GOOG  160219{right}{strike * 1000:08d}", n) for right, strike, n in options]
    shape = payoff([*legs, Leg("GOOG", shares)])
    spots = [Decimal(n) / 2 for n in range(91)]
    values = [_by_hand(options, shares, spot) for spot in spots]
    assert [shape.at(spot) for spot in spots] == values
    slope = values[-1] - values[-3]
    assert shape.minimum == (UNLIMITED if slope < 0 else min(values))
    assert shape.maximum == (UNLIMITED if slope > 0 else max(values))
    for spot in shape.break_evens(Decimal(137)):
        assert abs(_by_hand(options, shares, spot) + 137) < Decimal("1e-15")
