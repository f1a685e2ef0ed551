"""One session's frames on the daemon's end, in lock-step or live: each event once and in order. Lets nobody in."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import msgspec
import trio

from actors.messages.lean import LeanAccount
from actors.messages.market import MarketQuotes
from bridge import protocol, translate
from bridge._wire import Wire


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


class Session:
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
