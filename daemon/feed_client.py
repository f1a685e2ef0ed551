"""A client of the feed that resumes: every fact once and in order, however often it is cut. For `callboard watch` and
for whoever builds on the feed. It decides nothing and knows no daemon but by its address.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from actors.runtime import Backoff

_SILENT_BEATS = 3
_UNAUTHORIZED, _FORBIDDEN = 4401, 4403


class FeedRefused(Exception):
    """The daemon does not let this client in; another try would be refused too. `code` is 4401 or 4403."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason or 'refused'} ({code})")
        self.code = code


class OtherJournal(Exception):
    """The daemon's journal is not the one that was followed: what was kept of it is worth nothing."""


class _Cut(Exception):
    """This connection is over; another may go on where it stopped."""


class FeedClient:
    """Follows the feed at `address` ('http://127.0.0.1:8080').

    `after`: resume behind this sequence; None: from now. `subjects` and `states` as in docs/api.md. `epoch`: the
    journal that `after` belongs to, where it is known. Between tries it waits by `backoff`, and begins anew with a
    short wait once it was served.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        after: int | None = None,
        subjects: Sequence[str] | None = (),
        states: Sequence[str] = (),
        epoch: str = "",
        backoff: Backoff = Backoff(first=0.05, most=5.0),  # noqa: B008
    ) -> None:
        parts = urlsplit(address if "//" in address else f"http://{address}")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or (443 if self._secure else 80)
        self._token, self._backoff = token, backoff
        self._subjects = None if subjects is None else list(subjects)
        self._states = list(states)
        #: The last sequence seen, to resume after; None before anything was.
        self.after = after
        self.epoch = epoch
        #: Connections so far beyond the first.
        self.resumed = 0
        self._tries = 0

    async def frames(self) -> AsyncGenerator[dict[str, Any], None]:
        """Every frame that says something (hello, fact, state, heartbeat, subscribed, error), for ever.

        A fact comes once: what was missed while cut comes first. Raises FeedRefused or OtherJournal. Use it under
        `aclosing`.
        """
        failures = 0
        while True:
            self._tries += 1
            self.resumed = self._tries - 1
            try:
                async with aclosing(self._connection()) as frames:
                    async for frame in frames:
                        failures = 0
                        yield frame
            except (_Cut, OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                pass
            except (LocalProtocolError, RemoteProtocolError):
                pass
            failures += 1
            await trio.sleep(self._backoff.delay(failures, random.uniform))

    async def facts(self) -> AsyncGenerator[dict[str, Any], None]:
        """The facts alone."""
        async with aclosing(self.frames()) as frames:
            async for frame in frames:
                if frame["type"] == "fact":
                    yield frame

    async def _connection(self) -> AsyncGenerator[dict[str, Any], None]:
        """The frames of one connection, until it is over (_Cut and others)."""
        wire = _Wire(await self._connect(), f"{self._host}:{self._port}")
        try:
            with trio.fail_after(10):
                await wire.shake_hands()
                first = {
                    "token": self._token, "after": self.after, "subjects": self._subjects, "states": self._states
                }  # fmt: skip
                await wire.say(first)
                hello = await wire.next()
            self._greeted(hello)
            yield hello
            prev, beat = hello["after"], float(hello["heartbeat_seconds"])
            silence = _SILENT_BEATS * beat
            next_beat = trio.current_time() + beat
            while True:
                with trio.fail_after(silence):
                    frame = await wire.next()
                if frame["type"] == "fact":
                    if frame["prev"] != prev:
                        raise _Cut(f"fact {frame['sequence']} follows {frame['prev']}, seen was {prev}")
                    prev = self.after = frame["sequence"]
                yield frame
                if trio.current_time() >= next_beat:
                    await wire.say({"type": "heartbeat", "sequence": self.after or 0})
                    next_beat = trio.current_time() + beat
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(wire.stream)

    async def _connect(self) -> trio.abc.Stream:
        if self._secure:
            return await trio.open_ssl_over_tcp_stream(self._host, self._port, ssl_context=ssl.create_default_context())
        return await trio.open_tcp_stream(self._host, self._port)

    def _greeted(self, hello: dict[str, Any]) -> None:
        if self.epoch and hello["epoch"] != self.epoch:
            raise OtherJournal(f"the journal {self.epoch} was followed, this daemon has {hello['epoch']}")
        if self.after is not None and hello["after"] < self.after:
            raise OtherJournal(f"fact {self.after} was seen, this daemon's journal ends at {hello['sequence']}")
        self.epoch = hello["epoch"]
        if self.after is None:
            self.after = hello["after"]


class _Wire:
    """One WebSocket over one stream: text frames as objects, pings answered."""

    def __init__(self, stream: trio.abc.Stream, host: str) -> None:
        self.stream, self._host = stream, host
        self._wire = WSConnection(ConnectionType.CLIENT)
        self._events: list[Any] = []
        self._text: list[str] = []

    async def shake_hands(self) -> None:
        await self.stream.send_all(self._wire.send(Request(host=self._host, target="/api/v1/feed")))
        event = await self._event()
        if isinstance(event, RejectConnection):
            raise _Cut(f"refused with {event.status_code}")
        if not isinstance(event, AcceptConnection):
            raise _Cut(f"answered with {event!r}")

    async def say(self, frame: object) -> None:
        # Where a goodbye is here already nothing can be said any more; `next` tells of it.
        with suppress(LocalProtocolError):
            await self.stream.send_all(self._wire.send(TextMessage(msgspec.json.encode(frame).decode())))

    async def next(self) -> dict[str, Any]:
        """The next frame. Raises _Cut where there is none any more, FeedRefused where none will ever be."""
        while True:
            event = await self._event()
            if isinstance(event, TextMessage):
                self._text.append(event.data)
                if event.message_finished:
                    text = "".join(self._text)
                    self._text.clear()
                    return msgspec.json.decode(text)
            elif isinstance(event, CloseConnection):
                if event.code in (_UNAUTHORIZED, _FORBIDDEN):
                    raise FeedRefused(event.code, event.reason or "")
                raise _Cut(f"closed with {event.code} {event.reason or ''}".strip())
            elif isinstance(event, Ping):
                with suppress(LocalProtocolError):
                    await self.stream.send_all(self._wire.send(event.response()))
            elif isinstance(event, BytesMessage):
                raise _Cut("sent bytes")

    async def _event(self) -> Any:
        while not self._events:
            data = await self.stream.receive_some(65536)
            if not data:
                raise _Cut("the connection ended")
            self._wire.receive_data(bytes(data))
            self._events += list(self._wire.events())
        return self._events.pop(0)
