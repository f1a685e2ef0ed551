"""LEAN's default fill model for backtests: which resting order fills on which bar, and at what prices. Pure.

All or nothing: a combo fills whole or not at all. Prices per share, as floats of the bars.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import msgspec

from actors.options.contracts import is_option
from bridge.paper.bars import QuoteBar
from bridge.paper.prices import STALE, Prices


class Bar(msgspec.Struct, frozen=True):
    """The side of the last bar that an order of one direction looks at."""

    open: float
    high: float
    low: float
    close: float
    ended: dt.datetime


def side_bar(prices: Prices, side: int) -> Bar | None:
    """The bar that a buyer (+1: asks) or a seller (-1: bids) fills on: quotes before trades. None where there is
    none."""
    quote = prices.quote
    if quote is not None and prices.quoted_at is not None:
        bar = _side(quote, side, prices.quoted_at)
        if bar is not None:
            return bar
    trade = prices.trade
    if trade is not None and prices.traded_at is not None:
        return Bar(trade.open, trade.high, trade.low, trade.close, prices.traded_at)
    return None


def _side(quote: QuoteBar, side: int, ended: dt.datetime) -> Bar | None:
    values = quote[5:9] if side > 0 else quote[0:4]
    return None if values[3] != values[3] else Bar(*values, ended)


def market_price(prices: Prices, side: int) -> float | None:
    """What a market order pays: the last ask (buy) or bid (sell), else the last trade."""
    price = prices.ask if side > 0 else prices.bid
    if price == price:
        return price
    return prices.last if prices.last == prices.last else None


def fresh(prices: Prices, now: dt.datetime) -> bool:
    """Whether the last bar is young enough for a market order to fill on."""
    return prices.updated_at is not None and now - prices.updated_at <= STALE


def limit_price(bar: Bar, side: int, limit: float) -> float | None:
    """A single limit's fill: at the limit, or at the bar where that is better; None where the bar never passed it."""
    if side > 0:
        return min(bar.high, limit) if bar.low < limit else None
    return max(bar.low, limit) if bar.high > limit else None


def stop_price(bar: Bar, side: int, stop: float) -> float | None:
    """A stop's fill once the bar touched it: at the stop, or at the close where that is worse."""
    if side > 0:
        return max(stop, bar.close) if bar.high > stop else None
    return min(stop, bar.close) if bar.low < stop else None


def combo_prices(
    legs: Mapping[str, int], bars: Mapping[str, Bar], limit: float, sell_group: bool
) -> dict[str, float] | None:
    """A combo limit's fill: every leg at its bar's low (or high, for a group sold) where the net beats the limit.

    `legs` are signed ratios of the unit bought, `limit` what that unit may cost. Stock legs count a hundredth where
    there are option legs. Strict: a net equal to the limit does not fill.
    """
    options = any(is_option(symbol) for symbol in legs)
    prices = {symbol: bars[symbol].high if sell_group else bars[symbol].low for symbol in legs}
    net = sum(
        ratio * prices[symbol] / (100 if options and not is_option(symbol) else 1) for symbol, ratio in legs.items()
    )
    # Floats of LEAN's decimals carry noise beyond any tick.
    return prices if net < limit - 1e-9 else None
