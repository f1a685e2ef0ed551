"""Positions: lots and campaigns as the fold of executions, and what they tell when they open, close, are delivered or
are left broken."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec

from actors.messages.book import BOOK_FACTS, EXTERNAL, Book, delivery_of, fold_book
from actors.messages.breaker import BreakerReset
from actors.messages.lean import AccountFill
from actors.messages.orders import (
    AmendAccepted,
    AmendDenied,
    AmendRejected,
    AmendWithheld,
    LegFilled,
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFact,
    OrderQueued,
    OrderRejected,
    UnknownSettled,
)
from actors.messages.positions import (
    LotsCrossed,
    MendPosition,
    PositionAssigned,
    PositionBroken,
    PositionClosed,
    PositionOpened,
    PositionUnwinding,
)
from actors.options.contracts import Contract, parse_symbol
from actors.positions._ledger import MENDING_FACTS, PRINCIPAL, Ledger, account_moved, due, fold_ledger
from actors.positions._mending import Mending
from actors.runtime import CoreActor, Decision, Issued, Recorded, Refusal, TimerDue, ViewChanged, Write
from config.desk import DeskRules

#: After the expiry date, when every market has booked its expiries (UTC). LEAN does so by 06:00.
_CROSSING_TIME = dt.time(6, 30, tzinfo=dt.UTC)
#: After these an order may have ended, beside fills.
_ENDS = (
    OrderCanceled, OrderRejected, OrderExpired, OrderDenied, UnknownSettled, AmendAccepted, AmendDenied, AmendRejected,
    AmendWithheld,
)  # fmt: skip


_DELIVERIES = ("assignment", "exercise", "expiry")


class PositionsState(msgspec.Struct):
    """The book, the positions already announced with their campaign, expired lots that offset each other, and what
    is broken."""

    book: Book = msgspec.field(default_factory=Book)
    announced: dict[str, str] = msgspec.field(default_factory=dict)
    crossings: dict[str, dt.datetime] = msgspec.field(default_factory=dict)
    ledger: Ledger = msgspec.field(default_factory=Ledger)


class Positions(CoreActor[PositionsState]):
    """Owner of the book by position. Executions are booked by the fold; decisions announce, and mend what is broken."""

    name = "positions"
    group = "book"
    commands = (MendPosition,)
    folds = tuple(dict.fromkeys((*BOOK_FACTS, PositionOpened, PositionClosed, *MENDING_FACTS)))
    reacts = (LegFilled, AccountFill, *_ENDS, OrderQueued, LotsCrossed, PositionBroken, PositionUnwinding, BreakerReset)
    views = True

    def __init__(self, rules: DeskRules) -> None:
        self._rules = rules

    def initial(self) -> PositionsState:
        return PositionsState()

    def evolve(self, state: PositionsState, recorded: Recorded) -> PositionsState:
        fact = recorded.fact
        if isinstance(fact, BOOK_FACTS):
            fold_book(state.book, recorded)
        if self._rules.mend_broken:
            fold_ledger(state.ledger, state.book, recorded, self._rules)
        match fact:
            case LegFilled(symbol=symbol) | AccountFill(symbol=symbol) | LotsCrossed(symbol=symbol):
                self._crossing(state, symbol)
                if not isinstance(fact, LegFilled):
                    traded = isinstance(fact, AccountFill) and fact.kind not in _DELIVERIES
                    account_moved(state.ledger, state.book, traded=traded)
            case PositionOpened(position_id=position_id, campaign_id=campaign_id):
                state.announced[position_id] = campaign_id
            case PositionClosed(position_id=position_id):
                state.announced.pop(position_id, None)
            case _:
                pass
        return state

    def _crossing(self, state: PositionsState, symbol: str) -> None:
        """Lots of one contract in several positions that net to nothing: no expiry will ever come for them."""
        contract = parse_symbol(symbol)
        if not isinstance(contract, Contract):
            return
        state.crossings.pop(f"cross:{symbol}", None)
        held = any(position.holding(symbol) for position in state.book.positions.values())
        if held and symbol not in state.book.holdings:
            after = contract.expiry + dt.timedelta(days=1)
            state.crossings[f"cross:{symbol}"] = dt.datetime.combine(after, _CROSSING_TIME)

    def due(self, state: PositionsState) -> dict[str, dt.datetime]:
        return {**state.crossings, **due(state.ledger)}

    def decide(self, state: PositionsState, message: Any, now: dt.datetime, market: Any) -> Decision:
        mending = Mending(state.ledger, state.book, self._rules, now, market)
        if not self._rules.mend_broken and isinstance(message, Recorded) and isinstance(message.fact, OrderFact):
            filled = isinstance(message.fact, LegFilled)
            order_id = message.fact.order_id
            return Decision(self._announce(state, (state.book.owner[order_id],), order_id) if filled else ())
        match message:
            case ViewChanged():
                return Decision(mending.again())
            case Recorded(fact=LegFilled(order_id=order_id) as fact):
                told = self._announce(state, (state.book.owner[order_id],), order_id)
                return Decision((*told, *mending.after(order_id, fact)))
            case Recorded(fact=AccountFill() as fill):
                return Decision((*self._delivered(state, fill), *mending.again()))
            case Recorded(fact=LotsCrossed()):
                return Decision(mending.again())
            case Recorded(fact=BreakerReset()):
                return Decision(mending.reset())
            case Recorded(fact=OrderQueued(principal=principal, body=body)):
                return Decision(mending.hand(body.position_id) if body.position_id and principal != PRINCIPAL else ())
            case Recorded(fact=PositionBroken(order_id=order_id) | PositionUnwinding(order_id=order_id)):
                return Decision(mending.step(order_id))
            case Recorded(fact=OrderFact(order_id=order_id) as fact):
                return Decision(mending.after(order_id, fact))
            case Issued(command=MendPosition() as command):
                if not self._rules.mend_broken:
                    raise Refusal("refused", "mending is off: risk.mend_broken")
                return Decision(mending.obey(message, command))
            case TimerDue(key=key) if key.startswith("mend:"):
                return Decision(mending.overdue(key.removeprefix("mend:")))
            case TimerDue(key=key):
                symbol = key.partition(":")[2]
                return Decision((Write("account", LotsCrossed(symbol, self._settlement(symbol, market))),))
        return Decision()

    def _announce(self, state: PositionsState, ids: tuple[str, ...], order_id: str) -> tuple[Write, ...]:
        writes: list[Write] = []
        for position_id in ids:
            position = state.book.positions.get(position_id)
            stream = f"position/{position_id}"
            if position is not None and position_id not in state.announced:
                opened = PositionOpened(position_id, position.campaign_id, order_id)
                writes.append(Write(stream, opened))
            if position is None and position_id in state.announced:
                realised = state.book.closed[position_id]
                writes.append(Write(stream, PositionClosed(position_id, state.announced[position_id], realised)))
        return tuple(writes)

    def _delivered(self, state: PositionsState, fill: AccountFill) -> tuple[Write, ...]:
        touched = [
            (position_id, quantity)
            for position_id, quantity in state.book.deliveries.get(delivery_of(fill), ())
            if position_id != EXTERNAL
        ]
        writes = [
            Write(f"position/{position_id}", PositionAssigned(position_id, fill.symbol, quantity, fill.kind))
            for position_id, quantity in touched
            if fill.kind in _DELIVERIES
        ]
        ids = tuple(position_id for position_id in state.announced if position_id not in state.book.positions)
        return (*writes, *self._announce(state, ids, ""))

    def _settlement(self, symbol: str, market: Any) -> Decimal:
        """Intrinsic value per share at the underlying's last price, 0 where that is not known."""
        contract = parse_symbol(symbol)
        assert isinstance(contract, Contract)
        spot = None if market is None else market.base.price(contract.underlying)
        if spot is None:
            return Decimal(0)
        sign = 1 if contract.right == "C" else -1
        return max(Decimal(0), sign * (Decimal(repr(spot)) - contract.strike))
