"""What stands before every route: headers of care, the host and origin that may ask, the token, and how often.

ASGI only; each class wraps an app and knows nothing of the desk.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import trio

from daemon.api.answers import problem
from daemon.api.settings import ApiSettings
from daemon.serve import App
from daemon.tokens import Tokens

#: Paths that say nothing of the desk.
_OPEN = frozenset(("/", "/docs", "/docs.css", "/favicon.ico", "/healthz", "/readyz", "/api/v1/openapi.json"))
#: Names in a query under which people send tokens.
_SECRETS = frozenset(("token", "access_token", "auth", "auth_token", "api_key", "apikey", "authorization", "bearer"))
#: On every answer: it is what it says it is, nobody frames it, and where it came from is told to nobody.
_HEADERS = (
    (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"x-frame-options", b"DENY"),
)  # fmt: skip


class Careful:
    """Puts the headers of care on every answer; what an API tells is kept by no cache unless it says so.

    `seen(method, path, status, seconds)` hears of every answer; `path` is the route's own, with its parameters unnamed.
    `notice("fault", text)` hears of every error that a handler let out.
    """

    def __init__(
        self, app: App, seen: Callable[[str, str, int, float], None], notice: Callable[[str, str], None]
    ) -> None:
        self._app, self._seen, self._notice = app, seen, notice

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = trio.current_time(), 0

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], *_HEADERS]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            raise  # the connection's trouble, not a handler's
        except Exception as error:
            # The answer is given already; the error goes no further, for whoever is behind here knows less of it.
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
            self._notice("fault", f"{scope['method']} {scope['path'][:100]}: {error!r} at {place}"[:400])
        finally:
            self._seen(scope["method"], scope.get("route_path", "other"), status, trio.current_time() - began)


class Addressed:
    """Lets in who asked this daemon by a name of its own, from no page or from a page of its own or a configured one.

    A foreign name is how a page elsewhere would reach a daemon on loopback (DNS rebinding); a foreign origin is that
    page itself.
    """

    def __init__(self, app: App, settings: ApiSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        refusal = None
        if not self._settings.known_host(host):
            refusal = problem(400, "unknown_host", f"this daemon is not {host!r}: configure it as one of its hosts")
        elif scope["type"] == "http" and not self._welcome(origin, host):
            refusal = problem(403, "foreign_origin", f"origin {origin} may not ask: configure it as one of the origins")
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 4403, "reason": "unknown host"})

    def _welcome(self, origin: str | None, host: str) -> bool:
        return origin is None or origin in (f"http://{host}", f"https://{host}") or origin in self._settings.origins


class Authenticated:
    """Puts `role`, `holder` and `principal` into the scope, or answers 401; and 400 for a token in the query."""

    def __init__(self, app: App, tokens: Tokens) -> None:
        self._app, self._tokens = app, tokens

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if _SECRETS & {name.lower() for name in parse_qs(scope["query_string"].decode("latin-1"), True)}:
            if scope["type"] == "websocket":
                # Accepted first: a browser is shown no reason for a handshake that was refused.
                await receive()
                await send({"type": "websocket.accept"})
                await send({"type": "websocket.close", "code": 4401, "reason": "a token in a URL ends up in logs"})
                return
            detail = "a token in a URL ends up in logs and histories: send it as a bearer token, and make a new one"
            await problem(400, "token_in_url", detail)(scope, receive, send)
            return
        if scope["type"] == "websocket" or scope["path"] in _OPEN or scope["path"].startswith("/static/"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        scheme, _, token = headers.get(b"authorization", "").partition(" ")
        holder = self._tokens.holder(token.strip()) if scheme.lower() == "bearer" else None
        if holder is None:
            why = "an unknown token" if scheme.lower() == "bearer" else "no bearer token"
            answer = problem(401, "unauthorized", f"{why}: a known one is needed", {"www-authenticate": "Bearer"})
            await answer(scope, receive, send)
            return
        scope["role"], scope["holder"], scope["principal"] = holder.role, holder, f"operator:{holder.name}"
        await self._app(scope, receive, send)


class _Bucket:
    __slots__ = ("at", "left")

    def __init__(self, left: float, at: float) -> None:
        self.left, self.at = left, at


class Limited:
    """A token bucket for each token. Ways out are never counted: a halt, a cancel, a close, a mend, a settled order."""

    def __init__(self, app: App, settings: ApiSettings) -> None:
        self._app, self._rate, self._burst = app, settings.requests_per_second, settings.burst
        self._buckets: dict[str, _Bucket] = {}
        #: Requests refused so far.
        self.refused = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or "holder" not in scope or _way_out(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        wait = self._wait(scope["holder"].name, trio.current_time())
        if wait <= 0:
            await self._app(scope, receive, send)
            return
        self.refused += 1
        detail = f"more than {self._rate:g} requests a second (and {self._burst} at once) with this token"
        await problem(429, "too_many_requests", detail, {"retry-after": str(int(wait) + 1)})(scope, receive, send)

    def _wait(self, name: str, now: float) -> float:
        """Take one request from a token's bucket; the seconds until there is one where it is empty."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(float(self._burst), now)
        bucket.left = min(self._burst, bucket.left + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.left < 1:
            return (1 - bucket.left) / self._rate
        bucket.left -= 1
        return 0.0


def _way_out(method: str, path: str) -> bool:
    return method == "DELETE" or (
        method == "POST" and path.endswith(("/halt", "/close", "/settle", "/mend", "/exercises"))
    )
