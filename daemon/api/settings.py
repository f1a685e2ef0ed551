"""What a run of the API may be told: who may ask from where, and how often. Values only."""

from __future__ import annotations

import msgspec

_LOOPBACK = frozenset(("localhost", "127.0.0.1", "[::1]"))


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`origins`: pages elsewhere that may use the API (scheme://host[:port]). `hosts`: names under which this daemon is
    asked, beside loopback's and the one it is bound to. A token may ask `requests_per_second` on average, `burst` at
    once; halts, cancels, closes and other ways out are never counted. Without `feed` nobody is let into the feed, and
    the dashboard shows nothing live."""

    origins: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    requests_per_second: float = 50.0
    burst: int = 200
    feed: bool = True

    def known_host(self, host: str) -> bool:
        """Whether a Host header names this daemon."""
        name = host.lower()
        if not name.endswith("]"):
            head, colon, tail = name.rpartition(":")
            name = head if colon and tail.isdecimal() else name
        return name in _LOOPBACK or name in self.hosts
