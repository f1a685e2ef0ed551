"""Names what a set of legs is, and splits a book into strategies, always the same way. For display and attribution.

LEAN's own grouping of a book with several strategies may differ; margin is not computed here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import combinations
from math import gcd

import msgspec

from actors.options.catalogue import CATALOGUE, Strategy
from actors.options.contracts import Contract, parse_symbol
from actors.options.payoff import Leg

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


def _shape_of(strategy: Strategy) -> _Shape:
    return tuple(sorted((leg.kind, leg.strike, leg.far, leg.ratio) for leg in strategy.legs))


def _index() -> tuple[dict[_Shape, list[Strategy]], dict[_Shape, list[tuple[Strategy, bool]]]]:
    exact: dict[_Shape, list[Strategy]] = {}
    signs: dict[_Shape, list[tuple[Strategy, bool]]] = {}
    for strategy in CATALOGUE:
        exact.setdefault(_shape_of(strategy), []).append(strategy)
    for negated in (False, True):
        for strategy in CATALOGUE:
            turn = -1 if negated else 1
            key = tuple(sorted((g.kind, g.strike, g.far, turn * (1 if g.ratio > 0 else -1)) for g in strategy.legs))
            signs.setdefault(key, []).append((strategy, negated))
    return exact, signs


_EXACT, _SIGNS = _index()


def match(legs: Iterable[Leg]) -> Match | None:
    """What these legs are together, None for no known strategy. Neither order nor scale matters.

    LEAN's names come before others, named strategies before inverses. Stock counts in hundreds of shares.
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
            if _spaced(strategy, strikes):
                return Match(strategy, units, turn < 0, whole)
    return None


def split(portfolio: Mapping[str, int]) -> tuple[Match, ...]:
    """A book (signed contracts and shares by symbol) as strategies that add up to it, the largest first.

    Deterministic: independent of the mapping's order, and k times the book gives k times the units. Greedy: a whole
    underlying that is one strategy stays one; else four legs before three before two, LEAN's before others.
    """
    books: dict[str, dict[str, int]] = {}
    for symbol in sorted(portfolio):
        if portfolio[symbol]:
            books.setdefault(_underlying(symbol), {})[symbol] = portfolio[symbol]
    found: list[Match] = []
    for underlying in sorted(books):
        found.extend(_split_one(books[underlying]))
    return tuple(found)


def _split_one(held: dict[str, int]) -> list[Match]:
    whole = match(Leg(symbol, quantity) for symbol, quantity in held.items())
    if whole is not None:
        return [whole]
    scale = gcd(*held.values())
    stock = next((symbol for symbol in held if not isinstance(parse_symbol(symbol), Contract)), None)
    if stock is not None and (held[stock] // scale) % 100:
        scale = gcd(*(abs(_lots(s, q)) if s != stock else abs(q) // 100 for s, q in held.items())) or 1
    if stock is not None and held[stock] % 100:
        scale = 1
    left = {symbol: quantity // scale for symbol, quantity in held.items()}
    found: list[Match] = []
    for size in (4, 3, 2, 1):
        for symbols in combinations(sorted(left), size):
            found.extend(_take(left, symbols, scale))
    for symbol in sorted(left):
        if left[symbol]:
            quantity = left[symbol] * scale
            found.append(Match(None, abs(quantity), quantity < 0, (Leg(symbol, quantity),)))
    return found


def _take(left: dict[str, int], symbols: tuple[str, ...], scale: int) -> list[Match]:
    lots = {symbol: _lots(symbol, left[symbol]) for symbol in symbols}
    if not all(lots.values()):
        return []
    ranked = _ranked({symbol: 1 if quantity > 0 else -1 for symbol, quantity in lots.items()})
    if ranked is None:
        return []
    shape, strikes = ranked
    taken: list[Match] = []
    for strategy, negated in _SIGNS.get(shape, ()):
        if not _spaced(strategy, strikes):
            continue
        roles = _roles(strategy, symbols, negated)
        units = min(abs(_lots(symbol, left[symbol])) // abs(ratio) for symbol, ratio in roles.items())
        if units == 0:
            continue
        legs: list[Leg] = []
        for symbol in sorted(roles):
            size = 1 if isinstance(parse_symbol(symbol), Contract) else 100
            legs.append(Leg(symbol, roles[symbol] * units * size * scale))
            left[symbol] -= roles[symbol] * units * size
        taken.append(Match(strategy, units * scale, negated, tuple(legs)))
    return taken


def _roles(strategy: Strategy, symbols: tuple[str, ...], negated: bool) -> dict[str, int]:
    """Each symbol's signed ratio in the strategy."""
    strikes, expiries = _ranks(symbols)
    ratios = {(leg.kind, leg.strike, leg.far): -leg.ratio if negated else leg.ratio for leg in strategy.legs}
    return {symbol: ratios[_place(symbol, strikes, expiries)] for symbol in symbols}


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


def _spaced(strategy: Strategy, strikes: list[Decimal]) -> bool:
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
