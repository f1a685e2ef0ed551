"""The 20 strategies outside LEAN's factory, worked by hand on the GOOG quotes of 2015-12-24, 10:00 New York.

Each was computed on paper from the quotes beside it: net price per share at natural, dollars of one unit, break-evens.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from actors.options.catalogue import BY_KEY, OTHERS
from actors.options.contracts import Contract, parse_symbol
from actors.options.matching import match
from actors.options.payoff import UNLIMITED, payoff
from actors.options.resolution import Candidate, resolve
from actors.options.targets import FixedStrike, Targets
from tools.goog_chain import goog_day

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)
JANUARY, FEBRUARY, NEXT_YEAR = dt.date(2016, 1, 15), dt.date(2016, 2, 19), dt.date(2017, 1, 20)

# Key, strikes, net, maximum profit, maximum loss, break-evens; the quotes and the sum in the comment above each.
SINGLE: list[tuple[str, tuple[int, ...], str, Any, Any, tuple[str, ...]]] = [
    # C755 28.80 x 30.40: pays 30.40; 755 + 30.40.
    ("long_call", (755,), "30.40", UNLIMITED, 3040, ("785.40",)),
    # P755 35.80 x 36.90: pays 36.90; 755 - 36.90 = 718.10, which is also all it can gain.
    ("long_put", (755,), "36.90", 71810, 3690, ("718.10",)),
    # 68.80 - 42.50 - 20.20 + 10.80; width 35 - 16.90; 695 + 16.90 and 810 - 16.90.
    ("call_condor", (695, 730, 775, 810), "16.90", 1810, 1690, ("711.90", "793.10")),
    # 14.40 - 24.60 - 46.90 + 73.00; width 35 - 15.90; 695 + 15.90 and 810 - 15.90.
    ("put_condor", (695, 730, 775, 810), "15.90", 1910, 1590, ("710.90", "794.10")),
    # 20.10 - 2 x 13.50 + 6.40: a credit of 0.50; 20 + 0.50 at 695; 45 - 20 - 0.50 below 650; 695 - 20.50.
    ("broken_wing_butterfly", (650, 695, 715), "-0.50", 2050, 2450, ("674.50",)),
    # 35.60 - 3 x 15.00 + 2 x 11.70; 45 - 14 at 790; 60 - 45 - 14 = +1 above 805; 745 + 14.
    ("christmas_tree", (745, 790, 805), "14.00", 3100, 1400, ("759.00",)),
    # 30.40 - 3 x 7.70; 65 - 7.30 at 820, lost again two for one: 820 + 57.70 / 2.
    ("ratio_spread_1x3", (755, 820), "7.30", 5770, UNLIMITED, ("762.30", "848.85")),
    # 11.70 - 13.50; 695 - 1.80 to lose at zero, and where it begins.
    ("risk_reversal", (695, 805), "-1.80", UNLIMITED, 69320, ("693.20",)),
    # 30.40 - 35.80: long the stock at 749.60.
    ("synthetic_long_stock", (755,), "-5.40", UNLIMITED, 74960, ("749.60",)),
    # -17.60 - 13.50 + 11.70; the credit covers the 10 of the calls, so only 710 - 19.40 is lost from.
    ("jade_lizard", (710, 795, 805), "-19.40", 1940, 69060, ("690.60",)),
    # -13.50 - 17.60 + 15.70; the credit covers the 10 of the puts; 795 + 15.40.
    ("reverse_jade_lizard", (700, 710, 795), "-15.40", 1540, UNLIMITED, ("810.40",)),
    # 2 x 30.40 + 36.90; 755 - 97.70 and 755 + 97.70 / 2.
    ("strap", (755,), "97.70", UNLIMITED, 9770, ("657.30", "803.85")),
    # 50.60 + 54.80; never worth less than 65; 785 - 105.40 and 720 + 105.40.
    ("guts", (720, 785), "105.40", UNLIMITED, 4040, ("679.60", "825.40")),
    # -13.50 + 30.40 - 10.90; 50 - 6; 695 + 6 at zero; 755 + 6.
    ("seagull", (695, 755, 805), "6.00", 4400, 70100, ("761.00",)),
    # 747.51 - 10.20 - 10.90; 805 - 726.41; at zero the stock and 680 of the put.
    ("covered_strangle", (680, 805), "726.41", 7859, 140641, ("726.41",)),
    # 747.51 + 30.40 - 2 x 10.90; 805 + 50 - 756.11; 2 x spot - 755 = 756.11.
    ("stock_repair", (755, 805), "756.11", 9889, 75611, ("755.555",)),
    # 2 x 57.20 - 28.80; 710 + 85.60 / 2, before the short call.
    ("zebra", (710, 755), "85.60", UNLIMITED, 8560, ("752.80",)),
]

# Key, strikes, near, far, net; the legs expire apart, so the price is all that is exact.
APART: list[tuple[str, tuple[int, ...], dt.date, dt.date, str]] = [
    # February C730 at 44.30, January C765 at 6.10.
    ("diagonal_spread", (730, 765), JANUARY, FEBRUARY, "38.20"),
    # January 2017 C610 at 177.00, February C795 at 13.50; below the width of 185.
    ("poor_mans_covered_call", (610, 795), FEBRUARY, NEXT_YEAR, "163.50"),
    # P730: 25.50 - 7.30; C765: 25.50 - 6.10.
    ("double_calendar", (730, 765), JANUARY, FEBRUARY, "37.60"),
]


def resolved(key: str, strikes: tuple[int, ...], *expiries: dt.date) -> Candidate:
    targets = Targets(tuple(FixedStrike(Decimal(strike)) for strike in strikes), expiries)
    found = resolve(BY_KEY[key], goog_day().snapshot(AT), targets)
    assert isinstance(found, Candidate), found
    return found


def test_all_twenty_are_worked() -> None:
    assert sorted(row[0] for row in (*SINGLE, *APART)) == sorted(each.key for each in OTHERS)


@pytest.mark.parametrize("row", SINGLE, ids=lambda row: row[0])
def test_one_unit_is_worth_what_it_is_on_paper(row: tuple[Any, ...]) -> None:
    key, strikes, net, profit, loss, evens = row
    found = resolved(key, strikes, FEBRUARY)
    assert found.natural == pytest.approx(float(net), abs=1e-9)
    shape, cash = payoff(found.legs), -Decimal(net) * 100
    assert (shape.maximum if shape.maximum is UNLIMITED else shape.maximum + cash) == profit
    assert (UNLIMITED if shape.minimum is UNLIMITED else -(shape.minimum + cash)) == loss
    assert shape.break_evens(cash) == tuple(Decimal(even) for even in evens)
    named = match(found.legs)
    assert named is not None
    assert named.strategy is BY_KEY[key]


@pytest.mark.parametrize("row", APART, ids=lambda row: row[0])
def test_what_expires_apart_costs_what_it_does_on_paper(row: tuple[Any, ...]) -> None:
    key, strikes, near, far, net = row
    found = resolved(key, strikes, near, far)
    assert found.natural == pytest.approx(float(net), abs=1e-9)
    for leg, role in zip(found.legs, BY_KEY[key].legs, strict=True):
        contract = parse_symbol(leg.symbol)
        assert isinstance(contract, Contract)
        assert contract.expiry == (far if role.far else near)
        assert (contract.right, contract.strike, leg.quantity) == (role.kind, strikes[role.strike - 1], role.ratio)
