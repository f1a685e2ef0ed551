"""Serves an ASGI app on trio with an accept loop of our own over Hypercorn's protocol code. No route lives here.

A connection that raises ends alone, a peer that reads nothing or dawdles is cut, every send yields, the end has a
deadline, and where too many are connected those that ask nothing make room.
"""

from __future__ import annotations

import os
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


#: Sends after which others get their turn, where sending itself does not wait.
_SENDS_A_TURN = 16


class _Connection:
    """One connection: whether it asks anything now, and since when it does not."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.asking = 0
        self.quiet_since = trio.current_time()
        self.scope = trio.CancelScope()
        self.over_since: float | None = None

    def app(self, app: App) -> App:
        """The app as this connection sees it: requests under way are counted, and every send yields.

        Hypercorn's send to a client that left returns at once: without a checkpoint now and then a sender would freeze
        the loop.
        """

        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            sent = 0

            async def sending(message: Any) -> None:
                nonlocal sent
                await send(message)
                sent += 1
                if not sent % _SENDS_A_TURN:
                    await trio.lowlevel.checkpoint()

            self.asking += 1
            try:
                await app(scope, receive, sending)
            finally:
                self.asking -= 1
                self.quiet_since = trio.current_time()
                self._end_if_done()

        return wrapped

    def over(self) -> None:
        """The peer left. Hypercorn would keep what is quiet for its whole time of keep-alive."""
        self.over_since = self.over_since or trio.current_time()
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self.over_since is not None and not self.asking:
            self.scope.cancel()

    async def cut(self) -> None:
        """End it at once, whatever it is doing."""
        self.scope.cancel()
        await trio.aclose_forcefully(self.stream)


class _PatientStream:
    """A connection's stream, whose writes have a deadline, inside Hypercorn's shields, where a cancellation does not
    reach."""

    def __init__(self, connection: _Connection, seconds: float) -> None:
        self._connection, self._stream, self._seconds = connection, connection.stream, seconds
        self.socket = connection.stream.socket

    async def send_all(self, data: bytes) -> None:
        # Mostly the kernel takes it at once: then neither a deadline nor a wait is to be paid for. Hypercorn holds a
        # lock around every send, so that nobody else writes here, and waits for it, so that others get their turn.
        try:
            data = data[os.write(self.socket.fileno(), data) :]
        except BlockingIOError:
            pass
        except OSError as error:
            raise trio.BrokenResourceError(f"the peer is gone: {error}") from error
        if not data:
            return
        with trio.move_on_after(self._seconds):
            await self._stream.send_all(data)
            return
        await trio.aclose_forcefully(self._stream)
        raise trio.BrokenResourceError(f"the peer read nothing for {self._seconds:g} s")

    async def receive_some(self, most: int | None = None) -> bytes:
        data = b""
        try:
            data = bytes(await self._stream.receive_some(most))
        finally:
            if not data:
                self._connection.over()
        return data

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


class WebServer:
    """An edge: `run` listens until stopping, then lets requests finish for `grace` seconds.

    `port` is the port that was bound (0 asks for any). A connection that asks nothing for `quiet_seconds`, a request's
    head included, is closed; beyond `most_connections` the one that was quiet longest makes room, and where all are
    busy the new one is closed at once. `on_notice(event, text)` hears of connections that ended by an error of ours.
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
        quiet_seconds: float = 30.0,
        most_connections: int = 2048,
    ) -> None:
        self._app = app
        self._host, self.port = host, port
        self._notice = on_notice
        self._grace, self._send_seconds, self._quiet = grace, send_seconds, quiet_seconds
        self._most = most_connections
        self._open: dict[int, _Connection] = {}
        self._all_left = trio.Event()
        self._config = Config()
        self._config.errorlog = self._config.accesslog = None
        self._config.websocket_max_message_size = 64 * 1024
        self._config.keep_alive_timeout = 30
        self._config.keep_alive_max_requests = 1_000_000
        self._config.read_timeout = 60  # pyright: ignore[reportAttributeAccessIssue]
        self._config.h11_max_incomplete_size = 32 * 1024
        self._config.include_server_header = False
        # Who only listens to the feed is heard of by its pongs; who is gone without a word is not.
        self._config.websocket_ping_interval = 20

    @property
    def connections(self) -> int:
        """How many are connected."""
        return len(self._open)

    async def run(self, status: Status) -> None:
        """Serve until stopping. Raises OSError where the address can't be bound."""
        context = WorkerContext(None)
        try:
            listeners = await trio.open_tcp_listeners(self.port, host=self._host)
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), f"{self._host}:{self.port}") from error
        self.port = listeners[0].socket.getsockname()[1]

        async def handle(stream: trio.SocketStream) -> None:
            if len(self._open) >= self._most and not await self._make_room():
                await trio.aclose_forcefully(stream)
                return
            connection = _Connection(stream)
            self._open[id(connection)] = connection
            try:
                with connection.scope:
                    app = wrap_app(connection.app(self._app), self._config.wsgi_max_body_size, "asgi")
                    patient: Any = _PatientStream(connection, self._send_seconds)
                    await TCPServer(app, self._config, context, ConnectionState({}), patient)
            except Exception as error:
                self._notice("broken", f"a client's connection: {error!r}"[:300])
            finally:
                del self._open[id(connection)]
                if not self._open:
                    self._all_left.set()
                await trio.aclose_forcefully(stream)

        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                accepting.start_soon(
                    lambda: trio.serve_listeners(handle, listeners, handler_nursery=connections)  # type: ignore[arg-type]
                )
                accepting.start_soon(self._cut_quiet)
                status.started()
                await status.stopping.wait()
                accepting.cancel_scope.cancel()
            await context.terminated.set()
            if self._open:
                self._all_left = trio.Event()
                with trio.move_on_after(self._grace):
                    await self._all_left.wait()
            # Cut, not only cancelled: a send inside Hypercorn's shield ends with its socket or not at all.
            for connection in list(self._open.values()):
                await connection.cut()
            connections.cancel_scope.cancel()

    async def _cut_quiet(self) -> None:
        """Close who asks nothing: a head that comes a byte at a time is no request, however long it takes."""
        while True:
            await trio.sleep(self._quiet / 4)
            before = trio.current_time() - self._quiet
            for connection in list(self._open.values()):
                # What still runs for a peer that left is given as long: it may wait for a window that never opens.
                left = connection.over_since is not None and connection.over_since < before
                if left or (not connection.asking and connection.quiet_since < before):
                    await connection.cut()

    async def _make_room(self) -> bool:
        quiet = [connection for connection in self._open.values() if not connection.asking]
        if not quiet:
            return False
        await min(quiet, key=lambda connection: connection.quiet_since).cut()
        return True
