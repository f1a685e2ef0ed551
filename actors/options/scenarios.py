"""The desk's scenario grid: what a book loses when all underlyings move together, now and at the next open. Vectorised.

Working and unknown orders count as filled or as unfilled, whichever is worse in each scenario. Limits live elsewhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from actors.options.contracts import Contract, multiplier_of, parse_symbol
from actors.options.risk_market import RiskMarket, RiskOrder

Floats = NDArray[np.float64]

_YEAR_SECONDS = 365.0 * 24 * 3600
_TINY = 1e-12
#: A relative move of volatility never takes it below this part of itself.
_LEAST_FACTOR = 0.05
#: How a move of 30-day volatility scales to other terms: sqrt(30 / DTE), within these.
MOST_SCALE, LEAST_SCALE = 2.5, 0.3


class Scenario(msgspec.Struct, frozen=True):
    """A relative move of spot and of 30-day volatility, with the book as it is now or at the next open."""

    move: float
    volatility: float
    at: Literal["now", "next_open"]

    @property
    def words(self) -> str:
        """As `spot -5 %, IV +40 %, at the next open`."""
        when = "now" if self.at == "now" else "at the next open"
        return f"spot {100 * self.move:+.3g} %, IV {100 * self.volatility:+.3g} %, {when}"


_MOVES = (
    (-0.20, 1.50), (-0.10, 0.80), (-0.05, 0.40), (-0.03, 0.20), (0.0, 0.0), (0.03, -0.10), (0.05, -0.15), (0.10, 0.10),
    (0.0, 0.30), (0.0, -0.30),
)  # fmt: skip

#: The shipped grid (the desk's limits): ten moves, each now and at the next open with no exit between.
DESK_GRID: tuple[Scenario, ...] = tuple(
    Scenario(move, volatility, at) for at in ("now", "next_open") for move, volatility in _MOVES
)


def term_scale(days: Floats) -> Floats:
    """What a relative move of 30-day volatility is multiplied by for options `days` calendar days from their fixing:
    min(2.5, sqrt(30 / days)), at least 0.3."""
    return np.maximum(LEAST_SCALE, np.minimum(MOST_SCALE, np.sqrt(30.0 / np.maximum(days, 1e-6))))


def reprice(
    spot: Floats, strike: Floats, is_call: NDArray[np.bool_], time: Floats, volatility: Floats, carry: Floats,
    moves: Floats, factors: Floats,
) -> Floats:  # fmt: skip
    """Option values in scenarios, dollars per share, shape (n, m), by Black-76.

    `spot`, `strike`, `time` (years), `volatility` (a year) have shape (n,), `carry` (2, n): forward over spot, and the
    discount factor. `moves` (n, m) are relative moves of spot, `factors` (n, m) what volatility is multiplied by; both
    may be broadcast views. At no time or no volatility the value is intrinsic.
    """
    growth, discount = carry
    start = spot * growth
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        forward = start[:, None] * (1.0 + moves)
        deviation = (volatility * np.sqrt(np.maximum(time, 0.0)))[:, None] * factors
        # One array is worked in place: at this size memory costs more than arithmetic.
        upper = np.log(start / strike)[:, None] + np.log1p(moves)
        upper /= deviation
        upper += 0.5 * deviation
        call: Floats = ndtr(upper)
        call *= forward
        upper -= deviation
        lower: Floats = ndtr(upper)
        lower *= strike[:, None]
        call -= lower
    gap = forward - strike[:, None]
    inside = np.maximum(gap, 0.0)
    worth = np.maximum(call, inside)
    # Nothing left to wait for, or nothing left of the stock: what is inside the money.
    dead = ~((deviation > _TINY) & (forward > 0))
    if dead.any():
        worth[dead] = inside[dead]
    worth -= np.where(is_call, 0.0, 1.0)[:, None] * gap
    worth *= discount[:, None]
    return worth


class Grid(msgspec.Struct, frozen=True, eq=False):
    """Profit and loss of one contract or share of each symbol in each scenario, in dollars: `table` has shape
    (ways, symbols, scenarios). The worst of the ways counts, per underlying: contracts that are fixed before the next
    open may be fixed before or after the move; an underlying without beta may move either way.

    `missing_beta`, `borrowed` (volatility of a neighbour), `unpriced` (no volatility at all: intrinsic value only)
    name what was not known.
    """

    scenarios: tuple[Scenario, ...]
    symbols: tuple[str, ...]
    rows: Mapping[str, int]
    table: NDArray[np.float64]
    values: Floats
    underlyings: tuple[str, ...]
    underlying_rows: NDArray[np.intp]
    expiries: tuple[dt.date, ...]
    expiry_rows: NDArray[np.intp]
    missing_beta: tuple[str, ...]
    borrowed: tuple[str, ...]
    unpriced: tuple[str, ...]


class Stress(msgspec.Struct, frozen=True, eq=False):
    """Dollars of profit and loss by scenario: of the whole book, by underlying, by expiry (options only)."""

    scenarios: tuple[Scenario, ...]
    total: Floats
    by_underlying: Mapping[str, Floats]
    by_expiry: Mapping[dt.date, Floats]

    @property
    def worst(self) -> float:
        """Dollars in the worst scenario: 0 for an empty book, negative for a loss."""
        return float(self.total.min()) if self.total.size else 0.0

    @property
    def worst_scenario(self) -> Scenario:
        """Which scenario that is, the first of equals."""
        return self.scenarios[int(self.total.argmin())]


class SpotUnknown(ValueError):
    """A book can't be stressed: an underlying has no price."""


def build_grid(market: RiskMarket, symbols: Iterable[str], scenarios: Sequence[Scenario] = DESK_GRID) -> Grid:
    """The grid for any book of these symbols. Symbols are put in order, so that results don't depend on theirs.

    Raises SpotUnknown for a symbol whose underlying has no price, KeyError for an option that the market lacks.
    """
    names = tuple(sorted(dict.fromkeys(symbols)))
    parsed = [parse_symbol(name) for name in names]
    tickers = [each.underlying if isinstance(each, Contract) else each for each in parsed]
    underlyings = tuple(sorted(dict.fromkeys(tickers)))
    for ticker in underlyings:
        seen = market.underlyings.get(ticker)
        if seen is None or not seen.spot > 0:
            raise SpotUnknown(f"{ticker} has no price: its scenarios are not known")
    place = {ticker: row for row, ticker in enumerate(underlyings)}
    rows = np.array([place[ticker] for ticker in tickers], dtype=np.intp)
    dates = [each.expiry if isinstance(each, Contract) else None for each in parsed]
    expiries = tuple(sorted(dict.fromkeys(date for date in dates if date is not None)))
    day = {date: row for row, date in enumerate(expiries)}
    expiry_rows = np.array([-1 if date is None else day[date] for date in dates], dtype=np.intp)
    missing = tuple(ticker for ticker in underlyings if market.underlyings[ticker].beta is None)
    arrays = _arrays(market, names, parsed, tickers)
    base = _values(arrays, np.zeros((len(names), 1)), np.ones((len(names), 1)), np.zeros(1, dtype=np.bool_), False)
    late = np.array([scenario.at == "next_open" for scenario in scenarios], dtype=np.bool_)
    moves = np.array([scenario.move for scenario in scenarios])
    shocks = np.array([scenario.volatility for scenario in scenarios])
    factors = np.maximum(_LEAST_FACTOR, 1.0 + term_scale(arrays.days)[:, None] * shocks)
    betas = np.array([market.underlyings[ticker].beta for ticker in tickers], dtype=np.float64)
    unknown = np.isnan(betas)
    ends = arrays.option & (arrays.time_late <= 0)
    table: list[Floats] = []
    for turn in (1.0, -1.0) if missing else (1.0,):
        shift = np.maximum(np.where(unknown, turn, betas)[:, None] * moves, -1.0)
        for after in (False, True) if bool(ends.any() and late.any()) else (False,):
            table.append(arrays.multiplier[:, None] * (_values(arrays, shift, factors, late, after) - base))
    return Grid(
        tuple(scenarios), names, {name: row for row, name in enumerate(names)}, np.array(table), base[:, 0],
        underlyings, rows, expiries, expiry_rows, missing, arrays.borrowed, arrays.unpriced,
    )  # fmt: skip


def stress(grid: Grid, holdings: Mapping[str, int], orders: Iterable[RiskOrder] = ()) -> Stress:
    """What a book and its open orders come to in each scenario. An order that fills pays its own price.

    Raises KeyError for a symbol that the grid lacks.
    """
    pieces = [(_quantities(grid, holdings), 0.0, False)]
    for order in orders:
        quantities = _quantities(grid, order.quantities)
        edge = float(quantities @ (grid.values * _multipliers(grid))) - float(order.debit) - float(order.fees)
        pieces.append((quantities, edge, True))
    by_underlying = np.zeros((len(grid.table), len(grid.underlyings), len(grid.scenarios)))
    by_expiry = np.zeros((len(grid.table), len(grid.expiries), len(grid.scenarios)))
    of_underlying = _members(grid.underlying_rows, len(grid.underlyings))
    of_expiry = _members(grid.expiry_rows, len(grid.expiries))
    for quantities, edge, optional in pieces:
        rows = quantities[None, :, None] * grid.table
        underlying, expiry = of_underlying @ rows, of_expiry @ rows
        if optional:
            underlying = np.minimum(0.0, underlying + _shared(edge, of_underlying, quantities))
            expiry = np.minimum(0.0, expiry + _shared(edge, of_expiry, quantities))
        by_underlying += underlying
        by_expiry += expiry
    worst = by_underlying.min(axis=0)
    return Stress(
        grid.scenarios,
        worst.sum(axis=0),
        {ticker: worst[row] for row, ticker in enumerate(grid.underlyings)},
        {date: by_expiry[:, row].min(axis=0) for row, date in enumerate(grid.expiries)},
    )


def worst_of(grid: Grid, quantities: NDArray[np.float64]) -> Floats:
    """Dollars in the worst scenario of many books at once: (books, symbols of the grid) in, (books,) out."""
    total = np.zeros((len(quantities), len(grid.scenarios)))
    for row in range(len(grid.underlyings)):
        of = np.flatnonzero(grid.underlying_rows == row)
        if quantities[:, of].any():
            total += np.einsum("bn,wns->bws", quantities[:, of], grid.table[:, of]).min(axis=1)
    return total.min(axis=1)


def _worst_with_any(grid: Grid, quantities: Floats, parts: NDArray[np.float64]) -> float:
    """A bound from below of the worst of a book with any of these parts added: (symbols,) and (parts, symbols) in.

    Each scenario takes the parts that hurt in it, so no subset can be worse; it costs one subset's arithmetic.
    """
    total = np.zeros(len(grid.scenarios))
    for row in range(len(grid.underlyings)):
        of = np.flatnonzero(grid.underlying_rows == row)
        table = grid.table[:, of]
        added = np.minimum(0.0, np.einsum("pn,wns->pws", parts[:, of], table)).sum(axis=0)
        total += (np.einsum("n,wns->ws", quantities[of], table) + added).min(axis=0)
    return float(total.min())


class GridScenario(msgspec.Struct, frozen=True, eq=False):
    """The worst dollars of a book over a grid, as the rule for reducing orders asks for it. Call it with signed
    quantities by symbol; symbols that the grid lacks raise KeyError."""

    grid: Grid

    def __call__(self, book: Mapping[str, int]) -> float:
        return float(worst_of(self.grid, _quantities(self.grid, book)[None, :])[0])

    def worst_fill(self, book: Mapping[str, int], fills: Sequence[Mapping[str, int]]) -> float:
        """The worst dollars of the book with any one of these fills."""
        start = _quantities(self.grid, book)
        return float(worst_of(self.grid, np.array([start + _quantities(self.grid, fill) for fill in fills])).min())

    def bound(self, book: Mapping[str, int], legs: Mapping[str, int]) -> float:
        """At most the worst dollars of the book with any subset of these legs filled, in part or whole."""
        parts = np.array([_quantities(self.grid, {symbol: quantity}) for symbol, quantity in legs.items()])
        return _worst_with_any(self.grid, _quantities(self.grid, book), parts)


# --- arrays ---------------------------------------------------------------------------------------------------------


class _Arrays(msgspec.Struct, frozen=True, eq=False):
    spot: Floats
    strike: Floats
    is_call: NDArray[np.bool_]
    option: NDArray[np.bool_]
    physical: NDArray[np.bool_]
    multiplier: Floats
    time: Floats
    time_late: Floats
    days: Floats
    volatility: Floats
    carry: Floats
    borrowed: tuple[str, ...]
    unpriced: tuple[str, ...]


def _arrays(
    market: RiskMarket, names: Sequence[str], parsed: Sequence[Contract | str], tickers: Sequence[str]
) -> _Arrays:
    count = len(names)
    spot = np.array([market.underlyings[ticker].spot for ticker in tickers], dtype=np.float64)
    strike, volatility, time, late = np.ones(count), np.zeros(count), np.zeros(count), np.zeros(count)
    carry = np.ones((2, count))
    is_call, option, physical = (np.zeros(count, dtype=np.bool_) for _ in range(3))
    multiplier = np.array([float(multiplier_of(name)) for name in names])
    borrowed: list[str] = []
    unpriced: list[str] = []
    for row, (name, contract) in enumerate(zip(names, parsed, strict=True)):
        if not isinstance(contract, Contract):
            continue
        seen = market.options[name]
        option[row], is_call[row] = True, contract.right == "C"
        physical[row] = contract.settlement == "physical"
        strike[row] = float(contract.strike)
        time[row] = max(0.0, (seen.settles_at - market.now).total_seconds()) / _YEAR_SECONDS
        late[row] = max(0.0, (seen.settles_at - market.next_open).total_seconds()) / _YEAR_SECONDS
        if seen.forward > 0:
            carry[0, row] = seen.forward / spot[row]
        carry[1, row] = seen.discount
        volatility[row] = seen.volatility
        if not seen.volatility >= 0:
            near = _neighbour(market, contract)
            (unpriced if near is None else borrowed).append(name)
            volatility[row] = 0.0 if near is None else near
    return _Arrays(
        spot, strike, is_call, option, physical, multiplier, time, late, time * 365.0, volatility, carry,
        tuple(borrowed), tuple(unpriced),
    )  # fmt: skip


def _neighbour(market: RiskMarket, contract: Contract) -> float | None:
    """The volatility of the nearest contract that has one: by expiry, then by strike, then by symbol."""
    best: tuple[tuple[int, float, str], float] | None = None
    for symbol, seen in market.options.items():
        other = parse_symbol(symbol)
        if not isinstance(other, Contract) or other.underlying != contract.underlying or not seen.volatility >= 0:
            continue
        distance = (abs((other.expiry - contract.expiry).days), abs(float(other.strike - contract.strike)), symbol)
        if best is None or distance < best[0]:
            best = (distance, seen.volatility)
    return None if best is None else best[1]


def _values(
    arrays: _Arrays, shift: Floats, factors: Floats, late: NDArray[np.bool_], after_fixing: bool
) -> Floats:  # fmt: skip
    """Dollars per share of each symbol in each scenario, shares included. `after_fixing`: contracts that are fixed
    before the next open are fixed at spot as it is, what they deliver then moves."""
    spot = arrays.spot[:, None] * (1.0 + shift)
    value = np.empty(spot.shape)
    for columns, time in ((~late, arrays.time), (late, arrays.time_late)):
        if columns.any():
            value[:, columns] = reprice(
                arrays.spot, arrays.strike, arrays.is_call, time, arrays.volatility, arrays.carry,
                shift[:, columns], factors[:, columns],
            )  # fmt: skip
    ends = arrays.option & (arrays.time_late <= 0)
    if after_fixing and ends.any():
        sign = np.where(arrays.is_call, 1.0, -1.0)
        inside = np.maximum(sign * (arrays.spot - arrays.strike), 0.0)
        delivered = np.where(arrays.physical & (inside > 0), sign, 0.0)
        fixed = inside[:, None] + delivered[:, None] * (spot - arrays.spot[:, None])
        value = np.where(ends[:, None] & late[None, :], fixed, value)
    return np.where(arrays.option[:, None], value, spot)


def _members(rows: NDArray[np.intp], count: int) -> Floats:
    return np.equal(rows[None, :], np.arange(count)[:, None]).astype(np.float64)


def _shared(edge: float, members: Floats, quantities: Floats) -> Floats:
    """What an order gains by its price, in equal parts on the underlyings or expiries that it touches."""
    touched = members @ (quantities != 0) > 0
    return (edge / max(1, int(touched.sum())) * touched)[None, :, None]


def _quantities(grid: Grid, quantities: Mapping[str, int]) -> Floats:
    found = np.zeros(len(grid.symbols))
    for symbol, quantity in quantities.items():
        if quantity:
            found[grid.rows[symbol]] += quantity
    return found


def _multipliers(grid: Grid) -> Floats:
    return np.array([float(multiplier_of(symbol)) for symbol in grid.symbols])
