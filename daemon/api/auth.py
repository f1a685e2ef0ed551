"""Who asks over HTTP: a bearer token with its role, or 401. A token in a URL is refused even where it is right."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from daemon.api.answers import problem
from daemon.serve import App
from daemon.tokens import Tokens

#: Paths that say nothing of the desk.
_OPEN = frozenset(("/healthz", "/readyz"))


class Authenticated:
    """ASGI: puts `role` and `principal` into the scope, or answers 401; and 400 for a token in the query."""

    def __init__(self, app: App, tokens: Tokens) -> None:
        self._app, self._tokens = app, tokens

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
            return
        if "token" in parse_qs(scope["query_string"].decode("latin-1")):
            answer = problem(400, "token_in_url", "a token in a URL ends up in logs: send it as a bearer token")
            await answer(scope, receive, send)
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
