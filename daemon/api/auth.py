"""Who asks over HTTP: a bearer token with its role, or 401. A token in a URL is refused even where it is right."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from daemon.api.answers import problem
from daemon.serve import App
from daemon.tokens import Tokens

#: Paths that say nothing of the desk.
_OPEN = frozenset(("/", "/favicon.ico", "/healthz", "/readyz"))


#: On every answer: it is what it says it is, nobody frames it, and where it came from is told to nobody.
_HEADERS = (
    (b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)  # fmt: skip


class Careful:
    """ASGI: puts the headers of care on every answer; what an API tells is kept by no cache unless it says so."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *_HEADERS]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)


class Authenticated:
    """ASGI: puts `role` and `principal` into the scope, or answers 401; and 400 for a token in the query."""

    def __init__(self, app: App, tokens: Tokens) -> None:
        self._app, self._tokens = app, tokens

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "token" in parse_qs(scope["query_string"].decode("latin-1")):
            answer = problem(400, "token_in_url", "a token in a URL ends up in logs: send it as a bearer token")
            await answer(scope, receive, send)
            return
        if scope["path"] in _OPEN or scope["path"].startswith("/static/"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        scheme, _, token = headers.get(b"authorization", "").partition(" ")
        role = self._tokens.role(token.strip()) if scheme.lower() == "bearer" else None
        if role is None:
            answer = problem(401, "unauthorized", "a known bearer token is needed", {"www-authenticate": "Bearer"})
            await answer(scope, receive, send)
            return
        scope["role"], scope["principal"] = role, f"operator:{role}"
        await self._app(scope, receive, send)
