"""Reg-T margin of books of options and stock, by the decomposition that asks least. For a broker; LEAN's is elsewhere.

A requirement is what must stay in the account: long options have no loan value and ask nothing, the premium of a short
option is in its requirement, shares count as equity at their price. Source: Regulation T, FINRA Rule 4210(f)(2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from actors.options._decomposition import decompose
from actors.options._margin_parts import Component, OptionHeld, UnderlyingBook
from actors.options.contracts import Contract, parse_symbol
from actors.options.margin_rates import AccountKind, MarginRates, Mode, rates_of
from actors.options.matching import match
from actors.options.payoff import Leg

#: Dollars per share of a symbol, NaN where there is none.
Price = Callable[[str], float]

_CENT = Decimal("0.01")


class MarginUnknown(ValueError):
    """The requirement can't be told: an underlying has no price."""


class MarginPart(msgspec.Struct, frozen=True):
    """One component of a decomposed book: the strategy's name, its legs, dollars asked, and how they come about."""

    name: str
    legs: tuple[Leg, ...]
    requirement: Decimal
    words: str


class Requirement(msgspec.Struct, frozen=True):
    """What an account is asked for a book, in dollars, by part.

    `refused` says what this kind of account may not hold (its parts are counted as a margin account would). `unpriced`
    names short options without a price, counted at intrinsic value. `excess` is what the total may lie above the least
    possible: 0 but for large mixed books, whose search is cut off. `approximate` is True for portfolio margin.
    """

    total: Decimal
    parts: tuple[MarginPart, ...] = ()
    refused: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()
    excess: Decimal = Decimal(0)
    approximate: bool = False


def regt_initial(
    holdings: Mapping[str, int], price: Price, *, account: AccountKind = "reg_t",
    rates: Mapping[str, MarginRates] | None = None,
) -> Requirement:  # fmt: skip
    """Initial requirement of signed holdings (contracts, shares) by symbol; premiums paid are not in it.

    `price(symbol)` is dollars per share of underlyings and options. The book is split so that the total is least, per
    underlying: spreads of any number of legs ask their greatest loss at expiry where every long leg expires with or
    after the short ones; short strangles the greater side and the other's premium; shares cover calls (long) and
    puts (short); the rest is uncovered. Cash accounts and IRAs secure puts with the strike and refuse uncovered calls
    and short stock; a cash account holds spreads only of European, cash-settled options. For `portfolio` ask
    `portfolio_requirement`. Raises MarginUnknown, ValueError.
    """
    return _requirement(holdings, price, "initial", account, rates)


def regt_maintenance(
    holdings: Mapping[str, int], price: Price, *, account: AccountKind = "reg_t",
    rates: Mapping[str, MarginRates] | None = None,
) -> Requirement:  # fmt: skip
    """Maintenance requirement: as `regt_initial`, with shares at 25 % (short 30 %), and less for protective options,
    collars and conversions."""
    return _requirement(holdings, price, "maintenance", account, rates)


def _requirement(
    holdings: Mapping[str, int], price: Price, mode: Mode, account: AccountKind,
    rates: Mapping[str, MarginRates] | None,
) -> Requirement:  # fmt: skip
    if account == "portfolio":
        raise ValueError("portfolio margin is no Reg-T requirement: it comes from portfolio_requirement")
    parts: list[MarginPart] = []
    refused: list[str] = []
    unpriced: list[str] = []
    excess = Decimal(0)
    for underlying, book in _by_underlying(holdings).items():
        spot = _decimal(price(underlying))
        if spot is None:
            raise MarginUnknown(f"{underlying} has no price: its margin is not known")
        options: list[OptionHeld] = []
        for contract, symbol, quantity in _options(book):
            premium = _decimal(price(symbol))
            if premium is None and quantity < 0:
                unpriced.append(symbol)
            inside = max(Decimal(0), (spot - contract.strike) * (1 if contract.right == "C" else -1))
            options.append(OptionHeld(contract, symbol, quantity, inside if premium is None else premium))
        shares = sum(quantity for symbol, quantity in book.items() if not isinstance(parse_symbol(symbol), Contract))
        state = UnderlyingBook(underlying, spot, shares, tuple(options), rates_of(underlying, rates), mode, account)
        found = decompose(state)
        excess += found.excess
        for component in found.parts:
            parts.append(_part(component))
            if component.refused:
                refused.append(component.refused)
    total = sum((part.requirement for part in parts), Decimal(0))
    return Requirement(total, tuple(parts), tuple(refused), tuple(unpriced), excess)


def _part(component: Component) -> MarginPart:
    legs = tuple(Leg(symbol, quantity) for symbol, quantity in sorted(component.legs))
    found = match(legs) if len(legs) > 1 else None
    name = component.name if found is None else found.name
    return MarginPart(name, legs, component.dollars.quantize(_CENT, ROUND_HALF_UP), component.words)


def _by_underlying(holdings: Mapping[str, int]) -> dict[str, dict[str, int]]:
    books: dict[str, dict[str, int]] = {}
    for symbol in sorted(holdings):
        if holdings[symbol]:
            parsed = parse_symbol(symbol)
            underlying = parsed.underlying if isinstance(parsed, Contract) else parsed
            books.setdefault(underlying, {})[symbol] = holdings[symbol]
    return {underlying: books[underlying] for underlying in sorted(books)}


def _options(book: Mapping[str, int]) -> Iterable[tuple[Contract, str, int]]:
    for symbol, quantity in book.items():
        parsed = parse_symbol(symbol)
        if isinstance(parsed, Contract):
            yield parsed, symbol, quantity


def _decimal(value: float) -> Decimal | None:
    return Decimal(repr(float(value))) if value == value else None
