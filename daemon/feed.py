"""The feed at /api/v1/feed: the journal's tail over WebSocket, resumable by sequence. It reads; it decides nothing."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Annotated

import msgspec
import trio
from starlette.websockets import WebSocket, WebSocketDisconnect

from actors.runtime import Journal, Recorded, Row
from daemon.tokens import Tokens
from daemon.views import named

UNAUTHORIZED, FORBIDDEN, TOO_SLOW, RESTARTING = 4401, 4403, 4408, 1012

_encode = msgspec.json.Encoder(order="deterministic").encode
#: Rows of the journal read at a time for one that resumes.
_CHUNK = 500


class First(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A client's first frame. `after`: resume behind this sequence, None: from now. `subjects`: () for all."""

    token: str = ""
    after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    subjects: tuple[str, ...] = ()


class _Client:
    def __init__(self, subjects: frozenset[str], most: int) -> None:
        self.subjects, self._most = subjects, most
        self.waiting: deque[Recorded] = deque()
        self.woken = trio.Event()
        self.slow = False

    def put(self, recorded: Recorded) -> None:
        if len(self.waiting) >= self._most:
            self.slow = True
        else:
            self.waiting.append(recorded)
        self.woken.set()


class Feed:
    """Durable facts to any number of clients; each has a queue of `most_waiting`, and one that fills it is cut.

    Facts are never dropped silently: a client that was cut (4408) resumes after the last sequence it saw, and finds
    none missing by `prev`. `add` is given every durable fact behind `after`, in order. `origins` are the pages that may
    connect.
    """

    def __init__(
        self,
        journal: Journal,
        decode: Callable[[Row], Recorded],
        tokens: Tokens,
        *,
        after: int = 0,
        origins: frozenset[str] = frozenset(),
        most_waiting: int = 5000,
        heartbeat_seconds: float = 10.0,
        first_seconds: float = 5.0,
    ) -> None:
        self._journal, self._decode, self._tokens = journal, decode, tokens
        self._origins = origins
        self._most, self._beat, self._first = most_waiting, heartbeat_seconds, first_seconds
        self._clients: dict[int, _Client] = {}
        self._stopping = trio.Event()
        self.seq = after

    def add(self, recorded: Recorded) -> None:
        """The next durable fact."""
        self.seq = recorded.seq
        for client in self._clients.values():
            client.put(recorded)

    def stop(self) -> None:
        """Tell every client that the service restarts."""
        self._stopping.set()
        for client in self._clients.values():
            client.woken.set()

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    async def serve(self, websocket: WebSocket) -> None:
        """One client, from its handshake to its end."""
        origin = websocket.headers.get("origin")
        if origin is not None and origin not in self._origins and origin != f"http://{websocket.headers.get('host')}":
            await websocket.accept()
            await websocket.close(FORBIDDEN, f"origin {origin} may not connect"[:120])
            return
        await websocket.accept()
        first = await self._greeting(websocket)
        if first is None:
            return
        client = _Client(frozenset(first.subjects), self._most)
        self._clients[id(client)] = client
        try:
            await self._play(websocket, client, first)
        except WebSocketDisconnect:
            pass
        finally:
            del self._clients[id(client)]

    async def _greeting(self, websocket: WebSocket) -> First | None:
        first: First | None = None
        why = f"no first frame within {self._first:g} s"
        with trio.move_on_after(self._first):
            try:
                first = msgspec.json.decode(await websocket.receive_text(), type=First)
            except WebSocketDisconnect:
                return None
            except (msgspec.DecodeError, KeyError) as error:
                why = str(error)
        scheme, _, header = websocket.headers.get("authorization", "").partition(" ")
        token = header.strip() if scheme.lower() == "bearer" else ("" if first is None else first.token)
        if first is None or self._tokens.role(token) is None:
            await websocket.close(UNAUTHORIZED, (why if first is None else "a known token is needed")[:120])
            return None
        return first

    async def _play(self, websocket: WebSocket, client: _Client, first: First) -> None:
        start = self.seq
        after = start if first.after is None else min(first.after, start)
        hello = {
            "type": "hello", "epoch": self._epoch(), "sequence": start, "after": after,
            "subjects": sorted(client.subjects), "heartbeat_seconds": self._beat,
        }  # fmt: skip
        await websocket.send_text(_encode(hello).decode())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, websocket, nursery.cancel_scope)
            prev = await self._resume(websocket, client, after, start)
            while True:
                if client.slow:
                    await websocket.close(TOO_SLOW, f"more than {self._most} facts waited; resume after {prev}")
                    break
                while client.waiting:
                    recorded = client.waiting.popleft()
                    # What came while the journal was read is in both.
                    if recorded.seq > start:
                        prev = await self._send(websocket, client, recorded, prev)
                    if client.slow:
                        break
                if client.slow:
                    continue
                if self._stopping.is_set():
                    await websocket.close(RESTARTING, "the service restarts")
                    break
                client.woken = trio.Event()
                with trio.move_on_after(self._beat) as quiet:
                    await client.woken.wait()
                if quiet.cancelled_caught:
                    beat = {"type": "heartbeat", "sequence": self.seq, "sent": prev}
                    await websocket.send_text(_encode(beat).decode())
            nursery.cancel_scope.cancel()

    async def _resume(self, websocket: WebSocket, client: _Client, after: int, last: int) -> int:
        prev = after
        while after < last:
            count = min(_CHUNK, last - after)
            rows = await trio.to_thread.run_sync(_rows, self._journal, after, count)
            if not rows:
                break
            for row in rows:
                prev = await self._send(websocket, client, self._decode(row), prev)
            after = rows[-1].seq
        return prev

    async def _send(self, websocket: WebSocket, client: _Client, recorded: Recorded, prev: int) -> int:
        """Send a fact that this client wants; the sequence that its next one follows."""
        kind = type(recorded.fact).KIND
        if client.subjects and kind.partition(".")[0] not in client.subjects:
            return prev
        frame = {
            "type": "fact", "sequence": recorded.seq, "prev": prev, "kind": kind, "stream": recorded.stream,
            "at": recorded.at, "fact": named(recorded.fact),
        }  # fmt: skip
        await websocket.send_text(_encode(frame).decode())
        return recorded.seq

    async def _listen(self, websocket: WebSocket, scope: trio.CancelScope) -> None:
        """Hear of the disconnect; what a client says after its first frame is read and means nothing."""
        try:
            while True:
                await websocket.receive_text()
        except (WebSocketDisconnect, KeyError, RuntimeError):
            scope.cancel()

    def _epoch(self) -> str:
        """Another journal has another epoch: what was resumed after means nothing there."""
        first = next(iter(self._journal.read(0, 1)), None)
        return "" if first is None else hashlib.sha256(first.body + first.at.isoformat().encode()).hexdigest()[:16]


def _rows(journal: Journal, after: int, count: int) -> list[Row]:
    return list(journal.read(after, count))
