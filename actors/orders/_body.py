"""What an order may look like, and its limit on the ticks of its class. Pure; no order's way is decided here."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from actors.messages.orders import OrderBody
from actors.options.contracts import SymbolError, parse_symbol
from actors.options.orders import LegsError, validate_legs
from actors.options.orders import OrderLeg as LegRatio
from actors.options.ticks import round_signed, tick
from actors.orders._state import OrdersState
from actors.runtime import Refusal
from config.desk import DeskRules


def check_body(body: OrderBody, rules: DeskRules) -> None:
    """Refuse a body that is not normalised, in words. What LEAN itself judges passes when only LEAN's rules hold."""
    if not body.legs:
        raise Refusal("invalid", "an order needs at least one leg")
    if body.quantity <= 0:
        raise Refusal("invalid", f"quantity {body.quantity} must be above 0; ratios carry the side")
    for leg in body.legs:
        if leg.ratio == 0:
            raise Refusal("invalid", f"ratio of {leg.symbol.strip()} is 0")
        try:
            parse_symbol(leg.symbol)
        except SymbolError as error:
            raise Refusal("invalid", str(error)) from None
    for price in (body.limit_price, body.stop_price, *(body.leg_limits or ())):
        if price is not None and not price.is_finite():
            raise Refusal("invalid", f"a price must be a number, not {price}")
    if body.type in ("stop", "market_on_close") and len(body.legs) > 1:
        raise Refusal("invalid", f"a {body.type} order has one leg, not {len(body.legs)}")
    if body.leg_limits is not None:
        if body.limit_price is not None:
            raise Refusal("invalid", "limit_price and leg_limits exclude each other")
        if len(body.leg_limits) != len(body.legs):
            raise Refusal("invalid", f"{len(body.leg_limits)} leg_limits for {len(body.legs)} legs")
        if any(price <= 0 for price in body.leg_limits) and not rules.lean_rules:
            raise Refusal("invalid", "every leg limit must be above 0")
    needs_limit = body.type == "limit" and body.leg_limits is None
    if needs_limit and body.limit_price is None:
        raise Refusal("invalid", "a limit order needs limit_price or leg_limits")
    if body.type != "limit" and (body.limit_price is not None or body.leg_limits is not None):
        raise Refusal("invalid", f"a {body.type} order has no limit")
    if (body.type == "stop") != (body.stop_price is not None):
        raise Refusal("invalid", "stop_price belongs to stop orders, and they need it")
    if body.stop_price is not None and body.stop_price <= 0:
        raise Refusal("invalid", f"stop_price {body.stop_price} must be above 0")
    if body.ttl_seconds is not None and body.ttl_seconds <= 0:
        raise Refusal("invalid", f"ttl_seconds {body.ttl_seconds} must be above 0")
    if rules.lean_rules:
        return
    try:
        validate_legs([LegRatio(leg.symbol, leg.ratio) for leg in body.legs])
    except LegsError as error:
        raise Refusal("invalid", str(error)) from None
    if body.limit_price == Decimal(0) and not rules.even_money:
        raise Refusal("invalid", "limit_price 0 can't be expressed")
    if body.sell_group:
        raise Refusal("invalid", "sell_group is for runs under lean's rules only")


def closes(state: OrdersState, body: OrderBody) -> bool:
    """Whether every leg stands against the holding of the position named: first in the queue. The gate decides."""
    position = state.book.positions.get(body.position_id)
    if position is None:
        return False
    holdings = position.holdings
    return all(leg.ratio * holdings.get(leg.symbol, 0) < 0 for leg in body.legs)


def on_grid(state: OrdersState, body: OrderBody, rules: DeskRules) -> OrderBody:
    """The body with its limit on the class's ticks, before LEAN sees it: away from filling on entry, toward it on
    exit. Even money becomes one tick."""
    if body.limit_price is None or rules.lean_rules or (body.limit_price != 0 and not rules.tick_rounding):
        return body
    combo = len(body.legs) > 1
    steps = [tick(leg.symbol, body.limit_price, complex_order=combo) for leg in body.legs]
    price = round_signed(body.limit_price, max(steps), opening=not closes(state, body))
    return msgspec.structs.replace(body, limit_price=price)
