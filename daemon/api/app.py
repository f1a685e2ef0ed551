"""The app: every route there is, who may pass, and what stands in front of them. No route's own code lives here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute

from actors.runtime import ChildReport
from config.calendar import Sessions
from config.desk import DeskRules
from daemon.api.answers import problem
from daemon.api.auth import Authenticated, Careful
from daemon.api.desk import Desk
from daemon.api.routes_book import BookRoutes
from daemon.api.routes_market import MarketRoutes
from daemon.api.routes_orders import OrderRoutes
from daemon.api.routes_system import SystemRoutes
from daemon.api.routing import Endpoint, routes
from daemon.api.static import StaticFiles
from daemon.driver import Driver
from daemon.feed import Feed
from daemon.serve import App
from daemon.tokens import Tokens
from daemon.views import Views


def endpoints(desk: Desk) -> tuple[Endpoint, ...]:
    """Every HTTP route of the API, in the order of its document."""
    return (
        *SystemRoutes(desk).endpoints(), *OrderRoutes(desk).endpoints(), *BookRoutes(desk).endpoints(),
        *MarketRoutes(desk).endpoints(),
    )  # fmt: skip


def make_app(
    driver: Driver,
    views: Views,
    tokens: Tokens,
    feed: Feed,
    *,
    rules: DeskRules | None = None,
    sessions: Sessions | None = None,
    reports: Callable[[], Sequence[ChildReport]] = tuple,
    kill_edge: Callable[[str], None] = lambda name: None,
) -> App:
    """The ASGI app over a driver that runs. `views` and `feed` must be given its durable facts."""
    desk = Desk(driver, views, tokens, feed, rules or DeskRules(), sessions, reports, kill_edge)
    app = Starlette(
        routes=[
            *StaticFiles().routes(),
            *routes(endpoints(desk)),
            WebSocketRoute("/api/v1/feed", feed.serve),
        ],
        exception_handlers={HTTPException: _http_problem, 500: _fault},
    )
    return Careful(Authenticated(app, tokens))


async def _http_problem(request: Request, error: Exception) -> Response:
    """What the router itself answers, as a problem."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    detail = (
        f"no route {request.url.path}"
        if error.status_code == 404
        else f"{request.method} is not for {request.url.path}"
    )
    return problem(error.status_code, code, detail, error.headers)


async def _fault(request: Request, error: Exception) -> Response:
    return problem(500, "failed", "the daemon failed at this request; the log says how")
