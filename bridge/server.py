"""The daemon's end of the wire: an edge that serves one LEAN at a time. It listens, lets in and refuses; `_session`
plays what was let in. Both translate; neither decides.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import trio

from actors.messages.lean import LeanDisconnected
from actors.runtime import Status, first_cause
from bridge import protocol, translate
from bridge._session import Port, Session
from bridge._wire import Quiet, Wire


class BridgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bridge listens and for how long it is patient. `secret` is needed for TCP."""

    unix: Path | None = None
    tcp: tuple[str, int] | None = None
    secret: bytes = b""
    dead_man_seconds: float = 30.0
    handshake_seconds: float = 5.0
    silent_seconds: float = 60.0
    most_strangers: int = 16
    subscribe: protocol.Subscribe | None = None


class BridgeError(Exception):
    """What was asked of LEAN's end could not be had; the message says why."""


class _Refuse(Exception):
    """This connection is not served: why, in words for both ends, and whether it may be in a moment."""

    def __init__(self, reason: str, retry: bool = False) -> None:
        super().__init__(reason)
        self.retry = retry


class BridgeServer:
    """Listens, lets one LEAN in, and plays its session in lock-step (backtest) or live.

    Strangers cost nobody anything: frames are bounded before they are read, a handshake has its time, and at most
    `most_strangers` wait for theirs. `on_notice(event, text)` hears who came, went and was refused.
    """

    def __init__(self, port: Port, settings: BridgeSettings, on_notice: Callable[[str, str], None]) -> None:
        if settings.unix is None and settings.tcp is None:
            raise ValueError("the bridge needs a unix socket's path or a TCP address")
        if settings.tcp is not None and len(settings.secret) < 16:
            raise ValueError(f"a bridge secret of {len(settings.secret)} bytes is too short for TCP; 16 is the least")
        self._port = port
        self._settings = settings
        self._notice = on_notice
        self._peer: str | None = None
        self._quiet = Quiet()
        self._asking: Session | None = None
        self._strangers = 0
        self.tcp_port: int | None = None
        self.sessions_ended = 0
        self.ended = trio.Event()

    @property
    def peer(self) -> str | None:
        """The session that is connected now."""
        return self._peer

    async def ask_store(
        self, frame: protocol.StoreObject | protocol.FetchObject, seconds: float = 10.0
    ) -> protocol.StoredObject:
        """Save in or read from LEAN's Object Store; live only. Raises BridgeError with nobody there or no answer."""
        if self._asking is None:
            raise BridgeError("no live lean is connected")
        with trio.move_on_after(seconds):
            return await self._asking.ask_store(frame)
        raise BridgeError(f"lean's object store did not answer about {frame.key!r} within {seconds:g} s")

    async def run(self, status: Status) -> None:
        """Serve until stopping; then close whoever is connected."""
        async with trio.open_nursery() as nursery:
            listeners = await self._listeners()
            nursery.start_soon(trio.serve_listeners, self._serve, listeners)
            status.started()
            await status.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _listeners(self) -> list[trio.SocketListener]:
        listeners: list[trio.SocketListener] = []
        path = self._settings.unix
        if path is not None:
            with contextlib.suppress(FileNotFoundError):
                if path.is_socket():
                    path.unlink()
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            before = os.umask(0o177)
            try:
                plain.bind(str(path))
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from error
            finally:
                os.umask(before)
            plain.listen(64)
            listeners.append(trio.SocketListener(trio.socket.from_stdlib_socket(plain)))
        if self._settings.tcp is not None:
            host, port = self._settings.tcp
            tcp = await trio.open_tcp_listeners(port, host=host)
            self.tcp_port = tcp[0].socket.getsockname()[1]
            listeners += tcp
        return listeners

    # --- a connection -----------------------------------------------------------------------------------------

    async def _serve(self, stream: trio.SocketStream) -> None:
        who = _name(stream)
        try:
            async with stream:
                if self._strangers >= self._settings.most_strangers:
                    raise _Refuse(f"{self._strangers} connections wait for their handshake already")
                wire = Wire(stream)
                hello = await self._handshake(wire)
                if hello is not None:
                    await self._session(wire, hello)
        except _Refuse as refused:
            self._turned_away("refused", who, str(refused))
        except Exception as error:  # whatever one peer causes ends its own connection only
            self._turned_away("broken", who, _words_of(error))

    def _turned_away(self, event: str, who: str, why: str) -> None:
        told = self._quiet.told(event, who, why, trio.current_time())
        if told is not None:
            self._notice(event, told)

    async def _handshake(self, wire: Wire) -> protocol.Hello | None:
        self._strangers += 1
        try:
            with trio.move_on_after(self._settings.handshake_seconds):
                return await self._greet(wire)
            raise _Refuse(f"no handshake within {self._settings.handshake_seconds:g} s")
        except (_Refuse, protocol.ProtocolError) as error:
            with trio.move_on_after(1.0), contextlib.suppress(trio.BrokenResourceError):
                await wire.send(protocol.Refused(str(error), isinstance(error, _Refuse) and error.retry))
            raise
        finally:
            self._strangers -= 1

    async def _greet(self, wire: Wire) -> protocol.Hello | None:
        """Their hello; None for one who only asked what to subscribe."""
        if wire.over_tcp:
            nonce = secrets.token_bytes(32)
            await wire.send(protocol.Challenge(nonce))
            proof = await wire.receive()
            wanted = hmac.new(self._settings.secret, nonce, hashlib.sha256).digest()
            if not isinstance(proof, protocol.Proof) or not hmac.compare_digest(proof.digest, wanted):
                raise _Refuse("the secret was not proved")
        hello = await wire.receive()
        if isinstance(hello, protocol.AskSubscribe):
            if hello.version != protocol.VERSION:
                raise _Refuse(f"version {hello.version} is not spoken here, {protocol.VERSION} is")
            await wire.send(self._settings.subscribe or protocol.Subscribe(()))
            return None
        if not isinstance(hello, protocol.Hello):
            raise _Refuse(f"expected Hello, got {type(hello).__name__}")
        if hello.version != protocol.VERSION:
            raise _Refuse(f"version {hello.version} is not spoken here, {protocol.VERSION} is")
        if self._peer is not None:
            raise _Refuse(f"session {self._peer} is connected already", retry=True)
        recorded = self._port.acknowledged(hello.session)
        if hello.last_event < recorded:
            # Another life under an old name: its events would be taken for those, and its fills never be booked.
            raise _Refuse(
                f"session {hello.session} told {recorded} events here, and now knows of {hello.last_event}: "
                "a new session needs a new name, and a run from its beginning a journal of its own"
            )
        return hello

    async def _session(self, wire: Wire, hello: protocol.Hello) -> None:
        self._peer = hello.session
        reason = "the bridge was stopped"
        try:
            await self._port.move(hello.at)
            await self._port.quiet()
            self._port.words("lean")  # what an earlier connection did not take was meant for it alone
            session = Session(self._port, wire, self._port.acknowledged(hello.session), hello.at)
            seq = await self._port.tell([translate.hello(hello)])
            await self._port.durable(seq)
            self._notice("connected", f"session {hello.session}, {hello.mode}, events up to {session.seen}")
            await wire.send(protocol.Welcome(protocol.VERSION, session.seen, self._settings.dead_man_seconds))
            if self._settings.subscribe is not None:
                await wire.send(self._settings.subscribe)
            play = session.lock_step if hello.mode == "backtest" else session.live
            self._asking = session if hello.mode == "live" else None
            await play(self._settings.silent_seconds)
            reason = "it said goodbye"
            self.sessions_ended += 1
            self.ended.set()
        except Exception as error:
            reason = _words_of(error)
            raise
        finally:
            self._peer = self._asking = None
            self._port.tell_soon(LeanDisconnected(reason))
            self._notice("disconnected", f"session {hello.session}: {reason}")


def _words_of(error: Exception) -> str:
    cause = first_cause(error)
    return str(cause) or type(cause).__name__


def _name(stream: trio.SocketStream) -> str:
    try:
        name = stream.socket.getpeername()
    except OSError:
        return "somebody who left"
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "the unix socket"
