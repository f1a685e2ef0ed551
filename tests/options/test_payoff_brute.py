"""Payoff at expiry against adding up each leg by hand, in whole half-dollars; books with stock."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.payoff import UNLIMITED, Leg, MixedExpiries, MixedUnderlyings, payoff

#: Right, strike in half-dollars, contracts.
OPTION = st.tuples(st.sampled_from("CP"), st.integers(1, 60), st.integers(-5, 5))
#: Beyond every strike; prices looked at are 0 to here in half-dollars.
END = 64


def legs_of(options: list[tuple[str, int, int]], shares: int) -> list[Leg]:
    return [*(Leg(f"GOOG  160219{right}{strike * 500:08d}", n) for right, strike, n in options), Leg("GOOG", shares)]


def by_hand(options: list[tuple[str, int, int]], shares: int, spot: int) -> int:
    """Half-dollars at a spot in half-dollars."""
    total = shares * spot
    for right, strike, quantity in options:
        total += 100 * quantity * max(spot - strike if right == "C" else strike - spot, 0)
    return total


def check(options: list[tuple[str, int, int]], shares: int, cash: int) -> None:
    shape = payoff(legs_of(options, shares))
    values = [by_hand(options, shares, spot) for spot in range(END + 1)]
    for spot in (0, 7, END, *(strike for _, strike, _ in options)):
        assert shape.at(Decimal(spot) / 2) * 2 == values[spot]
    above, below = values[END] - values[END - 1], values[1] - values[0]
    assert shape.slope == above
    assert shape.slope_below == below
    assert (shape.minimum is UNLIMITED) == (above < 0)
    assert (shape.maximum is UNLIMITED) == (above > 0)
    assert (shape.maximum_loss is UNLIMITED) == (above < 0)
    if shape.minimum is not UNLIMITED:
        assert shape.minimum * 2 == min(values)
        assert shape.maximum_loss == -shape.minimum  # type: ignore[operator]
    if shape.maximum is not UNLIMITED:
        assert shape.maximum * 2 == max(values)

    # Every half-dollar stretch whose ends differ in sign holds one break-even, and there are no others.
    totals = [value + cash for value in values]
    expected: list[float] = []
    for spot, (left, right) in enumerate(itertools.pairwise(totals)):
        if left == 0 and (spot == 0 or totals[spot - 1] != 0 or right != 0):
            expected.append(spot / 2)
        elif left * right < 0:
            expected.append((spot + left / (left - right)) / 2)
    if totals[END] * above < 0:
        expected.append((END - totals[END] / above) / 2)
    elif totals[END] == 0 and above != 0:
        expected.append(END / 2)
    found = shape.break_evens(Decimal(cash) / 2)
    kinks = set(shape.spots)
    # A flat stretch at zero gives its kinks; the grid sees its ends only.
    found = tuple(each for each in found if each not in kinks or float(each) in expected)
    assert len(found) == len(expected), (found, expected)
    assert all(abs(float(mine) - theirs) < 0.005 for mine, theirs in zip(found, expected, strict=True))
    for spot in found:
        assert abs(shape.at(spot) * 2 + cash) < Decimal("1e-15")


BOOKS = given(st.lists(OPTION, max_size=6), st.integers(-500, 500), st.integers(-4000, 4000))


@settings(max_examples=1500, deadline=None)
@BOOKS
def test_a_payoff_is_the_sum_of_its_legs_and_so_are_its_bounds_and_break_evens(
    options: list[tuple[str, int, int]], shares: int, cash: int
) -> None:
    check(options, shares, cash)


@pytest.mark.long
@settings(max_examples=10_000, deadline=None)
@BOOKS
def test_it_is_so_for_10_000_random_books(options: list[tuple[str, int, int]], shares: int, cash: int) -> None:
    check(options, shares, cash)


@settings(max_examples=300, deadline=None)
@given(st.lists(OPTION, min_size=1, max_size=6), st.integers(-300, 300), st.integers(-4000, 4000), st.integers(0, 400))
def test_lines_through_the_vertices_are_the_payoff(
    options: list[tuple[str, int, int]], shares: int, cash: int, at: int
) -> None:
    shape = payoff(legs_of(options, shares))
    low, high = Decimal(5), Decimal(25)
    points = shape.vertices(low, high, Decimal(cash))
    assert [points[0][0], points[-1][0]] == [low, high]
    assert all(a[0] < b[0] for a, b in itertools.pairwise(points))
    spot = low + (high - low) * at / 400
    (x0, y0), (x1, y1) = next((a, b) for a, b in itertools.pairwise(points) if a[0] <= spot <= b[0])
    line = y0 + (y1 - y0) * (spot - x0) / (x1 - x0)
    assert abs(line - (shape.at(spot) + cash)) < Decimal("1e-12")
    for zero in shape.break_evens(Decimal(cash)):
        assert not low < zero < high or any(x == zero for x, _ in points)


def test_what_has_no_common_payoff_or_no_span_is_refused() -> None:
    with pytest.raises(MixedExpiries):
        payoff([Leg("GOOG  160219C00750000", 1), Leg("GOOG  160115C00750000", 1)])
    with pytest.raises(MixedUnderlyings):
        payoff([Leg("GOOG  160219C00750000", 1), Leg("SPY", 100)])
    with pytest.raises(ValueError, match="low < high"):
        payoff([]).vertices(Decimal(5), Decimal(5))
    with pytest.raises(ValueError, match="below 0"):
        payoff([]).at(Decimal(-1))


def test_a_short_call_has_no_bound_above_and_a_short_put_has_one_at_zero() -> None:
    call, put = payoff([Leg("GOOG  160219C00750000", -1)]), payoff([Leg("GOOG  160219P00750000", -1)])
    assert (call.maximum_loss, call.maximum_profit) == (UNLIMITED, 0)
    assert (put.maximum_loss, put.maximum_profit) == (75000, 0)
    assert call.break_evens(Decimal(1290)) == (Decimal("762.9"),)
    assert payoff([Leg("GOOG", 100)]).maximum_profit is UNLIMITED
