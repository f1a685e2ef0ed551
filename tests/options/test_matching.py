"""Naming what a set of legs is, and splitting a book into such sets: stable, complete, bounded."""

from __future__ import annotations

import random
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.matching import match, split
from actors.options.payoff import Leg


def option(right: str, strike: int, expiry: int = 160219, root: str = "GOOG") -> str:
    return f"{root:<6}{expiry}{right}{strike * 1000:08d}"


def named(*legs: tuple[str, int], prices: dict[str, Decimal] | None = None) -> str:
    found = match([Leg(symbol, quantity) for symbol, quantity in legs], prices)
    return "" if found is None else found.name


FAR, NEAR = option("C", 610, 170120), option("C", 795)


def test_a_diagonal_is_a_poor_mans_covered_call_only_where_prices_say_so() -> None:
    legs = ((FAR, 1), (NEAR, -1))
    prices = {"GOOG": Decimal("746.89"), FAR: Decimal(175), NEAR: Decimal(14)}
    assert named(*legs) == "Diagonal Spread"
    assert named(*legs, prices=prices) == "Poor Man's Covered Call"
    assert named(*legs, prices={**prices, FAR: Decimal(200)}) == "Diagonal Spread"
    assert named(*legs, prices={**prices, "GOOG": Decimal(600)}) == "Diagonal Spread"
    assert named(*legs, prices={**prices, "GOOG": Decimal(800)}) == "Diagonal Spread"
    assert named(*legs, prices={FAR: Decimal(175), NEAR: Decimal(14)}) == "Diagonal Spread"
    names = [part.name for part in split({FAR: 2, NEAR: -2, option("P", 700): 1}, prices)]
    assert names == ["Poor Man's Covered Call", "Long Put"]


def test_its_put_twin_too() -> None:
    far, near = option("P", 920, 170120), option("P", 710)
    prices = {"GOOG": Decimal("746.89"), far: Decimal(195), near: Decimal(18)}
    assert named((far, 1), (near, -1), prices=prices) == "Poor Man's Covered Put"
    assert named((far, 1), (near, -1)) == "Put Diagonal Spread"


def test_leans_names_come_first_and_an_inverse_without_a_name_is_said() -> None:
    assert named((option("C", 740), -1), (option("C", 750), 2)) == "Call Backspread"
    assert named((option("C", 740), -1), (option("C", 750), 3)) == "Inverse Ratio Spread 1x3"
    assert named((option("C", 740), 1), (option("C", 750), -2), (option("C", 765), 1)) == "Broken Wing Call Butterfly"
    assert named((option("C", 740), 1), (option("P", 750), 1), (option("C", 761), 1)) == ""
    assert named(("GOOG", 150), (option("C", 740), -1)) == ""
    assert named((option("C", 740), 1), (option("C", 740, root="SPY"), 1)) == ""


def test_a_book_of_a_desk_by_hand() -> None:
    book = {
        option("P", 620): 3, option("P", 665): -3, option("C", 835): -3, option("C", 885): 3,
        "GOOG": 250, option("C", 800): -2,
        option("C", 750, 160115): -1, option("C", 750, 160318): 1,
        option("P", 700, 160115): -2,
        "SPY": -100,
    }  # fmt: skip
    parts = [(part.name, part.units) for part in split(book)]
    assert parts == [
        ("Iron Condor", 3), ("Covered Call", 2), ("Call Calendar Spread", 1), ("Naked Put", 2), ("Stock", 50),
        ("Stock", 100),
    ]  # fmt: skip


def test_what_is_over_after_whole_units_is_named_too() -> None:
    parts = split({option("C", 740): 5, option("C", 750): -3, option("P", 740): 1})
    assert [(part.name, part.units) for part in parts] == [("Bull Call Spread", 3), ("Straddle", 1), ("Long Call", 1)]


def test_two_roots_at_one_strike_and_expiry_stay_apart() -> None:
    parts = split({option("C", 2000, 160115, "SPX"): 1, option("C", 2000, 160115, "SPXW"): -1})
    assert sorted(part.name for part in parts) == ["Long Call", "Naked Call"]


STRIKES = [600 + 5 * n for n in range(40)]
MANY = st.lists(
    st.tuples(
        st.sampled_from("CP"), st.sampled_from(STRIKES), st.sampled_from([160115, 160219, 160318]),
        st.integers(-4, 4).filter(bool),
    ),
    min_size=60, max_size=60, unique_by=lambda each: each[:3],
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(MANY, st.integers(-3, 3), st.randoms())
def test_sixty_contracts_split_into_what_adds_up_to_them_in_any_order(
    held: list[tuple[str, int, int, int]], lots: int, chance: random.Random
) -> None:
    book = {option(right, strike, expiry): quantity for right, strike, expiry, quantity in held}
    if lots:
        book["GOOG"] = lots * 100
    parts = split(book)
    total: dict[str, int] = {}
    for part in parts:
        assert part.strategy is None or match(part.legs) is not None
        for leg in part.legs:
            total[leg.symbol] = total.get(leg.symbol, 0) + leg.quantity
    assert total == book
    items = list(book.items())
    chance.shuffle(items)
    assert split(dict(items)) == parts


def test_a_book_made_to_be_searched_for_ever_is_bounded_and_still_adds_up() -> None:
    # A Sidon set has no equal wings: every condor and butterfly of it is looked at in vain.
    strikes = [106 * n + n * n % 53 + 1 for n in range(53)]
    book = {option("C", strike): 1 if n % 2 else -1 for n, strike in enumerate(strikes)}
    book |= {option("P", strike): -1 if n % 3 else 1 for n, strike in enumerate(strikes)}
    parts = split(book)
    assert {leg.symbol: leg.quantity for part in parts for leg in part.legs} == book
    assert split(dict(reversed(book.items()))) == parts
