"""The ticket: what an order costs, may lose and win, takes of buying power and does to the book, in numbers and words.

Pure: everything comes in. It decides nothing; the gate's verdicts are shown as it would give them on these inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

import msgspec
import numpy as np

from actors.options.buying_power import Account, BuyingPowerEffect, bp_effect
from actors.options.contracts import Contract, is_option, multiplier_of, parse_symbol
from actors.options.limits import LimitVerdict, RiskLimits, judge
from actors.options.matching import match
from actors.options.orders import OrderLeg, cash_of, net_price, validate_legs
from actors.options.payoff import UNLIMITED, Amount, Leg, MixedExpiries, payoff
from actors.options.reducing import WorkingOrder, is_reducing
from actors.options.regt import MarginUnknown
from actors.options.risk_market import RiskMarket, RiskOrder, risk_order
from actors.options.scenarios import SpotUnknown, reprice

_CENT = Decimal("0.01")
_YEAR_SECONDS = 365.0 * 24 * 3600

#: Dollars for filling a signed quantity of a symbol; the order's net limit per share is told for fee tables by premium.
Fee = Callable[[str, int, Decimal], Decimal]
#: Probability that these signed quantities with this cash (received positive, round-trip fees taken off) end above 0
#: at the nearest expiry; None where there is none.
Probability = Callable[[Mapping[str, int], Decimal], float | None]
Money = Decimal | Literal["unlimited"] | None


def usual_fee(symbol: str, quantity: int, limit: Decimal) -> Decimal:
    """0.65 a contract, 0.005 a share and 1.00 at least: what a broker usually asks. `limit` is not used."""
    size = abs(quantity)
    return Decimal("0.65") * size if is_option(symbol) else max(Decimal(1), Decimal("0.005") * size)


class Ticket(msgspec.Struct, frozen=True):
    """The order as wanted: normalised legs, units above 0, the signed limit per share of one unit (positive paid)."""

    legs: tuple[OrderLeg, ...]
    quantity: int
    limit_price: Decimal


class BookSeen(msgspec.Struct, frozen=True):
    """The book that the order meets: the account, net holdings by symbol, all other open orders; and, where the order
    names a position, that position's holdings and its other open orders."""

    account: Account
    holdings: Mapping[str, int]
    working: tuple[RiskOrder, ...] = ()
    position: Mapping[str, int] | None = None
    closing: tuple[WorkingOrder, ...] = ()


class PreviewRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a preview is judged by. Fractions of equity; None switches a control off."""

    limits: RiskLimits = RiskLimits()
    maximum_loss_fraction: float | None = 0.02
    maximum_order_contracts: int | None = 10
    legs_fill_apart: bool = True
    fee: Fee = usual_fee


class PreviewResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. Prices per share of one unit, signed as limits are; money in dollars for the whole order.

    `natural` fills now, `far` is its mirror, `middle` lies between; None where a leg lacks that quote. `debit` is what
    leaves at the limit (negative: comes in), fees apart. `maximum_loss` (positive), `maximum_profit` and `break_evens`
    are at expiry at the limit, before fees; with several expiries they are the model's at the nearest (`estimated`).
    `vertices` are (underlying, dollars) of the profit and loss at expiry, `slope_above` dollars per dollar beyond the
    last. `buying_power` is None where margin can't be told, `worst_before` and `worst_after` the worst dollars of the
    scenario grid with all open orders. `verdicts` holds every control with value and limit; `passes` whether none of
    them refuses (a reducing order is refused by none). `notes` say in words what was not known.
    """

    words: str
    name: str
    natural: Decimal | None
    far: Decimal | None
    middle: Decimal | None
    debit: Decimal
    fees: Decimal
    round_trip_fees: Decimal
    maximum_loss: Money
    maximum_profit: Money
    break_evens: tuple[Decimal, ...]
    vertices: tuple[tuple[Decimal, Decimal], ...]
    slope_above: Decimal
    estimated: bool
    probability_of_profit: float | None
    buying_power: BuyingPowerEffect | None
    worst_before: Decimal | None
    worst_after: Decimal | None
    worst_scenario: str
    reducing: bool
    reducing_reasons: tuple[str, ...]
    verdicts: tuple[LimitVerdict, ...]
    passes: bool
    notes: tuple[str, ...]


def preview(
    order: Ticket, book: BookSeen, chain: RiskMarket, rules: PreviewRules, probability: Probability | None = None
) -> PreviewResult:
    """What `order` would do: prices, cash, payoff, buying power, scenarios, and each limit's verdict, in words.

    `chain` must hold the underlyings and options of the order, of `book.holdings` and of `book.working`; a quote, beta,
    volatility or price that is missing is named in `notes`. `probability` is asked for the chance of profit at the
    limit after round-trip fees. No I/O, no clock; the same inputs give the same answer. Takes some milliseconds.

    Raises LegsError, SymbolError, ValueError for a quantity below 1, KeyError for an option that the chain lacks.
    """
    validate_legs(order.legs)
    if order.quantity < 1:
        raise ValueError(f"quantity {order.quantity} must be at least 1")
    notes: list[str] = []
    quantities = {leg.symbol: leg.ratio * order.quantity for leg in order.legs}
    fees = sum((rules.fee(symbol, size, order.limit_price) for symbol, size in quantities.items()), Decimal(0))
    debit = cash_of(order.legs, order.limit_price, order.quantity)
    shape = _shape(order, debit, chain)
    candidate = risk_order("preview", order.legs, order.quantity, order.limit_price, fees=fees)
    reducing = None
    if book.position is not None:
        reducing = is_reducing(book.position, quantities, book.closing, legs_fill_apart=rules.legs_fill_apart)
    reduces = reducing is not None and reducing.reducing
    power = _power(candidate, book, chain, notes)
    verdicts = [*_sizes(order, shape, book.account, rules), *_power_verdicts(power, book.account, rules.limits)]
    before: Decimal | None = None
    after: Decimal | None = None
    where = ""
    try:
        judgement = judge(book.holdings, chain, book.account, rules.limits, candidate, book.working)
    except (SpotUnknown, MarginUnknown) as unknown:
        notes.append(f"{unknown}")
        verdicts.append(LimitVerdict("scenarios", None, 0.0, False, f"{unknown}"))
    else:
        before, after = _money(judgement.before.worst), _money(judgement.after.worst)
        where = judgement.after.worst_scenario.words
        verdicts += judgement.verdicts
        notes += _gaps(judgement.missing_beta, judgement.borrowed, judgement.unpriced)
    natural, far = _net(order, chain, toward=True), _net(order, chain, toward=False)
    if natural is None:
        notes.append("a leg has no quote on the side that fills now: natural is not known")
    chance = None
    if probability is not None:
        chance = probability(quantities, -debit - 2 * fees)
    closing = book.position is not None and all(
        book.position.get(symbol, 0) * size < 0 for symbol, size in quantities.items()
    )
    name = _name(order, closing=closing)
    refusing = [verdict for verdict in verdicts if not verdict.holds and verdict.worsened]
    return PreviewResult(
        words=_words(order, name, debit, fees, shape.loss, closing=closing, estimated=shape.estimated),
        name=name, natural=natural, far=far, middle=None if natural is None or far is None else (natural + far) / 2,
        debit=debit, fees=fees, round_trip_fees=2 * fees, maximum_loss=shape.loss, maximum_profit=shape.profit,
        break_evens=shape.break_evens, vertices=shape.vertices, slope_above=shape.slope, estimated=shape.estimated,
        probability_of_profit=chance, buying_power=power, worst_before=before, worst_after=after, worst_scenario=where,
        reducing=reduces, reducing_reasons=() if reducing is None else reducing.reasons, verdicts=tuple(verdicts),
        passes=reduces or not refusing,
        notes=tuple(notes),
    )  # fmt: skip


# --- payoff -----------------------------------------------------------------------------------------------------


class _Shape(msgspec.Struct, frozen=True):
    loss: Money
    profit: Money
    break_evens: tuple[Decimal, ...]
    vertices: tuple[tuple[Decimal, Decimal], ...]
    slope: Decimal
    estimated: bool


def _shape(order: Ticket, debit: Decimal, chain: RiskMarket) -> _Shape:
    legs = [Leg(leg.symbol, leg.ratio * order.quantity) for leg in order.legs]
    try:
        found = payoff(legs)
    except MixedExpiries:
        return _estimate(legs, debit, chain)
    return _Shape(
        _less(found.maximum_loss, -debit), _less(found.maximum_profit, debit), found.break_evens(-debit),
        tuple((spot, value - debit) for spot, value in zip(found.spots, found.values, strict=True)), found.slope, False,
    )  # fmt: skip


def _less(amount: Amount, taken: Decimal) -> Money:
    return "unlimited" if amount is UNLIMITED else Decimal(amount) - taken


def _estimate(legs: list[Leg], debit: Decimal, chain: RiskMarket) -> _Shape:
    """The model's curve at the nearest expiry, volatilities as they are; what falls or rises at the ends of the curve
    without a bound is unlimited by the calls and shares that are left."""
    contracts = [(parse_symbol(leg.symbol), leg) for leg in legs]
    options = [(contract, leg) for contract, leg in contracts if isinstance(contract, Contract)]
    ticker = options[0][0].underlying
    seen = chain.underlyings.get(ticker)
    ends = [chain.options[leg.symbol].settles_at for _, leg in options]
    volatilities = [chain.options[leg.symbol].volatility for _, leg in options]
    slope = sum(
        (Decimal(leg.quantity * (c.multiplier if isinstance(c, Contract) else 1))
         for c, leg in contracts if not isinstance(c, Contract) or c.right == "C"),
        Decimal(0),
    )  # fmt: skip
    if seen is None or not seen.spot > 0 or any(not level >= 0 for level in volatilities):
        return _Shape(None, None, (), (), slope, True)
    strikes = sorted(float(contract.strike) for contract, _ in options)
    points = np.unique(np.concatenate((np.linspace(0.0, 2.0 * max(seen.spot, strikes[-1]), 401), strikes)))
    count = len(options)
    value = reprice(
        np.full(count, seen.spot), np.array([float(c.strike) for c, _ in options]),
        np.array([c.right == "C" for c, _ in options]),
        np.array([(end - min(ends)).total_seconds() / _YEAR_SECONDS for end in ends]), np.array(volatilities),
        np.ones((2, count)), np.broadcast_to(points / seen.spot - 1.0, (count, len(points))),
        np.ones((count, 1)),
    )  # fmt: skip
    sizes = np.array([float(leg.quantity * contract.multiplier) for contract, leg in options])
    curve = sizes @ value - float(debit)
    curve += sum(leg.quantity for contract, leg in contracts if not isinstance(contract, Contract)) * points
    cross = np.flatnonzero(np.sign(curve[:-1]) * np.sign(curve[1:]) < 0)
    roots = points[cross] - curve[cross] * (points[cross + 1] - points[cross]) / (curve[cross + 1] - curve[cross])
    return _Shape(
        "unlimited" if slope < 0 else _money(-float(curve.min())),
        "unlimited" if slope > 0 else _money(float(curve.max())),
        tuple(_money(float(root)) for root in roots),
        tuple((_money(float(x)), _money(float(y))) for x, y in zip(points, curve, strict=True)), slope, True,
    )  # fmt: skip


# --- verdicts -----------------------------------------------------------------------------------------------------


def _sizes(order: Ticket, shape: _Shape, account: Account, rules: PreviewRules) -> list[LimitVerdict]:
    found: list[LimitVerdict] = []
    options = [abs(leg.ratio) * order.quantity for leg in order.legs if is_option(leg.symbol)]
    if options and rules.maximum_order_contracts is not None:
        size, most = max(options), rules.maximum_order_contracts
        words = f"{size} contracts in a leg, at most {most} may be"
        found.append(LimitVerdict("size", float(size), float(most), size <= most, words))
    if rules.maximum_loss_fraction is not None:
        limit = round(rules.maximum_loss_fraction * float(account.equity), 2)
        share = f"{limit:,.2f} ({100 * rules.maximum_loss_fraction:g} % of equity)"
        if isinstance(shape.loss, Decimal):
            loss = max(0.0, float(shape.loss))
            words = f"maximum loss {loss:,.2f}{' (estimated)' if shape.estimated else ''}, at most {share} may be"
            found.append(LimitVerdict("maximum_loss", loss, limit, loss <= limit, words))
        else:
            what = "unlimited" if shape.loss == "unlimited" else "not known"
            words = f"maximum loss is {what}, at most {share} may be"
            found.append(LimitVerdict("maximum_loss", None, limit, False, words))
    return found


def _power(order: RiskOrder, book: BookSeen, chain: RiskMarket, notes: list[str]) -> BuyingPowerEffect | None:
    try:
        return bp_effect(order, book.holdings, chain, book.account, book.working)
    except (MarginUnknown, SpotUnknown) as unknown:
        notes.append(f"{unknown}")
        return None


def _power_verdicts(power: BuyingPowerEffect | None, account: Account, limits: RiskLimits) -> list[LimitVerdict]:
    floor = round(limits.buying_power_left * float(account.equity), 2)
    if power is None:
        return [LimitVerdict("buying_power", None, floor, False, "buying power after the order is not known")]
    left = float(power.after)
    words = (
        f"{left:,.2f} of buying power would be left, {floor:,.2f} ({100 * limits.buying_power_left:g} % of equity) "
        f"must be; {power.words}"
    )
    found = [LimitVerdict("buying_power", left, floor, left >= floor, words, power.change < 0)]
    found += [LimitVerdict("account", None, 0.0, False, words) for words in power.refused]
    return found


def _gaps(beta: tuple[str, ...], borrowed: tuple[str, ...], unpriced: tuple[str, ...]) -> list[str]:
    notes: list[str] = []
    if beta:
        notes.append(f"beta not known: {', '.join(beta)} moved by the row's own percentage, whichever way is worse")
    if borrowed:
        notes.append(f"volatility taken from a neighbour: {', '.join(symbol.strip() for symbol in borrowed)}")
    if unpriced:
        notes.append(f"no volatility, intrinsic value only: {', '.join(symbol.strip() for symbol in unpriced)}")
    return notes


# --- words --------------------------------------------------------------------------------------------------------


def _net(order: Ticket, chain: RiskMarket, *, toward: bool) -> Decimal | None:
    """The net price at which all legs trade at once (`toward`), or its mirror; None where a quote is missing."""
    prices: dict[str, Decimal] = {}
    for leg in order.legs:
        value = chain.side(leg.symbol, buying=(leg.ratio > 0) == toward)
        if value != value:
            return None
        prices[leg.symbol] = Decimal(repr(round(value, 6)))
    return net_price(order.legs, prices)


def _name(order: Ticket, *, closing: bool) -> str:
    """The strategy's name in small letters; of what is closed where the order closes."""
    turn = -1 if closing else 1
    if len(order.legs) == 1:
        leg = order.legs[0]
        parsed = parse_symbol(leg.symbol)
        if not isinstance(parsed, Contract):
            return f"{leg.symbol} share"
        right = "call" if parsed.right == "C" else "put"
        return f"{parsed.root} {parsed.expiry} {parsed.strike.normalize():f} {right}"
    found = match(Leg(leg.symbol, turn * leg.ratio) for leg in order.legs)
    return "unit" if found is None else found.name.lower()


def _words(
    order: Ticket, name: str, debit: Decimal, fees: Decimal, loss: Money, *, closing: bool, estimated: bool
) -> str:
    if len(order.legs) == 1:
        side = "BUY" if order.legs[0].ratio > 0 else "SELL"
    else:
        side = "BUY" if order.limit_price > 0 else "SELL"
    plural = name if order.quantity == 1 else name + ("es" if name.endswith(("x", "s")) else "s")
    if name == "unit":
        legs = ", ".join(f"{leg.ratio:+d} {leg.symbol.strip()}" for leg in order.legs)
        plural = f"{plural} of {legs}"
    limit = abs(order.limit_price)
    kind = "debit of at most" if order.limit_price > 0 else "credit of at least"
    price = "at even money" if not limit else f"for a {kind} {limit:.2f} (${abs(debit):,.2f})"
    scale = multiplier_of(order.legs[0].symbol)
    if len(order.legs) == 1 and scale == 1:
        price = f"at {'most' if order.limit_price > 0 else 'least'} {limit:.2f} (${abs(debit):,.2f})"
    text = f"{side} {order.quantity} {plural}{' to close' if closing else ''} {price}, fees {fees:,.2f}"
    if closing:
        return text
    if loss is None:
        return f"{text}, max loss not known"
    if not isinstance(loss, Decimal):
        return f"{text}, max loss unlimited"
    return f"{text}, max loss ${loss:,.2f}{' (estimated)' if estimated else ''}"


def _money(value: float) -> Decimal:
    return Decimal(repr(round(value, 4))).quantize(_CENT, ROUND_HALF_UP)
