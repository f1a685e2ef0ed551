"""Branch and bound for margin's integer programme: whole contracts, the least dollars. Knows columns, not contracts.

Bounded by a number of linear programmes, so that time has a bound without a clock; deterministic.
"""

from __future__ import annotations

import heapq
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse  # pyright: ignore[reportMissingTypeStubs]

Floats = NDArray[np.float64]

#: Work that one search may take: columns x linear programmes, but so many programmes at least and at most. A programme
#: of 50 columns takes 1 to 2 ms, one of 250 takes 5 to 10.
MAXIMUM_WORK = 3000
LEAST_PROGRAMMES, MAXIMUM_PROGRAMMES = 8, 80
#: Differences below half a cent are none; counts this near to whole are whole.
_SAME = 0.005
_WHOLE = 1e-6
_scipy: Any = optimize
_sparse: Any = sparse


class Spreads(msgspec.Struct, frozen=True, eq=False):
    """One group: its columns start at `start`, one for each member (an index of the book's options), then its loss.
    `values` are dollars of one contract of each member at each turning point, `slopes` beyond the last."""

    start: int
    members: tuple[int, ...]
    values: Floats
    slopes: Floats


class Programme(msgspec.Struct, frozen=True, eq=False):
    """Least cost @ x with 0 <= x <= upper, low <= A x <= high (A by rows, columns, entries), x whole where `whole`.

    The first columns are rows of margin: `uses` their options, `shares` their shares. `quantities` are the book's.
    """

    cost: Floats
    upper: Floats
    whole: NDArray[np.bool_]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    entries: Floats
    low: Floats
    high: Floats
    uses: tuple[tuple[int, ...], ...]
    shares: tuple[int, ...]
    spreads: tuple[Spreads, ...]
    quantities: tuple[int, ...]
    stock: int


def least(programme: Programme) -> tuple[list[int], float]:
    """Whole counts by column (losses rounded to nothing of use) and the dollars by which they may miss the least."""
    shape = (len(programme.low), len(programme.cost))
    matrix = _sparse.csr_array((programme.entries, (programme.rows, programme.columns)), shape=shape)
    limits = _scipy.LinearConstraint(matrix, programme.low, programme.high)

    def relaxed(low: Floats, high: Floats) -> tuple[float, Floats] | None:
        answer = _scipy.milp(programme.cost, bounds=_scipy.Bounds(low, high), constraints=limits)
        return None if answer.x is None else (float(answer.fun), np.asarray(answer.x, dtype=np.float64))

    low, high = np.zeros(shape[1]), programme.upper
    root = relaxed(low, high)
    if root is None:
        raise RuntimeError("margin's programme has no answer: every short option may be uncovered")
    best_cost, best = _whole(programme, root[1])
    waiting: list[tuple[float, int, Floats, Floats, Floats]] = [(root[0], 0, low, high, root[1])]
    solved = 1
    allowed = min(MAXIMUM_PROGRAMMES, max(LEAST_PROGRAMMES, MAXIMUM_WORK // shape[1]))
    while waiting and waiting[0][0] < best_cost - _SAME and solved < allowed:
        _, _, low, high, found = heapq.heappop(waiting)
        away = np.where(programme.whole, np.abs(found - np.round(found)), 0.0)
        column = int(away.argmax())
        for turn in (0, 1):
            lower, upper = low.copy(), high.copy()
            if turn:
                lower[column] = np.ceil(found[column])
            else:
                upper[column] = np.floor(found[column])
            answer = relaxed(lower, upper)
            solved += 1
            if answer is None or answer[0] >= best_cost - _SAME:
                continue
            cost, counts = _whole(programme, answer[1])
            if cost < best_cost - _SAME / 10:
                best_cost, best = cost, counts
            if np.any(np.where(programme.whole, np.abs(answer[1] - np.round(answer[1])), 0.0) > _WHOLE):
                heapq.heappush(waiting, (answer[0], solved, lower, upper, answer[1]))
    bound = min(best_cost, waiting[0][0]) if waiting else best_cost
    return [round(float(value)) for value in best], best_cost - bound


def _whole(programme: Programme, found: Floats) -> tuple[float, Floats]:
    """A whole answer near a fractional one: what is whole in it stays, each contract left over goes where it asks least
    at that moment, alone or with a long contract that is left."""
    counts = np.where(programme.whole, np.floor(found + _WHOLE), 0.0)
    left = np.abs(np.array(programme.quantities, dtype=np.float64))
    stock = float(programme.stock)
    singles: dict[int, list[int]] = {}
    for column, (uses, shares) in enumerate(zip(programme.uses, programme.shares, strict=True)):
        left[list(uses)] -= counts[column]
        stock -= counts[column] * shares
        if len(uses) == 1 and programme.quantities[uses[0]] < 0:
            singles.setdefault(uses[0], []).append(column)
    values: list[Floats] = []
    slopes: list[float] = []
    for spread in programme.spreads:
        inside = counts[spread.start : spread.start + len(spread.members)]
        left[list(spread.members)] -= inside
        values.append(inside @ spread.values)
        slopes.append(float(inside @ spread.slopes))
    for number, spread in enumerate(programme.spreads):
        # Rounding may have left a group with more short calls than long ones.
        while slopes[number] < 0:
            offset = _rescue(spread, counts, left)
            turn = 1.0 if spread.slopes[offset] > 0 else -1.0
            counts[spread.start + offset] += turn
            left[spread.members[offset]] -= turn
            values[number] = values[number] + turn * spread.values[offset]
            slopes[number] += turn * float(spread.slopes[offset])
    order = sorted(singles, key=lambda i: (-programme.cost[singles[i][0]], i))
    for i in order:
        while left[i] > 0:
            choices = [
                (programme.cost[column], column, -1, -1)
                for column in singles[i]
                if not programme.shares[column] or stock >= programme.shares[column]
            ]
            for number, spread in enumerate(programme.spreads):
                choices += _joins(spread, number, i, left, values[number], slopes[number])
            _, column, number, partner = min(choices)
            left[i] -= 1
            counts[column] += 1
            if number < 0:
                stock -= programme.shares[column]
                continue
            spread = programme.spreads[number]
            for offset in (column - spread.start, partner):
                if offset >= 0:
                    values[number] = values[number] + spread.values[offset]
                    slopes[number] += float(spread.slopes[offset])
            if partner >= 0:
                counts[spread.start + partner] += 1
                left[spread.members[partner]] -= 1
    _pair(programme, counts, singles)
    for number, spread in enumerate(programme.spreads):
        for offset, i in enumerate(spread.members):
            while programme.quantities[i] > 0 and left[i] > 0:
                better = values[number] + spread.values[offset]
                if _loss(better) > _loss(values[number]) - _SAME:
                    break
                values[number] = better
                counts[spread.start + offset] += 1
                left[i] -= 1
        counts[spread.start + len(spread.members)] = _loss(values[number])
    return float(programme.cost @ counts), counts


def _loss(values: Floats) -> float:
    return max(0.0, -float(values.min()))


def _rescue(spread: Spreads, counts: Floats, left: Floats) -> int:
    """The member that mends a group's slope: a long call that is left, else a short call to take out."""
    for offset, i in enumerate(spread.members):
        if spread.slopes[offset] > 0 and left[i] > 0:
            return offset
    return next(
        offset
        for offset in range(len(spread.members))
        if spread.slopes[offset] < 0 and counts[spread.start + offset] > 0
    )


def _joins(
    spread: Spreads, number: int, short: int, left: Floats, values: Floats, slope: float
) -> list[tuple[float, int, int, int]]:
    """What a short contract more would add to a group's loss, alone and with each long contract that is left."""
    if short not in spread.members:
        return []
    own = spread.members.index(short)
    base, steep, now = values + spread.values[own], slope + float(spread.slopes[own]), _loss(values)
    found: list[tuple[float, int, int, int]] = []
    if steep >= 0:
        found.append((_loss(base) - now, spread.start + own, number, -1))
    for offset, i in enumerate(spread.members):
        if left[i] > 0 and offset != own and spread.values[offset].max() > 0 and steep + spread.slopes[offset] >= 0:
            found.append((_loss(base + spread.values[offset]) - now, spread.start + own, number, offset))
    return found


def _pair(programme: Programme, counts: Floats, singles: dict[int, list[int]]) -> None:
    """Turn uncovered calls and puts into pairs, the largest saving first."""
    alone = {i: columns[0] for i, columns in singles.items() if not programme.shares[columns[0]]}
    pairs = [
        (programme.cost[column] - programme.cost[alone[uses[0]]] - programme.cost[alone[uses[1]]], column, uses)
        for column, uses in enumerate(programme.uses)
        if len(uses) == 2 and all(i in alone for i in uses)
    ]
    for saving, column, uses in sorted(pairs):
        size = min(counts[alone[i]] for i in uses)
        if saving < 0 and size > 0:
            counts[column] += size
            for i in uses:
                counts[alone[i]] -= size
