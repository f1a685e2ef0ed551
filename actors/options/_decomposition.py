"""The split of one underlying's book into margined parts that asks least: an integer programme, solved by branch and
bound over linear programmes (HiGHS).

Variables count contracts: in spreads (one group for each fixing of short options), uncovered, in pairs of short call
and put, and beside shares. The programme is built in one order of the book, so that its answer does not depend on how
the book was told. Dollars are computed again in decimals from the counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache

import msgspec
import numpy as np

from actors.options._integer import Programme, Spreads, least
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

_INFINITE = float("inf")
_CENT = Decimal("0.01")
#: Dollars a contract that keep idle long options out of spreads; far below a cent in any total.
_IDLE = 1e-5


class Split(msgspec.Struct, frozen=True):
    """The parts of a book, and the dollars that their total may lie above the least possible: 0 where it is proved to
    be the least, to the cent."""

    parts: tuple[Component, ...]
    excess: Decimal = ZERO


@lru_cache(maxsize=4096)
def decompose(book: UnderlyingBook) -> Split:
    """The parts whose total is least, in a fixed order; what asks nothing by itself (long options) is one part each.

    The search is bounded (`_integer.MAXIMUM_WORK`): beyond it the best split found is taken, which asks more than
    the least by `excess` at most. One spread that is cheaper than any contract of it uncovered takes no search.
    The last answers are kept.
    """
    rows = margin_rows(book)
    groups = spread_groups(book)
    if _one_spread(book, rows, groups):
        return Split((spread_part(book, groups[0], [abs(book.options[i].quantity) for i in groups[0]]),))
    counts, inside, excess = _solve(book, rows, groups)
    parts = [
        spread_part(book, members, amounts) for members, amounts in zip(groups, inside, strict=True) if any(amounts)
    ]
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
    return Split(tuple(parts), excess)


def _one_spread(book: UnderlyingBook, rows: Sequence[Row], groups: Sequence[Sequence[int]]) -> bool:
    """Whether the whole book is one spread that asks no more than any one contract of it uncovered would: then no other
    split can ask less, for each leaves a contract uncovered or asks as much."""
    if book.shares or len(groups) != 1 or len(groups[0]) != len(book.options):
        return False
    slope = sum(o.quantity * o.contract.multiplier for o in book.options if o.contract.right == "C")
    whole = spread_part(book, groups[0], [abs(book.options[i].quantity) for i in groups[0]])
    return slope >= 0 and whole.dollars <= min(row.dollars for row in rows)


def _only_one_way(rows: Sequence[Row], groups: Sequence[Sequence[int]]) -> bool:
    """Whether there is nothing to choose: no spreads, no pairs, no cover."""
    return not groups and not any(len(row.uses) > 1 or row.shares for row in rows)


def _solve(
    book: UnderlyingBook, rows: Sequence[Row], groups: Sequence[Sequence[int]]
) -> tuple[list[int], list[list[int]], Decimal]:
    """Counts of each row and of each member of each group, and what they may ask above the least."""
    if _only_one_way(rows, groups):
        counts = [abs(book.options[row.uses[0][0]].quantity) for row in rows]
        return counts, [], ZERO
    programme = _programme(book, rows, groups)
    found, excess = least(programme)
    inside = [found[s.start : s.start + len(s.members)] for s in programme.spreads]
    above = Decimal(repr(excess)).quantize(_CENT, ROUND_FLOOR) if excess > 0.01 else ZERO
    return found[: len(rows)], inside, above


def _programme(book: UnderlyingBook, rows: Sequence[Row], groups: Sequence[Sequence[int]]) -> Programme:
    width = len(rows) + sum(len(group) + 1 for group in groups)
    cost, upper, whole = np.zeros(width), np.full(width, _INFINITE), np.ones(width, dtype=np.bool_)
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
        # Shares that hedge no longer ask for themselves.
        cost[column] = float(row.dollars - abs(row.shares) * per_share) + row.weight
        limits = [abs(book.options[i].quantity) for i, _ in row.uses]
        if row.shares:
            limits.append(abs(book.shares) // abs(row.shares))
            stock.append((column, float(abs(row.shares))))
        upper[column] = min(limits)
        for i, _ in row.uses:
            uses[i].append((column, 1.0))
    at = len(rows)
    spreads: list[Spreads] = []
    for members in groups:
        signs = [1.0 if book.options[i].quantity > 0 else -1.0 for i in members]
        contracts = [book.options[i].contract for i in members]
        points = turning_points(book, members)
        values = np.array(
            [
                [sign * float(intrinsic(contract, spot) * contract.multiplier) for spot in points]
                for contract, sign in zip(contracts, signs, strict=True)
            ]
        )
        slopes = np.array(
            [
                sign * contract.multiplier if contract.right == "C" else 0.0
                for contract, sign in zip(contracts, signs, strict=True)
            ]
        )
        loss = at + len(members)
        spreads.append(Spreads(at, tuple(members), values, slopes))
        cost[loss], whole[loss] = 1.0, False
        for offset, i in enumerate(members):
            upper[at + offset] = abs(book.options[i].quantity)
            uses[i].append((at + offset, 1.0))
            cost[at + offset] = _IDLE if signs[offset] > 0 else 0.0
        if slopes.any():
            constrain([(at + offset, float(value)) for offset, value in enumerate(slopes) if value], 0.0, _INFINITE)
        for column in values.T:
            terms = [(at + offset, float(value)) for offset, value in enumerate(column) if value]
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
    return Programme(
        cost, upper, whole, table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2],
        np.array(low), np.array(high), tuple(tuple(i for i, _ in row.uses) for row in rows),
        tuple(abs(row.shares) for row in rows), tuple(spreads), tuple(option.quantity for option in book.options),
        abs(book.shares),
    )  # fmt: skip
