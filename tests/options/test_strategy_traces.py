"""Each of LEAN's 41 strategies, resolved from its factory's arguments, has the legs that LEAN opened."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.options.catalogue import LEAN
from actors.options.contracts import Contract, parse_symbol
from actors.options.matching import match
from actors.options.payoff import Leg
from actors.options.resolution import Candidate, ChainSnapshot, Refusal, resolve_factory

DATA = Path(__file__).parents[1] / "data"
ROWS: list[dict[str, Any]] = [
    row
    for line in (DATA / "lean-traces" / "strategies.jsonl").read_text().splitlines()
    if (row := json.loads(line))["what"] == "opened"
]


def chain_of(rows: list[dict[str, Any]]) -> ChainSnapshot:
    contracts: dict[Contract, None] = {}
    for row in rows:
        for leg in row["option_legs"]:
            parsed = parse_symbol(leg["symbol"])
            assert isinstance(parsed, Contract)
            contracts[parsed] = None
    blank = np.full(len(contracts), np.nan)
    return ChainSnapshot("GOOG", Decimal("749.5"), dt.date(2015, 12, 24), tuple(contracts), blank, blank)


def arguments_of(row: dict[str, Any]) -> list[Decimal | dt.date]:
    return [dt.date.fromisoformat(each[:10]) if "-" in each else Decimal(each) for each in row["args"]]


def test_the_catalogue_has_all_of_lean() -> None:
    assert sorted(each.name for each in LEAN) == sorted(row["lean_name"] for row in ROWS)
    assert len(ROWS) == 41


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["strategy"])
def test_the_factory_gives_leans_legs(row: dict[str, Any]) -> None:
    found = resolve_factory(row["lean_name"].replace(" ", ""), arguments_of(row), chain_of(ROWS))
    assert isinstance(found, Candidate), found
    expected = [Leg(leg["symbol"], leg["quantity"]) for leg in row["option_legs"]]
    expected += [Leg("GOOG", leg["quantity"]) for leg in row["underlying_legs"]]
    assert list(found.legs) == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["strategy"])
def test_what_lean_filled_is_named_as_lean_names_it(row: dict[str, Any]) -> None:
    named = match(Leg(fill["symbol"], int(fill["quantity"])) for fill in row["fills"])
    assert named is not None
    assert (named.name, named.units) == (row["lean_name"], 2)


def test_an_unlisted_strike_is_refused() -> None:
    found = resolve_factory("NakedCall", [Decimal("751"), dt.date(2016, 1, 15)], chain_of(ROWS))
    assert isinstance(found, Refusal)
    assert "751" in found.reasons[0]
