"""The market and the orders as margin, scenarios and limits see them: immutable values, no decision.

A missing quote, beta or volatility is data: NaN or None, named by whoever had to do without.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from actors.options.contracts import Contract, multiplier_of, parse_symbol
from actors.options.orders import OrderLeg, cash_of

_NAN = float("nan")


class UnderlyingSeen(msgspec.Struct, frozen=True):
    """A stock or index: dollars a share, beta against the reference (None: not known), next ex-dividend date and the
    last dividend in dollars a share (None: not known), its own quote (NaN: spot stands for it)."""

    spot: float
    beta: float | None = None
    ex_date: dt.date | None = None
    dividend: float | None = None
    bid: float = _NAN
    ask: float = _NAN


class OptionSeen(msgspec.Struct, frozen=True):
    """An option: quotes and mark in dollars per share (NaN for none), volatility a year as a fraction (NaN for none),
    its forward (NaN: spot is taken) and the discount factor to `settles_at` (aware UTC)."""

    settles_at: dt.datetime
    bid: float = _NAN
    ask: float = _NAN
    mark: float = _NAN
    volatility: float = _NAN
    forward: float = _NAN
    discount: float = 1.0


class RiskMarket(msgspec.Struct, frozen=True):
    """The market at `now`, and when it opens next (both aware UTC). `reference` is SPY's price, for beta-weighted
    delta in its shares (NaN: not known)."""

    now: dt.datetime
    next_open: dt.datetime
    underlyings: Mapping[str, UnderlyingSeen]
    options: Mapping[str, OptionSeen]
    reference: float = _NAN

    def price(self, symbol: str) -> float:
        """Dollars per share: an underlying's spot, an option's mark (else its middle, else its ask); NaN for none."""
        option = self.options.get(symbol)
        if option is None:
            seen = self.underlyings.get(symbol)
            return _NAN if seen is None else seen.spot
        for value in (option.mark, 0.5 * (option.bid + option.ask), option.ask):
            if value == value:
                return value
        return _NAN

    def side(self, symbol: str, *, buying: bool) -> float:
        """Dollars per share that trade at once: the ask to buy, the bid to sell (shares without a quote: spot); NaN."""
        seen = self.options.get(symbol) or self.underlyings.get(symbol)
        if seen is None:
            return _NAN
        value = seen.ask if buying else seen.bid
        return seen.spot if isinstance(seen, UnderlyingSeen) and value != value else value


class RiskOrder(msgspec.Struct, frozen=True):
    """An order as risk counts it: what may still fill, signed, by symbol; dollars that leave the account then
    (negative: come in), before fees; fees in dollars; and how long it rests at the broker."""

    order_id: str
    quantities: Mapping[str, int]
    debit: Decimal
    fees: Decimal = Decimal(0)
    unknown: bool = False
    time_in_force: Literal["day", "gtc"] = "day"


def risk_order(
    order_id: str, legs: Iterable[OrderLeg], quantity: int, limit_price: Decimal, *, fees: Decimal = Decimal(0),
    unknown: bool = False, time_in_force: Literal["day", "gtc"] = "day",
) -> RiskOrder:  # fmt: skip
    """The risk of `quantity` > 0 units at a signed limit (positive paid, per share of one unit)."""
    legs = tuple(legs)
    quantities = {leg.symbol: leg.ratio * quantity for leg in legs}
    debit = cash_of(legs, limit_price, quantity)
    return RiskOrder(order_id, quantities, debit, fees, unknown, time_in_force)


def underlyings_of(symbols: Iterable[str]) -> tuple[str, ...]:
    """The tickers behind symbols, sorted, each once."""
    found: dict[str, None] = {}
    for symbol in symbols:
        parsed = parse_symbol(symbol)
        found[parsed.underlying if isinstance(parsed, Contract) else parsed] = None
    return tuple(sorted(found))


def combined(holdings: Mapping[str, int], orders: Iterable[RiskOrder] = ()) -> dict[str, int]:
    """Holdings with these orders filled; symbols that net to nothing are left out. In symbol order."""
    total = dict(holdings)
    for order in orders:
        for symbol, quantity in order.quantities.items():
            total[symbol] = total.get(symbol, 0) + quantity
    return {symbol: total[symbol] for symbol in sorted(total) if total[symbol]}


def marked_value(quantities: Mapping[str, int], market: RiskMarket, *, stock_only: bool = False) -> float:
    """Dollars of signed quantities at the market's prices. What has no price counts to the account's disadvantage:
    nothing where it is held long, intrinsic value where it is held short."""
    total = 0.0
    for symbol, quantity in quantities.items():
        contract = parse_symbol(symbol)
        if stock_only and isinstance(contract, Contract):
            continue
        price = market.price(symbol)
        if price != price and isinstance(contract, Contract) and contract.underlying in market.underlyings:
            gap = market.underlyings[contract.underlying].spot - float(contract.strike)
            price = max(0.0, gap if contract.right == "C" else -gap) if quantity < 0 else 0.0
        total += quantity * multiplier_of(symbol) * (price if price == price else 0.0)
    return total
