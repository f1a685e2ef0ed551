"""Tokens and the roles they carry, kept as hashes. Whoever serves asks here; how a token arrives is theirs to know."""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

Role = Literal["viewer", "trader", "admin"]
RANK: dict[str, int] = {"viewer": 0, "trader": 1, "admin": 2}
_LEAST_LENGTH, _LEAST_CHARACTERS = 24, 10


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


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
