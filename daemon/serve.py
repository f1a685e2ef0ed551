"""Serves an ASGI app on trio with an accept loop of our own over Hypercorn's protocol code. No route lives here.

A connection that raises ends alone, a peer that reads nothing is cut, every send yields, and the end has a deadline.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from actors.runtime import Status

App = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class _PatientStream:
    """A stream whose writes have a deadline, inside Hypercorn's shields, where a cancellation does not reach."""

    def __init__(self, stream: trio.SocketStream, seconds: float) -> None:
        self._stream, self._seconds = stream, seconds
        self.socket = stream.socket

    async def send_all(self, data: bytes) -> None:
        with trio.move_on_after(self._seconds):
            await self._stream.send_all(data)
            return
        await trio.aclose_forcefully(self._stream)
        raise trio.BrokenResourceError(f"the peer read nothing for {self._seconds:g} s")

    async def receive_some(self, most: int | None = None) -> bytes:
        return bytes(await self._stream.receive_some(most))

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


class WebServer:
    """An edge: `run` listens until stopping, then lets requests finish for `grace` seconds.

    `port` is the port that was bound (0 asks for any). A connection beyond `most_connections` is closed at once.
    `on_notice(event, text)` hears of connections that ended by an error of ours.
    """

    def __init__(
        self,
        app: App,
        host: str,
        port: int,
        on_notice: Callable[[str, str], None],
        *,
        grace: float = 0.8,
        send_seconds: float = 5.0,
        most_connections: int = 256,
    ) -> None:
        self._app = app
        self._host, self.port = host, port
        self._notice = on_notice
        self._grace, self._send_seconds = grace, send_seconds
        self._most, self._open = most_connections, 0
        self._config = Config()
        self._config.errorlog = self._config.accesslog = None
        self._config.websocket_max_message_size = 64 * 1024
        self._config.keep_alive_timeout = 30
        self._config.read_timeout = 60  # pyright: ignore[reportAttributeAccessIssue]
        self._config.h11_max_incomplete_size = 32 * 1024

    async def run(self, status: Status) -> None:
        """Serve until stopping. Raises OSError where the address can't be bound."""
        context = WorkerContext(None)
        app = wrap_app(_yielding(self._app), self._config.wsgi_max_body_size, "asgi")
        listeners = await trio.open_tcp_listeners(self.port, host=self._host)
        self.port = listeners[0].socket.getsockname()[1]

        async def handle(stream: trio.SocketStream) -> None:
            if self._open >= self._most:
                await trio.aclose_forcefully(stream)
                return
            self._open += 1
            try:
                patient: Any = _PatientStream(stream, self._send_seconds)
                await TCPServer(app, self._config, context, ConnectionState({}), patient)
            except Exception as error:
                self._notice("broken", f"a client's connection: {error!r}"[:300])
            finally:
                self._open -= 1
                await trio.aclose_forcefully(stream)

        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                accepting.start_soon(
                    lambda: trio.serve_listeners(handle, listeners, handler_nursery=connections)  # type: ignore[arg-type]
                )
                status.started()
                await status.stopping.wait()
                accepting.cancel_scope.cancel()
            await context.terminated.set()
            connections.cancel_scope.deadline = trio.current_time() + self._grace


def _yielding(app: App) -> App:
    """Hypercorn's send to a client that left returns at once: without a checkpoint a sender would freeze the loop."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            await send(message)
            await trio.lowlevel.checkpoint()

        await app(scope, receive, sending)

    return wrapped
