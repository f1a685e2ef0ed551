"""The catalogue is complete and its rules can fire; matching and splitting heed neither order nor scale."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.catalogue import (
    BY_KEY,
    CATALOGUE,
    LEAN,
    OTHERS,
    VARIANTS,
    RuleError,
    Strategy,
    check_exit,
    find,
    key_of,
    usable_exit,
)
from actors.options.matching import match, split
from actors.options.payoff import UNLIMITED, Leg, payoff

GAPS = {1: 740, 2: 750, 3: 760, 4: 770}


def legs_of(each: Strategy) -> list[Leg]:
    strikes = {**GAPS, 1: 735} if each.spacing == "unequal" else GAPS
    return [
        Leg("GOOG", leg.ratio * 100)
        if leg.kind == "S"
        else Leg(f"GOOG  {160219 if leg.far else 160115}{leg.kind}00{strikes[leg.strike]}000", leg.ratio)
        for leg in each.legs
    ]


def test_there_are_leans_41_and_20_others_and_their_variants() -> None:
    assert (len(LEAN), len(OTHERS)) == (41, 20)
    assert len(CATALOGUE) == len(BY_KEY) == 61 + len(VARIANTS)


def test_names_and_aliases_name_one_strategy_each() -> None:
    names = [key_of(name) for each in CATALOGUE for name in (each.name, *each.aliases)]
    assert len(names) == len(set(names))
    assert find("pmcc") is BY_KEY["poor_mans_covered_call"]
    assert find("Iron Fly") is BY_KEY["iron_butterfly"]
    assert find("Iron Goose") is None
    assert all(each.family in BY_KEY for each in CATALOGUE)


def test_every_entry_says_when_what_goes_wrong_and_how_to_get_in_and_out() -> None:
    for each in CATALOGUE:
        assert len(each.when) > 10, each.name
        assert len(each.wrong) > 10, each.name
        assert len(each.entry.days) == each.expiries
        assert bool(each.factory) == (each in LEAN)
        locked = each.outlook == "locked"
        assert (each.exit.close_days is None) == locked
        assert each.exit.ladder or locked or each.stock, each.name


def test_no_two_entries_have_the_same_legs_but_those_that_a_price_tells_apart() -> None:
    shapes: dict[tuple[object, str], list[str]] = {}
    for each in CATALOGUE:
        shapes.setdefault((frozenset(each.legs), each.spacing), []).append(each.key)
    twins = sorted(names for names in shapes.values() if len(names) > 1)
    assert twins == [["diagonal_spread", "poor_mans_covered_call"], ["put_diagonal_spread", "poor_mans_covered_put"]]


def test_a_loss_without_a_bound_is_never_stopped_at_a_part_of_it() -> None:
    for each in CATALOGUE:
        if each.risk == "undefined":
            assert each.exit.stop_max_loss is None, each.name
            assert each.exit.stop_gain is not None or each.outlook == "locked", each.name


# What a trader would call defined or not, written by hand.
UNCOVERED = {
    "naked_call", "naked_put", "covered_put", "short_straddle", "short_strangle", "short_call_calendar_spread",
    "short_put_calendar_spread", "jelly_roll", "short_jelly_roll", "bull_call_ladder", "bear_put_ladder",
    "short_call_backspread", "short_put_backspread", "ratio_spread_1x3", "risk_reversal", "synthetic_long_stock",
    "jade_lizard", "reverse_jade_lizard", "seagull", "covered_strangle", "put_ratio_spread_1x3", "ratio_spread_2x3",
    "put_ratio_spread_2x3", "bearish_risk_reversal", "synthetic_short_stock", "short_strap", "short_strip",
    "short_guts", "bearish_seagull", "covered_straddle",
}  # fmt: skip


def test_risk_is_what_a_trader_would_say() -> None:
    assert {each.key for each in CATALOGUE if each.risk == "undefined"} == UNCOVERED


@given(st.sampled_from(CATALOGUE), st.integers(1, 9), st.randoms())
def test_a_match_heeds_neither_order_nor_scale(each: Strategy, units: int, chance: object) -> None:
    legs = [Leg(leg.symbol, leg.quantity * units) for leg in legs_of(each)]
    chance.shuffle(legs)  # type: ignore[attr-defined]
    found = match(legs)
    assert found is not None
    assert found.strategy is not None
    assert (found.strategy.legs, found.units, found.negated) == (each.legs, units, False)
    if each.condition != "debit below width":
        assert found.strategy is each


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
    usable = usable_exit(rules, Decimal("-2.00"), Decimal("3"))
    assert (usable.stop_gain, usable.stop_max_loss) == (None, Decimal("0.60"))
    assert usable_exit(rules, Decimal("-1.00"), Decimal("4")) == rules


def test_a_rung_that_a_debit_can_never_reach_gives_way_to_most_of_what_it_can_gain() -> None:
    rules = BY_KEY["bull_call_spread"].exit
    with pytest.raises(RuleError, match="can't reach"):
        check_exit(rules, Decimal("2.00"), None, Decimal("3.00"))
    usable = usable_exit(rules, Decimal("2.00"), Decimal("2.00"), Decimal("3.00"))
    assert usable.ladder == (
        (Decimal("0.50"), Decimal("0.333")),
        (Decimal("1"), Decimal("0.333")),
        (Decimal("1.20"), Decimal("0.334")),
    )
    check_exit(usable, Decimal("2.00"), None, Decimal("3.00"))
    assert usable_exit(rules, Decimal("37.6"), Decimal("37.6"), Decimal("0.72")).ladder == (
        (Decimal("0.01"), Decimal(1)),
    )
    assert usable_exit(rules, Decimal("37.6"), Decimal("37.6"), Decimal("-1")).ladder == ()


def test_what_may_be_either_is_left_by_what_was_really_paid() -> None:
    ratio = BY_KEY["short_call_backspread"]
    assert ratio.exit_at(Decimal("-2.00"), UNLIMITED, Decimal(12)).stop_gain == Decimal("-2.00")
    assert ratio.exit_at(Decimal("2.00"), UNLIMITED, Decimal(8)).stop_gain == Decimal("-0.50")
    even = BY_KEY["synthetic_long_stock"].exit_at(Decimal("0.10"), Decimal("750.10"), UNLIMITED)
    assert (even.basis, even.stop_max_loss) == ("requirement", None)
    wing = BY_KEY["broken_wing_butterfly"].exit_at(Decimal("0.10"), Decimal("10.10"), Decimal(10))
    assert (wing.basis, wing.stop_max_loss) == ("maximum loss", Decimal("0.60"))


@given(
    st.sampled_from([each for each in CATALOGUE if each.expiries == 1]),
    st.decimals(-30, 30, places=2),
)
def test_default_rules_can_fire_at_any_entry(each: Strategy, entry: Decimal) -> None:
    shape = payoff(legs_of(each))
    bound = lambda value: value if value is UNLIMITED else value / 100  # noqa: E731 - per share
    loss, gain = bound(shape.maximum_loss), bound(shape.maximum_profit)
    loss = loss if loss is UNLIMITED else loss + entry
    gain = gain if gain is UNLIMITED else gain - entry
    rules = each.exit_at(entry, loss, gain)
    check_exit(rules, entry, loss if loss is UNLIMITED else loss - entry, gain)
    assert sum((part for _, part in rules.ladder), Decimal(0)) in (0, 1)
    if not each.stock and each.outlook != "locked":
        assert rules.stop_gain is not None or rules.stop_max_loss is not None
        assert rules.stop_max_loss is None or loss is not UNLIMITED
