"""The life of an order: its states, the one table of moves between them, and the fold that everybody uses.

Pure data and rules. Who decides a move, and when, lives with the actors.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final, Literal

import msgspec

from actors.messages.common import Effect, RiskClass
from actors.messages.orders import (
    AmendAccepted,
    AmendApproved,
    AmendDenied,
    Amendment,
    AmendRejected,
    AmendRequested,
    AmendSent,
    AmendUnknown,
    AmendWithheld,
    CancelRefused,
    CancelRequested,
    LegAccepted,
    LegCanceled,
    LegFilled,
    LegsOverdue,
    OrderAccepted,
    OrderApproved,
    OrderBody,
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFact,
    OrderQueued,
    OrderRejected,
    OrderReleased,
    OrderRequeued,
    OrderSent,
    OrderUnknown,
    SendRefused,
    SendWithheld,
    UnknownSettled,
)
from actors.runtime import Recorded

State = Literal[
    "queued", "released", "approved", "sent", "accepted", "partially_filled", "pending_cancel", "unknown",
    "filled", "canceled", "rejected", "expired", "denied",
]  # fmt: skip
AmendState = Literal["none", "wanted", "approved", "sent", "unknown"]

TERMINAL: Final[frozenset[State]] = frozenset(("filled", "canceled", "rejected", "expired", "denied"))
#: States in which LEAN or the broker may hold the order.
AT_MARKET: Final[frozenset[State]] = frozenset(("sent", "accepted", "partially_filled", "pending_cancel", "unknown"))
#: States that the release window counts.
IN_WINDOW: Final[frozenset[State]] = frozenset(("released", "approved", "sent"))

#: States that end where an amend did and all that is wanted had filled.
_MAY_BE_COMPLETE: Final[frozenset[State]] = AT_MARKET - {"sent"}

#: From a state, the states it may move to. Staying where it is counts as a move of its own only where listed.
MOVES: Final[dict[State, frozenset[State]]] = {
    "queued": frozenset(("released", "canceled", "expired", "denied")),
    "released": frozenset(("approved", "denied", "queued", "canceled", "expired")),
    "approved": frozenset(("sent", "queued", "canceled", "expired")),
    "sent": frozenset((
        "accepted", "rejected", "partially_filled", "filled", "pending_cancel", "canceled", "expired", "unknown",
        "queued",
    )),
    "accepted": frozenset((
        "partially_filled", "filled", "pending_cancel", "canceled", "expired", "rejected", "unknown",
    )),
    "partially_filled": frozenset((
        "partially_filled", "filled", "pending_cancel", "canceled", "expired", "rejected", "unknown",
    )),
    "pending_cancel": frozenset((
        "canceled", "filled", "partially_filled", "accepted", "expired", "rejected", "unknown",
    )),
    "unknown": frozenset((
        "queued", "sent", "accepted", "partially_filled", "pending_cancel", "filled", "canceled", "rejected",
        "expired", "denied", "unknown",
    )),
    "filled": frozenset(), "canceled": frozenset(), "rejected": frozenset(), "expired": frozenset(),
    "denied": frozenset(),
}  # fmt: skip


class Order(msgspec.Struct):
    """One order as folded so far. `filled` holds the signed contracts filled per leg."""

    order_id: str
    body: OrderBody
    state: State
    principal: str
    queued_seq: int
    queued_at: dt.datetime
    campaign_id: str
    filled: list[int]
    canceled_legs: list[bool]
    attempt: int = 0
    reducing: bool = False
    reserved: Decimal = Decimal(0)
    risk_class: RiskClass = "undefined"
    effects: tuple[Effect, ...] = ()
    session: int = 0
    changed_at: dt.datetime | None = None
    lean_ids: dict[int, int] = msgspec.field(default_factory=dict)
    broker_ids: dict[int, tuple[str, ...]] = msgspec.field(default_factory=dict)
    cancel_wanted: bool = False
    cancel_tag: str = ""
    amend: AmendState = "none"
    generation: int = 0
    change: Amendment | None = None
    amend_session: int = 0
    amended_at: dt.datetime | None = None
    executions: int = 0
    reason: str = ""
    version: int = 0
    #: Since when its legs stand unequally filled; where a cancel was refused meanwhile, since then. None: equal.
    apart_since: dt.datetime | None = None
    #: Whether they stood so beyond the deadline.
    overdue: bool = False

    @property
    def terminal(self) -> bool:
        """Whether nothing more can happen to it but a late execution."""
        return self.state in TERMINAL

    @property
    def at_market(self) -> bool:
        """Whether LEAN or the broker may hold it."""
        return self.state in AT_MARKET

    def wanted(self, leg: int) -> int:
        """Signed contracts that this leg wants in all."""
        return self.body.legs[leg].ratio * self.body.quantity

    def open_quantity(self, leg: int) -> int:
        """Signed contracts of this leg that may still fill."""
        return 0 if self.canceled_legs[leg] else self.wanted(leg) - self.filled[leg]

    @property
    def reserves(self) -> bool:
        """Whether what it may fill counts against other orders: approved, sent, working or unknown. One that only
        waits for the gate is judged there itself."""
        return self.state not in TERMINAL and self.state not in ("queued", "released")

    def may_fill(self, leg: int) -> int:
        """Signed contracts of this leg that may still fill, with an amend to more that is let through."""
        more = None if self.change is None or self.amend == "wanted" else self.change.quantity
        if self.canceled_legs[leg] or more is None:
            return self.open_quantity(leg)
        return self.body.legs[leg].ratio * max(self.body.quantity, more) - self.filled[leg]

    @property
    def growing(self) -> bool:
        """Whether an amend to more units is on its way, or may be."""
        more = None if self.change is None else self.change.quantity
        return self.amend in ("sent", "unknown") and more is not None and more > self.body.quantity

    @property
    def apart(self) -> bool:
        """Whether its legs are filled unequally, per unit of their ratios: whole units are not."""
        first, ratio = self.filled[0], self.body.legs[0].ratio
        return any(filled * ratio != first * leg.ratio for filled, leg in zip(self.filled, self.body.legs, strict=True))

    @property
    def complete(self) -> bool:
        """Whether every leg is filled to the quantity wanted."""
        return all(abs(self.filled[leg]) >= abs(self.wanted(leg)) for leg in range(len(self.body.legs)))


def apply_change(body: OrderBody, change: Amendment) -> OrderBody:
    """The body after an amend stands."""
    fields = {
        name: value
        for name in ("quantity", "limit_price", "stop_price", "leg_limits", "tag")
        if (value := getattr(change, name)) is not None
    }
    return msgspec.structs.replace(body, **fields)


def next_state(order: Order, fact: OrderFact) -> State | None:
    """The state that `fact` moves `order` to; None where it does not speak of the state.

    A fill that completes gives 'filled'; one that does not gives 'partially_filled', or 'pending_cancel' and
    'unknown' where the order already is there, for a partial fill proves neither that the cancel failed nor what
    became of the rest. While an amend to more is on its way nothing completes: the rest may work already.
    """
    match fact:
        case OrderReleased():
            return "released"
        case OrderApproved():
            return "approved"
        case OrderDenied():
            return "denied"
        case OrderRequeued():
            return "queued"
        case SendWithheld() | SendRefused():
            return "canceled" if order.cancel_wanted else "queued"
        case OrderSent():
            return "sent"
        case OrderAccepted():
            return "pending_cancel" if order.state == "pending_cancel" else "accepted"
        case LegFilled():
            return _after_fill(order, fact)
        case OrderCanceled():
            return "canceled"
        case OrderRejected():
            return "rejected"
        case OrderExpired():
            return "expired"
        case CancelRequested():
            return "pending_cancel"
        case CancelRefused():
            return (
                ("partially_filled" if any(order.filled) else "accepted") if order.state == "pending_cancel" else None
            )
        case OrderUnknown():
            return "unknown"
        case UnknownSettled():
            return "partially_filled" if fact.outcome == "accepted" and any(order.filled) else fact.outcome
        case _:
            return None


def _after_fill(order: Order, fact: LegFilled) -> State | None:
    filled = list(order.filled)
    filled[fact.leg] += fact.quantity
    complete = all(abs(filled[leg]) >= abs(order.wanted(leg)) for leg in range(len(filled)))
    if complete and (order.state in TERMINAL or not order.growing):
        return None if order.state in TERMINAL else "filled"
    if order.state in ("pending_cancel", "unknown") or order.state in TERMINAL:
        return None
    return "partially_filled"


def allowed(order: Order, fact: OrderFact) -> bool:
    """Whether the table lets `fact` happen to `order` now. Executions always may: they are booked whatever the
    state."""
    if isinstance(fact, LegFilled):
        return True
    target = next_state(order, fact)
    if target is None:
        return order.state not in TERMINAL
    if isinstance(fact, SendWithheld):
        return order.state in ("sent", "pending_cancel")
    if isinstance(fact, OrderAccepted) and order.state == target == "pending_cancel":
        return True
    return target in MOVES[order.state]


class OrderTable(msgspec.Struct):
    """Every order by id, and what is asked of them most. Fold of all order facts."""

    orders: dict[str, Order] = msgspec.field(default_factory=dict)
    live: dict[str, Order] = msgspec.field(default_factory=dict)

    def get(self, order_id: str) -> Order | None:
        """The order of this id, terminal ones included."""
        return self.orders.get(order_id)


def fold(table: OrderTable, recorded: Recorded) -> Order:
    """Fold one order fact into the table, in place; returns the order it changed."""
    fact = recorded.fact
    assert isinstance(fact, OrderFact)
    if isinstance(fact, OrderQueued):
        legs = len(fact.body.legs)
        order = Order(
            order_id=fact.order_id, body=fact.body, state="queued", principal=fact.principal,
            queued_seq=recorded.seq, queued_at=recorded.at, campaign_id=fact.campaign_id, filled=[0] * legs,
            canceled_legs=[False] * legs, changed_at=recorded.at, version=recorded.version,
        )  # fmt: skip
        table.orders[fact.order_id] = order
        table.live[fact.order_id] = order
        return order
    order = table.orders[fact.order_id]
    target = next_state(order, fact)
    _fold_details(order, fact)
    if isinstance(fact, AmendSent):
        order.amended_at = recorded.at
    if target is not None:
        order.state = target
        order.changed_at = recorded.at
    if order.amend == "none" and order.complete and order.state in _MAY_BE_COMPLETE:
        order.state = "filled"  # amended down to what had filled, or not amended to more
    if isinstance(fact, LegFilled):
        order.apart_since = (order.apart_since or recorded.at) if order.apart else None
        order.overdue = order.overdue and order.apart_since is not None
    elif isinstance(fact, CancelRefused) and order.overdue:
        order.apart_since, order.overdue = recorded.at, False
    order.version = recorded.version
    if order.terminal:
        table.live.pop(order.order_id, None)
    else:
        table.live[order.order_id] = order
    return order


def _fold_details(order: Order, fact: OrderFact) -> None:
    match fact:
        case OrderReleased():
            order.attempt = fact.attempt
        case OrderApproved():
            order.reducing, order.reserved = fact.reducing, fact.reserved
            order.effects, order.risk_class = fact.effects, fact.risk_class
        case OrderSent():
            order.session = fact.session
        case OrderAccepted() | LegAccepted():
            if fact.leg >= 0:
                order.lean_ids[fact.leg] = fact.lean_id
                order.broker_ids[fact.leg] = fact.broker_ids
        case LegFilled():
            order.filled[fact.leg] += fact.quantity
            order.executions += 1
        case LegCanceled():
            order.canceled_legs[fact.leg] = True
        case OrderCanceled():
            order.canceled_legs = [True] * len(order.canceled_legs)
            order.reason = fact.reason
        case OrderDenied():
            order.reason = "; ".join(reason.message for reason in fact.reasons)
        case OrderRejected() | OrderExpired() | OrderUnknown() | OrderRequeued() | SendWithheld() | SendRefused():
            order.reason = fact.reason
        case CancelRequested():
            order.cancel_wanted, order.cancel_tag = True, fact.tag
            order.reason = fact.reason
        case CancelRefused():
            order.cancel_wanted = False
        case LegsOverdue():
            order.overdue = True
        case AmendRequested():
            order.amend, order.generation, order.change = "wanted", fact.generation, fact.change
        case AmendApproved():
            order.amend, order.reserved = "approved", fact.reserved
        case AmendSent():
            order.amend, order.amend_session = "sent", fact.session
        case AmendUnknown():
            order.amend = "unknown"
        case AmendDenied() | AmendWithheld() | AmendRejected():
            order.amend, order.change = "none", None
        case AmendAccepted():
            if order.change is not None:
                order.body = apply_change(order.body, order.change)
            order.amend, order.change = "none", None
        case _:
            pass
