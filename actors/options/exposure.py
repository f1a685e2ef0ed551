"""What a book is exposed to besides its scenarios: greeks by underlying, delivery, pins, dividends of short calls.

Greeks are in the desk's units: delta in shares, gamma in shares per $1, vega in $ per volatility point, theta in $ per
calendar day, rho in $ per 1 % of rate.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

import msgspec
import numpy as np

from actors.options.contracts import Contract, parse_symbol
from actors.options.pricing import black76_greeks
from actors.options.risk_market import RiskMarket, underlyings_of
from actors.options.settlement import expected_move, pin_width

#: A short American contract counts for delivery within this part of spot, or with so many days to its expiry.
DELIVERY_NEAR = 0.05
DELIVERY_DAYS = 5
#: Without an ex-date: a short call in the money whose extrinsic value is below this many dollars is ex tomorrow.
LEAST_DIVIDEND = 0.10
_YEAR_SECONDS = 365.0 * 24 * 3600
_NAN = float("nan")


class Exposure(msgspec.Struct, frozen=True):
    """Greeks of one underlying's holdings (see the module for units).

    `delta_dollars` is delta x spot; `gamma_percent` the change of delta, in shares, for a move of 1 %; `beta` None
    where it is not known, and with it the beta-weighted values. `beta_delta_dollars` is delta dollars x beta,
    `beta_delta` the same in shares of the reference (None without its price). `missing` names options without a
    volatility, which are in none of the sums.
    """

    underlying: str
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float
    delta_dollars: float
    gamma_percent: float
    beta: float | None
    beta_delta_dollars: float | None
    beta_delta: float | None
    missing: tuple[str, ...]


def exposures(holdings: Mapping[str, int], market: RiskMarket) -> tuple[Exposure, ...]:
    """Greeks by underlying, in the order of their tickers. NaN where the underlying has no price.

    Raises KeyError for an option that the market lacks.
    """
    symbols = [symbol for symbol in sorted(holdings) if holdings[symbol]]
    return tuple(
        _exposure(underlying, {s: holdings[s] for s in symbols if _on(s) == underlying}, market)
        for underlying in underlyings_of(symbols)
    )


def _exposure(underlying: str, book: Mapping[str, int], market: RiskMarket) -> Exposure:
    seen = market.underlyings.get(underlying)
    spot = _NAN if seen is None else seen.spot
    sums = np.zeros(5)
    missing: list[str] = []
    rows: list[tuple[float, ...]] = []
    for symbol, quantity in book.items():
        contract = parse_symbol(symbol)
        if not isinstance(contract, Contract):
            sums[0] += quantity
            continue
        option = market.options[symbol]
        time = max(0.0, (option.settles_at - market.now).total_seconds()) / _YEAR_SECONDS
        if not option.volatility >= 0:
            missing.append(symbol)
            continue
        forward = option.forward if option.forward > 0 else spot
        size = float(quantity * contract.multiplier)
        call = float(contract.right == "C")
        rows.append((forward, float(contract.strike), time, option.volatility, option.discount, call, size))
    if rows:
        forward, strike, time, volatility, factor, call, size = np.array(rows).T
        greeks = black76_greeks(forward, strike, time, volatility, factor, call > 0, spot=np.full(len(rows), spot))
        each = (greeks.delta, greeks.gamma, greeks.vega, greeks.theta, greeks.rho)
        sums += np.array([float(size @ values) for values in each])
    delta, gamma, vega, theta, rho = (float(value) for value in sums)
    beta = None if seen is None else seen.beta
    dollars = delta * spot
    weighted = None if beta is None else beta * dollars
    shares = None if weighted is None or not market.reference > 0 else weighted / market.reference
    return Exposure(
        underlying, delta, gamma, vega, theta, rho, dollars, gamma * spot / 100, beta, weighted, shares, tuple(missing)
    )


def gamma_loss(exposures: tuple[Exposure, ...], market: RiskMarket, move: float = 0.02) -> float:
    """Dollars that short gamma loses by a move of all underlyings by `move` times their beta (their own move where
    beta is not known): the sum of gamma x change squared / 2 where gamma is negative, as a positive number."""
    total = 0.0
    for each in exposures:
        if each.gamma < 0:
            beta = 1.0 if each.beta is None else each.beta
            total += -0.5 * each.gamma * (market.underlyings[each.underlying].spot * move * beta) ** 2
    return total


# --- delivery -------------------------------------------------------------------------------------------------------


class Delivery(msgspec.Struct, frozen=True):
    """Dollars of shares that short American contracts may bring or take soon, and which contracts count. `assigned`
    holds, per underlying, what its book may become tonight: those puts assigned, those calls, and both."""

    dollars: Decimal
    symbols: tuple[str, ...]
    assigned: tuple[tuple[Mapping[str, int], ...], ...]


def delivery(holdings: Mapping[str, int], market: RiskMarket) -> Delivery:
    """Strike x multiplier over short American contracts within 5 % of spot, in the money, or expiring in 5 days, net of
    long ones of the same right on the underlying that may be exercised against them (at their own strike), never below
    0 per underlying and right. A contract whose underlying has no price counts."""
    today = market.now.date()
    owed: dict[tuple[str, str], Decimal] = {}
    hedged: dict[tuple[str, str], Decimal] = {}
    symbols: list[str] = []
    books: dict[str, dict[str, int]] = {}
    for symbol, quantity in sorted(holdings.items()):
        if not quantity:
            continue
        books.setdefault(_on(symbol), {})[symbol] = quantity
        contract = parse_symbol(symbol)
        if not isinstance(contract, Contract) or contract.settlement == "cash":
            continue
        if _near(contract, market.price(contract.underlying), today):
            side = owed if quantity < 0 else hedged
            key = (contract.underlying, contract.right)
            side[key] = side.get(key, Decimal(0)) + abs(quantity) * contract.strike * contract.multiplier
            if quantity < 0:
                symbols.append(symbol)
    total = sum((max(Decimal(0), dollars - hedged.get(key, Decimal(0))) for key, dollars in owed.items()), Decimal(0))
    assigned = tuple(
        tuple(_assigned(book, ticker, symbols, rights) for rights in _sides(ticker, owed))
        for ticker, book in books.items()
    )
    return Delivery(total, tuple(symbols), assigned)


def _sides(ticker: str, owed: Mapping[tuple[str, str], Decimal]) -> tuple[str, ...]:
    sides = "".join(right for right in "CP" if (ticker, right) in owed)
    return ("C", "P", "CP") if sides == "CP" else (sides,)


def _assigned(book: Mapping[str, int], ticker: str, symbols: list[str], rights: str) -> dict[str, int]:
    """The book with its short contracts of these rights turned into shares."""
    found = dict(book)
    for symbol, quantity in book.items():
        contract = parse_symbol(symbol)
        if isinstance(contract, Contract) and symbol in symbols and contract.right in rights:
            shares = quantity * contract.multiplier * (1 if contract.right == "C" else -1)
            found[ticker] = found.get(ticker, 0) + shares
            del found[symbol]
    return {symbol: quantity for symbol, quantity in sorted(found.items()) if quantity}


def _near(contract: Contract, spot: float, today: dt.date) -> bool:
    if spot != spot:
        return True
    strike = float(contract.strike)
    inside = spot > strike if contract.right == "C" else spot < strike
    return inside or abs(strike - spot) <= DELIVERY_NEAR * spot or (contract.expiry - today).days <= DELIVERY_DAYS


class Pin(msgspec.Struct, frozen=True):
    """A physically settled leg near the money shortly before its fixing: how far, in dollars per share, and how far
    the zone reaches."""

    symbol: str
    quantity: int
    distance: float
    width: float


def pins(
    holdings: Mapping[str, int], market: RiskMarket, within: dt.timedelta = dt.timedelta(days=1)
) -> tuple[Pin, ...]:
    """Physically settled legs, long ones too, that are fixed within `within` and lie within the larger of 0.5 % of
    spot and one expected move of the time left. A leg whose spot or volatility is not known uses what is known."""
    found: list[Pin] = []
    for symbol, quantity in sorted(holdings.items()):
        contract = parse_symbol(symbol)
        if not isinstance(contract, Contract) or contract.settlement == "cash" or not quantity:
            continue
        option = market.options[symbol]
        left = (option.settles_at - market.now).total_seconds()
        spot = market.price(contract.underlying)
        if not 0 <= left <= within.total_seconds() or spot != spot:
            continue
        volatility = option.volatility if option.volatility >= 0 else 0.0
        width = pin_width(spot, expected_move(spot, volatility, left / _YEAR_SECONDS))
        distance = abs(spot - float(contract.strike))
        if distance <= width:
            found.append(Pin(symbol, quantity, distance, width))
    return tuple(found)


# --- dividends ------------------------------------------------------------------------------------------------------


class Sessions(Protocol):
    """What of a calendar dividends need."""

    def next(self, date: dt.date) -> dt.date:
        """The first session after a date."""
        ...


class DividendRisk(msgspec.Struct, frozen=True):
    """A short American call that may be assigned over an ex-date: its extrinsic value (at the ask; NaN without one) in
    dollars per share, dollars of dividend owed if assigned (None: not known), and why in words."""

    symbol: str
    quantity: int
    extrinsic: float
    owed: float | None
    known_date: bool
    words: str


def dividend_risks(holdings: Mapping[str, int], market: RiskMarket, sessions: Sessions) -> tuple[DividendRisk, ...]:
    """Short American calls at risk of assignment for a dividend tomorrow.

    With an ex-date: in the money, ex on the next session, extrinsic value below the dividend (or dividend not known).
    Without one: in the money with ask - intrinsic < max($0.10, last dividend), or a same-strike put that asks less than
    the last dividend: treated as ex tomorrow.
    """
    found: list[DividendRisk] = []
    today = market.now.date()
    for symbol, quantity in sorted(holdings.items()):
        contract = parse_symbol(symbol)
        if not isinstance(contract, Contract) or contract.style != "american" or contract.right != "C" or quantity >= 0:
            continue
        seen = market.underlyings.get(contract.underlying)
        if seen is None or not seen.spot > float(contract.strike):
            continue
        extrinsic = market.options[symbol].ask - (seen.spot - float(contract.strike))
        owed = None if seen.dividend is None else -quantity * contract.multiplier * seen.dividend
        name = symbol.strip()
        if seen.ex_date is not None:
            if today < seen.ex_date <= sessions.next(today) and not (
                seen.dividend is not None and extrinsic >= seen.dividend
            ):
                amount = "a dividend not known" if seen.dividend is None else f"{seen.dividend:.2f}"
                words = f"{name} is ex {seen.ex_date} for {amount} with {extrinsic:.2f} extrinsic"
                found.append(DividendRisk(symbol, quantity, extrinsic, owed, True, words))
            continue
        put = market.options.get(msgspec.structs.replace(contract, right="P").symbol)
        last = seen.dividend or 0.0
        if not extrinsic >= max(LEAST_DIVIDEND, last):
            words = f"{name} has {extrinsic:.2f} extrinsic and no ex-date is known: treated as ex tomorrow"
        elif put is not None and put.ask < last:
            words = (
                f"{name}: its put asks {put.ask:.2f}, less than the last dividend {last:.2f}: treated as ex tomorrow"
            )
        else:
            continue
        found.append(DividendRisk(symbol, quantity, extrinsic, owed, False, words))
    return tuple(found)


def _on(symbol: str) -> str:
    parsed = parse_symbol(symbol)
    return parsed.underlying if isinstance(parsed, Contract) else parsed
