"""The daemon's end of the wire: an edge that serves one LEAN at a time. It translates; it decides nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import hmac
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import trio

from actors.messages.lean import LeanAccount, LeanDisconnected
from actors.messages.market import MarketQuotes
from actors.runtime import Status, first_cause
from bridge import protocol, translate
from bridge._wire import Quiet, Wire


class Port(Protocol):
    """What the bridge needs of the daemon: inputs go in, words come out, both in order."""

    async def tell(self, words: Sequence[Any]) -> int:
        """Hand inputs on; the sequence after them, not yet durable."""
        ...

    def tell_soon(self, word: Any) -> None:
        """The same, without waiting."""
        ...

    async def view(self, base: Any) -> None:
        """A new market view, taken when this returns."""
        ...

    def show(self, base: Any) -> None:
        """A new market view, which a newer one may replace."""
        ...

    async def move(self, to: dt.datetime) -> None:
        """Market time moves; its timers have fired when this returns."""
        ...

    async def quiet(self) -> None:
        """Nothing waits, and all that was decided is on disk."""
        ...

    async def durable(self, seq: int) -> None:
        """Everything up to `seq` is on disk."""
        ...

    def words(self, to: str) -> list[Any]:
        """Words that may leave now."""
        ...

    async def wait_words(self, to: str) -> list[Any]:
        """Words that may leave, as soon as there are some."""
        ...

    def acknowledged(self, session: str) -> int:
        """The highest event of this session that was recorded; 0 for a session never seen."""
        ...

    async def next_round(self) -> bool:
        """Lock-step: run the next command that is due at this instant; False where none is."""
        ...


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
        self._asking: _Session | None = None
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
            session = _Session(self._port, wire, self._port.acknowledged(hello.session), hello.at)
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


class _Session:
    """One session's frames: events once each and in order, views, and what goes back."""

    def __init__(self, port: Port, wire: Wire, seen: int, at: dt.datetime) -> None:
        self._port = port
        self._wire = wire
        self.seen = seen
        self._view: MarketQuotes = translate.empty_view(at)
        self._rows: dict[int, int] = {}
        self._goodbye = False
        self._stored: dict[str, trio.MemorySendChannel[protocol.StoredObject]] = {}

    # --- lock-step --------------------------------------------------------------------------------------------

    async def lock_step(self, silent_seconds: float) -> None:
        """Answer every step with rounds of commands until nothing is left to do at that instant."""
        async for frame in self._frames(silent_seconds):
            match frame:
                case protocol.Step():
                    await self._stepped(frame)
                    await self._port.view(self._view)
                    await self._rounds(silent_seconds)
                case protocol.Events():
                    await self._events(frame.events, frame.account)
                    await self._rounds(silent_seconds, scripted=False)
                case protocol.Listing():
                    await self._common(frame)
                case protocol.Goodbye():
                    await self._common(frame)
                    await self._port.quiet()
                    await self._wire.send(protocol.Ack(self.seen))
                case _:
                    raise protocol.ProtocolError(f"unexpected {type(frame).__name__} between steps")

    async def _rounds(self, silent_seconds: float, scripted: bool = True) -> None:
        while True:
            await self._port.quiet()
            words = self._port.words("lean")
            if words:
                await self._wire.send(protocol.Done(tuple(translate.word(word) for word in words), True))
                settle = await self._next(silent_seconds)
                if not isinstance(settle, protocol.Settle):
                    raise protocol.ProtocolError(f"expected Settle, got {type(settle).__name__}")
                await self._events(settle.events, settle.account)
            elif not (scripted and await self._port.next_round()):
                break
        await self._wire.send(protocol.Done((), False))

    # --- live -------------------------------------------------------------------------------------------------

    async def live(self, silent_seconds: float) -> None:
        """Hand frames on as they come, and send words and acknowledgements as soon as they may leave."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_words)
            async for frame in self._frames(silent_seconds):
                match frame:
                    case protocol.Step():
                        await self._stepped(frame)
                        self._port.show(self._view)
                    case protocol.Events():
                        await self._events(frame.events, frame.account)
                    case protocol.Heartbeat():
                        await self._port.move(frame.at)
                        alive = {**self._view.alive, **dict.fromkeys(frame.alive, frame.at)}
                        self._view = msgspec.structs.replace(self._view, at=frame.at, alive=alive)
                        self._port.show(self._view)
                        # A sign of life: the other end takes a daemon that hangs for one that is gone.
                        await self._wire.send(protocol.Ack(self.seen))
                    case protocol.Listing() | protocol.Goodbye():
                        await self._common(frame)
                    case protocol.StoredObject(key=key):
                        waiting = self._stored.pop(key, None)
                        if waiting is not None:
                            waiting.send_nowait(frame)
                    case _:
                        raise protocol.ProtocolError(f"unexpected {type(frame).__name__} in a live session")
            nursery.cancel_scope.cancel()

    async def ask_store(self, frame: protocol.StoreObject | protocol.FetchObject) -> protocol.StoredObject:
        """One question about a key at a time: the answer names nothing else."""
        while frame.key in self._stored:
            await trio.sleep(0.05)
        send, receive = trio.open_memory_channel[protocol.StoredObject](1)
        self._stored[frame.key] = send
        try:
            await self._wire.send(frame)
            return await receive.receive()
        finally:
            self._stored.pop(frame.key, None)

    async def _send_words(self) -> None:
        while True:
            for word in await self._port.wait_words("lean"):
                await self._wire.send(translate.word(word))

    # --- both -------------------------------------------------------------------------------------------------

    async def _frames(self, silent_seconds: float) -> AsyncIterator[protocol.ToDaemon]:
        while not self._goodbye:
            yield await self._next(silent_seconds)

    async def _next(self, silent_seconds: float) -> protocol.ToDaemon:
        with trio.move_on_after(silent_seconds):
            frame = await self._wire.receive()
            if frame is None:
                raise protocol.ProtocolError("closed without a goodbye")
            return frame
        raise protocol.ProtocolError(f"nothing came for {silent_seconds:g} s")

    async def _stepped(self, step: protocol.Step) -> None:
        """A step's time, its events, and the view after it, which is not yet shown."""
        await self._port.move(step.at)
        await self._events(step.events, step.account)
        self._view = translate.stepped(self._view, self._rows, step)

    async def _common(self, frame: protocol.Listing | protocol.Goodbye) -> None:
        if isinstance(frame, protocol.Listing):
            self._view = translate.listed(self._view, frame)
            self._rows = translate.row_numbers(self._view)
            return
        await self._port.move(frame.at)
        await self._events((), frame.account)
        self._goodbye = True

    async def _events(self, events: tuple[protocol.Event, ...], account: protocol.Account | None) -> None:
        """Each event once: what was recorded is passed over, a gap ends the connection."""
        words: list[Any] = []
        for event in events:
            if event.n <= self.seen:
                continue
            if event.n != self.seen + 1:
                raise protocol.ProtocolError(f"event {event.n} does not follow {self.seen}")
            self.seen = event.n
            words.append(translate.event(event))
        if account is not None:
            words.append(LeanAccount(translate.account(account)))
        if not words:
            return
        seq = await self._port.tell(words)
        if events:
            await self._port.durable(seq)
            await self._wire.send(protocol.Ack(self.seen))


def _words_of(error: Exception) -> str:
    cause = first_cause(error)
    return str(cause) or type(cause).__name__


def _name(stream: trio.SocketStream) -> str:
    try:
        name = stream.socket.getpeername()
    except OSError:
        return "somebody who left"
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "the unix socket"
