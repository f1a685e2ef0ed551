"""Orders accepted at reduce-only can't hurt: no holding grows or crosses zero, no worst case worsens."""

from __future__ import annotations

import itertools
import random
from decimal import Decimal

import pytest

from actors.options.contracts import Contract, parse_symbol
from actors.options.payoff import UNLIMITED, Leg, payoff
from actors.options.reducing import WorkingOrder, is_reducing
from actors.options.scenarios import GridScenario, build_grid
from tests.options.kit_risk import market

STRIKES = (740, 745, 750, 755, 760, 770)
EXPIRIES = ("160115", "160219")


def symbol(right: str, strike: int, expiry: str = EXPIRIES[0]) -> str:
    return f"GOOG  {expiry}{right}00{strike}000"


CALL, HIGHER, PUT, LOWER = symbol("C", 750), symbol("C", 760), symbol("P", 750), symbol("P", 740)


def worst(book: dict[str, int]) -> list[tuple[bool, Decimal, Decimal]]:
    """Per expiry (stock with each): unlimited loss above, slope there if falling, minimum value if finite."""
    stock = [Leg(name, quantity) for name, quantity in book.items() if not isinstance(parse_symbol(name), Contract)]
    shapes = []
    for expiry in EXPIRIES:
        options = [
            Leg(name, quantity)
            for name, quantity in book.items()
            if isinstance(parse_symbol(name), Contract) and name[6:12] == expiry
        ]
        shape = payoff([*options, *stock])
        floor = Decimal(0) if shape.minimum is UNLIMITED else min(Decimal(str(shape.minimum)), Decimal(0))
        shapes.append((shape.slope < 0, min(shape.slope, Decimal(0)), floor))
    return shapes


def no_worse(before: dict[str, int], after: dict[str, int]) -> bool:
    """Maximum loss as the desk defines it: minimum at expiry and end slopes, cash excluded, expiry by expiry."""
    for (_, slope_before, floor_before), (unlimited, slope, floor) in zip(worst(before), worst(after), strict=True):
        if slope < slope_before:
            return False
        if not unlimited and slope_before == 0 and floor < floor_before:
            return False
    return True


def random_book(chance: random.Random) -> dict[str, int]:
    book: dict[str, int] = {}
    expiries = EXPIRIES if chance.random() < 0.3 else EXPIRIES[:1]
    for _ in range(chance.randint(1, 4)):
        name = symbol(chance.choice("CP"), chance.choice(STRIKES), chance.choice(expiries))
        book[name] = chance.choice((-3, -2, -1, 1, 2, 3))
    if chance.random() < 0.25:
        book["GOOG"] = chance.choice((-200, -100, 100, 200))
    return book


def random_order(chance: random.Random, book: dict[str, int]) -> dict[str, int]:
    held = [name for name, quantity in book.items() if quantity]
    if not held:
        return {}
    legs = chance.sample(held, chance.randint(1, len(held)))
    order = {}
    for name in legs:
        size = chance.randint(1, abs(book[name]) + (chance.random() < 0.1))
        order[name] = -size if book[name] > 0 else size
    if chance.random() < 0.1:
        order[symbol(chance.choice("CP"), chance.choice(STRIKES))] = chance.choice((-1, 1))
    return order


def play(seed: int) -> tuple[int, int]:
    """One random book, a sequence of candidate orders and fills of parts of the accepted ones in any order.

    Every state on the way is compared with the book at the start: a worst case that improved may be given back in
    part by an order accepted earlier, but never beyond where it began.
    """
    chance = random.Random(seed)
    book = random_book(chance)
    start = dict(book)
    working: list[dict[str, int]] = []
    accepted = refused = 0
    for _ in range(chance.randint(2, 8)):
        if chance.random() < 0.55:
            order = random_order(chance, book)
            if is_reducing(book, order, [WorkingOrder(other) for other in working], legs_fill_apart=True).reducing:
                working.append(order)
                accepted += 1
            else:
                refused += 1
            continue
        choices = [(index, name) for index, order in enumerate(working) for name, left in order.items() if left]
        if not choices:
            continue
        index, name = chance.choice(choices)
        left = working[index][name]
        amount = chance.randint(1, abs(left)) * (1 if left > 0 else -1)
        before = dict(book)
        working[index][name] = left - amount
        book[name] = book[name] + amount
        assert abs(book[name]) <= abs(before[name]), f"seed {seed}"
        assert book[name] * before[name] >= 0, f"seed {seed}"
        assert no_worse(start, book), f"seed {seed}: {start} -> {book}"
    return accepted, refused


@pytest.mark.parametrize("block", range(4))
def test_no_accepted_sequence_of_ten_thousand_books_hurts(block: int) -> None:
    totals = [play(seed) for seed in range(block * 2500, (block + 1) * 2500)]
    assert sum(accepted for accepted, _ in totals) > 2000
    assert sum(refused for _, refused in totals) > 1000


def test_buying_back_a_short_option_passes_up_to_what_is_held() -> None:
    assert is_reducing({CALL: -2, HIGHER: 2}, {CALL: 2}).reducing
    assert not is_reducing({CALL: -2}, {CALL: 3}).reducing


def test_closing_the_long_leg_first_never_passes() -> None:
    spread = {CALL: -1, HIGHER: 1}
    assert not is_reducing(spread, {HIGHER: -1}).reducing
    assert not is_reducing(spread, {CALL: 1, HIGHER: -1}).reducing
    assert is_reducing(spread, {CALL: 1, HIGHER: -1}, legs_fill_apart=False).reducing


def test_a_long_alone_may_be_sold_and_shares_too() -> None:
    assert is_reducing({PUT: 2}, {PUT: -1}).reducing
    assert is_reducing({"GOOG": 100}, {"GOOG": -100}).reducing
    assert not is_reducing({"GOOG": 100, CALL: -1}, {"GOOG": -100}).reducing


def test_what_works_already_counts_as_filled_and_as_unfilled() -> None:
    held = {PUT: -1, LOWER: 1}
    closing_short = WorkingOrder({PUT: 1})
    assert not is_reducing(held, {LOWER: -1}, [closing_short]).reducing
    assert not is_reducing(held, {PUT: 1}, [closing_short]).reducing
    assert not is_reducing(held, {PUT: 1}, [WorkingOrder({PUT: 1}, unknown=True)]).reducing


def test_a_roll_never_passes() -> None:
    assert not is_reducing({CALL: -1}, {CALL: 1, symbol("C", 760, EXPIRIES[1]): -1}).reducing


def test_a_scenario_that_worsens_is_heard() -> None:
    def gamma_trap(book) -> float:
        return -100.0 * book.get(PUT, 0)

    assert not is_reducing({PUT: 1, CALL: 1}, {CALL: -1}, scenario=lambda book: 5.0 * book.get(CALL, 0)).reducing
    assert is_reducing({PUT: 1, CALL: 1}, {CALL: -1}, scenario=gamma_trap).reducing


# --- the scenario grid ----------------------------------------------------------------------------------------------

CHAIN = market([symbol(r, k, e) for r in "CP" for k in STRIKES for e in EXPIRIES], {"GOOG": 750.0}, betas={"GOOG": 1.0})
GRID = GridScenario(build_grid(CHAIN, [*CHAIN.options, "GOOG"]))


def test_selling_a_long_that_hedges_the_grid_is_not_reducing() -> None:
    """A later long put carries the near short one through the grid though their payoffs at expiry are apart."""
    later = symbol("P", 760, EXPIRIES[1])
    held = {PUT: -1, later: 1}
    assert is_reducing(held, {later: -1}).reducing
    verdict = is_reducing(held, {later: -1}, scenario=GRID)
    assert verdict.reasons == ("with -1 GOOG  160219P00760000 filled the worst of the scenario grid falls",)
    assert is_reducing(held, {PUT: 1}, scenario=GRID).reducing


def test_selling_a_long_alone_passes_the_grid() -> None:
    assert is_reducing({PUT: 2}, {PUT: -1}, scenario=GRID).reducing
    assert is_reducing({"GOOG": 100}, {"GOOG": -100}, scenario=GRID).reducing


@pytest.mark.parametrize("block", range(2))
def test_the_bound_and_the_grid_at_once_say_what_every_subset_says(block: int) -> None:
    told = {True: 0, False: 0}
    for seed in range(block * 150, (block + 1) * 150):
        chance = random.Random(seed)
        book = random_book(chance)
        order = random_order(chance, book)
        others = [WorkingOrder(random_order(chance, book))] if chance.random() < 0.3 else []
        quick = is_reducing(book, order, others, scenario=GRID)
        plain = is_reducing(book, order, others, scenario=lambda held: GRID(held))
        assert quick == plain, f"seed {seed}"
        told[quick.reducing] += 1
    assert min(told.values()) > 20


@pytest.mark.parametrize("seed", range(200))
def test_the_worst_fill_speaks_for_every_fill(seed: int) -> None:
    """What is accepted is no worse with any subset of its legs filled: each is looked at here."""
    chance = random.Random(seed)
    book = random_book(chance)
    order = random_order(chance, book)
    if not is_reducing(book, order, scenario=GRID).reducing:
        return
    before = GRID(book)
    legs = list(order.items())
    for chosen in itertools.product((False, True), repeat=len(legs)):
        after = dict(book)
        for take, (name, quantity) in zip(chosen, legs, strict=True):
            after[name] += quantity if take else 0
        assert no_worse(book, after), f"seed {seed}"
        assert GRID(after) >= before - 0.005 or all(quantity > 0 for _, quantity in legs), f"seed {seed}"
