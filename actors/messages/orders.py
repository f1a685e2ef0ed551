"""Orders: the normalised body, the commands that people give, and every fact of an order's life."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from actors.messages.common import Effect, Evidence, Origin, Reason, RiskClass
from actors.runtime import Command, Fact

OrderType = Literal["market", "limit", "stop", "market_on_close"]
TimeInForce = Literal["day", "gtc"]


class OrderLeg(msgspec.Struct, frozen=True, array_like=True):
    """One leg: `ratio` is signed, + buys and - sells, per unit of the order."""

    symbol: str
    ratio: int


class OrderBody(msgspec.Struct, frozen=True, array_like=True):
    """What is wanted, normalised: `quantity` > 0 units, ratios carry the side.

    `limit_price` is the sum of ratio x leg price per share of one unit (stock legs of a combo / 100): positive is
    paid at
    most, negative received at least. `stop_price` is positive. `leg_limits` holds one positive price a leg instead
    of `limit_price`. `ttl_seconds` counts from queueing. `sell_group` is a detail of LEAN's backtest (see docs).
    """

    legs: tuple[OrderLeg, ...]
    quantity: int
    type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    leg_limits: tuple[Decimal, ...] | None = None
    time_in_force: TimeInForce = "day"
    priority: int = 0
    ttl_seconds: float | None = None
    position_id: str = ""
    tag: str = ""
    allow_netting: bool = False
    sell_group: bool = False


class Amendment(msgspec.Struct, frozen=True, array_like=True):
    """What an amend changes; None leaves a field. `quantity` is the new total, what is filled included."""

    quantity: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    leg_limits: tuple[Decimal, ...] | None = None
    tag: str | None = None


# --- commands -----------------------------------------------------------------------------------------------


class SubmitOrder(Command, frozen=True, tag=True):
    """Queue a new order. The id is the caller's, and names one order for ever."""

    order_id: str
    body: OrderBody


class AmendOrder(Command, frozen=True, tag=True):
    """Change an order that is queued or works."""

    order_id: str
    change: Amendment


class CancelOrder(Command, frozen=True, tag=True):
    """Cancel: final at once for what is not sent, a request for what is."""

    order_id: str
    reason: str = ""
    tag: str = ""


class CancelAll(Command, frozen=True, tag=True):
    """Cancel every order, and every submit that was received before this and is not yet handled."""

    reason: str = ""


class SettleUnknown(Command, frozen=True, tag=True):
    """An operator's word on an order of unknown outcome, with the reason that stays in the journal."""

    order_id: str
    outcome: Literal["canceled", "rejected", "accepted"]
    reason: str


# --- facts ----------------------------------------------------------------------------------------------------


class OrderFact(Fact, frozen=True, array_like=True):
    """Base of all facts of one order; the stream is `order/<order_id>`."""

    order_id: str


class OrderQueued(OrderFact, frozen=True, array_like=True):
    """The order is ours to bring to an end. `principal` asked."""

    KIND: ClassVar[str] = "orders.OrderQueued"
    SCHEMA: ClassVar[int] = 2
    body: OrderBody
    principal: str
    campaign_id: str = ""

    @classmethod
    def upcast(cls, schema: int, body: bytes) -> OrderQueued:
        """Schema 1 had the input's number of receipt before the campaign."""
        if schema != 1:
            return super().upcast(schema, body)
        fields: list[object] = msgspec.msgpack.decode(body)
        del fields[3:4]
        return msgspec.convert(fields, cls)


class OrderReleased(OrderFact, frozen=True, array_like=True):
    """Taken from the queue for the risk gate; `attempt` counts from 1."""

    KIND: ClassVar[str] = "orders.OrderReleased"
    attempt: int


class OrderApproved(OrderFact, frozen=True, array_like=True):
    """The gate let it pass: what it reserves in dollars, whether it only reduces, and each leg's effect."""

    KIND: ClassVar[str] = "orders.OrderApproved"
    attempt: int
    reserved: Decimal
    reducing: bool
    effects: tuple[Effect, ...]
    risk_class: RiskClass
    evidence: Evidence


class OrderDenied(OrderFact, frozen=True, array_like=True):
    """The gate refused it, with every control that spoke."""

    KIND: ClassVar[str] = "orders.OrderDenied"
    reasons: tuple[Reason, ...]
    evidence: Evidence


class OrderRequeued(OrderFact, frozen=True, array_like=True):
    """Back to the queue before anything was sent: a lapsed approval, a disconnect, a changed breaker."""

    KIND: ClassVar[str] = "orders.OrderRequeued"
    reason: str


class OrderSent(OrderFact, frozen=True, array_like=True):
    """This attempt goes to LEAN in this session, unless a last look withholds it."""

    KIND: ClassVar[str] = "orders.OrderSent"
    attempt: int
    session: int
    view: int
    principal: str


class SendWithheld(OrderFact, frozen=True, array_like=True):
    """The last look kept the bytes of this attempt back."""

    KIND: ClassVar[str] = "orders.SendWithheld"
    attempt: int
    reason: str


class SendRefused(OrderFact, frozen=True, array_like=True):
    """The session that was asked promised never to send this attempt: it may be tried anew."""

    KIND: ClassVar[str] = "orders.SendRefused"
    attempt: int
    origin: Origin
    reason: str


class OrderAccepted(OrderFact, frozen=True, array_like=True):
    """It works at the other end. `legs` it was told for, LEAN's ids and the broker's."""

    KIND: ClassVar[str] = "orders.OrderAccepted"
    origin: Origin
    leg: int
    lean_id: int
    broker_ids: tuple[str, ...]


class LegAccepted(OrderFact, frozen=True, array_like=True):
    """One more leg of an accepted order got its ids."""

    KIND: ClassVar[str] = "orders.LegAccepted"
    origin: Origin
    leg: int
    lean_id: int
    broker_ids: tuple[str, ...]


class LegFilled(OrderFact, frozen=True, array_like=True):
    """An execution: signed quantity at a price per share, its fee in dollars. Booked once, whatever the order's
    state."""

    KIND: ClassVar[str] = "orders.LegFilled"
    origin: Origin
    leg: int
    symbol: str
    quantity: int
    price: Decimal
    fee: Decimal
    execution_id: str
    batch: int


class LegCanceled(OrderFact, frozen=True, array_like=True):
    """One leg's remainder is gone; the order ends when all are."""

    KIND: ClassVar[str] = "orders.LegCanceled"
    origin: Origin
    leg: int


class OrderCanceled(OrderFact, frozen=True, array_like=True):
    """Ended by a cancel. `origin` is None where nothing had been sent."""

    KIND: ClassVar[str] = "orders.OrderCanceled"
    origin: Origin | None
    reason: str


class OrderRejected(OrderFact, frozen=True, array_like=True):
    """LEAN or the broker refused it. `raised` names the exception where LEAN threw."""

    KIND: ClassVar[str] = "orders.OrderRejected"
    origin: Origin
    reason: str
    raised: str = ""


class OrderExpired(OrderFact, frozen=True, array_like=True):
    """Its time ran out."""

    KIND: ClassVar[str] = "orders.OrderExpired"
    origin: Origin | None
    reason: str


class CancelRequested(OrderFact, frozen=True, array_like=True):
    """Somebody wants a sent order gone; what fills meanwhile counts."""

    KIND: ClassVar[str] = "orders.CancelRequested"
    principal: str
    reason: str
    tag: str = ""


class CancelRefused(OrderFact, frozen=True, array_like=True):
    """The other end did not take the cancel."""

    KIND: ClassVar[str] = "orders.CancelRefused"
    origin: Origin
    reason: str


class AmendRequested(OrderFact, frozen=True, array_like=True):
    """A change is wanted; it passes the gate like a submit."""

    KIND: ClassVar[str] = "orders.AmendRequested"
    generation: int
    change: Amendment
    principal: str


class AmendApproved(OrderFact, frozen=True, array_like=True):
    """The gate let the change pass; `reserved` is what the changed order reserves."""

    KIND: ClassVar[str] = "orders.AmendApproved"
    generation: int
    reserved: Decimal
    evidence: Evidence


class AmendDenied(OrderFact, frozen=True, array_like=True):
    """The gate refused the change; the order stays as it was."""

    KIND: ClassVar[str] = "orders.AmendDenied"
    generation: int
    reasons: tuple[Reason, ...]


class AmendSent(OrderFact, frozen=True, array_like=True):
    """The change goes to LEAN, unless a last look withholds it."""

    KIND: ClassVar[str] = "orders.AmendSent"
    generation: int
    session: int
    change: Amendment


class AmendWithheld(OrderFact, frozen=True, array_like=True):
    """The last look kept the change back."""

    KIND: ClassVar[str] = "orders.AmendWithheld"
    generation: int
    reason: str


class AmendAccepted(OrderFact, frozen=True, array_like=True):
    """The change stands. Also for an order that was not yet sent: then at once."""

    KIND: ClassVar[str] = "orders.AmendAccepted"
    generation: int
    origin: Origin | None


class AmendRejected(OrderFact, frozen=True, array_like=True):
    """The other end refused the change; the order stays as it was."""

    KIND: ClassVar[str] = "orders.AmendRejected"
    generation: int
    origin: Origin
    reason: str


class AmendUnknown(OrderFact, frozen=True, array_like=True):
    """The change was sent, and is not proved to stand or to have failed. It is asked after; the order works on."""

    KIND: ClassVar[str] = "orders.AmendUnknown"
    generation: int
    reason: str


class OrderUnknown(OrderFact, frozen=True, array_like=True):
    """Sent, and not proved either way: counts as filled and as unfilled, whichever is worse."""

    KIND: ClassVar[str] = "orders.OrderUnknown"
    reason: str
    origin: Origin | None = None


class UnknownSettled(OrderFact, frozen=True, array_like=True):
    """Proof, or an operator's word: what an unknown order is."""

    KIND: ClassVar[str] = "orders.UnknownSettled"
    outcome: Literal["accepted", "canceled", "rejected", "filled", "expired"]
    reason: str
    principal: str
    origin: Origin | None = None


class LegsOverdue(OrderFact, frozen=True, array_like=True):
    """Its legs stood unequally filled beyond the deadline: signed contracts filled per leg, and since when."""

    KIND: ClassVar[str] = "orders.LegsOverdue"
    filled: tuple[int, ...]
    since: dt.datetime


class OrderWanted(Fact, frozen=True, array_like=True):
    """An actor wants an order; `orders` queues it under this id, derived from (actor, causing sequence, n)."""

    KIND: ClassVar[str] = "orders.OrderWanted"
    order_id: str
    body: OrderBody
    principal: str
    evidence: Evidence
    campaign_id: str = ""


class CancelWanted(Fact, frozen=True, array_like=True):
    """An actor wants an order gone."""

    KIND: ClassVar[str] = "orders.CancelWanted"
    order_id: str
    principal: str
    reason: str


class AmendWanted(Fact, frozen=True, array_like=True):
    """An actor wants an order changed."""

    KIND: ClassVar[str] = "orders.AmendWanted"
    order_id: str
    change: Amendment
    principal: str
    evidence: Evidence


class AllCanceled(Fact, frozen=True, array_like=True):
    """Cancel-all was given: submits numbered below `number` are refused. Numbers of receipt are this run's own."""

    KIND: ClassVar[str] = "orders.AllCanceled"
    HOST: ClassVar[bool] = True
    number: int
    principal: str
    reason: str


ORDER_FACTS: tuple[type[OrderFact], ...] = (
    OrderQueued, OrderReleased, OrderApproved, OrderDenied, OrderRequeued, OrderSent, SendWithheld, SendRefused,
    OrderAccepted, LegAccepted, LegFilled, LegCanceled, OrderCanceled, OrderRejected, OrderExpired, CancelRequested,
    CancelRefused, AmendRequested, AmendApproved, AmendDenied, AmendSent, AmendWithheld, AmendAccepted, AmendRejected,
    AmendUnknown, OrderUnknown, UnknownSettled, LegsOverdue,
)  # fmt: skip


def order_stream(order_id: str) -> str:
    """The stream that all facts of one order go to."""
    return f"order/{order_id}"
