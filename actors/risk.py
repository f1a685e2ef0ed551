"""The pre-trade gate: every order and amend on the portfolio as it would be, working and unknown orders included.

Approves with a reservation or denies with every control that spoke. It never sends and never changes an order.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec

from actors.book_limits import book_reasons, judge_book
from actors.messages.book import BOOK_FACTS, Book, Position, fold_book
from actors.messages.breaker import HARD_STOP, NO_ENTRY, BreakerRaised, BreakerReset
from actors.messages.common import Effect, Evidence, Reason, RiskClass
from actors.messages.comparison import COMPARISON_FACTS, Comparison, fold_comparison
from actors.messages.lean import SessionOpened
from actors.messages.order_state import Order, OrderTable, apply_change, fold
from actors.messages.orders import (
    ORDER_FACTS,
    AmendApproved,
    AmendDenied,
    AmendRequested,
    OrderApproved,
    OrderBody,
    OrderDenied,
    OrderFact,
    OrderReleased,
    OrderSent,
    order_stream,
)
from actors.messages.positions import EquityMarked
from actors.options.contracts import Contract, is_option, multiplier_of, parse_symbol
from actors.options.payoff import UNLIMITED, Leg, payoff
from actors.options.settlement import Sessions
from actors.reduction import reduces
from actors.runtime import CoreActor, Decision, Recorded, Write
from config.calendar import NEW_YORK
from config.desk import DeskRules


class RiskState(msgspec.Struct):
    """Orders, book, how it compares with LEAN's, breaker, equity last marked, and orders sent a day."""

    table: OrderTable = msgspec.field(default_factory=OrderTable)
    book: Book = msgspec.field(default_factory=Book)
    level: int = 0
    comparison: Comparison = msgspec.field(default_factory=Comparison)
    #: Live at a real broker: when LEAN last read the broker's own book.
    at_broker: bool = False
    broker_read_at: dt.datetime | None = None
    equity: Decimal | None = None
    sent_on: dt.date | None = None
    sent: int = 0


class Risk(CoreActor[RiskState]):
    """Judges what `orders` releases, and every amend."""

    name = "risk"
    group = "safety"
    folds = (
        *ORDER_FACTS, *(kind for kind in BOOK_FACTS if kind not in ORDER_FACTS), BreakerRaised, BreakerReset,
        *COMPARISON_FACTS, EquityMarked,
    )  # fmt: skip
    reacts = (OrderReleased, AmendRequested)

    def __init__(self, rules: DeskRules, sessions: Sessions | None = None) -> None:
        self._rules = rules
        self._sessions = sessions

    def initial(self) -> RiskState:
        return RiskState()

    def evolve(self, state: RiskState, recorded: Recorded) -> RiskState:
        fact = recorded.fact
        if isinstance(fact, OrderFact):
            fold(state.table, recorded)
        if isinstance(fact, BOOK_FACTS):
            fold_book(state.book, recorded)
        fold_comparison(state.comparison, state.book, recorded)
        match fact:
            case BreakerRaised(level=level):
                state.level = max(state.level, level)
            case BreakerReset():
                state.level = 0
            case SessionOpened(mode=mode, brokerage=brokerage, fresh_from_broker=fresh):
                state.at_broker = mode == "live" and "paper" not in brokerage.lower()
                state.broker_read_at = recorded.at if fresh else state.broker_read_at
            case EquityMarked(value=value):
                state.equity = value
            case OrderSent():
                # An order counts when it is sent: cancel-and-replace burns the day's budget.
                day = recorded.at.date()
                state.sent = state.sent + 1 if day == state.sent_on else 1
                state.sent_on = day
            case _:
                pass
        return state

    def decide(self, state: RiskState, message: Any, now: dt.datetime, market: Any) -> Decision:
        match message:
            case Recorded(fact=OrderReleased(order_id=order_id, attempt=attempt)):
                order = state.table.orders[order_id]
                if order.state != "released" or order.attempt != attempt:
                    return Decision()
                return Decision((self._judge(state, order, now, market),))
            case Recorded(fact=AmendRequested() as wanted):
                order = state.table.orders[wanted.order_id]
                if not order.at_market or order.amend != "wanted" or order.generation != wanted.generation:
                    return Decision()
                return Decision((self._judge_amend(state, order, wanted, now, market),))
        return Decision()

    def _judge(self, state: RiskState, order: Order, now: dt.datetime, market: Any) -> Write:
        body, stream = order.body, order_stream(order.order_id)
        evidence = _evidence(market, body)
        reducing = self._reduces(state, order, body)
        reserved, risk_class = _reserved(body, state.book.positions.get(body.position_id))
        reasons = self._reasons(state, order, body, reducing, reserved, risk_class, now, market)
        if reasons:
            return Write(stream, OrderDenied(order.order_id, tuple(reasons), evidence))
        effects = _effects(state.book, body)
        held = Decimal(0) if reducing else reserved if reserved is not None else Decimal(0)
        approved = OrderApproved(order.order_id, order.attempt, held, reducing, effects, risk_class, evidence)
        return Write(stream, approved)

    def _judge_amend(
        self, state: RiskState, order: Order, wanted: AmendRequested, now: dt.datetime, market: Any
    ) -> Write:
        body, stream = apply_change(order.body, wanted.change), order_stream(order.order_id)
        reducing = self._reduces(state, order, body)
        reserved, risk_class = _reserved(body, state.book.positions.get(body.position_id))
        reasons = self._reasons(state, order, body, reducing, reserved, risk_class, now, market)
        if not order.reducing and not reasons and state.level >= NO_ENTRY:
            words = "the order was let in as one that adds risk: cancel it, and close with a new one"
            reasons = [Reason("breaker", words, str(state.level), "1")]
        if reasons:
            return Write(stream, AmendDenied(order.order_id, wanted.generation, tuple(reasons)))
        held = reserved if reserved is not None and not reducing else Decimal(0)
        approved = AmendApproved(order.order_id, wanted.generation, held, _evidence(market, body))
        return Write(stream, approved)

    # --- controls ---------------------------------------------------------------------------------------------

    def _reduces(self, state: RiskState, order: Order, body: OrderBody) -> bool:
        """Whether the order only reduces the position it names, as the desk computes it."""
        return reduces(state.table, state.book, order, body, legs_fill_apart=self._rules.legs_fill_apart)

    def _reasons(
        self, state: RiskState, order: Order, body: OrderBody, reducing: bool, reserved: Decimal | None,
        risk_class: RiskClass, now: dt.datetime, market: Any,
    ) -> list[Reason]:  # fmt: skip
        """Every control that says no. Reducing orders are refused only for crossing zero and at hard stop."""
        rules, reasons = self._rules, list[Reason]()
        if state.level >= NO_ENTRY and not reducing:
            reasons.append(Reason("breaker", f"the breaker is at {state.level}: no new risk", str(state.level), "1"))
        if state.level >= HARD_STOP and not order.principal.startswith("operator"):
            reasons.append(Reason("breaker", "the breaker is at hard stop: an operator's hand only", "5", "4"))
        if rules.lean_rules:
            return reasons
        position = state.book.positions.get(body.position_id)
        if body.position_id and position is None:
            reasons.append(Reason("position", f"there is no open position {body.position_id!r}"))
        reasons += _crossings(position, order, state.table, body)
        if body.type == "market" and not rules.market_orders and any(is_option(leg.symbol) for leg in body.legs):
            reasons.append(Reason("market_order", "market orders on options are not sent"))
        if reducing:
            return reasons
        if state.comparison.agrees is False:
            reasons.append(Reason("reconciliation", "our book and lean's differ: no entries until they agree"))
        elif state.comparison.agrees is None:
            text = "our book and lean's were not compared since lean connected: no entries until they are"
            reasons.append(Reason("reconciliation", text))
        reasons += self._broker_column(state, now)
        if rules.leg_conflict and not (body.allow_netting and order.principal.startswith("operator")):
            reasons += _conflicts(state, order, body, position)
        reasons += self._sizes(state, order, body, reserved, risk_class)
        reasons += self._quotes(body, now, market)
        if market is not None and rules.limits is not None:
            equity = state.equity if state.equity is not None else state.book.cash
            found = judge_book(
                state.table, state.book.holdings, state.book.cash, equity, order, body, rules, market, now,
                self._sessions,
            )  # fmt: skip
            reasons += book_reasons(found, equity, rules)
        return reasons

    def _broker_column(self, state: RiskState, now: dt.datetime) -> list[Reason]:
        """Entries need the broker's own book as it is after the last night's processing; LEAN reads it at its start."""
        since = self._rules.broker_column_from
        local = now.astimezone(NEW_YORK)
        read = None if state.broker_read_at is None else state.broker_read_at.astimezone(NEW_YORK)
        if not state.at_broker or (read is not None and read >= dt.datetime.combine(local, since, NEW_YORK)):
            return []
        told = "never" if read is None else f"{read:%Y-%m-%d %H:%M}"
        text = f"the broker's book was read {told}, entries need {since:%H:%M} New York today or later: start lean anew"
        return [Reason("broker_column", text, told, f"{since:%H:%M}")]

    def _sizes(
        self, state: RiskState, order: Order, body: OrderBody, reserved: Decimal | None, risk_class: RiskClass
    ) -> list[Reason]:
        rules, reasons = self._rules, list[Reason]()
        contracts = max(
            abs(leg.ratio) * body.quantity for leg in body.legs if is_option(leg.symbol) or len(body.legs) == 1
        )
        if contracts > rules.maximum_order_contracts and any(is_option(leg.symbol) for leg in body.legs):
            reasons.append(
                Reason(
                    "size",
                    f"{contracts} contracts in a leg",
                    str(contracts),
                    str(rules.maximum_order_contracts),
                )
            )
        equity = state.equity if state.equity is not None else state.book.cash
        limit = (equity * rules.maximum_loss_fraction).quantize(Decimal("0.01"))
        if reserved is None:
            reasons.append(Reason("maximum_loss", "maximum loss is unlimited", "unlimited", str(limit)))
        elif state.level >= 1 and risk_class == "undefined":
            reasons.append(Reason("breaker", "at caution no undefined risk is taken", "undefined", "defined"))
        elif reserved > (limit / 2 if state.level == 1 else limit):
            allowed = limit / 2 if state.level == 1 else limit
            reasons.append(
                Reason("maximum_loss", f"maximum loss {reserved} is above {allowed}", str(reserved), str(allowed))
            )
        opening = body.position_id not in state.book.positions
        working = sum(
            1 for other in state.table.live.values()
            if other.order_id != order.order_id and not other.reducing
            and other.body.position_id not in state.book.positions
        )  # fmt: skip
        count = len(state.book.positions) + working + 1
        if opening and count > rules.maximum_open_positions:
            reasons.append(
                Reason(
                    "positions",
                    f"{count} positions with this one",
                    str(count),
                    str(rules.maximum_open_positions),
                )
            )
        budget = rules.maximum_orders_per_day - rules.orders_reserved_for_exits
        if state.sent >= budget:
            reasons.append(Reason("order_budget", f"{state.sent} orders were sent today", str(state.sent), str(budget)))
        return reasons

    def _quotes(self, body: OrderBody, now: dt.datetime, market: Any) -> list[Reason]:
        """Entries need a two-sided quote of every leg whose feed was alive a moment ago. A missing quote is data."""
        reasons: list[Reason] = []
        if market is None:
            return [Reason("quotes", "no market was seen yet")]
        limit = self._rules.entry_quote_age_seconds
        for leg in body.legs:
            quote = market.base.quote(leg.symbol)
            age = (now - quote.at).total_seconds()
            name = leg.symbol.strip()
            if quote.bid is None or quote.ask is None:
                reasons.append(Reason("quotes", f"{name} has no two-sided quote"))
            elif quote.bid > quote.ask:
                reasons.append(Reason("quotes", f"{name} is crossed: bid {quote.bid}, ask {quote.ask}"))
            elif age > limit:
                reasons.append(Reason("quotes", f"{name} was last alive {age:.0f} s ago", f"{age:.0f}", f"{limit:g}"))
        return reasons


def _evidence(market: Any, body: OrderBody) -> Evidence:
    if market is None:
        return Evidence(0)
    return market.base.evidence(tuple(leg.symbol for leg in body.legs))


def _effects(book: Book, body: OrderBody) -> tuple[Effect, ...]:
    """Open or close per leg, from the account's net holding."""
    return tuple(
        "close"
        if book.holdings.get(leg.symbol, 0) * leg.ratio < 0
        and abs(leg.ratio) * body.quantity <= abs(book.holdings[leg.symbol])
        else "open"
        for leg in body.legs
    )


def _reservation(body: OrderBody) -> tuple[Decimal | None, RiskClass]:
    """What the order can lose at expiry at its own limit, in dollars; None where that is unlimited or not known.

    Without a limit only the payoff's own minimum is taken. Legs that expire apart count to the last expiry as if held.
    """
    legs = [Leg(leg.symbol, leg.ratio) for leg in body.legs]
    try:
        shape = payoff(legs)
    except ValueError:
        return None, "undefined"
    if shape.maximum_loss is UNLIMITED:
        return None, "undefined"
    stock = any(not is_option(leg.symbol) for leg in body.legs)
    scale = 100 if any(is_option(leg.symbol) for leg in body.legs) else 1
    paid = Decimal(0)
    if body.limit_price is not None:
        paid = body.limit_price * scale
    elif body.leg_limits is not None:
        paid = sum(
            (
                leg.ratio * price * multiplier_of(leg.symbol)
                for leg, price in zip(body.legs, body.leg_limits, strict=True)
            ),
            Decimal(0),
        )
    lost = max(Decimal(0), Decimal(shape.maximum_loss) + paid) * body.quantity
    short = any(leg.ratio < 0 and is_option(leg.symbol) for leg in body.legs)
    covered = lost <= max(abs(paid), _width(body)) * body.quantity
    risk_class: RiskClass = "undefined" if short and not stock and not covered else "defined"
    return lost, risk_class


def _reserved(body: OrderBody, position: Position | None) -> tuple[Decimal | None, RiskClass]:
    """The same beside the position that the order names: a short leg that its long ones cover adds what the whole can
    lose more than before."""
    alone = _reservation(body)
    if position is None or alone[1] == "defined" or body.limit_price is None:
        return alone
    held = position.holdings
    whole = {leg.symbol: held.get(leg.symbol, 0) + leg.ratio * body.quantity for leg in body.legs}
    try:
        before, after = (payoff([Leg(*each) for each in legs.items() if each[1]]) for legs in (held, {**held, **whole}))
    except ValueError:
        return alone
    if before.maximum_loss is UNLIMITED or after.maximum_loss is UNLIMITED:
        return alone
    scale = 100 if any(is_option(leg.symbol) for leg in body.legs) else 1
    paid = body.limit_price * scale * body.quantity
    lost = max(Decimal(0), Decimal(after.maximum_loss) - Decimal(before.maximum_loss) + paid)
    strikes = [each.strike for each in map(parse_symbol, {**held, **whole}) if isinstance(each, Contract)]
    width = (max(strikes) - min(strikes)) * 100 * body.quantity if strikes else Decimal(0)
    return lost, "defined" if lost <= max(abs(paid), width) else "undefined"


def _width(body: OrderBody) -> Decimal:
    contracts = [parse_symbol(leg.symbol) for leg in body.legs]
    strikes = [contract.strike for contract in contracts if isinstance(contract, Contract)]
    return (max(strikes) - min(strikes)) * 100 if strikes else Decimal(0)


def _crossings(position: Position | None, order: Order, table: OrderTable, body: OrderBody) -> list[Reason]:
    """A leg against the named position's holding must not cross zero, closers that reserve included."""
    if position is None:
        return []
    reasons: list[Reason] = []
    for index, leg in enumerate(body.legs):
        held = position.holding(leg.symbol)
        if held * leg.ratio >= 0:
            continue
        wanted = abs(leg.ratio * body.quantity - order.filled[index])
        taken = sum(
            abs(other.may_fill(i))
            for other in table.live.values()
            if other.order_id != order.order_id and other.reserves and other.body.position_id == body.position_id
            for i, other_leg in enumerate(other.body.legs)
            if other_leg.symbol == leg.symbol and other_leg.ratio * held < 0
        )
        if wanted + taken > abs(held):
            text = f"{leg.symbol.strip()}: {wanted} to close and {taken} closing, {abs(held)} held"
            reasons.append(Reason("crosses_zero", text, str(wanted + taken), str(abs(held))))
    return reasons


def _conflicts(state: RiskState, order: Order, body: OrderBody, position: Position | None) -> list[Reason]:
    """An opening leg opposite to the account's holding or to a working order in the same contract."""
    reasons: list[Reason] = []
    for leg in body.legs:
        if position is not None and position.holding(leg.symbol) * leg.ratio < 0:
            continue
        for other in state.book.positions.values():
            if other.holding(leg.symbol) * leg.ratio < 0:
                text = f"{leg.symbol.strip()} stands against position {other.position_id}"
                reasons.append(Reason("leg_conflict", text))
        for working in state.table.live.values():
            if working.order_id == order.order_id:
                continue
            if any(o.symbol == leg.symbol and o.ratio * leg.ratio < 0 for o in working.body.legs):
                text = f"{leg.symbol.strip()} stands against order {working.order_id}"
                reasons.append(Reason("leg_conflict", text))
    return reasons
