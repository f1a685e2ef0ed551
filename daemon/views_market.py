"""What the newest market view shows: underlyings, and the chain of one with quotes, marks and greeks. Nothing durable.

Quotes, marks and measures are numbers per share (float64), null where there is none; a strike is a decimal string.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Literal

import msgspec
import numpy as np

from actors.messages.market import MarketQuotes, SecuritySeen
from actors.options.contracts import Contract, parse_symbol
from actors.options.marks import MarkFlag
from actors.options.settlement import fixing
from actors.runtime import View
from actors.volatility import Chain, thirty_day

Flag = Literal["good", "model", "stale", "none"]
_FLAGS: tuple[Flag, ...] = ("good", "model", "stale", "none")
#: Marks that the mark's own rule made; what only has a quote is 'good' where that is two-sided.
assert tuple(flag.name.lower() for flag in MarkFlag) == _FLAGS


class UnderlyingShown(msgspec.Struct, frozen=True, kw_only=True):
    """A stock or an index and what is listed on it. `iv30` is its 30-day at-the-money volatility as a fraction a year;
    `alive_at` when its feed was last known alive."""

    symbol: str
    kind: Literal["equity", "index"]
    bid: float | None
    ask: float | None
    last: float | None
    volume: float | None
    open: bool
    alive_at: dt.datetime | None
    quote_age_seconds: float | None
    iv30: float | None
    contracts: int
    expiries: tuple[dt.date, ...]


class ContractShown(msgspec.Struct, frozen=True, kw_only=True):
    """One contract. `mark_flag`: good (a fresh mid), model (the smile's value within the quote), stale (the last good
    one), none. Greeks in the desk's units per share: delta shares, gamma per $1, theta $ a day, vega $ a point.
    `changed_at` is its quote's last change."""

    symbol: str
    expiry: dt.date
    strike: str
    right: Literal["C", "P"]
    bid: float | None
    ask: float | None
    bid_size: float | None
    ask_size: float | None
    last: float | None
    mark: float | None
    mark_flag: Flag
    iv: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    open_interest: float | None
    volume: float | None
    changed_at: dt.datetime | None


class SmilePoint(msgspec.Struct, frozen=True, kw_only=True):
    """A strike's implied volatility, of its out-of-the-money side, as a fraction a year."""

    strike: str
    iv: float


class ExpiryShown(msgspec.Struct, frozen=True, kw_only=True):
    """One expiry of a class. `dte` counts calendar days to `last_trade`; `time_years` (ACT/365) to `settles_at`.
    `forward` per share; `iv` at the money; `smile` the points that quotes give, by strike;
    `fitted` those of the smile fitted to them, null where none was asked for or quotes carry none."""

    expiry: dt.date
    roots: tuple[str, ...]
    fixing: Literal["AM", "PM"]
    last_trade: dt.datetime | None
    settles_at: dt.datetime
    dte: int
    time_years: float
    forward: float | None
    iv: float | None
    contracts: int
    smile: tuple[SmilePoint, ...]
    fitted: tuple[SmilePoint, ...] | None = None


class ChainShown(msgspec.Struct, frozen=True, kw_only=True):
    """The chain of an underlying at `at`; `quote_age_seconds` is the feed's age for it, then."""

    underlying: str
    at: dt.datetime
    view: int
    spot: float | None
    open: bool
    alive_at: dt.datetime | None
    quote_age_seconds: float | None
    expiries: tuple[ExpiryShown, ...]
    contracts: tuple[ContractShown, ...]


class Shown:
    """One view with what was derived from it, read by symbol."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.quotes: MarketQuotes = view.base
        self.chain: Chain = view.derived("chain")

    def place(self, symbol: str) -> int | None:
        """Where a contract stands in the chain's arrays, None for what is no listed option."""
        row = self.quotes.rows.get(symbol)
        rows = self.chain.index.rows
        if row is None or not rows.size:
            return None
        place = int(np.searchsorted(rows, row))
        return place if place < rows.size and rows[place] == row else None

    def mark(self, symbol: str) -> tuple[float | None, Flag]:
        """Mark per share of any listed symbol, and how good it is."""
        row = self.quotes.rows.get(symbol)
        if row is None or row >= self.chain.value.size:
            return None, "none"
        value = number(self.chain.value[row])
        return value, "none" if value is None else _FLAGS[int(self.chain.flag[row])]

    def alive_at(self, underlying: str) -> dt.datetime | None:
        """When the feed was last known alive for an underlying."""
        return self.quotes.alive.get(underlying)


def shown(view: View | None) -> Shown | None:
    """The view with its derived chain; None where there is none or its derivation failed."""
    if view is None:
        return None
    try:
        return Shown(view)
    except Exception:
        # The daemon was told when the derivation failed; who only looks sees that nothing is known.
        return None


def number(value: float) -> float | None:
    """A float for JSON: NaN and infinities are null."""
    return float(value) if np.isfinite(value) else None


def age(then: dt.datetime | None, now: dt.datetime) -> float | None:
    """Seconds since an instant, 0 at least."""
    return None if then is None else max(0.0, round((now - then).total_seconds(), 3))


def underlyings(market: Shown | None, now: dt.datetime) -> tuple[UnderlyingShown, ...]:
    """Every stock or index that is listed or has options listed, by symbol."""
    if market is None:
        return ()
    options: dict[str, list[SecuritySeen]] = {}
    kinds: dict[str, Literal["equity", "index"]] = {}
    for security in market.quotes.securities:
        if security.kind in ("option", "index_option"):
            options.setdefault(security.underlying, []).append(security)
            kinds.setdefault(security.underlying, "index" if security.kind == "index_option" else "equity")
        else:
            kinds[security.symbol] = "index" if security.kind == "index" else "equity"
    return tuple(_underlying(market, symbol, kinds[symbol], options.get(symbol, ()), now) for symbol in sorted(kinds))


def _underlying(
    market: Shown, symbol: str, kind: Literal["equity", "index"], listed: Iterable[SecuritySeen], now: dt.datetime
) -> UnderlyingShown:
    quotes, row = market.quotes, market.quotes.rows.get(symbol)
    contracts = [parse_symbol(security.symbol) for security in listed]
    expiries = sorted({contract.expiry for contract in contracts if isinstance(contract, Contract)})
    alive = market.alive_at(symbol)
    return UnderlyingShown(
        symbol=symbol, kind=kind, bid=None if row is None else number(quotes.bid[row]),
        ask=None if row is None else number(quotes.ask[row]), last=quotes.price(symbol),
        volume=None if row is None else number(quotes.volume[row]), open=symbol in quotes.open, alive_at=alive,
        quote_age_seconds=age(alive, now), iv30=thirty_day(market.chain, symbol), contracts=len(contracts),
        expiries=tuple(expiries),
    )  # fmt: skip


def chain(market: Shown, underlying: str, only: dt.date | None, now: dt.datetime) -> ChainShown:
    """The chain of an underlying, of one expiry where `only` is given. Contracts by expiry, strike, side."""
    places = _places(market, underlying, only)
    alive = market.alive_at(underlying)
    return ChainShown(
        underlying=underlying, at=market.view.at, view=market.view.number, spot=market.quotes.price(underlying),
        open=underlying in market.quotes.open, alive_at=alive, quote_age_seconds=age(alive, now),
        expiries=expiries(market, underlying, only, now),
        contracts=tuple(_contract(market, place, contract) for contract, place in places),
    )  # fmt: skip


def contracts(market: Shown, underlying: str, only: dt.date | None) -> tuple[ContractShown, ...]:
    """The contracts of `chain` alone."""
    return tuple(_contract(market, place, contract) for contract, place in _places(market, underlying, only))


def _places(market: Shown, underlying: str, only: dt.date | None) -> list[tuple[Contract, int]]:
    found: list[tuple[Contract, int]] = []
    for expiry in market.chain.index.expiries:
        if expiry.underlying != underlying:
            continue
        for place in expiry.members.tolist():
            contract = parse_symbol(market.chain.index.symbols[place])
            assert isinstance(contract, Contract)
            if only is None or contract.expiry == only:
                found.append((contract, place))
    return sorted(found, key=lambda item: (item[0].expiry, item[0].root, item[0].strike, item[0].right))


def _contract(market: Shown, place: int, contract: Contract) -> ContractShown:
    quotes, chain = market.quotes, market.chain
    row = int(chain.index.rows[place])
    greeks, changed = chain.greeks, number(quotes.changed_at[row])
    mark = number(chain.marks.value[place])
    return ContractShown(
        symbol=chain.index.symbols[place], expiry=contract.expiry, strike=f"{contract.strike:f}", right=contract.right,
        bid=number(quotes.bid[row]), ask=number(quotes.ask[row]), bid_size=number(quotes.bid_size[row]),
        ask_size=number(quotes.ask_size[row]), last=number(quotes.last[row]), mark=_rounded(mark),
        mark_flag="none" if mark is None else _FLAGS[int(chain.marks.flag[place])],
        iv=_rounded(number(chain.volatility[place])), delta=_rounded(number(greeks.delta[place])),
        gamma=_rounded(number(greeks.gamma[place])), theta=_rounded(number(greeks.theta[place])),
        vega=_rounded(number(greeks.vega[place])), open_interest=number(quotes.open_interest[row]),
        volume=number(quotes.volume[row]),
        changed_at=None if changed is None else dt.datetime.fromtimestamp(changed, dt.UTC),
    )  # fmt: skip


def _rounded(value: float | None) -> float | None:
    """For a screen: what differs in the seventh place is no change to show."""
    return None if value is None else round(value, 6)


def expiries(market: Shown, underlying: str, only: dt.date | None, now: dt.datetime) -> tuple[ExpiryShown, ...]:
    """The expiries of an underlying in the order of their fixing."""
    found: list[ExpiryShown] = []
    for index, expiry in enumerate(market.chain.index.expiries):
        if expiry.underlying != underlying or not expiry.members.size:
            continue
        symbols = [market.chain.index.symbols[place] for place in expiry.members.tolist()]
        parsed = [contract for contract in map(parse_symbol, symbols) if isinstance(contract, Contract)]
        if only is not None and parsed[0].expiry != only:
            continue
        security = market.quotes.security(symbols[0])
        last_trade = None if security is None else security.last_trade
        found.append(
            ExpiryShown(
                expiry=parsed[0].expiry,
                roots=tuple(sorted({contract.root for contract in parsed})),
                fixing=fixing(parsed[0]),
                last_trade=last_trade,
                settles_at=expiry.settles_at,
                dte=max(0, ((last_trade or expiry.settles_at).date() - now.date()).days),
                time_years=round(float(market.chain.time[expiry.members[0]]), 8),
                forward=_rounded(number(market.chain.forwards[index])),
                iv=_rounded(number(market.chain.volatilities[index])),
                contracts=len(symbols),
                smile=_smile(market, index),
            )
        )
    return tuple(found)


def _smile(market: Shown, index: int) -> tuple[SmilePoint, ...]:
    expiry, forward = market.chain.index.expiries[index], market.chain.forwards[index]
    if not np.isfinite(forward):
        return ()
    volatility = market.chain.volatility
    points: list[SmilePoint] = []
    for strike, call, put in zip(expiry.strikes.tolist(), expiry.calls.tolist(), expiry.puts.tolist(), strict=True):
        level = number(float(volatility[call if strike >= forward else put]))
        if level is not None:
            points.append(SmilePoint(strike=f"{strike:g}", iv=round(level, 6)))
    return tuple(points)
