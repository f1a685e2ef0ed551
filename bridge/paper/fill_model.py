"""What fills now of an order: the one question the broker asks, and LEAN's default answer. Pure.

A model keeps no memory that a restart could lose: chance comes from a seed, the order's id and the instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from bridge.paper.fees import lean_fee
from bridge.paper.fills import combo_prices, fresh, limit_price, market_price, side_bar, stop_price
from bridge.paper.floor import Floor, decimal
from bridge.paper.orders import BrokerLeg, BrokerOrder


class Fill(NamedTuple):
    """One leg's part: index of the leg, signed quantity (at most what is left), price per share, fee in dollars."""

    leg: int
    quantity: int
    price: Decimal
    fee: Decimal


class FillModel(Protocol):
    """How a market fills. Every leg of the order trades now when it is asked."""

    def refuses(self, order: BrokerOrder, floor: Floor) -> str:
        """The broker's own words where it will not take this order; '' where it does."""
        ...

    def fills(self, order: BrokerOrder, floor: Floor, *, arriving: bool) -> Sequence[Fill]:
        """What fills at this instant, empty for nothing. `arriving`: it was placed just now, not resting.

        Fills given together happen at once: the client sees the account only after all of them.
        """
        ...

    def crosses(self, order: BrokerOrder, floor: Floor) -> Sequence[Fill]:
        """What had filled when a cancel or an amend of this working order arrived; told before its effect."""
        ...

    def told_late(self, order: BrokerOrder, floor: Floor) -> bool:
        """Whether what crossed a cancel is told only after the cancel's effect."""
        ...


class LeanFills:
    """LEAN's default for backtests: whole orders, on the last bar's side, market orders at once."""

    def refuses(self, order: BrokerOrder, floor: Floor) -> str:
        """Nothing: LEAN looks before the broker does."""
        return ""

    def crosses(self, order: BrokerOrder, floor: Floor) -> Sequence[Fill]:
        """Nothing: a backtest has no way between."""
        return ()

    def told_late(self, order: BrokerOrder, floor: Floor) -> bool:
        """Never."""
        return False

    def fills(self, order: BrokerOrder, floor: Floor, *, arriving: bool) -> Sequence[Fill]:
        """All legs or none."""
        if arriving and order.type != "market":
            return ()
        prices = _prices(order, floor)
        if prices is None:
            return ()
        fills: list[Fill] = []
        for index, (leg, price) in enumerate(zip(order.legs, prices, strict=True)):
            paid, quantity = decimal(price), order.left(leg)
            fills.append(Fill(index, quantity, paid, lean_fee(leg.symbol, quantity, fee_price(order, leg, paid))))
        return fills


def fee_price(order: BrokerOrder, leg: BrokerLeg, paid: Decimal) -> Decimal:
    """The premium that LEAN's fee model looks at: the order's own limit where it has one."""
    if order.leg_limits is not None:
        return order.leg_limits[order.legs.index(leg)]
    if order.limit_price is not None:
        if order.combo:
            return -order.limit_price if order.sell_group else order.limit_price
        return abs(order.limit_price)
    return order.stop_price if order.stop_price is not None else paid


def _prices(order: BrokerOrder, floor: Floor) -> list[float] | None:
    """Price per leg where the whole order fills now, else None."""
    if order.type == "market":
        return _market_prices(order, floor)
    if order.placed_at >= floor.now:
        return None
    leg = order.legs[0]
    if order.type == "market_on_close":
        session = floor.hours.session(leg.symbol, floor.now.date())
        if session is None or floor.now < session[1]:
            return None
        prices = floor.prices[leg.symbol]
        return [prices.last if prices.last == prices.last else prices.price]
    bars = {each.symbol: side_bar(floor.prices[each.symbol], each.ratio) for each in order.legs}
    known = {symbol: bar for symbol, bar in bars.items() if bar is not None and bar.ended > order.placed_at}
    if len(known) != len(order.legs):
        return None
    if order.leg_limits is not None:
        filled = [
            limit_price(known[each.symbol], each.ratio, float(limit))
            for each, limit in zip(order.legs, order.leg_limits, strict=True)
        ]
        return None if any(price is None for price in filled) else [price for price in filled if price is not None]
    if order.type == "stop":
        price = stop_price(known[leg.symbol], leg.ratio, float(order.stop_price or 0))
        return None if price is None else [price]
    assert order.limit_price is not None
    if not order.combo:
        price = limit_price(known[leg.symbol], leg.ratio, abs(float(order.limit_price)))
        return None if price is None else [price]
    ratios = {each.symbol: each.ratio for each in order.legs}
    combo = combo_prices(ratios, known, float(order.limit_price), order.sell_group)
    return None if combo is None else [combo[each.symbol] for each in order.legs]


def _market_prices(order: BrokerOrder, floor: Floor) -> list[float] | None:
    result: list[float] = []
    for leg in order.legs:
        prices = floor.prices[leg.symbol]
        price = market_price(prices, leg.ratio)
        if price is None or not fresh(prices, floor.now):
            return None
        result.append(price)
    return result
