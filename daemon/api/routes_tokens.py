"""Tokens over HTTP, for admins: who has one, a new one (shown once), and its end."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
import trio
from starlette.responses import Response

from actors.runtime import Refusal
from daemon.api.answers import answer
from daemon.api.desk import Desk
from daemon.api.routing import Call, Endpoint
from daemon.tokens import Holder, Role, TokenFixed, TokenNameTaken


class TokenShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who has a token. `source`: environment (given at the start) or file. The token itself is never shown again."""

    name: str
    role: Role
    source: str
    created_at: dt.datetime | None


class TokenMade(TokenShown, frozen=True, kw_only=True):
    """A new token, shown this once; only its hash is kept."""

    token: str


class TokenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new token's name, as the journal will show it, and role. `token`: one of your own, refused where it is weak;
    without it a random one is made."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    role: Role
    token: Annotated[str, msgspec.Meta(max_length=200)] = ""


class TokenRoutes:
    """The handlers; `endpoints` declares them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._one = trio.Lock()

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every route of this module."""
        return (
            Endpoint(method="GET", path="/api/v1/tokens", role="admin", handler=self.list,
                     answers={200: tuple[TokenShown, ...]}, summary="Who has a token"),
            Endpoint(method="POST", path="/api/v1/tokens", role="admin", handler=self.make, body=TokenBody,
                     answers={201: TokenMade}, refuses=(409,), summary="A new token, shown this once"),
            Endpoint(method="DELETE", path="/api/v1/tokens/{name}", role="admin", handler=self.revoke,
                     answers={200: tuple[TokenShown, ...]}, refuses=(404, 409),
                     summary="Make a token worthless at once; answers who has one still"),
        )  # fmt: skip

    async def list(self, call: Call) -> Response:
        return answer(self._shown())

    async def make(self, call: Call) -> Response:
        body: TokenBody = call.body
        tokens = self._desk.tokens
        async with self._one:
            try:
                made = await trio.to_thread.run_sync(tokens.make, body.name, body.role, body.token)
            except TokenNameTaken as error:
                raise Refusal("conflict", str(error)) from None
            except ValueError as error:
                raise Refusal("invalid", str(error)) from None
        holder = next(each for each in tokens.holders() if each.name == body.name)
        return answer(TokenMade(**msgspec.structs.asdict(holder), token=made), 201)

    async def revoke(self, call: Call) -> Response:
        async with self._one:
            try:
                await trio.to_thread.run_sync(self._desk.tokens.revoke, call.path("name"))
            except KeyError:
                raise Refusal("not_found", f"no token {call.path('name')!r}") from None
            except TokenFixed as error:
                raise Refusal("conflict", str(error)) from None
        return answer(self._shown())

    def _shown(self) -> tuple[TokenShown, ...]:
        return tuple(map(_shown, self._desk.tokens.holders()))


def _shown(holder: Holder) -> TokenShown:
    return TokenShown(**msgspec.structs.asdict(holder))
