"""LEAN's end of the wire: a blocking socket with frames, proof of the secret, and the numbered log of events.

Standard library and msgspec only, because it is copied into LEAN projects. It decides nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import select
import socket
import threading
import time
from collections import deque

from bridge import protocol

#: Bytes asked of the socket at a time.
_CHUNK = 256 * 1024


class BridgeRefused(Exception):
    """The daemon refused the connection, with its reason. Unless `retry`, the same hello gets the same answer."""

    def __init__(self, reason: str, retry: bool = False) -> None:
        super().__init__(reason)
        self.retry = retry


class BridgeGone(ConnectionError):
    """The connection broke, or was never made."""


def tcp_address(address: str) -> tuple[str, int] | None:
    """Host and port of 'host:port'; None for a unix socket's path. Raises ValueError for a port that is no number."""
    host, colon, port = address.rpartition(":")
    if not colon or "/" in address:
        return None
    if not port.isdecimal():
        raise ValueError(f"{address!r} has port {port!r}, which is not a number")
    return host, int(port)


def _dial(address: str, tcp: tuple[str, int] | None, timeout: float) -> socket.socket:
    """A connected socket, or none left open. Raises OSError."""
    if tcp is not None:
        return socket.create_connection(tcp, timeout)
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        unix.settimeout(timeout)
        unix.connect(address)
    except BaseException:
        unix.close()
        raise
    return unix


class EventLog:
    """Events of a session until they are acknowledged durable, in the order of their numbers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: deque[protocol.Event] = deque()
        self._last = 0

    @property
    def last(self) -> int:
        """The highest number taken so far."""
        return self._last

    def add(self, events: tuple[protocol.Event, ...]) -> None:
        """Keep events. Raises ValueError where one does not follow the last."""
        with self._lock:
            for event in events:
                if event.n != self._last + 1:
                    raise ValueError(f"event {event.n} does not follow {self._last}")
                self._last = event.n
                self._events.append(event)

    def acknowledge(self, n: int) -> None:
        """Forget what is on the daemon's disk."""
        with self._lock:
            while self._events and self._events[0].n <= n:
                self._events.popleft()

    def since(self, n: int) -> tuple[protocol.Event, ...]:
        """What the daemon may not have, numbered above `n`."""
        with self._lock:
            return tuple(event for event in self._events if event.n > n)


class Connection:
    """One connection to the daemon. `address` is a unix socket's path, or 'host:port'.

    Raises BridgeGone where there is nobody. On TCP the daemon's challenge is answered with `secret`. `send` may be
    called from several threads, `receive` from one.
    """

    def __init__(self, address: str, secret: bytes = b"", timeout: float = 5.0) -> None:
        self._buffer = protocol.FrameBuffer()
        self._sending = threading.Lock()
        tcp = tcp_address(address)
        try:
            self._socket = _dial(address, tcp, timeout)
        except OSError as error:
            raise BridgeGone(f"{address}: {error}") from error
        # `send` and `receive` have one socket and two threads: neither may change how long the other waits.
        self._socket.settimeout(timeout)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)
        self._timeout = timeout
        if tcp is not None:
            try:
                self._prove(address, secret)
            except BaseException:
                self.close()
                raise

    def _prove(self, address: str, secret: bytes) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        challenge = self.receive(self._timeout)
        if isinstance(challenge, protocol.Refused):
            raise BridgeRefused(challenge.reason, challenge.retry)
        if not isinstance(challenge, protocol.Challenge):
            raise BridgeGone(f"{address} began without a challenge")
        self.send(protocol.Proof(hmac.new(secret, challenge.nonce, hashlib.sha256).digest()))

    def shake_hands(self, hello: protocol.Hello, seconds: float = 30.0) -> protocol.Welcome:
        """Say hello and wait so long for the welcome. Raises BridgeRefused or BridgeGone."""
        self.send(hello)
        answer = self.receive(seconds)
        if answer is None:
            raise BridgeGone(f"no welcome within {seconds:g} s")
        if isinstance(answer, protocol.Refused):
            raise BridgeRefused(answer.reason, answer.retry)
        if not isinstance(answer, protocol.Welcome):
            raise BridgeGone(f"expected Welcome, got {type(answer).__name__}")
        return answer

    def send(self, frame: protocol.Frame) -> None:
        """Write a frame whole. Raises BridgeGone, after which nothing is known of what arrived."""
        data = protocol.encode(frame)
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError as error:
            raise BridgeGone(f"sending {type(frame).__name__}: {error}") from error

    def receive(self, timeout: float | None = None) -> protocol.ToLean | None:
        """The next frame; None where none came within `timeout` seconds (None: waits). Raises BridgeGone."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                body = self._buffer.take()
                if body is not None:
                    return protocol.decode_to_lean(body)
            except protocol.ProtocolError as error:
                raise BridgeGone(str(error)) from error
            left = None if deadline is None else 1000 * max(0.0, deadline - time.monotonic())
            try:
                if self._socket.fileno() < 0:
                    raise BridgeGone("closed")
                if not self._readable.poll(left):
                    return None
                data = self._socket.recv(_CHUNK)
            except OSError as error:
                raise BridgeGone(str(error)) from error
            if not data:
                raise BridgeGone("the daemon closed the connection")
            self._buffer.add(data)

    def close(self) -> None:
        """Close at once, whoever waits in `receive`. Idempotent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
