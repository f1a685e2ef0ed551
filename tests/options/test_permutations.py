"""Margin and matching are the same however legs and book are told."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from actors.options.matching import match, split
from actors.options.payoff import Leg
from actors.options.regt import regt_initial, regt_maintenance
from tests.options.kit_risk import market, symbol

NAMES = [symbol(r, k, e) for e in ("160219", "160318") for r in "CP" for k in (730, 740, 750, 760)]
CHAIN = market(NAMES, {"GOOG": 750.0})
BOOKS = st.dictionaries(st.sampled_from([*NAMES, "GOOG"]), st.integers(-3, 3).filter(bool), max_size=7).map(
    lambda book: {name: quantity * (100 if name == "GOOG" else 1) for name, quantity in book.items()}
)


def shuffled(book: dict[str, int], seed: int) -> dict[str, int]:
    items = list(book.items())
    random.Random(seed).shuffle(items)
    return dict(items)


@settings(max_examples=150, deadline=None)
@given(BOOKS, st.integers(0, 9999))
def test_margin_of_every_kind(book: dict[str, int], seed: int) -> None:
    other = shuffled(book, seed)
    for function in (lean_margin_used, lean_initial_margin, regt_initial, regt_maintenance):
        assert function(other, CHAIN.price) == function(book, CHAIN.price), function.__name__


@settings(max_examples=200, deadline=None)
@given(BOOKS, st.integers(0, 9999))
def test_matching_and_splitting(book: dict[str, int], seed: int) -> None:
    other = shuffled(book, seed)
    assert split(other) == split(book)
    legs = [Leg(name, quantity) for name, quantity in book.items()]
    assert match([Leg(name, quantity) for name, quantity in other.items()]) == match(legs)


@settings(max_examples=100, deadline=None)
@given(BOOKS, st.integers(0, 9999))
def test_a_split_adds_up_to_the_book(book: dict[str, int], seed: int) -> None:
    total: dict[str, int] = {}
    for found in split(shuffled(book, seed)):
        for leg in found.legs:
            total[leg.symbol] = total.get(leg.symbol, 0) + leg.quantity
    assert {name: quantity for name, quantity in total.items() if quantity} == book
