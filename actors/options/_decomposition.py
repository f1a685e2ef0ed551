"""The split of one underlying's book into margined parts that asks least: an exact integer programme, solved by HiGHS.

Variables count contracts: in spreads (one group for each fixing of short options), uncovered, in pairs of short call
and put, and beside shares. The programme is built in one order of the book, so that its answer does not depend on how
the book was told. Dollars are computed again in decimals from the counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse  # pyright: ignore[reportMissingTypeStubs]

from actors.options._margin_parts import (
    ZERO,
    Component,
    Row,
    UnderlyingBook,
    intrinsic,
    margin_rows,
    spread_groups,
    spread_part,
    stock_part,
    turning_points,
)

#: Nodes of the search at most: a bound that no clock is in. Beyond it the best split found so far is taken.
MAXIMUM_NODES = 20_000
_INFINITE = float("inf")
#: Dollars a contract that keep idle long options out of spreads; far below a cent in any total.
_IDLE = 1e-5
#: How far from a whole number of contracts a count may be by rounding.
_WHOLE = 1e-7
_scipy: Any = optimize
_sparse: Any = sparse


@lru_cache(maxsize=4096)
def decompose(book: UnderlyingBook) -> tuple[Component, ...]:
    """The parts whose total is least, in a fixed order; what asks nothing by itself (long options) is one part each.

    The search is exact within MAXIMUM_NODES. A book whose relaxed programme is whole takes 1 to 3 ms at any size;
    random books of 10 contracts take 10 ms, of 40 some 200 ms (bench/options_risk.py). The last answers are kept.
    """
    rows = margin_rows(book)
    groups = spread_groups(book)
    if _one_spread(book, rows, groups):
        return (spread_part(book, groups[0], [abs(book.options[i].quantity) for i in groups[0]]),)
    counts, inside = _solve(book, rows, groups)
    parts = [
        spread_part(book, members, amounts)
        for members, amounts in zip(groups, inside, strict=True)
        if any(amounts)
    ]  # fmt: skip
    shares = book.shares
    for row, count in zip(rows, counts, strict=True):
        if count:
            legs = [(book.options[i].symbol, size * count) for i, size in row.uses]
            if row.shares:
                legs.append((book.underlying, row.shares * count))
                shares -= row.shares * count
            parts.append(Component(row.name, tuple(legs), row.dollars * count, row.words, row.refused))
    if shares:
        parts.append(stock_part(book, shares))
    used = dict[str, int]()
    for part in parts:
        for symbol, quantity in part.legs:
            used[symbol] = used.get(symbol, 0) + quantity
    for option in book.options:
        left = option.quantity - used.get(option.symbol, 0)
        if left:
            parts.append(Component("Long option", ((option.symbol, left),), ZERO, "paid in full, no loan value"))
    return tuple(parts)


def _solve(
    book: UnderlyingBook, rows: Sequence[Row], groups: Sequence[Sequence[int]]
) -> tuple[list[int], list[list[int]]]:
    """Counts of each row, and of each member of each group."""
    single = _only_one_way(book, rows, groups)
    if single is not None:
        return single, [[0] * len(group) for group in groups]
    width = len(rows) + sum(len(group) + 1 for group in groups)
    cost, upper = np.zeros(width), np.full(width, _INFINITE)
    whole = np.ones(width)
    entries: list[tuple[int, int, float]] = []
    low: list[float] = []
    high: list[float] = []

    def constrain(terms: list[tuple[int, float]], lowest: float, highest: float) -> None:
        entries.extend((len(low), column, value) for column, value in terms)
        low.append(lowest)
        high.append(highest)

    uses: list[list[tuple[int, float]]] = [[] for _ in book.options]
    stock: list[tuple[int, float]] = []
    per_share = stock_part(book, 1 if book.shares > 0 else -1).dollars
    for column, row in enumerate(rows):
        # A hundred shares that hedge no longer ask for themselves.
        cost[column] = float(row.dollars - abs(row.shares) * per_share) + row.weight
        limits = [abs(book.options[i].quantity) for i, _ in row.uses]
        if row.shares:
            limits.append(abs(book.shares) // abs(row.shares))
            stock.append((column, float(abs(row.shares))))
        upper[column] = min(limits)
        for i, _ in row.uses:
            uses[i].append((column, 1.0))
    at = len(rows)
    starts: list[int] = []
    for members in groups:
        starts.append(at)
        loss = at + len(members)
        cost[loss], whole[loss] = 1.0, 0.0
        signs = [1.0 if book.options[i].quantity > 0 else -1.0 for i in members]
        for offset, i in enumerate(members):
            upper[at + offset] = abs(book.options[i].quantity)
            uses[i].append((at + offset, 1.0))
            cost[at + offset] = _IDLE if signs[offset] > 0 else 0.0
        slope = [
            (at + offset, sign * book.options[i].contract.multiplier)
            for offset, (i, sign) in enumerate(zip(members, signs, strict=True))
            if book.options[i].contract.right == "C"
        ]
        if slope:
            constrain(slope, 0.0, _INFINITE)
        for spot in turning_points(book, members):
            terms = [
                (at + offset, sign * float(intrinsic(contract, spot) * contract.multiplier))
                for offset, (i, sign) in enumerate(zip(members, signs, strict=True))
                if intrinsic(contract := book.options[i].contract, spot)
            ]
            if any(value < 0 for _, value in terms):
                constrain([*terms, (loss, 1.0)], 0.0, _INFINITE)
        at = loss + 1
    for option, terms in zip(book.options, uses, strict=True):
        if terms:
            size = float(abs(option.quantity))
            constrain(terms, size if option.quantity < 0 else 0.0, size)
    if stock:
        constrain(stock, 0.0, float(abs(book.shares)))
    table = np.array(entries)
    matrix = _sparse.csr_array(
        (table[:, 2], (table[:, 0].astype(np.int64), table[:, 1].astype(np.int64))), shape=(len(low), width)
    )
    limits = _scipy.LinearConstraint(matrix, low, high)
    # Most books' relaxed programme has its least corner at whole contracts already: then no search is needed.
    answer = _scipy.milp(cost, bounds=_scipy.Bounds(0.0, upper), constraints=limits)
    if answer.x is not None and _fractions(answer.x, whole):
        answer = _scipy.milp(
            cost, integrality=whole, bounds=_scipy.Bounds(0.0, upper), constraints=limits,
            options={"node_limit": MAXIMUM_NODES, "mip_rel_gap": 0.0},
        )  # fmt: skip
    if answer.x is None:
        raise RuntimeError(f"the decomposition of {book.underlying} found no split: {answer.message}")
    found = [round(float(value)) for value in answer.x]
    inside = [found[start : start + len(members)] for start, members in zip(starts, groups, strict=True)]
    return found[: len(rows)], inside


def _one_spread(book: UnderlyingBook, rows: Sequence[Row], groups: Sequence[Sequence[int]]) -> bool:
    """Whether the whole book is one spread that asks no more than any one contract of it uncovered would: then no other
    split can ask less, for each leaves a contract uncovered or asks as much."""
    if book.shares or len(groups) != 1 or len(groups[0]) != len(book.options):
        return False
    slope = sum(o.quantity * o.contract.multiplier for o in book.options if o.contract.right == "C")
    whole = spread_part(book, groups[0], [abs(book.options[i].quantity) for i in groups[0]])
    return slope >= 0 and whole.dollars <= min(row.dollars for row in rows)


def _fractions(found: NDArray[np.float64], whole: NDArray[np.float64]) -> bool:
    return bool(np.any(np.abs(found - np.round(found))[whole > 0] > _WHOLE))


def _only_one_way(book: UnderlyingBook, rows: Sequence[Row], groups: Sequence[Sequence[int]]) -> list[int] | None:
    """Counts where there is nothing to choose: no spreads, no pairs, no cover."""
    if groups or any(len(row.uses) > 1 or row.shares for row in rows):
        return None
    return [abs(book.options[row.uses[0][0]].quantity) for row in rows]
