"""What an order would do, before anybody sends it: prices, dollars, the exact payoff, and the real gate's verdict.

Nothing is made and nothing is recorded: the actors' own pure decisions run on a copy of their tables.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec

from actors.book_limits import judge_book
from actors.messages.common import Reason
from actors.messages.order_state import OrderTable, fold
from actors.messages.orders import OrderApproved, OrderBody, OrderDenied, OrderQueued, OrderReleased, SubmitOrder
from actors.options.contracts import Contract, is_option, parse_symbol
from actors.options.matching import match
from actors.options.orders import OrderLeg, cash_of, net_price
from actors.options.payoff import Leg, MixedExpiries, Payoff, Unlimited, payoff
from actors.orders import Orders
from actors.risk import Risk
from actors.runtime import Issued, Recorded
from bridge.paper.fees import lean_fee
from daemon.amounts import amount, dollars, plain
from daemon.api.desk import Desk
from daemon.bodies import SubmitBody
from daemon.views_chances import chances_of
from daemon.views_market import Shown

_ORDER = "preview"


class PreviewBody(SubmitBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As for a submit; without `limit_price` the middle of the quotes is taken."""

    order_id: str = _ORDER


class LegPreview(msgspec.Struct, frozen=True, kw_only=True):
    """One leg with its quote, per share, and whether it opens or closes (null where the gate refused)."""

    symbol: str
    ratio: int
    quantity: int
    bid: float | None
    ask: float | None
    mark: float | None
    mark_flag: str
    effect: str | None
    fee: str


class ReasonShown(msgspec.Struct, frozen=True, kw_only=True):
    """A control that spoke: its name, words, the value it saw and the limit it holds."""

    control: str
    message: str
    value: str
    limit: str


class VerdictShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the pre-trade gate would say now: every control that refuses, or what would be reserved."""

    approved: bool
    reducing: bool | None
    risk_class: str | None
    reserved: str | None
    reasons: tuple[ReasonShown, ...]


class PreviewShown(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it would be.

    `limit_price` is after rounding to the class's ticks; `natural` fills now, `far` is its mirror, `mid` between them:
    per share of one unit, positive paid. `cash` is what `quantity` units move at the limit (positive paid) before
    `fees` (LEAN's fee model, one way). Profit, loss, break-evens and `vertices` ([spot, dollars]) are at expiry with
    cash and fees in; beyond the last vertex a dollar of spot is `slope` dollars; 'unlimited' is a value; null where
    legs expire apart. `buying_power_effect` is the change of available funds with all live orders counted, and
    `scenario_change` the worst of the scenario grid before and after, in words; null without a market or a price.
    `probability_of_profit` and `expected_value` (dollars) are held to expiry, risk-neutral, from the expiry's fitted
    smile after round-trip fees; null where legs expire apart or quotes carry no smile.
    """

    sentence: str
    strategy: str | None
    limit_price: str | None
    natural: str | None
    mid: str | None
    far: str | None
    cash: str | None
    fees: str
    maximum_profit: str | None
    maximum_loss: str | None
    break_evens: tuple[str, ...] | None
    vertices: tuple[tuple[str, str], ...] | None
    slope: str | None
    probability_of_profit: float | None
    expected_value: str | None
    buying_power_effect: str | None
    scenario_change: str | None
    verdict: VerdictShown
    legs: tuple[LegPreview, ...]
    view: int
    at: dt.datetime


def preview(desk: Desk, principal: str, body: PreviewBody) -> PreviewShown:
    """The order as it would be, now. Raises Refusal as a submit would."""
    market = desk.market
    wanted = body.body()
    prices = _prices(market, wanted)
    if wanted.type == "limit" and wanted.limit_price is None and wanted.leg_limits is None and prices[1] is not None:
        wanted = msgspec.structs.replace(wanted, limit_price=prices[1].quantize(Decimal("0.01")))
    queued = _queued(desk, principal, wanted)
    verdict, effects = _verdict(desk, queued)
    power, change = _book(desk, queued)
    net = _net(queued.body, prices[1])
    fees = _fees(queued.body, net)
    legs = [OrderLeg(leg.symbol, leg.ratio) for leg in queued.body.legs]
    cash = None if net is None else cash_of(legs, net, queued.body.quantity)
    shape = _payoff(queued.body)
    total = sum(fees, Decimal(0))
    found = match(Leg(leg.symbol, leg.ratio * queued.body.quantity) for leg in queued.body.legs)
    received = None if cash is None else -cash - total
    edges = _edges(shape, received)
    # Held to expiry it is paid for once more at the most, on the way out.
    odds = None if net is None else chances_of(market, legs, net, queued.body.quantity, 2 * total)
    return PreviewShown(
        sentence=_sentence(queued.body, None if found is None else found.name, net, cash, total, edges[1]),
        strategy=None if found is None else found.name,
        limit_price=None if queued.body.limit_price is None else str(queued.body.limit_price),
        natural=_text(prices[0]), mid=_text(prices[1]), far=_text(prices[2]),
        cash=None if cash is None else dollars(cash), fees=dollars(total), maximum_profit=edges[0],
        maximum_loss=edges[1], break_evens=edges[2], vertices=edges[3],
        slope=None if shape is None else str(shape.slope),
        probability_of_profit=None if odds is None else round(odds.profit, 4),
        expected_value=None if odds is None else f"{odds.expected:.2f}", buying_power_effect=power,
        scenario_change=change, verdict=verdict,
        legs=tuple(_leg(market, queued.body, place, effects, fees[place]) for place in range(len(legs))),
        view=0 if market is None else market.view.number, at=desk.now,
    )  # fmt: skip


def _queued(desk: Desk, principal: str, body: OrderBody) -> OrderQueued:
    """The body as `orders` would queue it. Raises Refusal."""
    state = desk.driver.core.state("orders")
    issued = Issued("preview", principal, 2**63, SubmitOrder(_name(state.table), body))
    decision = Orders(desk.rules, desk.sessions).decide(state, issued, desk.now, desk.driver.core.market)
    fact = decision.writes[0].fact
    assert isinstance(fact, OrderQueued)
    return fact


def _name(table: OrderTable) -> str:
    name = _ORDER
    while name in table.orders:
        name += "'"
    return name


def _verdict(desk: Desk, queued: OrderQueued) -> tuple[VerdictShown, tuple[str, ...]]:
    """The gate's own decision on a copy of its table that has this order released."""
    state, now, id = desk.driver.core.state("risk"), desk.now, queued.order_id
    table = OrderTable(dict(state.table.orders), dict(state.table.live))
    released = OrderReleased(id, 1)
    fold(table, Recorded(2**62, f"order/{id}", 1, now, 0, queued))
    recorded = Recorded(2**62 + 1, f"order/{id}", 2, now, 0, released)
    fold(table, recorded)
    copy = msgspec.structs.replace(state, table=table)
    decision = Risk(desk.rules, desk.sessions).decide(copy, recorded, now, desk.driver.core.market)
    match_on: Any = decision.writes[0].fact
    if isinstance(match_on, OrderDenied):
        reasons = tuple(map(reason_shown, match_on.reasons))
        return VerdictShown(approved=False, reducing=None, risk_class=None, reserved=None, reasons=reasons), ()
    assert isinstance(match_on, OrderApproved)
    approved = VerdictShown(
        approved=True, reducing=match_on.reducing, risk_class=match_on.risk_class, reserved=dollars(match_on.reserved),
        reasons=(),
    )  # fmt: skip
    return approved, match_on.effects


def _book(desk: Desk, queued: OrderQueued) -> tuple[str | None, str | None]:
    """The change of buying power in dollars, and of the worst scenario in words."""
    state, view = desk.driver.core.state("risk"), desk.driver.core.market
    if view is None:
        return None, None
    table = OrderTable(dict(state.table.orders), dict(state.table.live))
    fold(table, Recorded(2**62, f"order/{queued.order_id}", 1, desk.now, 0, queued))
    equity = state.equity if state.equity is not None else state.book.cash
    found = judge_book(
        table, state.book.holdings, state.book.cash, equity, table.orders[queued.order_id], queued.body, desk.rules,
        view, desk.now, desk.sessions,
    )  # fmt: skip
    if found.power is None or found.limits is None:
        return None, None
    before, after = found.limits.before, found.limits.after
    words = f"worst scenario {before.worst:,.2f} before, {after.worst:,.2f} after ({after.worst_scenario.words})"
    return dollars(found.power.change), words


def reason_shown(reason: Reason) -> ReasonShown:
    """A reason for JSON."""
    return ReasonShown(control=reason.control, message=reason.message, value=reason.value, limit=reason.limit)


Prices = tuple[Decimal | None, Decimal | None, Decimal | None]


def _prices(market: Shown | None, body: OrderBody) -> Prices:
    """Natural, middle and far of one unit, None where a leg's side is not quoted."""
    if market is None:
        return None, None, None
    legs = [OrderLeg(leg.symbol, leg.ratio) for leg in body.legs]
    natural, far = dict[str, Decimal](), dict[str, Decimal]()
    for leg in legs:
        quote = market.quotes.quote(leg.symbol)
        near, away = (quote.ask, quote.bid) if leg.ratio > 0 else (quote.bid, quote.ask)
        if near is not None:
            natural[leg.symbol] = Decimal(repr(near))
        if away is not None:
            far[leg.symbol] = Decimal(repr(away))
    full = len(natural) == len(legs)
    near_net = net_price(legs, natural) if full else None
    far_net = net_price(legs, far) if len(far) == len(legs) else None
    mid = None if near_net is None or far_net is None else (near_net + far_net) / 2
    return near_net, mid, far_net


def _text(price: Decimal | None) -> str | None:
    return None if price is None else f"{price.normalize() + 0:f}"


def _net(body: OrderBody, mid: Decimal | None) -> Decimal | None:
    """The net at which the order is reckoned: its limit, else the sum of its legs' limits, else the middle."""
    if body.limit_price is not None:
        return body.limit_price
    if body.leg_limits is not None:
        prices = {leg.symbol: price for leg, price in zip(body.legs, body.leg_limits, strict=True)}
        return net_price([OrderLeg(leg.symbol, leg.ratio) for leg in body.legs], prices)
    return mid


def _fees(body: OrderBody, net: Decimal | None) -> list[Decimal]:
    price = Decimal(1) if net is None else net
    return [lean_fee(leg.symbol, leg.ratio * body.quantity, price) for leg in body.legs]


def _payoff(body: OrderBody) -> Payoff | None:
    try:
        return payoff(Leg(leg.symbol, leg.ratio * body.quantity) for leg in body.legs)
    except MixedExpiries:
        return None


Edges = tuple[str | None, str | None, tuple[str, ...] | None, tuple[tuple[str, str], ...] | None]


def _edges(shape: Payoff | None, received: Decimal | None) -> Edges:
    """Most won, most lost, break-evens and vertices, with what was received."""
    if shape is None or received is None:
        return None, None, None, None
    most, least = shape.maximum, shape.minimum
    won = amount(most if isinstance(most, Unlimited) else most + received)
    lost = amount(least if isinstance(least, Unlimited) else -(least + received))
    vertices = tuple(
        (plain(spot), dollars(value + received)) for spot, value in zip(shape.spots, shape.values, strict=True)
    )
    return won, lost, tuple(f"{spot:.4f}" for spot in shape.break_evens(received)), vertices


def _leg(market: Shown | None, body: OrderBody, place: int, effects: tuple[str, ...], fee: Decimal) -> LegPreview:
    leg = body.legs[place]
    quote = None if market is None else market.quotes.quote(leg.symbol)
    mark, flag = (None, "none") if market is None else market.mark(leg.symbol)
    return LegPreview(
        symbol=leg.symbol, ratio=leg.ratio, quantity=leg.ratio * body.quantity,
        bid=None if quote is None else quote.bid, ask=None if quote is None else quote.ask,
        mark=None if mark is None else round(mark, 6), mark_flag=flag, effect=effects[place] if effects else None,
        fee=dollars(fee),
    )  # fmt: skip


def _sentence(
    body: OrderBody, name: str | None, net: Decimal | None, cash: Decimal | None, fees: Decimal, lost: str | None
) -> str:
    """The order in words, as it is confirmed: 'SELL 5 iron condors for a credit of at least 1.05 ($525.00), …'."""
    sells = net < 0 if net is not None else body.legs[0].ratio < 0
    if len(body.legs) == 1:
        sells = body.legs[0].ratio < 0
    words = [f"{'SELL' if sells else 'BUY'} {_what(body, name)}"]
    if cash is not None and net is not None:
        limit = body.limit_price is not None or body.leg_limits is not None
        bound = ("at least " if net < 0 else "at most ") if limit else "about "
        side = "credit" if net < 0 else "debit"
        words[0] += f" for a {side} of {bound}{abs(net)} (${abs(cash):,.2f})"
    words.append(f"fees {fees:,.2f}")
    if lost is None:
        words.append("max loss not known: legs expire apart" if cash is not None else "max loss not known")
    else:
        words.append(f"max loss {lost if lost == 'unlimited' else f'${Decimal(lost):,.2f}'}")
    return ", ".join(words)


def _what(body: OrderBody, name: str | None) -> str:
    first = parse_symbol(body.legs[0].symbol)
    if len(body.legs) == 1:
        if not isinstance(first, Contract):
            return f"{body.quantity} {'share' if body.quantity == 1 else 'shares'} of {first}"
        right = "call" if first.right == "C" else "put"
        count = abs(body.legs[0].ratio) * body.quantity
        return f"{count} {first.root} {first.expiry} {plain(first.strike)} {right}"
    underlying = next(
        (each.underlying for leg in body.legs if isinstance(each := parse_symbol(leg.symbol), Contract)),
        str(first),
    )
    text = f"{len(body.legs)}-leg order" if name is None else name.lower()
    stocked = " with stock" if name is None and any(not is_option(leg.symbol) for leg in body.legs) else ""
    return f"{body.quantity} {underlying} {text}{'s' if body.quantity != 1 else ''}{stocked}"
