"""Open positions as the desk looks at them: the book's durable lots, with marks and greeks of the newest view.

Dollars are decimal strings, prices per share and measures are numbers; what is not known is null, never 0.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import gcd
from typing import Any, Literal

import msgspec
import numpy as np

from actors.messages.book import Position
from actors.messages.order_state import Order
from actors.options.contracts import Contract, multiplier_of, parse_symbol, underlying_of
from actors.options.matching import match
from actors.options.measures import contract_greeks, gamma_per_percent, signed_sum
from actors.options.payoff import Amount, Leg, MixedExpiries, Payoff, Unlimited, payoff
from daemon.amounts import amount, dollars, plain
from daemon.views import BrokenView, Views
from daemon.views_market import Flag, Shown, number

_WORST: tuple[Flag, ...] = ("good", "model", "stale", "none")


class LegShown(msgspec.Struct, frozen=True, kw_only=True):
    """One holding of a position. `quantity` is signed; `price` what its lots cost on average, per share; greeks are
    the leg's whole: shares, shares per $1, $ a day, $ a volatility point."""

    symbol: str
    kind: Literal["option", "stock"]
    right: Literal["C", "P"] | None
    strike: str | None
    expiry: dt.date | None
    quantity: int
    multiplier: int
    price: str
    bid: float | None
    ask: float | None
    mark: float | None
    mark_flag: Flag
    mark_value: str | None
    iv: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None


class MeasuresShown(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over signed contracts: delta in shares, gamma in shares per $1 and 1 %, theta $ a day, vega $ a point."""

    delta: float | None
    delta_dollars: float | None
    gamma: float | None
    gamma_percent: float | None
    theta: float | None
    vega: float | None


class RestingShown(msgspec.Struct, frozen=True, kw_only=True):
    """An order that names this position and is not ended: what works at the broker (`at_market`), or waits here."""

    order_id: str
    state: str
    at_market: bool
    reducing: bool
    limit_price: str | None
    time_in_force: str
    open_legs: dict[str, int]


class PositionShown(msgspec.Struct, frozen=True, kw_only=True):
    """An open position.

    `cash` is what came in less what went out, fees included. `mark_value` and `natural_value` are what its legs would
    bring at their marks and at the price that fills now; `between` is the dollars from one to the other.
    `profit_mark` and `profit_natural` are cash plus those. `entry`, `mark` and `natural` are per unit, positive paid.
    `maximum_profit` and `maximum_loss` are at expiry from here, cash included ('unlimited' is a value; null where legs
    expire apart). `short_distance` is the nearest short strike's distance from spot in expected moves to its fixing
    (negative: in the money). `if_we_die` is what rests at the broker and the worst at expiry without us.
    `broken`: legs that ended orders left unequal, the ones that wait for a hand first.
    """

    position_id: str
    campaign_id: str
    order_id: str
    underlying: str
    strategy: str | None
    units: int
    opened_at: dt.datetime
    legs: tuple[LegShown, ...]
    holdings: dict[str, int]
    spot: float | None
    cash: str
    fees: str
    entry: str | None
    mark: str | None
    natural: str | None
    mark_flag: Flag
    mark_value: str | None
    natural_value: str | None
    between: str | None
    profit_mark: str | None
    profit_natural: str | None
    profit_of_maximum: float | None
    maximum_profit: str | None
    maximum_loss: str | None
    break_evens: tuple[str, ...] | None
    measures: MeasuresShown
    short_delta: float | None
    short_distance: float | None
    dte: int | None
    last_trade: dt.datetime | None
    delivered: bool
    broken: tuple[BrokenView, ...]
    resting: tuple[RestingShown, ...]
    if_we_die: str
    next_rule: str | None


class Valued(msgspec.Struct, frozen=True, kw_only=True):
    """Holdings at a market: dollars at mark and at natural (None where a leg has none), and the worst flag."""

    mark: Decimal | None
    natural: Decimal | None
    flag: Flag


def value(market: Shown | None, holdings: dict[str, int]) -> Valued:
    """Dollars that signed holdings are worth."""
    if market is None:
        nothing = None if holdings else Decimal(0)
        return Valued(mark=nothing, natural=nothing, flag="none" if holdings else "good")
    marked: float | None = 0.0
    natural: float | None = 0.0
    worst: Flag = "good"
    for symbol, quantity in holdings.items():
        size = quantity * multiplier_of(symbol)
        mark, flag = market.mark(symbol)
        worst = _WORST[max(_WORST.index(worst), _WORST.index(flag))]
        marked = None if mark is None or marked is None else marked + size * mark
        quote = market.quotes.quote(symbol)
        side = quote.bid if quantity > 0 else quote.ask
        natural = None if side is None or natural is None else natural + size * side
    return Valued(mark=_money(marked), natural=_money(natural), flag=worst)


def position_shown(
    position: Position, market: Shown | None, orders: Iterable[Order], now: dt.datetime,
    broken: Iterable[BrokenView] = (),
) -> PositionShown:  # fmt: skip
    """A position with everything that is known of it now."""
    holdings = position.holdings
    legs = [Leg(symbol, quantity) for symbol, quantity in holdings.items()]
    underlying = underlying_of(next(iter(holdings)))
    found = match(legs)
    units = units_of(holdings)
    valued = value(market, holdings)
    shape = _payoff(legs)
    size = max(multiplier_of(symbol) for symbol in holdings)
    cash = position.cash
    maximum = None if shape is None else _plus(shape.maximum, cash)
    least = None if shape is None else _plus(shape.minimum, cash)
    profit = None if valued.mark is None else cash + valued.mark
    spot = None if market is None else market.quotes.price(underlying)
    resting = tuple(_resting(order) for order in orders if order.body.position_id == position.position_id)
    shorts = _shorts(holdings, market, spot)
    last_trade = _last_trade(holdings, market)
    return PositionShown(
        position_id=position.position_id, campaign_id=position.campaign_id, order_id=position.order_id,
        underlying=underlying, strategy=None if found is None else found.name, units=units,
        opened_at=position.opened_at, legs=tuple(_leg(position, symbol, market) for symbol in sorted(holdings)),
        holdings=holdings, spot=spot, cash=dollars(cash), fees=dollars(position.fees),
        entry=_per_unit(-(cash + position.fees), units, size), mark=_per_unit(valued.mark, units, size),
        natural=_per_unit(valued.natural, units, size), mark_flag=valued.flag, mark_value=_or(valued.mark),
        natural_value=_or(valued.natural),
        between=None if valued.mark is None or valued.natural is None else dollars(valued.mark - valued.natural),
        profit_mark=_or(profit), profit_natural=None if valued.natural is None else dollars(cash + valued.natural),
        profit_of_maximum=_fraction(profit, maximum), maximum_profit=amount(maximum),
        maximum_loss=None if least is None else amount(least if isinstance(least, Unlimited) else -least),
        break_evens=None if shape is None else tuple(plain(spot) for spot in shape.break_evens(cash)),
        measures=measures(market, holdings), short_delta=shorts[0], short_distance=shorts[1],
        dte=None if last_trade is None else max(0, (last_trade.date() - now.date()).days), last_trade=last_trade,
        delivered=position.delivered,
        broken=tuple(sorted(broken, key=lambda each: each.phase != "waiting")),
        resting=resting, if_we_die=_if_we_die(resting, least), next_rule=None,
    )  # fmt: skip


def positions_shown(views: Views, market: Shown | None, now: dt.datetime) -> tuple[PositionShown, ...]:
    """Every open position, by underlying, then campaign, then age."""
    live = tuple(views.orders.live.values())
    found = [
        position_shown(position, market, live, now, views.broken.get(position.position_id, {}).values())
        for position in views.book.positions.values()
    ]
    return tuple(sorted(found, key=lambda each: (each.underlying, each.campaign_id, each.opened_at, each.position_id)))


def measures(market: Shown | None, holdings: dict[str, int]) -> MeasuresShown:
    """Greeks of signed holdings on one or several underlyings; null as soon as one that is held is not known."""
    rows = [_measure(market, symbol) for symbol in holdings]
    held = list(holdings.values())
    delta, gamma, theta, vega, spots = (np.array([row[column] for row in rows]) for column in range(5))
    return MeasuresShown(
        delta=_shown(signed_sum(delta, held)), delta_dollars=_shown(signed_sum(delta * spots, held)),
        gamma=_shown(signed_sum(gamma, held)),
        gamma_percent=_shown(signed_sum(gamma_per_percent(gamma, spots), held)),
        theta=_shown(signed_sum(theta, held)), vega=_shown(signed_sum(vega, held)),
    )  # fmt: skip


def _measure(market: Shown | None, symbol: str) -> tuple[float, float, float, float, float]:
    """Delta, gamma, theta, vega of one contract or share, and its underlying's spot; NaN for what is not known."""
    nan = float("nan")
    if market is None:
        return nan, nan, nan, nan, nan
    spot = market.quotes.price(underlying_of(symbol))
    level = nan if spot is None else spot
    if multiplier_of(symbol) == 1:
        return 1.0, 0.0, 0.0, 0.0, level
    place = market.place(symbol)
    if place is None:
        return nan, nan, nan, nan, level
    chain, index = market.chain, market.chain.index
    one = slice(place, place + 1)
    each = type(chain.greeks)(*(getattr(chain.greeks, field)[one] for field in chain.greeks.__struct_fields__))
    whole = contract_greeks(
        each, chain.forward[one], index.strikes[one], chain.time[one], 1.0, index.is_call[one],
        multiplier=multiplier_of(symbol),
    )  # fmt: skip
    return float(whole.delta[0]), float(whole.gamma[0]), float(whole.theta[0]), float(whole.vega[0]), level


def _leg(position: Position, symbol: str, market: Shown | None) -> LegShown:
    parsed, quantity = parse_symbol(symbol), position.holding(symbol)
    lots = [lot for lot in position.lots if lot.symbol == symbol]
    price = sum((lot.price * lot.quantity for lot in lots), Decimal(0)) / quantity
    mark, flag = (None, "none") if market is None else market.mark(symbol)
    quote = None if market is None else market.quotes.quote(symbol)
    place = None if market is None else market.place(symbol)
    greeks = _measure(market, symbol)
    option = parsed if isinstance(parsed, Contract) else None
    size = multiplier_of(symbol)
    return LegShown(
        symbol=symbol, kind="stock" if option is None else "option", right=None if option is None else option.right,
        strike=None if option is None else plain(option.strike), expiry=None if option is None else option.expiry,
        quantity=quantity, multiplier=size, price=plain(price.quantize(Decimal("0.0001")).normalize()),
        bid=None if quote is None else quote.bid, ask=None if quote is None else quote.ask,
        mark=None if mark is None else round(mark, 6), mark_flag=flag,
        mark_value=None if mark is None else _or(_money(quantity * size * mark)),
        iv=None if market is None or place is None else _shown(float(market.chain.volatility[place])),
        delta=_shown(quantity * greeks[0]), gamma=_shown(quantity * greeks[1]), theta=_shown(quantity * greeks[2]),
        vega=_shown(quantity * greeks[3]),
    )  # fmt: skip


def _resting(order: Order) -> RestingShown:
    limit = order.body.limit_price
    return RestingShown(
        order_id=order.order_id, state=order.state, at_market=order.at_market, reducing=order.reducing,
        limit_price=None if limit is None else plain(limit), time_in_force=order.body.time_in_force,
        open_legs={leg.symbol: order.open_quantity(index) for index, leg in enumerate(order.body.legs)},
    )  # fmt: skip


def _if_we_die(resting: Sequence[RestingShown], least: Amount | None) -> str:
    working = [each for each in resting if each.at_market]
    rests = f"{len(working)} resting at the broker" if working else "nothing rests at the broker"
    if least is None:
        return f"{rests}; legs expire apart, the worst is not known"
    worst = "unlimited" if isinstance(least, Unlimited) else f"${-least:,.2f}" if least < 0 else "no loss"
    return f"{rests}; worst at expiry {worst}"


def _shorts(holdings: dict[str, int], market: Shown | None, spot: float | None) -> tuple[float | None, float | None]:
    """The largest |delta| of a short contract, and the nearest short strike's distance in expected moves."""
    if market is None or spot is None:
        return None, None
    deltas: list[float] = []
    distances: list[float] = []
    for symbol, quantity in holdings.items():
        contract, place = parse_symbol(symbol), market.place(symbol)
        if quantity >= 0 or not isinstance(contract, Contract) or place is None:
            continue
        delta = number(market.chain.greeks.delta[place])
        if delta is not None:
            deltas.append(delta)
        level, time = float(market.chain.last_volatility[place]), float(market.chain.time[place])
        move = spot * level * time**0.5
        if move == move and move > 0:
            away = float(contract.strike) - spot
            distances.append((away if contract.right == "C" else -away) / move)
    short = max(deltas, key=abs, default=None)
    near = min(distances, default=None)
    return None if short is None else round(short, 4), None if near is None else round(near, 3)


def _last_trade(holdings: dict[str, int], market: Shown | None) -> dt.datetime | None:
    """The first instant at which one of the contracts trades last."""
    found = [security.last_trade for symbol in holdings if market and (security := market.quotes.security(symbol))]
    return min((each for each in found if each is not None), default=None)


def _payoff(legs: Sequence[Leg]) -> Payoff | None:
    try:
        return payoff(legs)
    except MixedExpiries:
        return None


def units_of(holdings: dict[str, int]) -> int:
    """Units of the smallest whole form; stock beside options counts in hundreds where it can."""
    mixed = any(multiplier_of(symbol) > 1 for symbol in holdings)
    return gcd(
        *(
            quantity // 100 if mixed and multiplier_of(symbol) == 1 and quantity % 100 == 0 else quantity
            for symbol, quantity in holdings.items()
        )
    )


def _plus(value: Amount, cash: Decimal) -> Amount:
    return value if isinstance(value, Unlimited) else value + cash


def _or(value: Decimal | None) -> str | None:
    return None if value is None else dollars(value)


def _money(value: float | None) -> Decimal | None:
    return None if value is None or value != value else Decimal(repr(round(value, 2)))


def _per_unit(value: Decimal | None, units: int, size: int) -> str | None:
    return None if value is None else str((value / (units * size)).quantize(Decimal("0.0001")) + 0)


def _fraction(profit: Decimal | None, maximum: Any) -> float | None:
    """Profit as a fraction of the most it can be; null where that is unlimited or nothing."""
    if profit is None or maximum is None or isinstance(maximum, Unlimited) or maximum <= 0:
        return None
    return round(float(profit / maximum), 4)


def _shown(value: float) -> float | None:
    found = number(value)
    return None if found is None else round(found, 6)
