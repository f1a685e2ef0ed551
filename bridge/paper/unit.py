"""The market of an order's unit: what its legs' quotes make of it, and what its limit says. No chance, no time."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from actors.options.contracts import is_option
from actors.options.fills import aggressiveness
from bridge.paper.floor import Floor, decimal
from bridge.paper.orders import BrokerOrder
from bridge.paper.prices import Prices

_SMALLEST = Decimal("0.0001")


class UnitMarket:
    """The market of an order's unit: far and natural as signed nets in dollars per share, NaN where a leg's quote is
    missing, and units displayed."""

    def __init__(self, order: BrokerOrder, floor: Floor) -> None:
        mixed = any(is_option(leg.symbol) for leg in order.legs)
        self.natural = self.far = 0.0
        self.displayed = math.inf
        self.bids: list[float] = []
        self.asks: list[float] = []
        #: Shares of the unit's price that one unit of a leg's price is: signed.
        self.weights: list[Decimal] = []
        for leg in order.legs:
            bid, ask, size = _quote(floor.prices_of(leg.symbol), leg.ratio)
            weight = Decimal(leg.ratio) / (100 if mixed and not is_option(leg.symbol) else 1)
            buys = leg.ratio > 0
            self.natural += float(weight) * (ask if buys else bid)
            self.far += float(weight) * (bid if buys else ask)
            self.displayed = min(self.displayed, size / abs(leg.ratio))
            self.bids.append(bid)
            self.asks.append(ask)
            self.weights.append(weight)

    @property
    def middle(self) -> float:
        """Half way between far and natural."""
        return (self.natural + self.far) / 2

    @property
    def known(self) -> bool:
        """Whether every leg has a two-sided quote."""
        return self.natural == self.natural and self.far == self.far

    def fill_prices(self, order: BrokerOrder) -> list[Decimal]:
        """Prices of the legs of a limit order that fills: at its limit, or at natural where that is better."""
        limit, natural = net_limit(order), decimal(self.natural)
        if order.leg_limits is None:
            return self.leg_prices(min(limit, natural))
        if limit <= natural:
            return list(order.leg_limits)
        return [
            min(each, decimal(ask)) if leg.ratio > 0 else max(each, decimal(bid))
            for each, leg, bid, ask in zip(order.leg_limits, order.legs, self.bids, self.asks, strict=True)
        ]

    def leg_prices(self, paid: Decimal) -> list[Decimal]:
        """Prices of the legs whose net is `paid`, or a hair better for the client where no decimal is exact. Each
        leg stands where the whole stands between its bid and ask; the rest goes to the leg with the smallest ratio."""
        share = max(0.0, aggressiveness(float(paid), self.natural, self.far))
        prices = [
            decimal(round(bid + (ask - bid) * (share if weight > 0 else 1 - share), 2))
            for bid, ask, weight in zip(self.bids, self.asks, self.weights, strict=True)
        ]
        order = sorted(range(len(prices)), key=lambda each: (abs(self.weights[each]), -prices[each]))
        taker = next((each for each in order if abs(self.weights[each]) >= 1), order[0])
        net = sum((price * weight for price, weight in zip(prices, self.weights, strict=True)), Decimal(0))
        rest = (paid - net) / self.weights[taker]
        # Where no decimal is exact, whoever buys this leg pays a hair less, whoever sells it gets one more.
        rounding = ROUND_FLOOR if self.weights[taker] > 0 else ROUND_CEILING
        prices[taker] = decimal(float(prices[taker] + rest.quantize(_SMALLEST, rounding)))
        return prices


def unit_middle(order: BrokerOrder, floor: Floor) -> float | None:
    """The middle of the order's unit, signed dollars per share; None where a leg has no two-sided quote."""
    market = UnitMarket(order, floor)
    return market.middle if market.known else None


def units_left(order: BrokerOrder) -> int:
    """Whole units of which no leg has filled."""
    return min(abs(order.left(leg)) // abs(leg.ratio) for leg in order.legs)


def net_limit(order: BrokerOrder) -> Decimal:
    """What a unit may cost, signed."""
    if order.leg_limits is not None:
        mixed = any(is_option(leg.symbol) for leg in order.legs)
        return sum(
            (
                limit * leg.ratio / (100 if mixed and not is_option(leg.symbol) else 1)
                for limit, leg in zip(order.leg_limits, order.legs, strict=True)
            ),
            Decimal(0),
        )
    assert order.limit_price is not None
    if order.combo:
        return order.limit_price
    return abs(order.limit_price) * order.legs[0].ratio


def _quote(prices: Prices, ratio: int) -> tuple[float, float, float]:
    """Bid, ask and the size shown on the side that fills now. What has trades only is taken as quoted there."""
    bid, ask = prices.bid, prices.ask
    if bid != bid and ask != ask and not prices.quoted and prices.last == prices.last:
        return prices.last, prices.last, math.inf
    size = prices.ask_size if ratio > 0 else prices.bid_size
    return bid, ask, size
