"""Names what a set of legs is, and splits a book into strategies, always the same way. For display and attribution.

LEAN's own grouping of a book with several strategies may differ; margin is not computed here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from math import gcd

import msgspec

from actors.options.catalogue import CATALOGUE, LegRole, Strategy
from actors.options.contracts import Contract, parse_symbol
from actors.options.payoff import Leg

#: Choices of strikes that a split looks at, an underlying.
MOST = 100_000

_Shape = tuple[tuple[str, int, bool, int], ...]


class Match(msgspec.Struct, frozen=True):
    """A strategy held `units` times; `negated`: with every leg's sign turned. `strategy` None is stock alone.

    `legs` carry the whole quantities, in symbol order.
    """

    strategy: Strategy | None
    units: int
    negated: bool
    legs: tuple[Leg, ...]

    @property
    def name(self) -> str:
        """The strategy's name; `Inverse ...` where negated."""
        if self.strategy is None:
            return "Stock"
        return f"Inverse {self.strategy.name}" if self.negated else self.strategy.name


class _Pattern(msgspec.Struct, frozen=True):
    """A strategy's legs, or those of its inverse: ratios by strike rank, and shares in hundreds."""

    strategy: Strategy
    negated: bool
    ranks: tuple[tuple[LegRole, ...], ...]
    shares: int


def _turned(strategy: Strategy, turn: int) -> _Shape:
    return tuple(sorted((leg.kind, leg.strike, leg.far, turn * leg.ratio) for leg in strategy.legs))


def _index() -> dict[_Shape, list[Strategy]]:
    """Strategies by shape; those that a price tells apart come before the plain ones."""
    exact: dict[_Shape, list[Strategy]] = {}
    for strategy in sorted(CATALOGUE, key=lambda each: each.condition != _PRICED):
        exact.setdefault(_turned(strategy, 1), []).append(strategy)
    return exact


_PRICED = "debit below width"
_EXACT = _index()


def _patterns() -> tuple[_Pattern, ...]:
    """What a book is searched for: more legs first, named strategies before inverses, the catalogue's order."""
    found: list[_Pattern] = []
    for turn in (1, -1):
        for strategy in CATALOGUE:
            named = any(each.spacing in ("any", strategy.spacing) for each in _EXACT.get(_turned(strategy, turn), ()))
            if turn < 0 and named:
                continue
            legs = [msgspec.structs.replace(leg, ratio=turn * leg.ratio) for leg in strategy.legs]
            ranks = tuple(tuple(leg for leg in legs if leg.strike == rank) for rank in range(1, strategy.strikes + 1))
            found.append(_Pattern(strategy, turn < 0, ranks, sum(leg.ratio for leg in legs if leg.kind == "S")))
    return tuple(sorted(found, key=lambda each: (-len(each.strategy.legs), each.strategy.condition != _PRICED)))


_PATTERNS = _patterns()


def match(legs: Iterable[Leg], prices: Mapping[str, Decimal] | None = None) -> Match | None:
    """What these legs are together, None for no known strategy. Neither order nor scale matters.

    LEAN's names come before others, named strategies before inverses. Stock counts in hundreds of shares.

    `prices` are dollars per share by symbol, the underlying's among them. A diagonal is a Poor Man's Covered Call (or
    Put) only where they say so: the far leg in the money, the near one not, the debit below the width.
    """
    held = _net(legs)
    if not held or len({_underlying(symbol): None for symbol in held}) != 1:
        return None
    if any(not isinstance(parse_symbol(symbol), Contract) and quantity % 100 for symbol, quantity in held.items()):
        return None
    lots = {symbol: _lots(symbol, quantity) for symbol, quantity in held.items()}
    units = gcd(*lots.values())
    whole = tuple(Leg(symbol, held[symbol]) for symbol in sorted(held))
    if len(lots) == 1 and not isinstance(parse_symbol(whole[0].symbol), Contract):
        return Match(None, abs(whole[0].quantity), whole[0].quantity < 0, whole)
    for turn in (1, -1):
        ranked = _ranked({symbol: turn * quantity // units for symbol, quantity in lots.items()})
        if ranked is None:
            return None
        shape, strikes = ranked
        for strategy in _EXACT.get(shape, ()):
            if _spaced(strategy, strikes) and _priced(strategy, strikes, held, units, prices):
                return Match(strategy, units, turn < 0, whole)
    return None


def split(portfolio: Mapping[str, int], prices: Mapping[str, Decimal] | None = None) -> tuple[Match, ...]:
    """A book (signed contracts and shares by symbol) as strategies that add up to it.

    Deterministic: independent of the mapping's order, and k times the book gives k times the units. Greedy: a whole
    underlying that is one strategy stays one; else sets with equal units in all legs before others, four legs before
    three before two, LEAN's before others, low strikes and near expiries first. At most `MOST` choices of strikes are
    looked at an underlying; beyond that the rest is named leg by leg. `prices` as in `match`.
    """
    books: dict[str, dict[str, int]] = {}
    for symbol in sorted(portfolio):
        if portfolio[symbol]:
            books.setdefault(_underlying(symbol), {})[symbol] = portfolio[symbol]
    found: list[Match] = []
    for underlying in sorted(books):
        found.extend(_split_one(books[underlying], prices))
    return tuple(found)


def _split_one(held: dict[str, int], prices: Mapping[str, Decimal] | None) -> list[Match]:
    whole = match((Leg(symbol, quantity) for symbol, quantity in held.items()), prices)
    if whole is not None:
        return [whole]
    scale = gcd(*held.values())
    stock = next((symbol for symbol in held if not isinstance(parse_symbol(symbol), Contract)), None)
    if stock is not None and (held[stock] // scale) % 100:
        scale = gcd(*(abs(_lots(s, q)) if s != stock else abs(q) // 100 for s, q in held.items())) or 1
    if stock is not None and held[stock] % 100:
        scale = 1
    return _Splitter({symbol: quantity // scale for symbol, quantity in held.items()}, stock, scale, prices).split()


class _Splitter:
    """What is left of one underlying's book while strategies are taken out of it, and how much was looked at."""

    def __init__(
        self, left: dict[str, int], stock: str | None, scale: int, prices: Mapping[str, Decimal] | None
    ) -> None:
        self.left, self.stock, self.scale, self.prices = left, stock, scale, prices
        self.seen = 0
        self.found: list[Match] = []
        #: Symbol by (expiry, right) and strike, of what is left.
        self.table: dict[tuple[dt.date, str], dict[Decimal, str]] = {}
        self.twins: list[str] = []
        for symbol in sorted(left):
            parsed = parse_symbol(symbol)
            if isinstance(parsed, Contract):
                column = self.table.setdefault((parsed.expiry, parsed.right), {})
                # A second root at the same place (SPX beside SPXW) is named alone.
                if parsed.strike in column:
                    self.twins.append(symbol)
                column.setdefault(parsed.strike, symbol)
        self.expiries = sorted(dict.fromkeys(expiry for expiry, _ in self.table))

    def split(self) -> list[Match]:
        # What was opened together has equal units in all its legs: such sets first, whatever adds up after them.
        for exact in (True, False):
            for pattern in _PATTERNS:
                if exact and len(pattern.strategy.legs) == 1:
                    continue
                for near, far in self._pairs(pattern.strategy.expiries):
                    while (strikes := self._fit(pattern, near, far, exact)) is not None:
                        self._take(pattern, near, far, strikes)
        for symbol in self.twins:
            quantity = self.left[symbol] * self.scale
            alone = match([Leg(symbol, quantity)])
            assert alone is not None
            self.found.append(alone)
            self.left[symbol] = 0
        for symbol in sorted(self.left):
            if self.left[symbol]:
                quantity = self.left[symbol] * self.scale
                self.found.append(Match(None, abs(quantity), quantity < 0, (Leg(symbol, quantity),)))
        return self.found

    def _pairs(self, expiries: int) -> list[tuple[dt.date, dt.date]]:
        if expiries == 1:
            return [(expiry, expiry) for expiry in self.expiries]
        return list(combinations(self.expiries, 2))

    def _fit(self, pattern: _Pattern, near: dt.date, far: dt.date, exact: bool) -> tuple[Decimal, ...] | None:
        """Strikes, K1 first, at which the book holds at least one unit of the pattern (`exact`: as many of every leg,
        nothing over); the lowest such."""
        units = 0
        if pattern.shares:
            units = 0 if self.stock is None else _lots(self.stock, self.left[self.stock]) // pattern.shares
            if units <= 0:
                return None
        options: list[list[tuple[Decimal, int]]] = []
        for legs in pattern.ranks:
            columns = [(self.table.get((far if leg.far else near, leg.kind), {}), leg.ratio) for leg in legs]
            fits: list[tuple[Decimal, int]] = []
            for strike in columns[0][0]:
                counts = [self._units(column.get(strike), ratio, exact) for column, ratio in columns]
                if min(counts) > 0 and (not exact or min(counts) == max(counts)):
                    fits.append((strike, counts[0]))
            if not fits:
                return None
            options.append(sorted(fits))
        return self._search(pattern, near, far, options, (), units if exact else 0, exact)

    def _units(self, symbol: str | None, ratio: int, exact: bool) -> int:
        """Units of a leg that are left; `exact`: only where nothing is over."""
        quantity = 0 if symbol is None else self.left[symbol]
        if quantity * ratio <= 0 or (exact and quantity % ratio):
            return 0
        return quantity // ratio

    def _search(
        self, pattern: _Pattern, near: dt.date, far: dt.date, options: list[list[tuple[Decimal, int]]],
        chosen: tuple[Decimal, ...], units: int, exact: bool,
    ) -> tuple[Decimal, ...] | None:  # fmt: skip
        if len(chosen) == len(options):
            return chosen if self._named(pattern, near, far, chosen) else None
        for strike, count in options[len(chosen)]:
            if (chosen and strike <= chosen[-1]) or (exact and units and count != units):
                continue
            if len(options) > 1 and self.seen >= MOST:
                return None
            self.seen += 1
            found = self._search(pattern, near, far, options, (*chosen, strike), count, exact)
            if found is not None:
                return found
        return None

    def _named(self, pattern: _Pattern, near: dt.date, far: dt.date, strikes: tuple[Decimal, ...]) -> bool:
        if not _spaced(pattern.strategy, strikes):
            return False
        held = {self._symbol(leg, near, far, strikes): leg.ratio for legs in pattern.ranks for leg in legs}
        return _priced(pattern.strategy, strikes, held, 1, self.prices)

    def _symbol(self, leg: LegRole, near: dt.date, far: dt.date, strikes: Sequence[Decimal]) -> str:
        return self.table[far if leg.far else near, leg.kind][strikes[leg.strike - 1]]

    def _take(self, pattern: _Pattern, near: dt.date, far: dt.date, strikes: tuple[Decimal, ...]) -> None:
        ratios = {self._symbol(leg, near, far, strikes): leg.ratio for legs in pattern.ranks for leg in legs}
        units = min(abs(self.left[symbol]) // abs(ratio) for symbol, ratio in ratios.items())
        if pattern.shares and self.stock is not None:
            units = min(units, abs(_lots(self.stock, self.left[self.stock])) // abs(pattern.shares))
            ratios[self.stock] = pattern.shares * 100
        legs = [Leg(symbol, ratios[symbol] * units * self.scale) for symbol in sorted(ratios)]
        for symbol, ratio in ratios.items():
            self.left[symbol] -= ratio * units
        self.found.append(Match(pattern.strategy, units * self.scale, pattern.negated, tuple(legs)))


def _priced(
    strategy: Strategy, strikes: Sequence[Decimal], held: Mapping[str, int], units: int,
    prices: Mapping[str, Decimal] | None,
) -> bool:  # fmt: skip
    """Whether a name that depends on the price is right; always for one that does not."""
    if strategy.condition != _PRICED:
        return True
    underlying = _underlying(next(iter(held)))
    if prices is None or underlying not in prices or any(symbol not in prices for symbol in held):
        return False
    debit = sum((quantity * prices[symbol] for symbol, quantity in held.items()), Decimal(0)) / units
    low, high = strikes
    call = strategy.legs[0].kind == "C"
    inside = low < prices[underlying] <= high if call else low <= prices[underlying] < high
    return inside and 0 < debit < high - low


def _ranks(symbols: Iterable[str]) -> tuple[list[Decimal], list[dt.date]]:
    contracts = [parsed for parsed in map(parse_symbol, symbols) if isinstance(parsed, Contract)]
    strikes = sorted(dict.fromkeys(contract.strike for contract in contracts))
    return strikes, sorted(dict.fromkeys(contract.expiry for contract in contracts))


def _place(symbol: str, strikes: list[Decimal], expiries: list[dt.date]) -> tuple[str, int, bool]:
    parsed = parse_symbol(symbol)
    if not isinstance(parsed, Contract):
        return "S", 0, False
    return parsed.right, strikes.index(parsed.strike) + 1, expiries.index(parsed.expiry) > 0


def _ranked(lots: Mapping[str, int]) -> tuple[_Shape, list[Decimal]] | None:
    strikes, expiries = _ranks(lots)
    if len(expiries) > 2:
        return None
    return tuple(sorted((*_place(symbol, strikes, expiries), lots[symbol]) for symbol in lots)), strikes


def _spaced(strategy: Strategy, strikes: Sequence[Decimal]) -> bool:
    if strategy.spacing == "any":
        return True
    low, high = strikes[1] - strikes[0], strikes[-1] - strikes[-2]
    return (low == high) if strategy.spacing == "equal" else (low != high)


def _net(legs: Iterable[Leg]) -> dict[str, int]:
    held: dict[str, int] = {}
    for leg in legs:
        held[leg.symbol] = held.get(leg.symbol, 0) + leg.quantity
    return {symbol: quantity for symbol, quantity in held.items() if quantity}


def _lots(symbol: str, quantity: int) -> int:
    """Contracts, or whole hundreds of shares toward zero."""
    if isinstance(parse_symbol(symbol), Contract):
        return quantity
    return quantity // 100 if quantity > 0 else -(-quantity // 100)


def _underlying(symbol: str) -> str:
    parsed = parse_symbol(symbol)
    return parsed.underlying if isinstance(parsed, Contract) else parsed
