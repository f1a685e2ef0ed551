"""LEAN's margin: the order in which a book is told does not matter, nor how often it is asked."""

from __future__ import annotations

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from actors.options.lean_margin import lean_initial_margin, lean_margin_used


def price(symbol: str) -> float:
    if symbol == "GOOG":
        return 749.5
    strike = int(symbol[13:]) / 1000
    intrinsic = max(0.0, 749.5 - strike if symbol[12] == "C" else strike - 749.5)
    return round(intrinsic + 12.0 - abs(749.5 - strike) / 10 * 0.9, 2)


SYMBOLS = [f"GOOG  {e}{r}00{k}000" for e in ("160115", "160219") for r in "CP" for k in (740, 745, 750, 755, 760)]
BOOKS = st.dictionaries(st.sampled_from([*SYMBOLS, "GOOG"]), st.integers(-4, 4).filter(bool), max_size=8)


@given(BOOKS, st.integers(0, 1000))
def test_the_order_of_a_book_does_not_matter(book: dict[str, int], seed: int) -> None:
    book = {symbol: quantity * (100 if symbol == "GOOG" else 1) for symbol, quantity in book.items()}
    items = list(book.items())
    random.Random(seed).shuffle(items)
    assert lean_margin_used(dict(items), price) == lean_margin_used(book, price)
    assert lean_initial_margin(dict(items), price) == lean_initial_margin(book, price)


@given(BOOKS)
def test_margin_is_never_negative_and_initial_never_below_maintenance(book: dict[str, int]) -> None:
    book = {symbol: quantity * (100 if symbol == "GOOG" else 1) for symbol, quantity in book.items()}
    used = lean_margin_used(book, price)
    assert Decimal(0) <= used <= lean_initial_margin(book, price)


def test_long_options_ask_nothing_and_a_naked_call_what_lean_asks() -> None:
    call = "GOOG  160115C00750000"
    assert lean_margin_used({call: 3}, price) == 0
    premium = Decimal(repr(price(call)))
    expected = (premium + Decimal("0.2") * Decimal("749.5") - Decimal("0.5")) * 100
    assert lean_margin_used({call: -1}, price) == expected
