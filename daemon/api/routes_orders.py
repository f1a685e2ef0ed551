"""Orders over HTTP: submit, list, look, amend, cancel, exercise; each gives the core one command."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
import trio
from starlette.responses import Response

from actors.messages.exercises import ExerciseContracts
from actors.messages.order_state import Order, State
from actors.messages.orders import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    OrderBody,
    SettleUnknown,
    SubmitOrder,
    order_stream,
)
from actors.options.contracts import underlying_of
from actors.runtime import Row
from daemon.api.answers import answer
from daemon.api.desk import Desk, version_tag
from daemon.api.preview import PreviewBody, PreviewShown, preview
from daemon.api.routing import Call, Endpoint, Problem
from daemon.bodies import AmendBody, ExerciseBody, SettleBody, SubmitBody
from daemon.views import named
from daemon.views_orders import (
    ExerciseShown,
    HistoryShown,
    OrderShown,
    OrderWithHistory,
    exercise_shown,
    order_shown,
)

WAITS: dict[str, frozenset[str]] = {
    "decided": frozenset(("queued", "released")),
    "sent": frozenset(("queued", "released", "approved")),
    "final": frozenset(
        ("queued", "released", "approved", "sent", "accepted", "partially_filled", "pending_cancel", "unknown")
    ),
}
Wait = Literal["decided", "sent", "final"]


class OrdersShown(msgspec.Struct, frozen=True, kw_only=True):
    """A page of orders, the oldest first; `next` is the cursor for `after`, null on an empty page."""

    orders: tuple[OrderShown, ...]
    next: int | None


class CanceledShown(msgspec.Struct, frozen=True, kw_only=True):
    """After a cancel-all: how many orders are not yet ended."""

    live_orders: int


class OrdersQuery(msgspec.Struct, frozen=True):
    """`state` may be repeated; `after` is the `next` of the page before; `live` leaves ended orders out."""

    state: tuple[State, ...] = ()
    position_id: str | None = None
    campaign_id: str | None = None
    underlying: str | None = None
    live: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    after: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0


class WaitQuery(msgspec.Struct, frozen=True):
    """Wait until the order is decided, sent or final, at most `seconds`; 202 where the time runs out."""

    wait: Wait | None = None
    seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0


class ReasonQuery(msgspec.Struct, frozen=True):
    """Why; it stays in the journal."""

    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class OrderRoutes:
    """The handlers; `endpoints` declares them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every route of this module."""
        base = "/api/v1/orders"
        one = base + "/{order_id}"
        return (
            Endpoint(method="GET", path=base, role="viewer", handler=self.list, query=OrdersQuery,
                     answers={200: OrdersShown}, summary="Orders, the oldest first"),
            Endpoint(method="POST", path=base, role="trader", handler=self.submit, query=WaitQuery, body=SubmitBody,
                     answers={200: OrderShown, 201: OrderShown, 202: OrderShown}, refuses=(409,),
                     summary="Submit an order; order_id is the key under which it is made once"),
            Endpoint(method="DELETE", path=base, role="trader", handler=self.cancel_all, query=ReasonQuery,
                     answers={202: CanceledShown}, refuses=(409,), headers=("idempotency-key",),
                     summary="Cancel every order"),
            Endpoint(method="POST", path=base + "/preview", role="viewer", handler=self.preview, body=PreviewBody,
                     answers={200: PreviewShown}, refuses=(409,), summary="What an order would do; nothing is made"),
            Endpoint(method="GET", path=one, role="viewer", handler=self.get, refuses=(404,),
                     answers={200: OrderWithHistory, 304: None}, headers=("if-none-match",),
                     summary="An order with its whole history"),
            Endpoint(method="PATCH", path=one, role="trader", handler=self.amend, body=AmendBody,
                     answers={200: OrderShown, 202: OrderShown}, refuses=(404, 409, 412),
                     headers=("if-match", "idempotency-key"), summary="Change a working order"),
            Endpoint(method="DELETE", path=one, role="trader", handler=self.cancel, query=ReasonQuery,
                     answers={200: OrderShown, 202: OrderShown}, refuses=(404, 409, 412),
                     headers=("if-match", "idempotency-key"), summary="Cancel an order"),
            Endpoint(method="POST", path=one + "/settle", role="admin", handler=self.settle, body=SettleBody,
                     answers={200: OrderShown, 202: OrderShown}, refuses=(404, 409), headers=("idempotency-key",),
                     summary="An operator's word on an order of unknown outcome"),
            Endpoint(method="GET", path="/api/v1/exercises", role="viewer", handler=self.exercises,
                     answers={200: tuple[ExerciseShown, ...]}, summary="Exercises, the oldest first"),
            Endpoint(method="POST", path="/api/v1/exercises", role="trader", handler=self.exercise, body=ExerciseBody,
                     answers={200: ExerciseShown, 201: ExerciseShown}, refuses=(409,),
                     summary="Exercise long contracts; exercise_id is the key under which it is done once"),
        )  # fmt: skip

    async def list(self, call: Call) -> Response:
        query: OrdersQuery = call.query
        table = self._desk.views.orders
        page: list[Order] = []
        for order in (table.live if query.live else table.orders).values():
            if order.queued_seq > query.after and _wanted(order, query):
                page.append(order)
                if len(page) == query.limit:
                    break
        return answer(OrdersShown(orders=tuple(map(order_shown, page)), next=page[-1].queued_seq if page else None))

    async def submit(self, call: Call) -> Response:
        body: SubmitBody = call.body
        return await submit(self._desk, call, body.order_id, body.body(), call.query)

    async def get(self, call: Call) -> Response:
        order = self._desk.order(call.path("order_id"))
        if call.header("if-none-match") == version_tag(order)["etag"]:
            return Response(None, 304, version_tag(order))
        rows = await trio.to_thread.run_sync(self._rows, order_stream(order.order_id))
        decode = self._desk.driver.core.decode
        history = tuple(
            HistoryShown(sequence=row.seq, at=row.at, kind=row.kind, fact=named(decode(row).fact)) for row in rows
        )
        found = OrderWithHistory(**msgspec.structs.asdict(order_shown(order)), history=history)
        return answer(found, headers=version_tag(order))

    async def amend(self, call: Call) -> Response:
        order = self._matched(call)
        return await self._obey(call, AmendOrder(order.order_id, call.body.change()), order.order_id)

    async def cancel(self, call: Call) -> Response:
        order = self._matched(call)
        reason = call.query.reason or "canceled by the operator"
        return await self._obey(call, CancelOrder(order.order_id, reason), order.order_id)

    async def settle(self, call: Call) -> Response:
        order, body = self._desk.order(call.path("order_id")), call.body
        return await self._obey(call, SettleUnknown(order.order_id, body.outcome, body.reason), order.order_id)

    async def cancel_all(self, call: Call) -> Response:
        await self._desk.give(call, CancelAll(call.query.reason or "cancel all"))
        return answer(CanceledShown(live_orders=len(self._desk.views.orders.live)), 202)

    async def preview(self, call: Call) -> Response:
        return answer(preview(self._desk, call.principal, call.body))

    async def exercises(self, call: Call) -> Response:
        return answer(tuple(map(exercise_shown, self._desk.views.exercises.values())))

    async def exercise(self, call: Call) -> Response:
        body: ExerciseBody = call.body
        command = ExerciseContracts(body.exercise_id, body.symbol, body.quantity, body.tag)
        given = await self._desk.driver.command(f"exercise:{body.exercise_id}", call.principal, command)
        found = self._desk.views.exercises[body.exercise_id]
        return answer(exercise_shown(found), 200 if given.repeated else 201)

    # --- helpers ----------------------------------------------------------------------------------------------

    def _matched(self, call: Call) -> Order:
        """The order, unless the caller looked at another version of it."""
        order = self._desk.order(call.path("order_id"))
        matches, tag = call.header("if-match"), version_tag(order)["etag"]
        if matches is not None and matches not in ("*", tag):
            detail = f"order {order.order_id} is at version {order.version} now, not {matches}"
            raise Problem(412, "changed", detail, version_tag(order))
        return order

    async def _obey(self, call: Call, command: AmendOrder | CancelOrder | SettleUnknown, order_id: str) -> Response:
        await self._desk.give(call, command)
        order = self._desk.views.orders.orders[order_id]
        return answer(order_shown(order), 200 if order.terminal else 202, version_tag(order))

    def _rows(self, stream: str) -> list[Row]:
        return [*self._desk.driver.journal.read_stream(stream)]


async def submit(desk: Desk, call: Call, order_id: str, body: OrderBody, query: WaitQuery) -> Response:
    """Submit an order under its id and wait as asked: 201 made, 200 the same again, 202 where the wait ran out."""
    began = trio.current_time()
    given = await desk.driver.command(f"order:{order_id}", call.principal, SubmitOrder(order_id, body))
    desk.metrics.submitted(trio.current_time() - began)
    status = 200 if given.repeated else 201
    if query.wait is not None and not await desk.reaches(order_id, WAITS[query.wait], query.seconds):
        status = 202
    order = desk.views.orders.orders[order_id]
    return answer(order_shown(order), status, {"location": location(order), **version_tag(order)})


def location(order: Order) -> str:
    """Where an order is, whatever its id is made of."""
    return f"/api/v1/orders/{quote(order.order_id, safe='')}"


def _wanted(order: Order, query: OrdersQuery) -> bool:
    return (
        (not query.state or order.state in query.state)
        and query.position_id in (None, order.body.position_id)
        and query.campaign_id in (None, order.campaign_id)
        and query.underlying in (None, underlying_of(order.body.legs[0].symbol))
    )
