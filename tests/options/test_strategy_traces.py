"""Each of LEAN's 41 strategies, resolved on the whole chain from its factory's arguments, is what LEAN recorded."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from actors.options.catalogue import LEAN
from actors.options.matching import match
from actors.options.payoff import Leg
from actors.options.resolution import Refusal, resolve_factory
from tools.goog_chain import goog_day
from tools.strategy_table import opened, row_of

RECORDS = opened()


def test_the_catalogue_has_all_of_lean() -> None:
    assert sorted(each.name for each in LEAN) == sorted(row["lean_name"] for row in RECORDS)
    assert len(RECORDS) == 41
    assert len(goog_day().contracts) == 2192


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["strategy"])
def test_legs_natural_fill_cash_and_margin_are_leans(record: dict[str, Any]) -> None:
    row = row_of(record)
    assert row.ours == row.leans
    assert row.cash == row.lean_cash
    assert row.margin == row.lean_margin


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["strategy"])
def test_what_lean_filled_is_named_as_lean_names_it(record: dict[str, Any]) -> None:
    named = match(Leg(fill["symbol"], int(fill["quantity"])) for fill in record["fills"])
    assert named is not None
    assert (named.name, named.units) == (record["lean_name"], 2)


@pytest.mark.parametrize(
    ("factory", "arguments", "word"),
    [
        ("NakedCall", [Decimal("751"), dt.date(2016, 1, 15)], "751"),
        ("NakedCall", [Decimal("750"), dt.date(2016, 1, 16)], "2016-01-16"),
        ("NakedCall", [Decimal("750")], "takes 2 arguments"),
        ("Strangle", [Decimal("740"), Decimal("750"), dt.date(2016, 1, 15)], "rise strictly"),
        ("ButterflyCall", [Decimal("770"), Decimal("755"), Decimal("750"), dt.date(2016, 1, 15)], "needs equal"),
        ("CallCalendarSpread", [Decimal("750"), dt.date(2016, 2, 19), dt.date(2016, 1, 15)], "must be before"),
        ("Diagonal", [], "no strategy factory"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(factory: str, arguments: list[Any], word: str) -> None:
    at = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)
    found = resolve_factory(factory, arguments, goog_day().snapshot(at))
    assert isinstance(found, Refusal)
    assert word in found.reasons[0]
