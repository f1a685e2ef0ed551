"""The split of one underlying's book into margined parts that asks least: an exact integer programme, solved by HiGHS.

Variables count contracts: in spreads (one group for each expiry of short options), uncovered, in pairs of short call
and put, and beside shares. The programme is built in one order of the book, so that its answer does not depend on how
the book was told. Dollars are computed again in decimals from the counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse  # pyright: ignore[reportMissingTypeStubs]

from actors.options.contracts import Contract
from actors.options.margin_rates import AccountKind, MarginRates, Mode
from actors.options.settlement import fixing

#: Nodes of the search at most: a bound that no clock is in. Beyond it the best split found so far is taken.
MAXIMUM_NODES = 20_000
_ZERO = Decimal(0)
#: Dollars a contract that keep idle long options out of spreads; far below a cent in any total.
_IDLE = 1e-5
#: How far from a whole number of contracts a count may be by rounding.
_WHOLE = 1e-7
_scipy: Any = optimize
_sparse: Any = sparse
_INFINITE = float("inf")


class OptionHeld(msgspec.Struct, frozen=True):
    """A signed holding of an option and its price, dollars per share."""

    contract: Contract
    symbol: str
    quantity: int
    premium: Decimal


class UnderlyingBook(msgspec.Struct, frozen=True):
    """One underlying's holdings in symbol order, and what they are asked by. `shares` is signed."""

    underlying: str
    spot: Decimal
    shares: int
    options: tuple[OptionHeld, ...]
    rates: MarginRates
    mode: Mode
    account: AccountKind


class Component(msgspec.Struct, frozen=True):
    """Legs margined together, dollars asked, and how they come about. `refused` says why the account can't hold it."""

    name: str
    legs: tuple[tuple[str, int], ...]
    dollars: Decimal
    words: str
    refused: str = ""


class _Row(msgspec.Struct):
    """One way to margin some options (contracts each) and shares together: dollars a unit."""

    name: str
    uses: tuple[tuple[int, int], ...]
    shares: int
    dollars: Decimal
    words: str
    refused: str = ""
    weight: float = 0.0


@lru_cache(maxsize=4096)
def decompose(book: UnderlyingBook) -> tuple[Component, ...]:
    """The parts whose total is least, in a fixed order; what asks nothing by itself (long options) is one part each.

    The search is exact within MAXIMUM_NODES. A book whose relaxed programme is whole takes 1 to 3 ms at any size;
    random books of 10 contracts take 10 ms, of 40 some 200 ms (bench/options_risk.py). The last answers are kept.
    """
    rows = _rows(book)
    groups = _groups(book)
    if _one_spread(book, rows, groups):
        return (_group_part(book, groups[0], [abs(book.options[i].quantity) for i in groups[0]]),)
    counts, inside = _solve(book, rows, groups)
    parts = [
        _group_part(book, members, amounts)
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
        parts.append(_stock(book, shares))
    used = dict[str, int]()
    for part in parts:
        for symbol, quantity in part.legs:
            used[symbol] = used.get(symbol, 0) + quantity
    for option in book.options:
        left = option.quantity - used.get(option.symbol, 0)
        if left:
            parts.append(Component("Long option", ((option.symbol, left),), _ZERO, "paid in full, no loan value"))
    return tuple(parts)


# --- what may be margined together ------------------------------------------------------------------------------


def _settled(contract: Contract) -> tuple[dt.date, int]:
    """The order in which contracts are fixed: by date, AM series before PM."""
    return contract.expiry, 0 if fixing(contract) == "AM" else 1


def _groups(book: UnderlyingBook) -> list[tuple[int, ...]]:
    """Members of each spread group: for each fixing of short options, shorts up to it and longs from it on."""
    if book.account == "cash":
        members = [i for i, o in enumerate(book.options) if o.contract.settlement == "cash"]
    else:
        members = list(range(len(book.options)))
    ends = sorted({_settled(book.options[i].contract): None for i in members if book.options[i].quantity < 0})
    found: list[tuple[int, ...]] = []
    for end in ends:
        shorts = [i for i in members if book.options[i].quantity < 0 and _settled(book.options[i].contract) <= end]
        longs = [i for i in members if book.options[i].quantity > 0 and _settled(book.options[i].contract) >= end]
        if book.account == "cash":
            longs = [i for i in longs if _settled(book.options[i].contract) == end]
            shorts = [i for i in shorts if _settled(book.options[i].contract) == end]
        if longs:
            found.append((*shorts, *longs))
    return found


def _rows(book: UnderlyingBook) -> list[_Row]:
    rows: list[_Row] = []
    short = [i for i, option in enumerate(book.options) if option.quantity < 0]
    calls = [i for i in short if book.options[i].contract.right == "C"]
    puts = [i for i in short if book.options[i].contract.right == "P"]
    rows += [_uncovered(book, i) for i in short]
    if book.account == "reg_t":
        rows += [
            _strangle(book, call, put)
            for call in calls
            for put in puts
            if book.options[call].contract.multiplier == book.options[put].contract.multiplier
        ]
    if book.shares > 0:
        rows += _with_long_stock(book, calls)
    elif book.shares < 0 and book.account == "reg_t":
        rows += _with_short_stock(book, puts)
    return rows


def _naked(book: UnderlyingBook, option: OptionHeld) -> tuple[Decimal, Decimal]:
    """Dollars per share beyond the premium, and the amount out of the money."""
    contract, rates = option.contract, book.rates
    call = contract.right == "C"
    out = max(_ZERO, contract.strike - book.spot if call else book.spot - contract.strike)
    floor = rates.option_floor * (book.spot if call else contract.strike)
    return max(rates.option_basic * book.spot - out, floor), out


def _uncovered(book: UnderlyingBook, index: int) -> _Row:
    option = book.options[index]
    contract = option.contract
    if book.account in ("cash", "ira") and contract.right == "P":
        words = f"the strike {contract.strike:f} in cash"
        return _Row("Cash-secured put", ((index, -1),), 0, contract.strike * contract.multiplier, words)
    base, out = _naked(book, option)
    dollars = (option.premium + base) * contract.multiplier
    words = (
        f"premium {option.premium:f} + max({book.rates.option_basic:.0%} of {book.spot:f} - {out:f} out of the money, "
        f"{book.rates.option_floor:.0%} of {book.spot if contract.right == 'C' else contract.strike:f})"
    )
    name = "Naked call" if contract.right == "C" else "Naked put"
    if book.account == "reg_t":
        return _Row(name, ((index, -1),), 0, dollars, words)
    refused = f"{option.symbol.strip()} short is uncovered, which {_ACCOUNTS[book.account]} may not be"
    # Heavier than anything it could be margined with: taken only where nothing covers it.
    weight = float(100 * (book.spot + contract.strike) * contract.multiplier)
    return _Row(name, ((index, -1),), 0, dollars, words, refused, weight)


_ACCOUNTS = {"cash": "a cash account", "ira": "an IRA", "reg_t": "a margin account", "portfolio": "an account"}


def _strangle(book: UnderlyingBook, call: int, put: int) -> _Row:
    sides = [(book.options[i].premium + _naked(book, book.options[i])[0], book.options[i].premium) for i in (call, put)]
    (call_side, call_premium), (put_side, put_premium) = sides
    greater, other = (call_side, put_premium) if call_side >= put_side else (put_side, call_premium)
    multiplier = book.options[call].contract.multiplier
    words = f"the greater side {greater:f} + the other side's premium {other:f}"
    return _Row("Short strangle", ((call, -1), (put, -1)), 0, (greater + other) * multiplier, words)


def _with_long_stock(book: UnderlyingBook, calls: Sequence[int]) -> list[_Row]:
    """Covered calls; in maintenance also collars, conversions and protective puts."""
    rate, spot = book.rates.long_stock(book.mode, book.account), book.spot
    rows: list[_Row] = []
    for i in calls:
        call = book.options[i].contract
        inside = max(_ZERO, spot - call.strike)
        each = rate * min(spot, call.strike) + inside
        words = f"{rate:.0%} of shares at the lower of {spot:f} and the strike, + {inside:f} in the money"
        rows.append(_Row("Covered call", ((i, -1),), call.multiplier, each * call.multiplier, words))
    if book.mode == "initial" or book.account != "reg_t":
        return rows
    for j, put in _held(book, "P"):
        out = max(_ZERO, spot - put.strike)
        kept = Decimal("0.10") * put.strike + out
        each = min(kept, rate * spot)
        words = f"10 % of the put's strike + {out:f} out of the money, at most {rate:.0%} of shares"
        rows.append(_Row("Protective put", ((j, 1),), put.multiplier, each * put.multiplier, words))
        for i in calls:
            call = book.options[i].contract
            if call.expiry != put.expiry or call.strike < put.strike or call.multiplier != put.multiplier:
                continue
            inside = max(_ZERO, spot - call.strike)
            if call.strike == put.strike:
                name, each = "Conversion", Decimal("0.10") * put.strike + inside
                words = f"10 % of the strike + {inside:f} in the money"
            else:
                name, each = "Collar", min(kept, Decimal("0.25") * call.strike) + inside
                words = f"lesser of 10 % of the put's strike + {out:f} and 25 % of the call's strike, + {inside:f}"
            rows.append(_Row(name, ((i, -1), (j, 1)), put.multiplier, each * put.multiplier, words))
    return rows


def _with_short_stock(book: UnderlyingBook, puts: Sequence[int]) -> list[_Row]:
    """Covered puts; in maintenance also reverse conversions and protective calls."""
    each_share, spot = book.rates.short_stock(book.spot, book.mode), book.spot
    rows: list[_Row] = []
    for i in puts:
        put = book.options[i].contract
        inside = max(_ZERO, put.strike - spot)
        words = f"{each_share:f} a share short + {inside:f} in the money"
        rows.append(_Row("Covered put", ((i, -1),), -put.multiplier, (each_share + inside) * put.multiplier, words))
    if book.mode == "initial":
        return rows
    for j, call in _held(book, "C"):
        out = max(_ZERO, call.strike - spot)
        each = min(Decimal("0.10") * call.strike + out, each_share)
        words = f"10 % of the call's strike + {out:f} out of the money, at most {each_share:f} a share"
        rows.append(_Row("Protective call", ((j, 1),), -call.multiplier, each * call.multiplier, words))
        for i in puts:
            put = book.options[i].contract
            if put.expiry != call.expiry or put.strike != call.strike or put.multiplier != call.multiplier:
                continue
            inside = max(_ZERO, put.strike - spot)
            dollars = (Decimal("0.10") * call.strike + inside) * call.multiplier
            words = f"10 % of the strike + {inside:f} in the money"
            rows.append(_Row("Reverse conversion", ((i, -1), (j, 1)), -call.multiplier, dollars, words))
    return rows


def _held(book: UnderlyingBook, right: str) -> list[tuple[int, Contract]]:
    return [(i, o.contract) for i, o in enumerate(book.options) if o.quantity > 0 and o.contract.right == right]


def _stock(book: UnderlyingBook, shares: int) -> Component:
    if shares > 0:
        rate = book.rates.long_stock(book.mode, book.account)
        words = f"{rate:.0%} of {book.spot:f} a share"
        return Component("Stock", ((book.underlying, shares),), rate * book.spot * shares, words)
    each = book.rates.short_stock(book.spot, book.mode)
    refused = ""
    if book.account != "reg_t":
        refused = f"{-shares} {book.underlying} short: {_ACCOUNTS[book.account]} holds no short stock"
    words = f"{each:f} a share beyond the proceeds"
    return Component("Short stock", ((book.underlying, shares),), each * -shares, words, refused)


# --- the programme ------------------------------------------------------------------------------------------------


def _intrinsic(contract: Contract, spot: Decimal) -> Decimal:
    gap = spot - contract.strike if contract.right == "C" else contract.strike - spot
    return max(gap, _ZERO)


def _strikes(book: UnderlyingBook, members: Sequence[int]) -> list[Decimal]:
    """Where the payoff of a group can have its minimum: at 0 and at each strike."""
    return [_ZERO, *sorted({book.options[i].contract.strike: None for i in members})]


def _group_part(book: UnderlyingBook, members: Sequence[int], amounts: Sequence[int]) -> Component:
    legs = [
        (book.options[i], amount if book.options[i].quantity > 0 else -amount)
        for i, amount in zip(members, amounts, strict=True)
        if amount
    ]
    worst = _ZERO
    where = _ZERO
    for spot in _strikes(book, members):
        value = sum(
            (quantity * option.contract.multiplier * _intrinsic(option.contract, spot) for option, quantity in legs),
            _ZERO,
        )
        if value < worst:
            worst, where = value, spot
    expiries = {option.contract.expiry: None for option, _ in legs}
    name = "Spread" if len(expiries) == 1 else "Calendar or diagonal"
    words = "can't lose at expiry beyond what was paid" if not worst else f"greatest loss at expiry, at {where:f}"
    return Component(name, tuple((option.symbol, quantity) for option, quantity in legs), -worst, words)


def _solve(
    book: UnderlyingBook, rows: Sequence[_Row], groups: Sequence[Sequence[int]]
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
    per_share = _stock(book, 1 if book.shares > 0 else -1).dollars
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
        for spot in _strikes(book, members):
            terms = [
                (at + offset, sign * float(_intrinsic(contract, spot) * contract.multiplier))
                for offset, (i, sign) in enumerate(zip(members, signs, strict=True))
                if _intrinsic(contract := book.options[i].contract, spot)
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


def _one_spread(book: UnderlyingBook, rows: Sequence[_Row], groups: Sequence[Sequence[int]]) -> bool:
    """Whether the whole book is one spread that asks no more than any one contract of it uncovered would: then no other
    split can ask less, for each leaves a contract uncovered or asks as much."""
    if book.shares or len(groups) != 1 or len(groups[0]) != len(book.options):
        return False
    slope = sum(o.quantity * o.contract.multiplier for o in book.options if o.contract.right == "C")
    whole = _group_part(book, groups[0], [abs(book.options[i].quantity) for i in groups[0]])
    return slope >= 0 and whole.dollars <= min(row.dollars for row in rows)


def _fractions(found: NDArray[np.float64], whole: NDArray[np.float64]) -> bool:
    return bool(np.any(np.abs(found - np.round(found))[whole > 0] > _WHOLE))


def _only_one_way(book: UnderlyingBook, rows: Sequence[_Row], groups: Sequence[Sequence[int]]) -> list[int] | None:
    """Counts where there is nothing to choose: no spreads, no pairs, no cover."""
    if groups or any(len(row.uses) > 1 or row.shares for row in rows):
        return None
    return [abs(book.options[row.uses[0][0]].quantity) for row in rows]
