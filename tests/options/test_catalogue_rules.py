"""The catalogue holds 61 strategies; matching and splitting heed neither order nor scale; gates refuse the unknown."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.catalogue import BY_KEY, CATALOGUE, RuleError, Strategy, check_exit, usable_exit
from actors.options.liquidity import Limits, combo_gate, leg_gates
from actors.options.matching import match, split
from actors.options.payoff import Leg, payoff

GAPS = {1: 740, 2: 750, 3: 760, 4: 770}


def legs_of(each: Strategy) -> list[Leg]:
    strikes = {**GAPS, 1: 735} if each.spacing == "unequal" else GAPS
    return [
        Leg("GOOG", leg.ratio * 100)
        if leg.kind == "S"
        else Leg(f"GOOG  {160219 if leg.far else 160115}{leg.kind}00{strikes[leg.strike]}000", leg.ratio)
        for leg in each.legs
    ]


def test_there_are_61_with_keys_of_their_own() -> None:
    assert len(CATALOGUE) == len(BY_KEY) == 61


@given(st.sampled_from(CATALOGUE), st.integers(1, 9), st.randoms())
def test_a_match_heeds_neither_order_nor_scale(each: Strategy, units: int, chance: object) -> None:
    legs = [Leg(leg.symbol, leg.quantity * units) for leg in legs_of(each)]
    chance.shuffle(legs)  # type: ignore[attr-defined]
    found = match(legs)
    assert found is not None
    assert found.strategy is not None
    assert (found.strategy.legs, found.units, found.negated) == (each.legs, units, False)


@given(st.sampled_from([each for each in CATALOGUE if each.expiries == 1]))
def test_risk_is_undefined_just_where_a_short_option_is_uncovered(each: Strategy) -> None:
    shape = payoff(legs_of(each))
    shares = sum(leg.ratio * 100 for leg in each.legs if leg.kind == "S")
    assert (each.risk == "undefined") == (shape.slope < 0 or shape.slope_below > max(shares, 0))


SYMBOLS = [f"GOOG  160115{r}00{k}000" for r in "CP" for k in (740, 750, 760)] + ["GOOG"]


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(SYMBOLS), st.integers(-4, 4).filter(bool), max_size=6), st.integers(1, 4))
def test_a_split_adds_up_and_heeds_neither_order_nor_scale(book: dict[str, int], scale: int) -> None:
    book = {symbol: quantity * (100 if symbol == "GOOG" else 1) for symbol, quantity in book.items()}
    parts = split(book)
    total: dict[str, int] = {}
    for part in parts:
        for leg in part.legs:
            total[leg.symbol] = total.get(leg.symbol, 0) + leg.quantity
    assert total == book
    assert split(dict(reversed(book.items()))) == parts
    scaled = split({symbol: quantity * scale for symbol, quantity in book.items()})
    assert [(p.name, p.units) for p in scaled] == [(p.name, p.units * scale) for p in parts]


def test_a_stop_that_can_never_fire_gives_way_to_the_one_on_maximum_loss() -> None:
    rules = BY_KEY["bull_put_spread"].exit
    check_exit(rules, Decimal("-1.00"), Decimal("5"))
    with pytest.raises(RuleError, match="95 %"):
        check_exit(rules, Decimal("-2.00"), Decimal("5"))
    assert usable_exit(rules, Decimal("-2.00"), Decimal("5")).stop_gain is None


def test_gates_refuse_what_is_wide_or_unknown() -> None:
    assert all(gate.passed for gate in leg_gates(1.0, 1.05, 500, 80, 0.5, Limits()))
    failed = [gate.name for gate in leg_gates(1.0, 1.3, math.nan, 10, 3.0, Limits()) if not gate.passed]
    assert failed == ["spread", "open interest", "volume", "quote age"]
    assert not combo_gate(-0.5, -1.5, math.nan, Limits()).passed
    assert combo_gate(-0.5, -1.0, 5.0, Limits()).passed
