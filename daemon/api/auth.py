"""Who asks: bearer tokens with a role each, kept as hashes. A token in a URL, or a weak one, is refused."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Literal
from urllib.parse import parse_qs

from daemon.api.answers import problem
from daemon.serve import App

Role = Literal["viewer", "trader", "admin"]
RANK: dict[str, int] = {"viewer": 0, "trader": 1, "admin": 2}
_LEAST_LENGTH, _LEAST_CHARACTERS = 24, 10
#: Paths that say nothing of the desk.
_OPEN = frozenset(("/healthz", "/readyz"))


class WeakToken(ValueError):
    """A token that could be guessed: the daemon does not start with it."""


class Tokens:
    """Roles by token. Raises WeakToken for one shorter than 24 characters or of fewer than 10 different ones."""

    def __init__(self, tokens: dict[str, str]) -> None:
        self._hashes: dict[bytes, Role] = {}
        for role in RANK:
            token = tokens.get(role, "")
            if not token:
                continue
            if len(token) < _LEAST_LENGTH or len(set(token)) < _LEAST_CHARACTERS:
                raise WeakToken(
                    f"the {role} token has {len(token)} characters, {len(set(token))} different; "
                    f"{_LEAST_LENGTH} and {_LEAST_CHARACTERS} are the least"
                )
            self._hashes[_hash(token)] = role  # type: ignore[assignment]
        if not self._hashes:
            raise WeakToken("no token is set: make one and give it as CALLBOARD_AUTH_TOKEN")

    def role(self, token: str) -> Role | None:
        """Whose token this is; every known one is compared, in equal time."""
        given, found = _hash(token), None
        for known, role in self._hashes.items():
            if hmac.compare_digest(given, known):
                found = role
        return found


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


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
