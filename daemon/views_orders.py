"""Orders and exercises as they are shown: the durable folds, with prices and dollars as decimal strings."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from actors.messages.order_state import Order, State
from actors.messages.orders import OrderBody
from daemon.views import ExerciseView


class LegText(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a body: `ratio` is signed, + buys and - sells."""

    symbol: str
    ratio: int


class BodyShown(msgspec.Struct, frozen=True, kw_only=True):
    """An order's body as the core has it: prices per share are decimal strings, positive paid."""

    legs: tuple[LegText, ...]
    quantity: int
    type: str
    limit_price: str | None
    stop_price: str | None
    leg_limits: tuple[str, ...] | None
    time_in_force: str
    priority: int
    ttl_seconds: float | None
    position_id: str
    tag: str
    allow_netting: bool
    sell_group: bool


class OrderShown(msgspec.Struct, frozen=True, kw_only=True):
    """An order. `filled` holds signed contracts a leg; `reserved` dollars; `amend` the state of a change under way;
    `version` its ETag."""

    order_id: str
    state: State
    amend: str
    body: BodyShown
    filled: tuple[int, ...]
    attempt: int
    reducing: bool
    risk_class: str
    reserved: str
    principal: str
    queued_at: dt.datetime
    changed_at: dt.datetime | None
    queued_sequence: int
    reason: str
    campaign_id: str
    broker_ids: tuple[str, ...]
    version: int


class HistoryShown(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of an order's life; `fact` has the fields of its kind."""

    sequence: int
    at: dt.datetime
    kind: str
    fact: dict[str, Any]


class OrderWithHistory(OrderShown, frozen=True, kw_only=True):
    """An order and every fact of it, the oldest first."""

    history: tuple[HistoryShown, ...]


class ExerciseShown(msgspec.Struct, frozen=True, kw_only=True):
    """An exercise as far as it went; its executions show in holdings."""

    exercise_id: str
    symbol: str
    quantity: int
    principal: str
    state: str
    reason: str
    requested_at: dt.datetime
    changed_at: dt.datetime


def order_shown(order: Order) -> OrderShown:
    """An order for JSON."""
    brokers = tuple(dict.fromkeys(each for leg in sorted(order.broker_ids) for each in order.broker_ids[leg]))
    return OrderShown(
        order_id=order.order_id, state=order.state, amend=order.amend, body=_body_shown(order.body),
        filled=tuple(order.filled), attempt=order.attempt, reducing=order.reducing, risk_class=order.risk_class,
        reserved=str(order.reserved), principal=order.principal, queued_at=order.queued_at,
        changed_at=order.changed_at, queued_sequence=order.queued_seq, reason=order.reason,
        campaign_id=order.campaign_id, broker_ids=brokers, version=order.version,
    )  # fmt: skip


def _body_shown(body: OrderBody) -> BodyShown:
    """A body for JSON."""
    return BodyShown(
        legs=tuple(LegText(symbol=leg.symbol, ratio=leg.ratio) for leg in body.legs), quantity=body.quantity,
        type=body.type, limit_price=None if body.limit_price is None else str(body.limit_price),
        stop_price=None if body.stop_price is None else str(body.stop_price),
        leg_limits=None if body.leg_limits is None else tuple(str(price) for price in body.leg_limits),
        time_in_force=body.time_in_force, priority=body.priority, ttl_seconds=body.ttl_seconds,
        position_id=body.position_id, tag=body.tag, allow_netting=body.allow_netting, sell_group=body.sell_group,
    )  # fmt: skip


def exercise_shown(view: ExerciseView) -> ExerciseShown:
    """An exercise for JSON."""
    return ExerciseShown(**msgspec.structs.asdict(view))
