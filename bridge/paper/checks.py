"""What LEAN looks at before an order reaches the broker: what it throws on, refuses, cannot pay. Changes nothing."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec

from actors.options.contracts import Contract, SymbolError, is_option, multiplier_of, parse_symbol
from actors.options.ticks import lean_round
from bridge import protocol
from bridge.paper.fills import market_price
from bridge.paper.floor import Floor, decimal
from bridge.paper.margin import MarginModel
from bridge.paper.orders import BrokerLeg, BrokerOrder
from bridge.paper.portfolio import Portfolio
from bridge.paper.tickets import Ticket


def raises(frame: protocol.PlaceOrder, floor: Floor) -> tuple[str, str] | None:
    """What makes LEAN throw: its exception and words."""
    if frame.combo and frame.type == "limit" and frame.leg_limits is None and frame.limit_price == 0:
        return "ArgumentException", "ComboLimitOrder requires a limit price"
    if len(frame.legs) > 1 and math.gcd(*(leg.ratio for leg in frame.legs)) > 1:
        return (
            "ArgumentException",
            "The global combo quantity should be used to increase or reduce the size of the order",
        )
    for leg in frame.legs:
        try:
            parsed = parse_symbol(leg.symbol)
        except SymbolError as error:
            return "ArgumentException", str(error)
        if isinstance(parsed, Contract) and parsed.expiry < floor.local_date(leg.symbol, floor.now):
            return (
                "InvalidOperationException",
                f"The symbol {leg.symbol} is not found in the algorithm's securities collection and cannot be "
                "re-added due to it being delisted or no longer tradable.",
            )
    return None


def refuses(frame: protocol.PlaceOrder, floor: Floor) -> str | None:
    """What makes LEAN return a ticket without an order."""
    for leg in frame.legs:
        if not floor.price(leg.symbol):
            return (
                f"Error: SecurityPriceZero - {leg.symbol}: The security does not have an accurate price as it has "
                "not yet received a bar of data."
            )
    return None


def insufficient(
    ticket: Ticket, portfolio: Portfolio, floor: Floor, margin: MarginModel, initial: MarginModel
) -> str | None:
    """LEAN's words where buying power does not suffice: free margin against the change of initial margin and
    the cost."""

    def natural(symbol: str) -> float:
        return floor.natural(symbol, portfolio.quantity(symbol))

    order = ticket.order
    before, after = portfolio.quantities(), portfolio.quantities()
    reduces, cost = True, Decimal(0)
    for leg in order.legs:
        held, wanted = after.get(leg.symbol, 0), order.wanted(leg)
        if held * wanted >= 0 or abs(wanted) > abs(held):
            reduces = False
        after[leg.symbol] = held + wanted
        if is_option(leg.symbol):
            cost += wanted * decimal(_cost_price(order, leg, floor)) * multiplier_of(leg.symbol)
    if reduces:
        return None
    needed = initial(
        {symbol: quantity for symbol, quantity in after.items() if quantity}, floor.price, natural
    ) - initial(before, floor.price, natural)
    used = margin(before, floor.price, natural)
    free = portfolio.value({symbol: floor.price(symbol) for symbol in before}) - used
    # What long options cost leaves the account; what short ones bring is not yet there.
    needed = max(Decimal(0), needed) + max(Decimal(0), cost)
    if not order.combo and order.limit_price is not None and order.limit_price * order.legs[0].ratio < 0:
        needed = free + 1
    if needed <= free:
        return None
    ids = ",".join(map(str, ticket.lean_ids))
    return (
        f"Order Error: ids: [{ids}], Insufficient buying power to complete orders (Value:[{cost}]), Reason: "
        f"Id: {ticket.legs[0].lean_id}, Initial Margin: {needed}, Free Margin: {free}."
    )


def _cost_price(order: BrokerOrder, leg: BrokerLeg, floor: Floor) -> float:
    prices = floor.prices[leg.symbol]
    price = market_price(prices, leg.ratio) or prices.price
    if not order.combo and order.limit_price is not None and order.limit_price * leg.ratio > 0:
        return float(abs(order.limit_price))
    return price


def rounded(frame: protocol.PlaceOrder) -> protocol.PlaceOrder:
    """The order with its prices on ticks, as LEAN rounds them."""
    symbol = frame.legs[0].symbol
    return msgspec.structs.replace(
        frame,
        limit_price=None if frame.limit_price is None else lean_round(symbol, frame.limit_price),
        stop_price=None if frame.stop_price is None else lean_round(symbol, frame.stop_price),
        leg_limits=None
        if frame.leg_limits is None
        else tuple(lean_round(leg.symbol, price) for price, leg in zip(frame.leg_limits, frame.legs, strict=True)),
    )
