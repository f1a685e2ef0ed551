"""The scenario grid: its rows, its values against a plain loop, and what counts as filled."""

from __future__ import annotations

import datetime as dt
import math
import random
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.contracts import Contract, parse_symbol
from actors.options.orders import OrderLeg
from actors.options.pricing import black76
from actors.options.risk_market import RiskMarket, risk_order
from actors.options.scenarios import DESK_GRID, Scenario, SpotUnknown, build_grid, stress, term_scale, worst_of
from tests.options.kit_risk import NEXT_OPEN, NOW, market, symbol

CALL, PUT, LOW = symbol("C", 760), symbol("P", 740), symbol("P", 730)
SOON = symbol("P", 740, "151231")
TODAY_PUT, TODAY_CALL = symbol("P", 760, "151224"), symbol("C", 740, "151224")
SPY = symbol("P", 200, "160219", "SPY")
ALL = (CALL, PUT, LOW, SOON, TODAY_PUT, TODAY_CALL, SPY)
CHAIN = market(ALL, {"GOOG": 750.0, "SPY": 205.0}, betas={"GOOG": 1.2, "SPY": 1.0})


def by_hand(chain: RiskMarket, holdings: dict[str, int], scenario: Scenario) -> float:
    """One scenario, contract by contract, for what is not fixed before the next open."""
    total = 0.0
    for name, quantity in holdings.items():
        contract = parse_symbol(name)
        ticker = contract.underlying if isinstance(contract, Contract) else contract
        seen = chain.underlyings[ticker]
        assert seen.beta is not None
        spot = seen.spot * (1 + seen.beta * scenario.move)
        if not isinstance(contract, Contract):
            total += quantity * (spot - seen.spot)
            continue
        option = chain.options[name]
        year = 365 * 24 * 3600
        left = (option.settles_at - chain.now).total_seconds()
        at = left if scenario.at == "now" else max(0.0, (option.settles_at - chain.next_open).total_seconds())
        scale = max(0.3, min(2.5, math.sqrt(30 / (left / 86400))))
        level = option.volatility * (1 + scenario.volatility * scale)
        call, strike = contract.right == "C", float(contract.strike)
        before = float(black76(seen.spot, strike, left / year, option.volatility, 1.0, call))
        after = float(black76(spot, strike, at / year, level, 1.0, call))
        total += quantity * 100 * (after - before)
    return total


def test_the_shipped_grid_is_the_desks() -> None:
    assert len(DESK_GRID) == 20
    now = [(round(100 * row.move), round(100 * row.volatility)) for row in DESK_GRID if row.at == "now"]
    assert now == [
        (-20, 150), (-10, 80), (-5, 40), (-3, 20), (0, 0), (3, -10), (5, -15), (10, 10), (0, 30), (0, -30),
    ]  # fmt: skip
    assert DESK_GRID[2].words == "spot -5 %, IV +40 %, now"
    assert [(row.move, row.volatility) for row in DESK_GRID[:10]] == [
        (row.move, row.volatility) for row in DESK_GRID[10:]
    ]


def test_volatility_moves_scale_with_the_term() -> None:
    days = np.array([0.0, 1.0, 4.8, 7.5, 30.0, 120.0, 400.0])
    assert term_scale(days) == pytest.approx([2.5, 2.5, 2.5, 2.0, 1.0, 0.5, 0.3])


@pytest.mark.parametrize("seed", range(10))
def test_every_scenario_equals_a_plain_loop(seed: int) -> None:
    chance = random.Random(seed)
    holdings = {
        name: chance.choice((-3, -1, 2)) for name in (CALL, PUT, LOW, SOON, SPY, "GOOG") if chance.random() < 0.7
    }
    found = stress(build_grid(CHAIN, holdings), holdings)
    for scenario, value in zip(DESK_GRID, found.total, strict=True):
        assert value == pytest.approx(by_hand(CHAIN, holdings, scenario), abs=1e-6), f"seed {seed}, {scenario.words}"
    assert found.worst == min(found.total)
    assert sum(values.sum() for values in found.by_underlying.values()) == pytest.approx(found.total.sum())


def test_shares_move_by_beta() -> None:
    found = stress(build_grid(CHAIN, ["GOOG", "SPY"]), {"GOOG": 100, "SPY": 100})
    # 20 % x 1.2 of 75,000 and 20 % of 20,500.
    assert found.worst == pytest.approx(-18000 - 4100)
    assert found.worst_scenario.words == "spot -20 %, IV +150 %, now"


def test_a_missing_beta_is_named_and_moves_the_worse_way() -> None:
    bare = msgspec.structs.replace(
        CHAIN, underlyings={**CHAIN.underlyings, "GOOG": msgspec.structs.replace(CHAIN.underlyings["GOOG"], beta=None)}
    )
    grid = build_grid(bare, ["GOOG"])
    assert grid.missing_beta == ("GOOG",)
    for holdings in ({"GOOG": 100}, {"GOOG": -100}):
        found = stress(grid, holdings)
        assert found.worst == pytest.approx(-0.20 * 75000)
        assert float(found.total[DESK_GRID.index(Scenario(0.05, -0.15, "now"))]) == pytest.approx(-0.05 * 75000)


def test_what_is_fixed_before_the_next_open_may_be_fixed_before_the_move() -> None:
    """A put that ends tonight in the money hedges nothing tomorrow: it has become short shares at 760."""
    row = DESK_GRID.index(Scenario(0.05, -0.15, "next_open"))
    spot = 750 * (1 + 1.2 * 0.05)
    value = CHAIN.price(TODAY_PUT)
    long_put = stress(build_grid(CHAIN, [TODAY_PUT]), {TODAY_PUT: 1})
    # Moved before the fixing: worthless. After it: 10 in the money, then 45 lost on a hundred shares short.
    assert float(long_put.total[row]) == pytest.approx(100 * min(0 - value, 10 - (spot - 750) - value))
    call = stress(build_grid(CHAIN, [TODAY_CALL]), {TODAY_CALL: -1})
    assert float(call.total[row]) == pytest.approx(-100 * ((spot - 740) - CHAIN.price(TODAY_CALL)))


def test_open_orders_count_as_filled_or_unfilled_whichever_is_worse() -> None:
    grid = build_grid(CHAIN, [PUT, CALL])
    mark = Decimal(repr(round(CHAIN.price(PUT), 2)))
    selling = risk_order("s", [OrderLeg(PUT, -1)], 2, -mark)
    alone, both = stress(grid, {PUT: -1}), stress(grid, {PUT: -1}, [selling])
    thrice = stress(grid, {PUT: -3})
    rows = alone.total < -1
    assert both.total[rows] == pytest.approx(thrice.total[rows], abs=2.0)
    # Buying one back helps where the put loses: not counted on there.
    closing = stress(grid, {PUT: -1}, [risk_order("b", [OrderLeg(PUT, 1)], 1, mark)])
    assert np.all(closing.total <= alone.total + 1e-9)
    assert closing.worst == pytest.approx(alone.worst)


def test_an_order_pays_its_own_price() -> None:
    grid = build_grid(CHAIN, [PUT])
    dear = risk_order("b", [OrderLeg(PUT, 1)], 1, Decimal(repr(round(CHAIN.price(PUT), 2))) + 5, fees=Decimal("0.65"))
    still = DESK_GRID.index(Scenario(0.0, 0.0, "now"))
    assert float(stress(grid, {}, [dear]).total[still]) == pytest.approx(-500.65, abs=1.0)


def test_missing_volatility_is_borrowed_from_the_nearest_and_named() -> None:
    nan = float("nan")
    bare = msgspec.structs.replace(
        CHAIN, options={**CHAIN.options, PUT: msgspec.structs.replace(CHAIN.options[PUT], volatility=nan)}
    )
    grid = build_grid(bare, [PUT])
    assert grid.borrowed == (PUT,)
    assert np.allclose(grid.table, build_grid(CHAIN, [PUT]).table)
    alone = msgspec.structs.replace(bare, options={PUT: bare.options[PUT]})
    assert build_grid(alone, [PUT]).unpriced == (PUT,)


def test_a_spot_that_is_not_known_is_refused() -> None:
    with pytest.raises(SpotUnknown, match="XYZ has no price"):
        build_grid(CHAIN, ["XYZ"])


def test_an_empty_book_loses_nothing() -> None:
    found = stress(build_grid(CHAIN, ["GOOG"]), {})
    assert found.worst == 0.0
    assert NOW + dt.timedelta(days=3) < NEXT_OPEN


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from([*ALL, "GOOG"]), st.integers(-5, 5), max_size=7), st.integers(0, 99))
def test_the_order_of_the_book_does_not_matter(book: dict[str, int], seed: int) -> None:
    items = list(book.items())
    random.Random(seed).shuffle(items)
    one, two = build_grid(CHAIN, book), build_grid(CHAIN, dict(items))
    assert np.array_equal(stress(one, book).total, stress(two, dict(items)).total)
    rows = np.array([[float(book.get(name, 0)) for name in one.symbols]]) if book else np.zeros((1, 0))
    if book:
        assert worst_of(one, rows)[0] == pytest.approx(stress(one, book).worst, abs=1e-6)
