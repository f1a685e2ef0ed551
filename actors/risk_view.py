"""From the actors' values to what the options domain judges: the market view as a RiskMarket, live orders as risk.

Pure; no decision. A quote, volatility or beta that is missing stays missing here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from actors.messages.market import MarketQuotes
from actors.messages.order_state import Order, OrderTable
from actors.messages.orders import OrderBody
from actors.options.contracts import Contract, multiplier_of, parse_symbol
from actors.options.orders import OrderLeg, cash_of
from actors.options.preview import usual_fee
from actors.options.risk_market import OptionSeen, RiskMarket, RiskOrder, UnderlyingSeen, underlyings_of
from actors.options.settlement import Sessions

_NAN = float("nan")
#: The fund whose shares beta-weighted delta is told in.
REFERENCE = "SPY"
#: What is taken for the fixing of a contract that the market does not list: 21:00 UTC of its expiry.
_FIXING = dt.time(21, 0, tzinfo=dt.UTC)


def next_open(now: dt.datetime, sessions: Sessions | None) -> dt.datetime:
    """The first open of a session after `now`; a day later where no calendar is given."""
    if sessions is None:
        return now + dt.timedelta(days=1)
    date = now.date()
    if sessions.is_session(date) and now < sessions.open(date):
        return sessions.open(date)
    return sessions.open(sessions.next(date))


def risk_market(
    view: Any, symbols: Iterable[str], now: dt.datetime, sessions: Sessions | None = None,
    betas: Mapping[str, float] | None = None,
) -> RiskMarket:  # fmt: skip
    """What of a market view (with its `chain` derivation) the risk of these symbols needs.

    A contract without an implied volatility brings its nearest neighbour of the same fixing along, so that one can be
    borrowed. What is not listed has no quotes.
    """
    quotes: MarketQuotes = view.base
    chain: Any = view.derived("chain")
    options: dict[str, OptionSeen] = {}
    names = tuple(dict.fromkeys(symbols))
    for symbol in names:
        contract = parse_symbol(symbol)
        if not isinstance(contract, Contract):
            continue
        place = _place(quotes, chain, symbol)
        if place is None:
            options[symbol] = OptionSeen(dt.datetime.combine(contract.expiry, _FIXING))
            continue
        options[symbol] = _option(quotes, chain, place)
        if options[symbol].volatility != options[symbol].volatility:
            near = _neighbour(chain, place)
            if near is not None:
                options.setdefault(chain.index.symbols[near], _option(quotes, chain, near))
    known = betas or {}
    seen = {
        ticker: UnderlyingSeen(
            _some(quotes.price(ticker)), known.get(ticker), bid=_side(quotes.bid, quotes, ticker),
            ask=_side(quotes.ask, quotes, ticker),
        )
        for ticker in underlyings_of(names)
    }  # fmt: skip
    return RiskMarket(now, next_open(now, sessions), seen, options, _some(quotes.price(REFERENCE)))


def _place(quotes: MarketQuotes, chain: Any, symbol: str) -> int | None:
    """The position of a symbol in the chain's arrays."""
    row = quotes.rows.get(symbol)
    if row is None:
        return None
    place = int(np.searchsorted(chain.index.rows, row))
    return place if place < len(chain.index.rows) and chain.index.rows[place] == row else None


def _option(quotes: MarketQuotes, chain: Any, place: int) -> OptionSeen:
    row = int(chain.index.rows[place])
    settles_at = quotes.securities[row].settles_at
    assert settles_at is not None
    level = float(chain.volatility[place])
    if level != level:
        level = float(chain.last_volatility[place])
    return OptionSeen(
        settles_at, float(quotes.bid[row]), float(quotes.ask[row]), float(chain.value[row]), level,
        float(chain.forward[place]),
    )  # fmt: skip


def _neighbour(chain: Any, place: int) -> int | None:
    """The contract of the same expiry that has a volatility and the nearest strike; the first of equals."""
    for expiry in chain.index.expiries:
        if place in expiry.members:
            known = expiry.members[np.isfinite(chain.last_volatility[expiry.members])]
            if not known.size:
                return None
            return int(known[np.abs(chain.index.strikes[known] - chain.index.strikes[place]).argmin()])
    return None


def _side(values: Any, quotes: MarketQuotes, symbol: str) -> float:
    row = quotes.rows.get(symbol)
    return _NAN if row is None else float(values[row])


def _some(value: float | None) -> float:
    return _NAN if value is None else value


# --- orders ---------------------------------------------------------------------------------------------------------


def order_risk(order: Order, body: OrderBody, market: RiskMarket) -> RiskOrder:
    """What of an order may still fill, at its limit; without one (market and stop orders) at the market's prices."""
    quantities = {leg.symbol: leg.ratio * body.quantity - order.filled[i] for i, leg in enumerate(body.legs)}
    units = max(abs(quantities[leg.symbol]) // abs(leg.ratio) for leg in body.legs)
    fees = sum((usual_fee(symbol, size, Decimal(0)) for symbol, size in quantities.items() if size), Decimal(0))
    return RiskOrder(
        order.order_id, {symbol: size for symbol, size in quantities.items() if size},
        _debit(body, quantities, units, market), fees, order.state == "unknown",
        "gtc" if body.time_in_force == "gtc" else "day",
    )  # fmt: skip


def _debit(body: OrderBody, quantities: Mapping[str, int], units: int, market: RiskMarket) -> Decimal:
    legs = [OrderLeg(leg.symbol, leg.ratio) for leg in body.legs]
    if body.limit_price is not None:
        return cash_of(legs, body.limit_price, units)
    total = Decimal(0)
    for index, leg in enumerate(body.legs):
        price = body.leg_limits[index] if body.leg_limits is not None else _decimal(market.price(leg.symbol))
        total += quantities[leg.symbol] * price * multiplier_of(leg.symbol)
    return total


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value)) if value == value else Decimal(0)


def live_orders(table: OrderTable, market: RiskMarket, without: str = "") -> tuple[RiskOrder, ...]:
    """The risk of every live order but one, unknown ones too; in the order of their ids."""
    return tuple(
        order_risk(order, order.body, market)
        for id, order in sorted(table.live.items())
        if id != without and any(order.open_quantity(index) for index in range(len(order.body.legs)))
    )


def symbols_of(table: OrderTable, holdings: Mapping[str, int], body: OrderBody | None = None) -> tuple[str, ...]:
    """Every symbol that the risk of a book with its live orders, and one order more, touches; sorted."""
    found = dict.fromkeys(symbol for symbol, quantity in holdings.items() if quantity)
    for order in table.live.values():
        found.update(dict.fromkeys(leg.symbol for leg in order.body.legs))
    if body is not None:
        found.update(dict.fromkeys(leg.symbol for leg in body.legs))
    return tuple(sorted(found))
