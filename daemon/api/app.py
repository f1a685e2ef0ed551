"""The app: every route there is, who may pass, and what stands in front of them. No route's own code lives here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from actors.runtime import ChildReport
from config.calendar import Sessions
from config.desk import DeskRules
from daemon.api import openapi
from daemon.api.answers import answer, problem
from daemon.api.desk import Desk
from daemon.api.doors import Addressed, Authenticated, Careful, Limited
from daemon.api.metrics import CONTENT_TYPE, Metrics
from daemon.api.routes_book import BookRoutes
from daemon.api.routes_market import MarketRoutes
from daemon.api.routes_orders import OrderRoutes
from daemon.api.routes_system import SystemRoutes
from daemon.api.routes_tokens import TokenRoutes
from daemon.api.routing import Call, Endpoint, routes
from daemon.api.settings import ApiSettings
from daemon.api.static import POLICY, StaticFiles
from daemon.driver import Driver
from daemon.feed import Feed
from daemon.serve import App
from daemon.tokens import Tokens
from daemon.views import Views

_READ_HEADERS = ("authorization", "content-type", "if-match", "if-none-match", "idempotency-key")


def endpoints(desk: Desk) -> tuple[Endpoint, ...]:
    """Every HTTP route of the API, in the order of its document."""

    async def metrics(call: Call) -> Response:
        return Response(desk.metrics.text(), 200, media_type=CONTENT_TYPE)

    return (
        *SystemRoutes(desk).endpoints(), *OrderRoutes(desk).endpoints(), *BookRoutes(desk).endpoints(),
        *MarketRoutes(desk).endpoints(), *TokenRoutes(desk).endpoints(),
        Endpoint(method="GET", path="/metrics", role="viewer", handler=metrics, answers={200: str},
                 content_type=CONTENT_TYPE, summary="For Prometheus"),
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
    settings: ApiSettings | None = None,
    notice: Callable[[str, str], None] = lambda event, text: None,
) -> App:
    """The ASGI app over a driver that runs. `views` and `feed` must be given its durable facts."""
    settings = settings or ApiSettings()
    metrics = Metrics()
    desk = Desk(driver, views, tokens, feed, rules or DeskRules(), sessions, reports, kill_edge, metrics)
    metrics.of(desk)
    declared = endpoints(desk)
    app: App = Starlette(
        routes=[
            *StaticFiles().routes(), *routes(declared), *_described(declared),
            *([WebSocketRoute("/api/v1/feed", feed.serve)] if settings.feed else []),
        ],
        exception_handlers={HTTPException: _http_problem, 500: _fault},
    )  # fmt: skip
    app = Authenticated(Limited(app, settings), tokens)
    if settings.origins:
        app = CORSMiddleware(
            app, allow_origins=sorted(settings.origins), allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=_READ_HEADERS, expose_headers=("etag", "location", "retry-after"),
        )  # fmt: skip
    return Careful(Addressed(app, settings), metrics.seen, notice)


def _described(declared: Sequence[Endpoint]) -> list[Route]:
    document = openapi.document(declared)
    page = openapi.page(document)

    async def json(request: Request) -> Response:
        return answer(document)

    async def docs(request: Request) -> Response:
        return Response(page, 200, {"content-security-policy": POLICY}, "text/html; charset=utf-8")

    async def style(request: Request) -> Response:
        return Response(openapi.STYLE, 200, media_type="text/css; charset=utf-8")

    return [Route("/api/v1/openapi.json", json), Route("/docs", docs), Route("/docs.css", style)]


async def _http_problem(request: Request, error: Exception) -> Response:
    """What the router itself answers, as a problem."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    path = request.url.path
    detail = f"no route {path}" if error.status_code == 404 else f"{request.method} is not for {path}"
    return problem(error.status_code, code, detail, error.headers)


async def _fault(request: Request, error: Exception) -> Response:
    return problem(500, "failed", "the daemon failed at this request; the log says how")
