"""The routes: each names the role it needs, reads the durable views, or gives the core one command."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import trio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from actors.messages.book import Position
from actors.messages.breaker import ConfirmReset, Halt, StartReset
from actors.messages.order_state import Order
from actors.messages.orders import AmendOrder, CancelAll, CancelOrder, SubmitOrder, order_stream
from actors.runtime import Busy, Command, CommandFailed, Recorded, Refusal, Row
from daemon.api.answers import STATUS, answer, problem
from daemon.api.auth import Authenticated
from daemon.bodies import AmendBody, HaltBody, ResetBody, SubmitBody
from daemon.driver import Driver, DriverStopped
from daemon.feed import Feed
from daemon.serve import App
from daemon.tokens import RANK, Role, Tokens
from daemon.views import Views, named

Body = TypeVar("Body")
Handler = Callable[[Request], Awaitable[Response]]
_MOST_BODY = 64 * 1024
_WAITS = {
    "decided": frozenset(("queued", "released")),
    "sent": frozenset(("queued", "released", "approved")),
    "final": frozenset(
        ("queued", "released", "approved", "sent", "accepted", "partially_filled", "pending_cancel", "unknown")
    ),
}


class _BadRequest(Exception):
    pass


def make_app(driver: Driver, views: Views, tokens: Tokens, feed: Feed) -> App:
    """The ASGI app over a driver that runs. `views` and `feed` must be given its durable facts."""
    desk = _Desk(driver, views)
    routes = [
        _route("/healthz", "GET", None, desk.health),
        _route("/readyz", "GET", None, desk.ready),
        _route("/api/v1/status", "GET", "viewer", desk.status),
        _route("/api/v1/account", "GET", "viewer", desk.account),
        _route("/api/v1/holdings", "GET", "viewer", desk.holdings),
        _route("/api/v1/positions", "GET", "viewer", desk.positions),
        _route("/api/v1/orders", "GET", "viewer", desk.orders),
        _route("/api/v1/orders", "POST", "trader", desk.submit),
        _route("/api/v1/orders", "DELETE", "trader", desk.cancel_all),
        _route("/api/v1/orders/{order_id}", "GET", "viewer", desk.order),
        _route("/api/v1/orders/{order_id}", "PATCH", "trader", desk.amend),
        _route("/api/v1/orders/{order_id}", "DELETE", "trader", desk.cancel),
        _route("/api/v1/breaker", "GET", "viewer", desk.breaker),
        _route("/api/v1/breaker/halt", "POST", "trader", desk.halt),
        _route("/api/v1/breaker/reset", "POST", "admin", desk.reset),
        _route("/api/v1/actors", "GET", "viewer", desk.actors),
        _route("/api/v1/actors/{name}/kill", "POST", "admin", desk.kill),
    ]
    socket = WebSocketRoute("/api/v1/feed", feed.serve)
    return Authenticated(Starlette(routes=[*_merged(routes), socket]), tokens)


def _route(path: str, method: str, role: Role | None, handler: Handler) -> tuple[str, str, Handler]:
    async def checked(request: Request) -> Response:
        if role is not None and RANK[request.scope["role"]] < RANK[role]:
            return problem(
                403, "forbidden", f"{method} {path} needs the role {role}, this token is a {request['role']}'s"
            )
        try:
            return await handler(request)
        except _BadRequest as error:
            return problem(400, "bad_request", str(error))
        except Refusal as refusal:
            return problem(STATUS.get(refusal.code, 422), refusal.code, str(refusal))
        except Busy as busy:
            return problem(503, "busy", str(busy), {"retry-after": "1"})
        except DriverStopped as stopped:
            return problem(503, "outcome_unknown", f"{stopped}; ask again with the same id once the daemon is back")
        except CommandFailed as failed:
            return problem(500, "failed", str(failed))

    return path, method, checked


def _merged(routes: list[tuple[str, str, Handler]]) -> list[Route]:
    """One route a path, so that another method there is 405 with the methods that are."""
    paths: dict[str, dict[str, Handler]] = {}
    for path, method, handler in routes:
        paths.setdefault(path, {})[method] = handler

    def dispatch(handlers: dict[str, Handler]) -> Handler:
        async def handle(request: Request) -> Response:
            return await handlers["GET" if request.method == "HEAD" else request.method](request)

        return handle

    return [Route(path, dispatch(handlers), methods=list(handlers)) for path, handlers in paths.items()]


class _Desk:
    def __init__(self, driver: Driver, views: Views) -> None:
        self._driver, self._views = driver, views

    # --- looking ----------------------------------------------------------------------------------------------

    async def health(self, request: Request) -> Response:
        return answer({"alive": True})

    async def ready(self, request: Request) -> Response:
        failed = self._driver.core.failed()
        ready = not self._driver.stopped.is_set() and not failed
        return answer({"ready": ready, "failed": sorted(failed)}, 200 if ready else 503)

    async def status(self, request: Request) -> Response:
        views = self._views
        return answer({
            "sequence": views.seq, "now": self._driver.clock.now(), "connected": views.connected,
            "session": None if views.session is None else views.session.session,
            "mode": None if views.session is None else views.session.mode,
            "level": views.level, "level_name": views.level_name,
            "agrees": None if views.reconciled is None else views.reconciled.agree,
            "live_orders": len(views.orders.live), "failed": sorted(self._driver.core.failed()),
        })  # fmt: skip

    async def account(self, request: Request) -> Response:
        views, book = self._views, self._views.book
        return answer({
            "cash": book.cash, "fees": book.fees, "realised": book.realised, "flows": book.flows,
            "value": None if views.equity is None else views.equity.value,
            "day_result": None if views.equity is None else views.equity.day_result,
            "lean": named(views.account),
            "differences": () if views.reconciled is None else views.reconciled.differences,
        })  # fmt: skip

    async def holdings(self, request: Request) -> Response:
        book = self._views.book
        return answer(
            [
                {"symbol": symbol, "quantity": quantity, "average": book.averages.get(symbol)}
                for symbol, quantity in sorted(book.holdings.items())
            ]
        )

    async def positions(self, request: Request) -> Response:
        return answer([_position(position) for position in self._views.book.positions.values()])

    async def orders(self, request: Request) -> Response:
        wanted = request.query_params.getlist("state")
        orders = [order for order in self._views.orders.orders.values() if not wanted or order.state in wanted]
        try:
            limit = int(request.query_params.get("limit", "100"))
            after = int(request.query_params.get("after", "0"))
        except ValueError:
            raise _BadRequest("limit and after are whole numbers") from None
        if not 1 <= limit <= 1000:
            raise _BadRequest(f"limit {limit} is outside 1 to 1000")
        page = [order for order in orders if order.queued_seq > after][:limit]
        return answer({"orders": [_order(order) for order in page], "next": page[-1].queued_seq if page else None})

    async def order(self, request: Request) -> Response:
        order = self._known(request)
        rows = await trio.to_thread.run_sync(self._rows, order_stream(order.order_id))
        history = [
            {"sequence": row.seq, "at": row.at, "kind": row.kind, "fact": named(self._driver.core.decode(row).fact)}
            for row in rows
        ]
        return answer({**_order(order), "history": history}, headers=_etag(order))

    async def breaker(self, request: Request) -> Response:
        views = self._views
        return answer({"level": views.level, "level_name": views.level_name, "reason": views.reason})

    async def actors(self, request: Request) -> Response:
        failed = self._driver.core.failed()
        statistics = self._driver.core.statistics()
        return answer(
            [
                {"name": name, "failed_at": failed.get(name), **msgspec.structs.asdict(telemetry)}
                for name, telemetry in statistics.items()
            ]
        )

    # --- doing ------------------------------------------------------------------------------------------------

    async def submit(self, request: Request) -> Response:
        body = await _read(request, SubmitBody)
        wait = request.query_params.get("wait", "")
        if wait and wait not in _WAITS:
            raise _BadRequest(f"wait {wait!r} is none of {', '.join(_WAITS)}")
        command = SubmitOrder(body.order_id, body.body())
        given = await self._driver.command(f"order:{body.order_id}", request["principal"], command)
        status = 200 if given.repeated else 201
        if wait:
            status = status if await self._reaches(body.order_id, _WAITS[wait]) else 202
        order = self._views.orders.orders[body.order_id]
        return answer(_order(order), status, {"location": f"/api/v1/orders/{order.order_id}", **_etag(order)})

    async def amend(self, request: Request) -> Response:
        order = self._known(request)
        matches = request.headers.get("if-match")
        if matches is not None and matches != _etag(order)["etag"]:
            return problem(412, "changed", f"order {order.order_id} is at version {order.version} now, not {matches}")
        body = await _read(request, AmendBody)
        return await self._obey(request, AmendOrder(order.order_id, body.change()), order.order_id)

    async def cancel(self, request: Request) -> Response:
        order = self._known(request)
        reason = request.query_params.get("reason", "canceled by the operator")
        return await self._obey(request, CancelOrder(order.order_id, reason), order.order_id)

    async def cancel_all(self, request: Request) -> Response:
        reason = request.query_params.get("reason", "cancel all")
        return await self._obey(request, CancelAll(reason))

    async def halt(self, request: Request) -> Response:
        body = await _read(request, HaltBody)
        await self._give(request, Halt(body.level, body.reason))
        return await self.breaker(request)

    async def reset(self, request: Request) -> Response:
        body = await _read(request, ResetBody)
        if bool(body.reason) == bool(body.phrase):
            raise _BadRequest("give a reason to begin a reset, then the phrase to confirm it")
        if body.phrase:
            await self._give(request, ConfirmReset(body.phrase))
            return await self.breaker(request)
        await self._give(request, StartReset(body.reason))
        return answer({"phrase": self._driver.core.state("breaker").phrase}, 202)

    async def kill(self, request: Request) -> Response:
        name = request.path_params["name"]
        try:
            await self._driver.kill(name)
        except KeyError:
            return problem(404, "not_found", f"no actor {name!r}")
        return answer({"name": name, "failed": name in self._driver.core.failed()})

    # --- helpers ----------------------------------------------------------------------------------------------

    def _known(self, request: Request) -> Order:
        order = self._views.orders.get(request.path_params["order_id"])
        if order is None:
            raise Refusal("not_found", f"no order {request.path_params['order_id']!r}")
        return order

    async def _give(self, request: Request, command: Command) -> None:
        id = request.headers.get("idempotency-key") or uuid.uuid4().hex
        await self._driver.command(f"api:{id}", request["principal"], command)

    async def _obey(self, request: Request, command: Command, order_id: str = "") -> Response:
        await self._give(request, command)
        if not order_id:
            return answer({"live_orders": len(self._views.orders.live)}, 202)
        order = self._views.orders.orders[order_id]
        return answer(_order(order), 200 if order.terminal else 202, _etag(order))

    async def _reaches(self, order_id: str, not_yet: frozenset[str], seconds: float = 10.0) -> bool:
        """Whether the order leaves these states in time. A time-out says nothing of its fate."""
        changed = trio.Event()

        def heard(recorded: Recorded) -> None:
            if recorded.stream == order_stream(order_id):
                changed.set()

        end = self._driver.listen(heard)
        try:
            with trio.move_on_after(seconds):
                while self._views.orders.orders[order_id].state in not_yet:
                    await changed.wait()
                    changed = trio.Event()
                return True
            return False
        finally:
            end()

    def _rows(self, stream: str) -> list[Row]:
        return list(self._driver.journal.read_stream(stream))


async def _read(request: Request, kind: type[Body]) -> Body:
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > _MOST_BODY:
                raise _BadRequest(f"a body above {_MOST_BODY} bytes is not read")
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise Refusal("invalid", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _BadRequest(f"the body is not JSON: {error}") from None
    except ClientDisconnect:
        raise _BadRequest("the client left") from None


def _etag(order: Order) -> dict[str, str]:
    return {"etag": f'"{order.version}"'}


def _order(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.order_id, "state": order.state, "amend": order.amend, "body": named(order.body),
        "filled": order.filled, "attempt": order.attempt, "reducing": order.reducing, "reserved": order.reserved,
        "principal": order.principal, "queued_at": order.queued_at, "changed_at": order.changed_at,
        "reason": order.reason, "campaign_id": order.campaign_id, "version": order.version,
    }  # fmt: skip


def _position(position: Position) -> dict[str, Any]:
    return {
        "position_id": position.position_id, "campaign_id": position.campaign_id, "order_id": position.order_id,
        "opened_at": position.opened_at, "holdings": position.holdings, "cash": position.cash, "fees": position.fees,
        "delivered": position.delivered,
    }  # fmt: skip
