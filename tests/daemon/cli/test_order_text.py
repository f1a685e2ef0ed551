"""One-line orders: what is written is read, what is shown can be typed again."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli.order_text import OrderTextError, legs_text, parse_order


def test_a_condor_in_one_line() -> None:
    quantity, legs = parse_order("2 goog 2016-01-15 +735P -745P -755C +765C")
    assert quantity == 2
    assert [leg["ratio"] for leg in legs] == [1, -1, -1, 1]
    assert legs[0]["symbol"] == "GOOG  160115P00735000"


def test_ratios_halves_stock_and_a_second_expiry() -> None:
    _, legs = parse_order("1 GOOG 2016-01-15 -2x752.5C 2016-02-19 +750C +100sh")
    assert legs == [
        {"symbol": "GOOG  160115C00752500", "ratio": -2},
        {"symbol": "GOOG  160219C00750000", "ratio": 1},
        {"symbol": "GOOG", "ratio": 100},
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not like"),
        ("0 GOOG 2016-01-15 +735P", "quantity '0'"),
        ("two GOOG 2016-01-15 +735P", "quantity 'two'"),
        ("1 GOOG 2016-13-15 +735P", "'2016-13-15'"),
        ("1 GOOG +735P", "before any expiry"),
        ("1 GOOG 2016-01-15 735P", "'735P'"),
        ("1 GOOG 2016-01-15 +735X", "'+735X'"),
        ("1 GOOG 2016-01-15 +0x735C", "trades nothing"),
        ("1 GOOG 2016-01-15", "no legs"),
        ("1 G00G 2016-01-15 +735C", "'G00G'"),
    ],
)
def test_what_can_not_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(OrderTextError, match=words.replace("+", r"\+")):
        parse_order(text)


_contracts = st.tuples(
    st.dates(dt.date(2015, 1, 1), dt.date(2035, 1, 1)),
    st.sampled_from("CP"),
    st.integers(1, 9_999_999),
    st.integers(-9, 9).filter(bool),
)


@given(st.lists(_contracts, min_size=1, max_size=6), st.integers(-500, 500))
def test_legs_as_shown_read_back_to_the_same(contracts: list[tuple[dt.date, str, int, int]], shares: int) -> None:
    legs = [(f"GOOG  {expiry:%y%m%d}{right}{strike:08d}", count) for expiry, right, strike, count in contracts]
    if shares:
        legs.append(("GOOG", shares))
    assert parse_order(f"1 {legs_text(legs)}")[1] == [{"symbol": symbol, "ratio": ratio} for symbol, ratio in legs]
