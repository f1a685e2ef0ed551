"""Tokens and the roles they carry, kept as hashes. Whoever serves asks here; how a token arrives is theirs to know.

Some are given at the start (environment, credentials); others are made while it runs and kept in a file, hashed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import Literal

import msgspec

Role = Literal["viewer", "trader", "admin"]
RANK: dict[str, int] = {"viewer": 0, "trader": 1, "admin": 2}
_LEAST_LENGTH, _LEAST_CHARACTERS = 24, 10
#: Well-known words that a token may not be made of: they are in every list that is tried first.
_KNOWN = ("changeme", "password", "secret", "callboard", "default", "example", "admin")
_MOST = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")


class WeakToken(ValueError):
    """A token that could be guessed: the daemon does not start with it, and makes none of it."""


class TokenNameTaken(ValueError):
    """A token of this name exists, or there are too many."""


class TokenFixed(ValueError):
    """A token that was given at the start can't be revoked here: it is taken away where it was given."""


class Holder(msgspec.Struct, frozen=True):
    """Who a token stands for: a name that the journal shows, a role, where it came from, and since when."""

    name: str
    role: Role
    source: Literal["environment", "file"]
    created_at: dt.datetime | None = None


class _Kept(msgspec.Struct, frozen=True):
    name: str
    role: Role
    hash: str
    created_at: dt.datetime


class Tokens:
    """Holders by token. `tokens` gives those of the start by role; `file` keeps those made later (mode 0600).

    Raises WeakToken for one shorter than 24 characters, of fewer than 10 different ones, or made of a well-known word,
    and where there is none at all. Raises OSError or ValueError for a file that can't be read.
    """

    def __init__(self, tokens: dict[str, str], file: Path | None = None) -> None:
        self._holders: dict[bytes, Holder] = {}
        self._file = file
        for role in RANK:
            token = tokens.get(role, "")
            if token:
                check_strength(token, role)
                self._holders[_hash(token)] = Holder(role, role, "environment")  # type: ignore[arg-type]
        for kept in _read(file):
            self._holders[bytes.fromhex(kept.hash)] = Holder(kept.name, kept.role, "file", kept.created_at)
        if not self._holders:
            raise WeakToken("no token is set: make one and give it as CALLBOARD_AUTH_TOKEN")

    def holder(self, token: str) -> Holder | None:
        """Whose token this is; every known one is compared, in equal time."""
        given, found = _hash(token), None
        for known, holder in self._holders.items():
            if hmac.compare_digest(given, known):
                found = holder
        return found

    def role(self, token: str) -> Role | None:
        """The role that a token carries."""
        found = self.holder(token)
        return None if found is None else found.role

    def holds(self, holder: Holder) -> bool:
        """Whether this holder's token is still good."""
        return holder in self._holders.values()

    def holders(self) -> tuple[Holder, ...]:
        """Everybody who has a token, by name."""
        return tuple(sorted(self._holders.values(), key=lambda holder: holder.name))

    def make(self, name: str, role: Role, token: str = "") -> str:
        """A new token under a name; given back this once, and kept as a hash. `token`: one of the caller's own.

        Raises WeakToken, TokenNameTaken, ValueError for a name that can't be, OSError where it can't be kept.
        """
        if _NAME.fullmatch(name) is None:
            raise ValueError(
                f"name {name!r} must be 1 to 40 of a-z, 0-9, '_', '.', '-', and begin with one of a-z, 0-9"
            )
        if any(holder.name == name for holder in self._holders.values()) or name in RANK:
            raise TokenNameTaken(
                f"a token named {name!r} exists already" if name not in RANK else f"{name!r} is a role"
            )
        if len(self._holders) >= _MOST:
            raise TokenNameTaken(f"{len(self._holders)} tokens exist, the limit is {_MOST}: revoke one first")
        if token:
            check_strength(token, role)
        made = token or f"cb_{secrets.token_urlsafe(32)}"
        if _hash(made) in self._holders:
            raise TokenNameTaken("this token exists already under another name")
        holders = {**self._holders, _hash(made): Holder(name, role, "file", dt.datetime.now(dt.UTC))}
        _write(self._file, holders)
        self._holders = holders
        return made

    def revoke(self, name: str) -> None:
        """Make a token of the file worthless at once. Raises KeyError for no such name, TokenFixed for one given at the
        start, OSError where the file can't be written."""
        for key, holder in self._holders.items():
            if holder.name == name:
                if holder.source != "file":
                    raise TokenFixed(f"the token {name!r} was given at the start: take it away there and start anew")
                holders = {other: each for other, each in self._holders.items() if other != key}
                _write(self._file, holders)
                self._holders = holders
                return
        raise KeyError(name)


def check_strength(token: str, role: str) -> None:
    """Raise WeakToken for a token that could be guessed."""
    if len(token) < _LEAST_LENGTH or len(set(token)) < _LEAST_CHARACTERS:
        raise WeakToken(
            f"the {role} token has {len(token)} characters, {len(set(token))} different; "
            f"{_LEAST_LENGTH} and {_LEAST_CHARACTERS} are the least"
        )
    left = letters = re.sub(r"[^a-z]", "", token.lower())
    for word in _KNOWN:
        left = left.replace(word, "")
    if letters and not left:
        raise WeakToken(f"the {role} token is made of well-known words, which are no secret")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _read(file: Path | None) -> tuple[_Kept, ...]:
    if file is None or not file.exists():
        return ()
    if file.stat().st_mode & 0o077:
        raise ValueError(f"{file} can be read by others: chmod 600 it")
    try:
        return msgspec.json.decode(file.read_bytes(), type=tuple[_Kept, ...])
    except msgspec.DecodeError as error:
        raise ValueError(f"{file} is not a file of tokens: {error}") from None


def _write(file: Path | None, holders: dict[bytes, Holder]) -> None:
    """Whole or not at all: a daemon that dies here keeps the tokens it had."""
    if file is None:
        return
    kept = [
        _Kept(holder.name, holder.role, key.hex(), holder.created_at or dt.datetime.now(dt.UTC))
        for key, holder in holders.items()
        if holder.source == "file"
    ]
    new = file.with_name(file.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.format(msgspec.json.encode(kept)))
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
