"""The server's stream of frames, and how often it says the same of the same peer. No session, no decision."""

from __future__ import annotations

import re
import socket

import trio

from bridge import protocol

_CHUNK = 256 * 1024


class Quiet:
    """Says the same of the same peer once a minute, with how often it was left unsaid. Memory is bounded."""

    _SECONDS, _MOST = 60.0, 256

    def __init__(self) -> None:
        self._said: dict[tuple[str, str, str], list[float]] = {}

    def told(self, event: str, who: str, why: str, now: float) -> str | None:
        """What to say now; None for nothing. `who` is 'host:port' or a name, `why` may differ in numbers."""
        host, colon, port = who.rpartition(":")
        peer = host if colon and port.isdecimal() else who
        key = (event, peer, re.sub(r"\d+", "#", why)[:40])
        known = self._said.get(key)
        if known is not None and now - known[0] < self._SECONDS:
            known[1] += 1
            return None
        if known is None and len(self._said) >= self._MOST:
            del self._said[next(iter(self._said))]
        self._said.pop(key, None)
        self._said[key] = [now, 0]
        more = "" if known is None or not known[1] else f" ({known[1]:.0f} more like it since the last word)"
        return f"{who}: {why}{more}"


class Wire:
    """Frames over a stream; a frame's size is looked at before its body is read."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = protocol.FrameBuffer()
        self._sending = trio.Lock()
        self.over_tcp = stream.socket.family != socket.AF_UNIX

    async def send(self, frame: protocol.Frame) -> None:
        async with self._sending:
            await self._stream.send_all(protocol.encode(frame))

    async def receive(self) -> protocol.ToDaemon | None:
        """The next frame, None at a clean end. Raises ProtocolError or trio.BrokenResourceError."""
        while True:
            body = self._buffer.take()
            if body is not None:
                return protocol.decode_to_daemon(body)
            data = await self._stream.receive_some(_CHUNK)
            if not data:
                if len(self._buffer):
                    raise protocol.ProtocolError(f"the stream ended inside a frame, after {len(self._buffer)} bytes")
                return None
            self._buffer.add(data)
