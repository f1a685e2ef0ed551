"""How a route is declared and run: its role, query, body and answers in one place, for the server and for OpenAPI.

No route lives here. Whatever a handler raises becomes a problem with a documented status.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import trio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from actors.runtime import Busy, CommandFailed, Refusal
from daemon.api.answers import STATUS, problem
from daemon.outlet import DriverStopped
from daemon.tokens import RANK, Role

Query = TypeVar("Query")
Body = TypeVar("Body")
MOST_BODY = 64 * 1024
#: Seconds that a body may take to come.
BODY_SECONDS = 10.0


class BadRequest(Exception):
    """A request that can't be read: 400 with the message."""


class Problem(Exception):
    """An answer that is a problem: status, a word for machines, words for people, headers."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.headers = status, code, headers


class Call:
    """One request with what was read of it: `query` and `body` are of the types that the endpoint declares."""

    __slots__ = ("body", "query", "request")

    def __init__(self, request: Request, query: Any, body: Any) -> None:
        self.request, self.query, self.body = request, query, body

    @property
    def principal(self) -> str:
        """Who asks, as the journal will name them."""
        return self.request.scope["principal"]

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.request.path_params[name]

    def header(self, name: str) -> str | None:
        """A header, None where it was not sent."""
        return self.request.headers.get(name)


Handler = Callable[[Call], Awaitable[Response]]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A method of a path. `role` None: open to all. `answers` gives the type of the JSON by status; `refuses` the
    statuses of problems beside those that every endpoint may give. `headers` names request headers it reads."""

    method: str
    path: str
    role: Role | None
    handler: Handler
    summary: str
    answers: dict[int, Any]
    query: type | None = None
    body: type | None = None
    refuses: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    content_type: str = "application/json"


def routes(endpoints: Iterable[Endpoint]) -> list[Route]:
    """One route a path, so that another method there is 405 with the methods that are."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        methods = paths.setdefault(endpoint.path, {})
        if endpoint.method in methods:
            raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
        methods[endpoint.method] = endpoint
    return [Route(path, _dispatch(methods), methods=list(methods)) for path, methods in paths.items()]


def _dispatch(methods: dict[str, Endpoint]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await run(methods["GET" if request.method == "HEAD" else request.method], request)

    return handle


async def run(endpoint: Endpoint, request: Request) -> Response:
    """Check the role, read the request, and answer. Never raises but what is a fault of ours."""
    request.scope["route_path"] = endpoint.path
    if endpoint.role is not None and RANK[request.scope["role"]] < RANK[endpoint.role]:
        has = request.scope["role"]
        detail = f"{endpoint.method} {endpoint.path} needs the role {endpoint.role}, this token is a {has}'s"
        return problem(403, "forbidden", detail)
    try:
        query = _query(endpoint.query, request)
        body = None if endpoint.body is None else await _body(endpoint.body, request)
        return await endpoint.handler(Call(request, query, body))
    except BadRequest as error:
        return problem(400, "bad_request", str(error))
    except Problem as error:
        return problem(error.status, error.code, str(error), error.headers)
    except Refusal as refusal:
        return problem(STATUS.get(refusal.code, 422), refusal.code, str(refusal))
    except Busy as busy:
        return problem(503, "busy", str(busy), {"retry-after": "1"})
    except DriverStopped as stopped:
        return problem(503, "outcome_unknown", f"{stopped}; ask again with the same id once the daemon is back")
    except CommandFailed as failed:
        return problem(500, "failed", str(failed))


def many(kind: Any) -> bool:
    """Whether a query parameter of this type may be repeated."""
    return get_origin(kind) is tuple


def parameters(kind: type) -> list[tuple[str, Any, bool, Any]]:
    """Name, type, whether it may be missing, and default of each parameter of a query type."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        (field.encode_name, hints[field.name], not field.required, field.default)
        for field in msgspec.structs.fields(kind)
    ]


def _query(kind: type | None, request: Request) -> Any:
    given = request.query_params
    if kind is None:
        if given:
            raise BadRequest(f"no query is known here, and {', '.join(dict.fromkeys(given))} was given")
        return None
    values: dict[str, Any] = {}
    known = {name: hint for name, hint, _, _ in parameters(kind)}
    for name in dict.fromkeys(given):
        if name not in known:
            raise BadRequest(f"query {name!r} is not known here; known are {', '.join(known)}")
        listed = given.getlist(name)
        if not many(known[name]) and len(listed) > 1:
            raise BadRequest(f"query {name!r} is given {len(listed)} times")
        values[name] = listed if many(known[name]) else _parsed(known[name], listed[0])
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"query: {error}") from None


def _parsed(kind: Any, text: str) -> Any:
    """An empty word is none where none is possible."""
    optional = get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)
    return None if optional and text == "" else text


async def _body(kind: type[Body], request: Request) -> Body:
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media != "application/json":
        raise Problem(415, "unsupported_media_type", f"the body is {media!r}, application/json is taken")
    raw = bytearray()
    try:
        with trio.move_on_after(BODY_SECONDS) as late:
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > MOST_BODY:
                    raise Problem(413, "too_large", f"the body is longer than {MOST_BODY} bytes")
        if late.cancelled_caught:
            raise Problem(408, "too_late", f"the body was not here within {BODY_SECONDS:g} s", {"connection": "close"})
        return msgspec.json.decode(bytes(raw), type=kind)
    except msgspec.ValidationError as error:
        raise Refusal("invalid", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    except ClientDisconnect:
        raise BadRequest("the client left") from None


def table(endpoints: Sequence[Endpoint]) -> list[tuple[str, str, Role | None]]:
    """Method, path and role of every endpoint: what the role matrix is made of."""
    return [(endpoint.method, endpoint.path, endpoint.role) for endpoint in endpoints]
