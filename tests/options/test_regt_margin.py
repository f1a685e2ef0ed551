"""Reg-T margin as the desk and the rule books tell it: a table of examples with their arithmetic, and an oracle."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.contracts import Contract, parse_symbol
from actors.options.margin_rates import MarginRates, rates_of
from actors.options.regt import MarginUnknown, regt_initial, regt_maintenance
from tests.options.kit_risk import symbol as s

SPOTS = {"GOOG": 750.0, "SPY": 200.0, "SPX": 2000.0, "TQQQ": 100.0, "SOXL": 50.0, "PENNY": 4.0}


def price(symbol: str) -> float:
    """GOOG options: 6.00 puts and 5.00 calls at every strike and expiry; others as the table says."""
    if symbol in SPOTS:
        return SPOTS[symbol]
    root = symbol[:6].strip()
    return {"GOOG": {"P": 6.0, "C": 5.0}, "SPY": {"P": 2.0, "C": 2.0}}.get(root, {"P": 10.0, "C": 10.0})[symbol[12]]


LATER = "160318"
P730, P740, P750 = s("P", 730), s("P", 740), s("P", 750)
C740, C750, C760, C770 = s("C", 740), s("C", 750), s("C", 760), s("C", 770)

#: (what, book, initial, maintenance) of a margin account. Dollars, written as they come about: spot 750, puts 6.00,
#: calls 5.00; 20 % of 750 is 150.
TABLE = [
    ("long call", {C750: 3}, 0, 0),
    ("naked put, 10 out of the money", {P740: -1}, (6 + 150 - 10) * 100, None),
    ("naked put, at the floor of 10 % of the strike", {s("P", 500): -1}, (6 + 50) * 100, None),
    ("naked call, 10 out of the money", {C760: -1}, (5 + 150 - 10) * 100, None),
    ("naked call, at the floor of 10 % of spot", {s("C", 900): -1}, (5 + 75) * 100, None),
    ("naked call in the money", {s("C", 700): -1}, (5 + 150) * 100, None),
    ("two naked puts", {P740: -2}, 2 * 14600, None),
    ("short strangle: the put asks more, + the call's premium", {P740: -1, C760: -1}, 14600 + 500, None),
    ("short straddle: the put asks more by its premium", {P750: -1, C750: -1}, (6 + 150) * 100 + 500, None),
    ("two puts, one call: a strangle and a put", {P740: -2, C760: -1}, 14600 + 500 + 14600, None),
    ("bull put spread: its width", {P740: -1, P730: 1}, 1000, None),
    ("bear put spread: paid for", {P740: 1, P730: -1}, 0, None),
    ("bear call spread", {C760: -3, C770: 3}, 3 * 1000, None),
    ("iron condor: one side", {P730: 1, P740: -1, C760: -1, C770: 1}, 1000, None),
    ("iron condor, wider calls: the wider side", {P730: 1, P740: -1, C760: -1, s("C", 785): 1}, 2500, None),
    ("iron condor bought", {P730: -1, P740: 1, C760: 1, C770: -1}, 0, None),
    ("iron butterfly", {P740: 1, P750: -1, C750: -1, C760: 1}, 1000, None),
    ("call butterfly", {C740: 1, C750: -2, C760: 1}, 0, None),
    ("short call butterfly: its body is dear", {C740: -1, C750: 2, C760: -1}, 1000, None),
    ("broken wing: 10 lost above", {C740: 1, C750: -2, C770: 1}, 1000, None),
    ("call condor sold", {C740: -1, C750: 1, C760: 1, C770: -1}, 1000, None),
    ("long box", {C740: 1, P740: -1, C760: -1, s("P", 760): 1}, 0, None),
    ("short box: its width", {C740: -1, P740: 1, C760: 1, s("P", 760): -1}, 2000, None),
    ("calendar", {C750: -1, s("C", 750, LATER): 1}, 0, None),
    ("short calendar: the later call is uncovered", {C750: 1, s("C", 750, LATER): -1}, (5 + 150) * 100, None),
    ("diagonal, 10 against us", {C750: -1, s("C", 760, LATER): 1}, 1000, None),
    ("diagonal, 10 for us", {C750: -1, s("C", 740, LATER): 1}, 0, None),
    ("double diagonal: the worse side", {P740: -1, s("P", 735, LATER): 1, C760: -1, C770: 0,
                                         s("C", 770, LATER): 1}, 1000, None),
    ("ratio spread: one is uncovered", {C740: 1, C750: -2}, (5 + 150) * 100, None),
    ("backspread: worst at the long strike", {C740: -1, C750: 2}, 1000, None),
    ("jade lizard: a strangle asks less than put and spread", {P740: -1, C760: -1, C770: 1},
     min(14600 + 1000, 14600 + 500), None),
    ("two condors of one expiry: the worse end of both", {P730: 1, P740: -2, s("P", 735): 1, C760: -2, C770: 2},
     2000, None),
    ("condors of two expiries: each for itself", {P730: 1, P740: -1, s("P", 730, LATER): 1, s("P", 740, LATER): -1},
     2000, None),
    ("stock: half, then a quarter", {"GOOG": 100}, 37500, 18750),
    ("odd lot", {"GOOG": 7}, Decimal("2625"), Decimal("1312.50")),
    ("short stock: half, then 30 %", {"GOOG": -100}, 37500, 22500),
    ("short stock under 5.00: all of it at first of 4, 2.50 at least", {"PENNY": -100}, 400, 400),
    ("covered call", {"GOOG": 100, C760: -1}, 37500, 18750),
    ("covered call 10 in the money: shares count at the strike", {"GOOG": 100, C740: -1},
     37000 + 1000, 18500 + 1000),
    ("300 shares, 5 calls: two are uncovered", {"GOOG": 300, C760: -5}, 3 * 37500 + 2 * 14500, 3 * 18750 + 29000),
    ("covered strangle", {"GOOG": 100, C760: -1, P740: -1}, 37500 + 14600, 18750 + 14600),
    ("protective put: 10 % of the strike and what is out", {"GOOG": 100, P740: 1}, 37500, 7400 + 1000),
    ("protective put far below: a quarter", {"GOOG": 100, s("P", 500): 1}, 37500, 18750),
    ("collar: 10 % of the put's strike and what is out", {"GOOG": 100, P740: 1, C760: -1}, 37500, 7400 + 1000),
    ("conversion: 10 % of the strike", {"GOOG": 100, P750: 1, C750: -1}, 37500, 7500),
    ("covered put", {"GOOG": -100, P740: -1}, 37500, 22500),
    ("covered put 10 in the money", {"GOOG": -100, s("P", 760): -1}, 37500 + 1000, 22500 + 1000),
    ("protective call", {"GOOG": -100, C760: 1}, 37500, 7600 + 1000),
    ("reverse conversion", {"GOOG": -100, C750: 1, P750: -1}, 37500, 7500),
    ("stock and a call spread: the spread stays one", {"GOOG": 100, C760: -1, C770: 1}, 37500, 18750),
    ("SPY at 15 %", {s("P", 195, root="SPY"): -1}, (2 + 30 - 5) * 100, None),
    ("SPX at 15 %, the floor is 10 % of the strike", {s("P", 1900, root="SPX"): -1}, (10 + 300 - 100) * 100, None),
    ("TQQQ: three times 15 %", {s("P", 90, root="TQQQ"): -1}, (10 + 45 - 10) * 100, None),
    ("TQQQ: three times the floor", {s("P", 60, root="TQQQ"): -1}, (10 + max(45 - 40, 18)) * 100, None),
    ("TQQQ shares: 50 %, then 75 % both", {"TQQQ": 100}, 7500, 7500),
    ("SOXL: three times 20 %", {s("C", 50, root="SOXL"): -1}, (10 + 30) * 100, None),
    ("a long AM series does not cover a PM one", {s("C", 2000, root="SPXW"): -1, s("C", 2000, root="SPX"): 1},
     (10 + 300) * 100, None),
    ("a long PM series covers an AM one", {s("C", 2000, root="SPX"): -1, s("C", 2000, root="SPXW"): 1}, 0, None),
    ("two underlyings", {P740: -1, P730: 1, s("P", 195, root="SPY"): -1}, 1000 + 2700, None),
]  # fmt: skip


@pytest.mark.parametrize(("what", "book", "initial", "maintenance"), TABLE, ids=[row[0] for row in TABLE])
def test_examples_of_a_margin_account(what: str, book: dict[str, int], initial: int, maintenance: int | None) -> None:
    assert regt_initial(book, price).total == initial
    assert regt_maintenance(book, price).total == (initial if maintenance is None else maintenance)
    assert regt_initial(book, price).refused == ()


#: (what, account, book, dollars, how many things are refused)
ACCOUNTS = [
    ("put secured by its strike", "cash", {P740: -2}, 2 * 74000, 0),
    ("put secured by its strike", "ira", {P740: -1}, 74000, 0),
    ("call uncovered", "cash", {C760: -1}, 14500, 1),
    ("call uncovered", "ira", {C760: -1}, 14500, 1),
    ("covered call: shares are paid in full", "cash", {"GOOG": 100, C760: -1}, 75000, 0),
    ("covered call: shares are paid in full", "ira", {"GOOG": 100, C760: -1}, 75000, 0),
    ("short stock", "cash", {"GOOG": -100}, 37500, 1),
    ("short stock", "ira", {"GOOG": -100}, 37500, 1),
    ("an IRA holds a condor", "ira", {P730: 1, P740: -1, C760: -1, C770: 1}, 1000, 0),
    ("a cash account secures a stock's put spread by the strike", "cash", {P730: 1, P740: -1}, 74000, 0),
    ("a cash account refuses a stock's call spread", "cash", {C760: -1, C770: 1}, 14500, 1),
    ("a cash account holds spreads of European, cash-settled options", "cash",
     {s("C", 2000, root="SPX"): -1, s("C", 2010, root="SPX"): 1}, 1000, 0),
    ("but no calendars", "cash", {s("C", 2000, root="SPX"): -1, s("C", 2000, LATER, "SPX"): 1}, 31000, 1),
    ("an IRA holds calendars", "ira", {C750: -1, s("C", 750, LATER): 1}, 0, 0),
    ("a short put and no strangle's relief", "ira", {P740: -1, C760: -1, "GOOG": 100}, 75000 + 74000, 0),
]  # fmt: skip


@pytest.mark.parametrize(("what", "account", "book", "dollars", "refused"), ACCOUNTS)
def test_examples_of_accounts_without_credit(
    what: str, account, book: dict[str, int], dollars: int, refused: int
) -> None:
    found = regt_initial(book, price, account=account)
    assert found.total == dollars
    assert len(found.refused) == refused


def test_refusals_and_parts_speak() -> None:
    found = regt_initial({C760: -1}, price, account="ira")
    assert found.refused == ("GOOG  160219C00760000 short is uncovered, which an IRA may not be",)
    part = regt_initial({P740: -1}, price).parts[0]
    assert part.words == "premium 6.0 + max(20% of 750.0 - 10.0 out of the money, 10% of 740)"
    condor = regt_initial({P730: 1, P740: -1, C760: -1, C770: 1}, price).parts
    assert [part.name for part in condor] == ["Iron Condor"]


def test_leverage_is_capped_at_all_of_it() -> None:
    rates = {"GOOG": MarginRates(factor=Decimal(6))}
    # 6 x 20 % is 100 % of spot at most, less 10 out of the money: (6 + 750 - 10) x 100.
    assert regt_initial({P740: -1}, price, rates=rates).total == 74600
    assert rates_of("SSO").option_basic == Decimal("0.30")


def test_a_missing_price_is_named_or_refused() -> None:
    def bare(symbol: str) -> float:
        return float("nan") if symbol == C740 else price(symbol)

    found = regt_initial({C740: -1}, bare)
    assert found.unpriced == (C740,)
    assert found.total == (10 + 150) * 100
    with pytest.raises(MarginUnknown, match="GOOG has no price"):
        regt_initial({C740: -1}, lambda symbol: float("nan"))
    with pytest.raises(ValueError, match="portfolio_requirement"):
        regt_initial({C740: -1}, price, account="portfolio")


# --- the least total, by an oracle that tries every partition ---------------------------------------------------


def partitions(items: list[str]):
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for size in range(len(rest) + 1):
        for chosen in itertools.combinations(range(len(rest)), size):
            left = [item for index, item in enumerate(rest) if index not in chosen]
            for others in partitions(left):
                yield [[first, *(rest[index] for index in chosen)], *others]


def naked(contract: Contract, symbol: str) -> Decimal:
    out = max(Decimal(0), (contract.strike - 750) * (1 if contract.right == "C" else -1))
    least = Decimal("0.1") * (750 if contract.right == "C" else contract.strike)
    return (Decimal(repr(price(symbol))) + max(150 - out, least)) * 100


def block(items: list[str]) -> Decimal | None:
    """What one block asks: `-SYMBOL` is short, `GOOG` a hundred shares; None where it is no strategy."""
    stock = items.count("GOOG")
    legs = [(parse_symbol(item.lstrip("-")), -1 if item[0] == "-" else 1, item.lstrip("-")) for item in items
            if item != "GOOG"]  # fmt: skip
    shorts = [leg for leg in legs if leg[1] < 0]
    if stock:
        if stock == 1 and not legs:
            return Decimal(37500)
        if stock == 1 and len(legs) == 1 and shorts and shorts[0][0].right == "C":
            strike = shorts[0][0].strike
            return (min(Decimal(750), strike) / 2 + max(Decimal(0), 750 - strike)) * 100
        return None
    if len(legs) == 1:
        return naked(legs[0][0], legs[0][2]) if shorts else Decimal(0)
    if len(legs) == 2 and len(shorts) == 2 and {leg[0].right for leg in legs} == {"C", "P"}:
        sides = sorted(((naked(c, n), Decimal(repr(price(n))) * 100) for c, _, n in legs), key=lambda side: side[0])
        return sides[1][0] + sides[0][1]
    longs = [leg for leg in legs if leg[1] > 0]
    if not longs or not shorts or min(c.expiry for c, _, _ in longs) < max(c.expiry for c, _, _ in shorts):
        return None
    if sum(sign for c, sign, _ in legs if c.right == "C") < 0:
        return None
    worst = Decimal(0)
    for spot in [Decimal(0), *(c.strike for c, _, _ in legs)]:
        value = sum(
            sign * max(Decimal(0), (spot - c.strike) * (1 if c.right == "C" else -1)) * 100 for c, sign, _ in legs
        )
        worst = min(worst, value)
    return -worst


def oracle(book: dict[str, int]) -> Decimal:
    items: list[str] = []
    for symbol, quantity in book.items():
        count = abs(quantity) // (100 if symbol == "GOOG" else 1)
        items += [symbol if quantity > 0 else f"-{symbol}"] * count
    best: Decimal | None = None
    for split in partitions(items):
        asks = [block(part) for part in split]
        if all(ask is not None for ask in asks):
            total = sum(asks, Decimal(0))
            best = total if best is None else min(best, total)
    assert best is not None
    return best


@pytest.mark.parametrize("seed", range(60))
def test_no_partition_of_a_small_book_asks_less(seed: int) -> None:
    chance = random.Random(seed)
    book: dict[str, int] = {"GOOG": 100} if chance.random() < 0.4 else {}
    for _ in range(chance.randint(2, 6)):
        name = s(chance.choice("CP"), chance.choice((600, 740, 745, 750, 760, 900)), chance.choice(("160219", LATER)))
        book[name] = book.get(name, 0) + chance.choice((-1, -1, 1))
    book = {name: quantity for name, quantity in book.items() if quantity}
    assert regt_initial(book, price).total == oracle(book), f"seed {seed}: {book}"


@pytest.mark.parametrize("seed", range(3))
def test_a_large_mixed_book_is_cut_off_and_says_by_how_much_it_may_miss(seed: int) -> None:
    chance = random.Random(seed)
    book: dict[str, int] = {"GOOG": 300}
    while len(book) < 41:
        name = s(chance.choice("CP"), chance.randrange(600, 900, 5), chance.choice(("160219", LATER, "160415")))
        book[name] = chance.choice((-3, -2, -1, 1, 2, 3))
    found = regt_initial(book, price)
    legs: dict[str, int] = {}
    for part in found.parts:
        for leg in part.legs:
            legs[leg.symbol] = legs.get(leg.symbol, 0) + leg.quantity
    assert legs == book
    naked_total = sum(regt_initial({name: size}, price).total for name, size in book.items() if size < 0)
    assert 0 <= found.excess < found.total < naked_total + 3 * 37500
    assert regt_initial(dict(reversed(book.items())), price) == found


# --- determinism --------------------------------------------------------------------------------------------------

NAMES = [s(r, k, e) for e in ("160219", LATER) for r in "CP" for k in (730, 740, 750, 760, 770)]
BOOKS = st.dictionaries(st.sampled_from([*NAMES, "GOOG"]), st.integers(-3, 3).filter(bool), max_size=9).map(
    lambda book: {name: quantity * (100 if name == "GOOG" else 1) for name, quantity in book.items()}
)


@settings(max_examples=60, deadline=None)
@given(BOOKS, st.sampled_from(("reg_t", "ira", "cash")), st.integers(0, 1000))
def test_the_order_of_a_book_does_not_matter(book: dict[str, int], account, seed: int) -> None:
    items = list(book.items())
    random.Random(seed).shuffle(items)
    functions: tuple[Callable, ...] = (regt_initial, regt_maintenance)
    for function in functions:
        assert function(dict(items), price, account=account) == function(book, price, account=account)


@settings(max_examples=60, deadline=None)
@given(BOOKS)
def test_parts_add_up_to_the_book_and_to_the_total(book: dict[str, int]) -> None:
    for found in (regt_initial(book, price), regt_maintenance(book, price)):
        legs: dict[str, int] = {}
        for part in found.parts:
            for leg in part.legs:
                legs[leg.symbol] = legs.get(leg.symbol, 0) + leg.quantity
        assert legs == book
        assert found.total == sum(part.requirement for part in found.parts)
        assert all(part.requirement >= 0 for part in found.parts)
    kept = regt_maintenance(book, price)
    assert kept.total - kept.excess <= regt_initial(book, price).total


@settings(max_examples=40, deadline=None)
@given(BOOKS, st.sampled_from(NAMES))
def test_a_long_option_more_never_asks_more(book: dict[str, int], name: str) -> None:
    more = {**book, name: book.get(name, 0) + 1}
    more = {symbol: quantity for symbol, quantity in more.items() if quantity}
    asked = regt_initial(more, price)
    assert asked.total - asked.excess <= regt_initial(book, price).total
