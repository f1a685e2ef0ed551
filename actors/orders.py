"""The order queue: takes orders, keeps their order, releases them to the gate, ends what is not yet sent.

The state machine itself is `messages.order_state`; what LEAN says of an order is the gateway's.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec

from actors.messages.book import BOOK_FACTS, Book, fold_book
from actors.messages.breaker import HARD_STOP, REDUCE_ONLY, BreakerRaised, BreakerReset
from actors.messages.common import Origin
from actors.messages.comparison import COMPARISON_FACTS, Comparison, fold_comparison
from actors.messages.lean import (
    AccountFill,
    AccountSeen,
    BookOpened,
    CashMoved,
    Reconciled,
    SessionClosed,
    SessionOpened,
)
from actors.messages.order_state import AT_MARKET, IN_WINDOW, Order, OrderTable, apply_change, fold
from actors.messages.orders import (
    ORDER_FACTS,
    AllCanceled,
    AmendAccepted,
    Amendment,
    AmendOrder,
    AmendRejected,
    AmendRequested,
    AmendWanted,
    CancelAll,
    CancelOrder,
    CancelRequested,
    CancelWanted,
    ExerciseContracts,
    ExerciseRequested,
    LegFilled,
    LegsOverdue,
    OrderAccepted,
    OrderBody,
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFact,
    OrderQueued,
    OrderRejected,
    OrderReleased,
    OrderRequeued,
    OrderUnknown,
    OrderWanted,
    SendRefused,
    SendWithheld,
    SettleUnknown,
    SubmitOrder,
    UnknownSettled,
    order_stream,
)
from actors.options.contracts import SymbolError, parse_symbol
from actors.options.orders import LegsError, validate_legs
from actors.options.orders import OrderLeg as LegRatio
from actors.options.ticks import round_signed, tick
from actors.reduction import reduces
from actors.runtime import CoreActor, Decision, Issued, Recorded, Refusal, TimerDue, Write
from config.calendar import Sessions
from config.desk import DeskRules

STREAM = "orders"
_APART = "its legs stand unequally filled"


class OrdersState(msgspec.Struct):
    """Every order, the connection, whether the books were compared, the last cancel-all, what may be released."""

    table: OrderTable = msgspec.field(default_factory=OrderTable)
    book: Book = msgspec.field(default_factory=Book)
    comparison: Comparison = msgspec.field(default_factory=Comparison)
    connected: bool = False
    refused_below: int = 0
    level: int = 0
    deadlines: dict[str, dt.datetime] = msgspec.field(default_factory=dict)
    exercises: dict[str, int] = msgspec.field(default_factory=dict)
    #: Orders whose outcome was unknown when all were canceled, with the reason: they end as soon as it is known.
    unwanted: dict[str, str] = msgspec.field(default_factory=dict)


class Orders(CoreActor[OrdersState]):
    """Queue and owner of every order until LEAN has it, and again when it does not."""

    name = "orders"
    group = "safety"
    commands = (SubmitOrder, AmendOrder, CancelOrder, CancelAll, ExerciseContracts, SettleUnknown)
    folds = (
        *ORDER_FACTS, *(kind for kind in BOOK_FACTS if kind not in ORDER_FACTS), AllCanceled, ExerciseRequested,
        *COMPARISON_FACTS, BreakerRaised, BreakerReset,
    )  # fmt: skip
    reacts = (
        OrderQueued, OrderRequeued, SendWithheld, SendRefused, OrderAccepted, OrderRejected, OrderCanceled, OrderDenied,
        OrderExpired, OrderUnknown, UnknownSettled, LegFilled, SessionOpened, SessionClosed, BreakerRaised, BookOpened,
        OrderWanted, CancelWanted, AmendWanted, AccountSeen, AccountFill, CashMoved, Reconciled,
    )  # fmt: skip

    def __init__(self, rules: DeskRules, sessions: Sessions | None = None) -> None:
        self._rules = rules
        self._sessions = sessions

    def initial(self) -> OrdersState:
        return OrdersState()

    # --- state ------------------------------------------------------------------------------------------------

    def evolve(self, state: OrdersState, recorded: Recorded) -> OrdersState:
        fact = recorded.fact
        if isinstance(fact, OrderFact):
            order = fold(state.table, recorded)
            self._deadlines(state, order)
            if order.terminal:
                state.unwanted.pop(order.order_id, None)
            elif isinstance(fact, LegsOverdue) and order.state == "unknown":
                state.unwanted[order.order_id] = _APART
        if isinstance(fact, BOOK_FACTS):
            fold_book(state.book, recorded)
        fold_comparison(state.comparison, state.book, recorded)
        match fact:
            case SessionOpened():
                state.connected = True
            case SessionClosed():
                state.connected = False
            case AllCanceled(number=number, reason=reason):
                state.refused_below = max(state.refused_below, number)
                unknown = (order.order_id for order in state.table.live.values() if order.state == "unknown")
                state.unwanted |= dict.fromkeys(unknown, reason)
            case BreakerRaised(level=level):
                state.level = max(state.level, level)
            case BreakerReset():
                state.level = 0
            case ExerciseRequested(exercise_id=exercise_id):
                state.exercises[exercise_id] = recorded.seq
        return state

    def _deadlines(self, state: OrdersState, order: Order) -> None:
        rules = self._rules
        for key in ("ttl", "lapse", "close", "apart"):
            state.deadlines.pop(f"{key}:{order.order_id}", None)
        if order.apart_since is not None and rules.mend_broken and not order.terminal and not order.overdue:
            apart = dt.timedelta(seconds=rules.legs_apart_seconds)
            state.deadlines[f"apart:{order.order_id}"] = order.apart_since + apart
        if order.terminal or order.cancel_wanted or order.state == "unknown":
            return
        if order.body.ttl_seconds is not None:
            state.deadlines[f"ttl:{order.order_id}"] = order.queued_at + dt.timedelta(seconds=order.body.ttl_seconds)
        if order.state == "approved" and rules.approval_lapse_seconds and order.changed_at is not None:
            lapse = dt.timedelta(seconds=rules.approval_lapse_seconds)
            state.deadlines[f"lapse:{order.order_id}"] = order.changed_at + lapse
        if rules.cancel_entries_before_close_seconds and self._sessions is not None and not order.reducing:
            close = self._close_after(order.queued_at)
            if close is not None:
                early = dt.timedelta(seconds=rules.cancel_entries_before_close_seconds)
                state.deadlines[f"close:{order.order_id}"] = max(close - early, order.queued_at)

    def _close_after(self, at: dt.datetime) -> dt.datetime | None:
        """The first session close after an instant."""
        assert self._sessions is not None
        day = at.date()
        for _ in range(2):
            if self._sessions.is_session(day):
                close = self._sessions.close(day)
                if close > at:
                    return close
            day = self._sessions.next(day)
        return None

    def due(self, state: OrdersState) -> dict[str, dt.datetime]:
        return state.deadlines

    # --- decisions --------------------------------------------------------------------------------------------

    def decide(self, state: OrdersState, message: Any, now: dt.datetime, market: Any) -> Decision:
        match message:
            case Issued(command=SubmitOrder() as command):
                return self._submit(state, message, command)
            case Issued(command=CancelOrder() as command):
                order = self._known(state, command.order_id)
                return Decision(self._cancel(order, message.principal, command.reason or "canceled", command.tag))
            case Issued(command=AmendOrder() as command):
                order = self._known(state, command.order_id)
                return Decision(self._amend(order, command.change, message.principal))
            case Issued(command=CancelAll() as command):
                return self._cancel_all(state, message, command)
            case Issued(command=ExerciseContracts() as command):
                return self._exercise(state, message, command)
            case Issued(command=SettleUnknown() as command):
                return self._settle(state, message, command)
            case Recorded(fact=OrderWanted() as wanted):
                return self._wanted(state, wanted)
            case Recorded(fact=CancelWanted() as wanted):
                order = state.table.get(wanted.order_id)
                if order is None or order.terminal or order.cancel_wanted or order.state == "unknown":
                    return Decision()
                return Decision(self._cancel(order, wanted.principal, wanted.reason, ""))
            case Recorded(fact=AmendWanted() as wanted):
                order = state.table.get(wanted.order_id)
                if order is None or order.terminal or order.cancel_wanted or order.amend != "none":
                    return Decision()
                return Decision(self._amend(order, wanted.change, wanted.principal))
            case Recorded(fact=SessionClosed()):
                return Decision(self._requeue(state, "disconnected"))
            case Recorded(fact=BreakerRaised() as raised):
                return Decision((*self._requeue(state, "breaker changed"), *self._halt(state, raised)))
            case Recorded(fact=OrderAccepted() | UnknownSettled() | SendRefused() as proved):
                ended = self._unwanted(state, proved.order_id)
                if ended and state.table.orders[proved.order_id].state == "queued":
                    return Decision(ended)
                return Decision((*ended, *self._release(state)))
            case Recorded(fact=AccountSeen() | AccountFill() | CashMoved() | Reconciled()) if (
                message.seq != state.comparison.known_at
            ):
                return Decision()
            case Recorded():
                return Decision(self._release(state))
            case TimerDue(key=key):
                return Decision(self._timer(state, key))
        return Decision()

    def _submit(self, state: OrdersState, issued: Issued, command: SubmitOrder) -> Decision:
        if not command.order_id or len(command.order_id) > 100 or not command.order_id.isprintable():
            raise Refusal("invalid", f"order_id {command.order_id!r} must be 1 to 100 printable characters")
        if command.order_id in state.table.orders:
            raise Refusal("conflict", f"order {command.order_id} exists already")
        if issued.number < state.refused_below:
            raise Refusal("canceled", f"order {command.order_id} was received before the last cancel-all")
        waiting = sum(1 for order in state.table.live.values() if order.state == "queued")
        if waiting >= self._rules.maximum_queue:
            raise Refusal("full", f"{waiting} orders wait, the limit is {self._rules.maximum_queue}")
        check_body(command.body, self._rules)
        body = self._on_grid(state, command.body)
        if state.level >= HARD_STOP and not issued.principal.startswith("operator"):
            raise Refusal("halted", "the breaker is at hard stop: only an operator's reducing orders pass")
        campaign = self._campaign(state, body)
        queued = OrderQueued(command.order_id, body, issued.principal, campaign)
        return Decision((Write(order_stream(command.order_id), queued),))

    def _on_grid(self, state: OrdersState, body: OrderBody) -> OrderBody:
        """The body with its limit on the class's ticks, before LEAN sees it: away from filling on entry, toward it on
        exit. Even money becomes one tick."""
        rules = self._rules
        if body.limit_price is None or rules.lean_rules or (body.limit_price != 0 and not rules.tick_rounding):
            return body
        combo = len(body.legs) > 1
        steps = [tick(leg.symbol, body.limit_price, complex_order=combo) for leg in body.legs]
        price = round_signed(body.limit_price, max(steps), opening=not self._closes(state, body))
        return msgspec.structs.replace(body, limit_price=price)

    def _campaign(self, state: OrdersState, body: OrderBody) -> str:
        position = state.book.positions.get(body.position_id)
        return position.campaign_id if position is not None else ""

    def _wanted(self, state: OrdersState, wanted: OrderWanted) -> Decision:
        if wanted.order_id in state.table.orders or state.level >= HARD_STOP:
            return Decision()
        queued = OrderQueued(wanted.order_id, wanted.body, wanted.principal, wanted.campaign_id)
        return Decision((Write(order_stream(wanted.order_id), queued),))

    def _known(self, state: OrdersState, order_id: str) -> Order:
        order = state.table.get(order_id)
        if order is None:
            raise Refusal("not_found", f"no order {order_id!r}")
        if order.terminal:
            raise Refusal("conflict", f"order {order_id} is {order.state} already")
        return order

    def _cancel(self, order: Order, principal: str, reason: str, tag: str) -> tuple[Write, ...]:
        stream = order_stream(order.order_id)
        if order.state not in AT_MARKET:
            return (Write(stream, OrderCanceled(order.order_id, None, reason)),)
        if order.cancel_wanted:
            raise Refusal("conflict", f"order {order.order_id} is being canceled already")
        if order.state == "unknown":
            raise Refusal("unknown", f"the outcome of order {order.order_id} is unknown; nothing is sent before proof")
        return (Write(stream, CancelRequested(order.order_id, principal, reason, tag)),)

    def _amend(self, order: Order, change: Amendment, principal: str) -> tuple[Write, ...]:
        if order.state == "unknown" or order.cancel_wanted:
            raise Refusal("conflict", f"order {order.order_id} is {order.state}; it can't be amended now")
        if order.amend != "none":
            raise Refusal("conflict", f"order {order.order_id} has an amend under way (generation {order.generation})")
        if all(getattr(change, field) is None for field in change.__struct_fields__):
            raise Refusal("invalid", "the amend changes nothing")
        body = apply_change(order.body, change)
        check_body(body, self._rules)
        for leg, filled in enumerate(order.filled):
            if abs(filled) > abs(body.legs[leg].ratio * body.quantity):
                raise Refusal("invalid", f"quantity {body.quantity} is below what has filled ({abs(filled)} contracts)")
        generation = order.generation + 1
        stream = order_stream(order.order_id)
        requested = Write(stream, AmendRequested(order.order_id, generation, change, principal))
        if order.state in AT_MARKET:
            return (requested,)
        accepted = Write(stream, AmendAccepted(order.order_id, generation, None))
        if order.state == "queued":
            return (requested, accepted)
        return (requested, accepted, Write(stream, OrderRequeued(order.order_id, "amended")))

    def _cancel_all(self, state: OrdersState, issued: Issued, command: CancelAll) -> Decision:
        reason = command.reason or "cancel all"
        writes = [Write(STREAM, AllCanceled(issued.number, issued.principal, reason))]
        for order in state.table.live.values():
            if not order.cancel_wanted and order.state != "unknown":
                writes += self._cancel(order, issued.principal, reason, "")
        return Decision(tuple(writes))

    def _exercise(self, state: OrdersState, issued: Issued, command: ExerciseContracts) -> Decision:
        if command.quantity <= 0:
            raise Refusal("invalid", f"exercise quantity {command.quantity} must be above 0")
        if command.exercise_id in state.exercises:
            raise Refusal("conflict", f"exercise {command.exercise_id} exists already")
        if not state.connected:
            raise Refusal("refused", f"lean is not connected: exercise {command.exercise_id} would reach nobody")
        held = state.book.holdings.get(command.symbol, 0)
        if held < command.quantity and not self._rules.lean_rules:
            raise Refusal("refused", f"{held} of {command.symbol.strip()} held, {command.quantity} to exercise")
        fact = ExerciseRequested(command.exercise_id, command.symbol, command.quantity, issued.principal, command.tag)
        return Decision((Write(STREAM, fact),))

    def _settle(self, state: OrdersState, issued: Issued, command: SettleUnknown) -> Decision:
        order = self._known(state, command.order_id)
        if not command.reason:
            raise Refusal("invalid", "settling an unknown order needs a reason")
        if order.state != "unknown" and order.amend == "unknown" and command.outcome != "canceled":
            # The order itself is known: the word is about its amend.
            origin, stream = Origin(order.session, 0), order_stream(order.order_id)
            if command.outcome == "accepted":
                return Decision((Write(stream, AmendAccepted(order.order_id, order.generation, None)),))
            refused = AmendRejected(order.order_id, order.generation, origin, f"{issued.principal}: {command.reason}")
            return Decision((Write(stream, refused),))
        if order.state != "unknown":
            raise Refusal("conflict", f"order {order.order_id} is {order.state}, not unknown")
        fact = UnknownSettled(order.order_id, command.outcome, command.reason, issued.principal)
        return Decision((Write(order_stream(order.order_id), fact),))

    # --- reactions --------------------------------------------------------------------------------------------

    def _release(self, state: OrdersState) -> tuple[Write, ...]:
        if not state.connected:
            return ()
        live = state.table.live.values()
        queued = [order for order in live if order.state == "queued"]
        if not queued:
            return ()
        room = self._rules.release_window - sum(1 for order in live if order.state in IN_WINDOW)
        closers = {order.order_id: self._closes(state, order.body) for order in queued}
        if self._rules.lean_rules:
            queued.sort(key=lambda order: order.queued_seq)
        else:
            queued.sort(key=lambda order: (not closers[order.order_id], -order.body.priority, order.queued_seq))
        # Entries wait until the books are compared; what the gate will find reducing does not.
        waits = state.comparison.agrees is None and not self._rules.lean_rules
        writes: list[Write] = []
        for order in queued:
            if (waits or room <= 0) and not closers[order.order_id]:
                continue
            if waits and not reduces(
                state.table, state.book, order, order.body, legs_fill_apart=self._rules.legs_fill_apart
            ):
                continue
            room -= 1
            writes.append(Write(order_stream(order.order_id), OrderReleased(order.order_id, order.attempt + 1)))
        return tuple(writes)

    def _closes(self, state: OrdersState, body: OrderBody) -> bool:
        """Whether every leg stands against the holding of the position named: first in the queue. The gate decides."""
        position = state.book.positions.get(body.position_id)
        if position is None:
            return False
        holdings = position.holdings
        return all(leg.ratio * holdings.get(leg.symbol, 0) < 0 for leg in body.legs)

    def _requeue(self, state: OrdersState, reason: str) -> tuple[Write, ...]:
        return tuple(
            Write(order_stream(order.order_id), OrderRequeued(order.order_id, reason))
            for order in state.table.live.values()
            if order.state == "approved"
        )

    def _unwanted(self, state: OrdersState, order_id: str) -> tuple[Write, ...]:
        """The end of an order that is proved to work, or not to, after all were canceled or entries were halted."""
        order = state.table.orders[order_id]
        if order.terminal or order.cancel_wanted or order.state == "unknown":
            return ()
        if order_id in state.unwanted:
            return self._cancel(order, "orders", state.unwanted[order_id], "")
        if state.level >= REDUCE_ONLY and not order.reducing and order.state in AT_MARKET:
            return self._cancel(order, "breaker", f"breaker at {state.level}", "")
        return ()

    def _halt(self, state: OrdersState, raised: BreakerRaised) -> tuple[Write, ...]:
        """From reduce-only on, working entries are canceled; reducing orders are kept."""
        if raised.level < REDUCE_ONLY:
            return ()
        return tuple(
            Write(
                order_stream(order.order_id),
                CancelRequested(order.order_id, "breaker", f"breaker at {raised.level}: {raised.reason}"),
            )
            for order in state.table.live.values()
            if order.state in ("sent", "accepted", "partially_filled")
            and not order.reducing
            and not order.cancel_wanted
        )

    def _apart(self, state: OrdersState, order: Order) -> tuple[Write, ...]:
        """Legs that stood unequal to the deadline: said, no more entries as asked for, and the rest is asked back.
        What is left of it once it ended is for `positions`. One of unknown outcome is canceled when that is known."""
        rules, stream = self._rules, order_stream(order.order_id)
        if order.terminal or order.overdue or order.apart_since is None:
            return ()
        writes = [Write(stream, LegsOverdue(order.order_id, tuple(order.filled), order.apart_since))]
        if state.level < rules.legs_apart_level:
            text = f"legs of {order.order_id} stand unequally filled for {rules.legs_apart_seconds:g} s"
            writes.append(Write("breaker", BreakerRaised(rules.legs_apart_level, text, "orders")))
        if order.state in AT_MARKET and order.state != "unknown" and not order.cancel_wanted:
            writes.append(Write(stream, CancelRequested(order.order_id, "orders", _APART)))
        return tuple(writes)

    def _timer(self, state: OrdersState, key: str) -> tuple[Write, ...]:
        what, _, order_id = key.partition(":")
        order = state.table.get(order_id)
        if order is not None and what == "apart":
            return self._apart(state, order)
        if order is None or order.terminal or order.cancel_wanted or order.state == "unknown":
            return ()
        stream = order_stream(order_id)
        if what == "lapse":
            return (Write(stream, OrderRequeued(order_id, "approval lapsed")),)
        reason = "time to live is over" if what == "ttl" else "entries end before the close"
        if order.state in AT_MARKET:
            return (Write(stream, CancelRequested(order_id, "orders", reason)),)
        return (Write(stream, OrderExpired(order_id, None, reason)),)


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
