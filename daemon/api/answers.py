"""How the API answers: JSON with money as strings and times in UTC, and problems by RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

encode = msgspec.json.Encoder(order="deterministic").encode

#: HTTP status by the code of a refusal.
STATUS = {
    "invalid": 422, "not_found": 404, "conflict": 409, "full": 503, "refused": 422, "halted": 409, "unknown": 409,
    "canceled": 409, "unavailable": 503, "unknown_command": 400,
}  # fmt: skip


class ProblemShown(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457: `code` is one word for machines, `detail` a sentence for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Anything that msgspec can write, as JSON."""
    return Response(encode(content), status, headers, "application/json")


def problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """An error as application/problem+json; `code` is one word for machines."""
    body = {"type": "about:blank", "title": code.replace("_", " "), "status": status, "code": code, "detail": detail}
    return Response(encode({**body, **more}), status, headers, "application/problem+json")
