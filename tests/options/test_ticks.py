"""Increments by class, each with its source; rounding away from filling on entry and toward it on exit."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.options.contracts import INDEX_ROOTS, SymbolError
from actors.options.ticks import OTHER, PENNY, TABLE, coarser, lean_round, round_signed, tick, tick_rule


def option(root: str) -> str:
    return f"{root:<6}260116C00500000"


# Root, penny, below 3.00, from 3.00, complex: the desk's rules, written out.
CLASSES = [
    ("AAPL", True, "0.01", "0.05", "0.01"),
    ("GOOG", False, "0.05", "0.10", "0.01"),
    ("SPY", False, "0.01", "0.01", "0.01"),
    ("QQQ", True, "0.01", "0.01", "0.01"),
    ("IWM", False, "0.01", "0.01", "0.01"),
    ("DIA", True, "0.01", "0.05", "0.01"),
    ("XSP", False, "0.01", "0.01", "0.01"),
    ("SPX", False, "0.05", "0.10", "0.05"),
    ("SPXW", False, "0.05", "0.10", "0.05"),
    ("NDX", False, "0.05", "0.10", "0.05"),
    ("RUTW", False, "0.05", "0.10", "0.05"),
    ("VIX", False, "0.05", "0.10", "0.05"),
]


@pytest.mark.parametrize(("root", "penny", "below", "above", "together"), CLASSES, ids=lambda value: str(value))
def test_each_class_has_its_increments(root: str, penny: bool, below: str, above: str, together: str) -> None:
    symbol = option(root)
    assert tick(symbol, Decimal("2.99"), penny=penny) == Decimal(below)
    assert tick(symbol, Decimal("-2.99"), penny=penny) == Decimal(below)
    assert tick(symbol, Decimal("3.00"), penny=penny) == Decimal(above)
    assert tick(symbol, Decimal("-3.00"), penny=penny) == Decimal(above)
    for price in ("0.40", "-7.15"):
        assert tick(symbol, Decimal(price), penny=penny, complex_order=True) == Decimal(together)


def test_every_index_class_is_in_the_table_and_every_rule_says_whose_it_is() -> None:
    assert set(INDEX_ROOTS) <= set(TABLE)
    for rule in (*TABLE.values(), PENNY, OTHER):
        assert "Cboe" in rule.source
        assert rule.as_of >= dt.date(2026, 11, 1)
    assert tick_rule("SPX", penny=True) is TABLE["SPX"]


def test_stocks_trade_in_cents_and_nonsense_is_refused() -> None:
    assert tick("GOOG", Decimal(750)) == Decimal("0.01")
    with pytest.raises(SymbolError):
        tick("no symbol", Decimal(1))


def test_entries_round_away_from_filling_and_exits_toward_it() -> None:
    nickel = Decimal("0.05")
    assert round_signed(Decimal("1.07"), nickel, opening=True) == Decimal("1.05")  # pays less
    assert round_signed(Decimal("-1.07"), nickel, opening=True) == Decimal("-1.10")  # asks for more
    assert round_signed(Decimal("1.07"), nickel, opening=False) == Decimal("1.10")  # pays more
    assert round_signed(Decimal("-1.07"), nickel, opening=False) == Decimal("-1.05")  # asks for less
    assert round_signed(Decimal("1.05"), nickel, opening=True) == Decimal("1.05")


def test_even_money_becomes_a_tick_toward_us_on_entry_and_toward_the_market_on_exit() -> None:
    cent = Decimal("0.01")
    assert round_signed(Decimal(0), cent, opening=True) == -cent
    assert round_signed(Decimal(0), cent, opening=False) == cent
    assert round_signed(Decimal("0.004"), cent, opening=True) == -cent
    with pytest.raises(ValueError, match="must be above 0"):
        round_signed(Decimal(1), Decimal(0), opening=True)


@given(
    st.decimals(-50, 50, places=4), st.sampled_from([row[0] for row in CLASSES]), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_a_rounded_price_lies_on_the_grid_of_where_it_lands(
    price: Decimal, root: str, penny: bool, together: bool, opening: bool
) -> None:
    symbol = option(root)
    step = tick(symbol, price, penny=penny, complex_order=together)
    rounded = round_signed(price, step, opening=opening)
    assert rounded % tick(symbol, rounded, penny=penny, complex_order=together) == 0
    assert rounded <= price if opening else rounded >= price
    assert abs(rounded) > 0
    assert abs(rounded - price) < 2 * step


def test_a_rejected_increment_is_retried_one_coarser() -> None:
    assert coarser(Decimal("0.01")) == Decimal("0.05")
    assert coarser(Decimal("0.05")) == Decimal("0.10")
    assert coarser(Decimal("0.10")) is None
    with pytest.raises(ValueError, match="none of"):
        coarser(Decimal("0.02"))


def test_lean_rounds_by_its_own_table() -> None:
    assert lean_round(option("SPX"), Decimal("1.03")) == Decimal("1.05")
    assert lean_round(option("SPX"), Decimal("4.97")) == Decimal("4.95")
    assert lean_round(option("GOOG"), Decimal("1.034")) == Decimal("1.03")
    assert lean_round("GOOG", Decimal("749.115")) == Decimal("749.12")
