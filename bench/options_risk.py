"""The scenario grid of 500 positions x 21 x 11 beside QuantLib's Python loop, and how margin's decomposition scales.

Prints times, ratios and the largest difference; asserts nothing about speed.
"""

from __future__ import annotations

import datetime as dt
import random
import statistics
import time
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import QuantLib as ql
from _timing import best

from actors.options._decomposition import decompose
from actors.options.buying_power import Account
from actors.options.contracts import Contract
from actors.options.limits import RiskLimits, judge
from actors.options.orders import OrderLeg
from actors.options.preview import BookSeen, PreviewRules, Ticket, preview
from actors.options.pricing import black76
from actors.options.regt import regt_initial, regt_maintenance
from actors.options.risk_market import OptionSeen, RiskMarket, UnderlyingSeen, risk_order
from actors.options.scenarios import Scenario, build_grid, reprice, stress

NOW = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)
POSITIONS, SPOTS, LEVELS = 500, 21, 11


def grid() -> None:
    """Every position in every scenario: ours vectorised, QuantLib's Black formula in a loop, same inputs."""
    chance = np.random.default_rng(7)
    spot = chance.uniform(50, 500, POSITIONS)
    strike = spot * chance.uniform(0.7, 1.3, POSITIONS)
    call = chance.random(POSITIONS) < 0.5
    years = chance.uniform(1, 365, POSITIONS) / 365
    volatility = chance.uniform(0.1, 0.8, POSITIONS)
    carry = np.stack((np.exp(0.03 * years), np.exp(-0.03 * years)))
    moves, factors = (
        each.ravel() for each in np.meshgrid(np.linspace(-0.3, 0.3, SPOTS), np.linspace(0.5, 2.5, LEVELS))
    )

    def ours() -> np.ndarray:
        return reprice(spot, strike, call, years, volatility, carry, moves[None, :], factors[None, :])

    def loop() -> np.ndarray:
        kinds = [ql.Option.Call if each else ql.Option.Put for each in call]
        found = np.empty((POSITIONS, SPOTS * LEVELS))
        price = ql.blackFormula
        for row in range(POSITIONS):
            forward, strike_, root = spot[row] * carry[0, row], float(strike[row]), volatility[row] * years[row] ** 0.5
            kind, worth = kinds[row], float(carry[1, row])
            for column, (move, factor) in enumerate(zip(moves.tolist(), factors.tolist(), strict=True)):
                found[row, column] = price(kind, strike_, float(forward * (1 + move)), float(root * factor), worth)
        return found

    mine, theirs = best(ours, 15), best(loop, 2)
    difference = float(np.abs(ours() - loop()).max())
    print(f"grid {POSITIONS} x {SPOTS} x {LEVELS}: ours {mine:.2f} ms, QuantLib loop {theirs:.1f} ms, "
          f"{theirs / mine:.0f} times; largest difference {difference:.1e} dollars")  # fmt: skip


def book(count: int, chance: random.Random, *, random_legs: bool) -> dict[str, int]:
    """A book of `count` contracts on one underlying: random ones, or condors as a desk holds them."""
    found: dict[str, int] = {}
    expiries = [dt.date(2026, 12, 18), dt.date(2027, 1, 15), dt.date(2027, 2, 19)]
    while len(found) < count:
        expiry = chance.choice(expiries)
        if random_legs:
            name = Contract("XYZ", expiry, chance.choice("CP"), Decimal(chance.randrange(60, 140))).symbol
            found[name] = chance.choice((-3, -2, -1, 1, 2, 3))
            continue
        low, high, size = chance.randrange(70, 95), chance.randrange(105, 130), chance.randint(1, 5)
        for right, strike, sign in (("P", low - 5, 1), ("P", low, -1), ("C", high, -1), ("C", high + 5, 1)):
            name = Contract("XYZ", expiry, right, Decimal(strike)).symbol
            found[name] = found.get(name, 0) + sign * size
    return {name: quantity for name, quantity in found.items() if quantity}


def price(symbol: str) -> float:
    """100 for the underlying, something sane for its options."""
    if symbol == "XYZ":
        return 100.0
    strike = int(symbol[13:]) / 1000
    inside = max(0.0, 100 - strike if symbol[12] == "C" else strike - 100)
    return round(inside + max(0.05, 4 - abs(strike - 100) / 10), 2)


def margin() -> None:
    """Milliseconds of one requirement by the size of the book, answers not kept."""
    for random_legs, name in ((False, "condors, three expiries"), (True, "random legs, three expiries, shares")):
        for count in (4, 12, 24, 40, 80):
            taken: list[float] = []
            above: list[float] = []
            for seed in range(10):
                chance = random.Random(seed)
                held = book(count, chance, random_legs=random_legs)
                if random_legs:
                    held["XYZ"] = chance.choice((0, 100, 300, -200))
                decompose.cache_clear()
                start = time.perf_counter()
                found = regt_maintenance(held, price)
                taken.append(1000 * (time.perf_counter() - start))
                above.append(100 * float(found.excess / found.total) if found.total else 0.0)
            print(f"margin, {count:3d} contracts ({name}): median {statistics.median(taken):7.2f} ms, "
                  f"largest {max(taken):7.2f} ms; proved least {sum(not each for each in above)} of 10, "
                  f"else at most {max(above):.1f} % above")  # fmt: skip


def desk() -> None:
    """A desk of ten condors on ten underlyings and a candidate: the whole judgement, and the whole ticket."""
    names = [f"U{chr(65 + number)}" for number in range(10)]
    options: dict[str, OptionSeen] = {}
    held: dict[str, int] = {}
    legs: dict[str, tuple[OrderLeg, ...]] = {}
    end = dt.datetime(2027, 1, 15, 21, 0, tzinfo=dt.UTC)
    years = (end - NOW).total_seconds() / (365 * 24 * 3600)
    for ticker in names:
        each: list[OrderLeg] = []
        for right, strike, sign in (("P", 90, 1), ("P", 95, -1), ("C", 105, -1), ("C", 110, 1)):
            symbol = Contract(ticker, end.date(), right, Decimal(strike)).symbol
            mark = float(black76(100.0, strike, years, 0.3, 1.0, right == "C"))
            options[symbol] = OptionSeen(end, mark - 0.05, mark + 0.05, mark, 0.3)
            held[symbol] = 2 * sign
            each.append(OrderLeg(symbol, sign))
        legs[ticker] = tuple(each)
    market = RiskMarket(
        NOW, NOW + dt.timedelta(hours=23), {ticker: UnderlyingSeen(100.0, 1.1) for ticker in names}, options, 600.0
    )
    account = Account("reg_t", Decimal(100000), Decimal(100000))
    order = risk_order("o", legs["UA"], 1, Decimal("-2.00"))
    ticket = Ticket(legs["UA"], 1, Decimal("-2.00"))

    def fresh(work: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            decompose.cache_clear()
            return work()

        return run

    print(f"judgement of all limits, 10 condors of 10 underlyings: "
          f"{best(fresh(lambda: judge(held, market, account, RiskLimits(), order)), 20):.2f} ms")  # fmt: skip
    ticket_time = best(fresh(lambda: preview(ticket, BookSeen(account, held), market, PreviewRules())), 20)
    print(f"preview, the same book: {ticket_time:.2f} ms")
    table = build_grid(market, held)
    print(f"stress of the same book on a ready grid: {best(lambda: stress(table, held), 50):.3f} ms; "
          f"building it {best(lambda: build_grid(market, held), 20):.2f} ms")  # fmt: skip
    rows = [
        Scenario(float(move), float(level), "now")
        for move in np.linspace(-0.3, 0.3, SPOTS)
        for level in np.linspace(-0.5, 1.5, LEVELS)
    ]
    big = build_grid(market, held, rows)
    print(f"  and of {SPOTS} x {LEVELS} scenarios: {best(lambda: stress(big, held), 50):.3f} ms")
    print(f"initial requirement of it: {best(fresh(lambda: regt_initial(held, market.price)), 20):.2f} ms")


if __name__ == "__main__":
    grid()
    margin()
    desk()
