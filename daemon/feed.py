"""The feed at /api/v1/feed: the journal's tail over WebSocket, resumable by sequence, and conflated state beside it.

It reads; it decides nothing. What state there is, and what changed of it, is feed_state's.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import trio
from starlette.websockets import WebSocket, WebSocketDisconnect

from actors.runtime import Journal, Recorded, Row
from daemon.feed_state import Board, UnknownTopic
from daemon.tokens import Holder, Tokens
from daemon.views import named

UNAUTHORIZED, FORBIDDEN, TOO_SLOW, RESTARTING = 4401, 4403, 4408, 1012

_encode = msgspec.json.Encoder(order="deterministic").encode
#: Rows of the journal read at a time for one that resumes.
_CHUNK = 500
#: Beats without a word after which a client that beats is gone.
_SILENT_BEATS = 3


class First(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A client's first frame. `after`: resume behind this sequence, None: from now. `subjects`: () for all, None for
    no facts. `states`: topics."""

    token: str = ""
    after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    subjects: tuple[str, ...] | None = ()
    states: Annotated[tuple[str, ...], msgspec.Meta(max_length=64)] = ()


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a client may say later. `subscribe` replaces what it gave of subjects and states; `heartbeat` tells the
    sequence it has come to, and is answered."""

    type: Literal["subscribe", "heartbeat"]
    subjects: tuple[str, ...] | msgspec.UnsetType | None = msgspec.UNSET
    states: Annotated[tuple[str, ...], msgspec.Meta(max_length=64)] | None = None
    sequence: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _Told:
    """A durable fact on its way to many: its text is made once, but for the `prev` that is each client's own."""

    __slots__ = ("_text", "recorded", "subject")

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.subject = type(recorded.fact).KIND.partition(".")[0]
        self._text = ""

    def text(self, prev: int) -> str:
        """The frame for a client whose last fact was `prev`."""
        if not self._text:
            fact = self.recorded
            body = {"kind": type(fact.fact).KIND, "stream": fact.stream, "at": fact.at, "fact": named(fact.fact)}
            self._text = _encode(body).decode()[1:]
        return f'{{"type":"fact","sequence":{self.recorded.seq},"prev":{prev},{self._text}'


class _Client:
    def __init__(self, subjects: tuple[str, ...] | None, most: int, holder: Holder) -> None:
        self.subjects, self.holder = subjects, holder
        self._most = most
        self.waiting: deque[_Told] = deque()
        self.woken = trio.Event()
        self.slow = False
        self.prev = 0
        self.topics: dict[str, int] = {}
        self.answers: deque[dict[str, Any]] = deque()
        self.heard_at: float | None = None
        self.reached: int | None = None

    def wants(self, told: _Told) -> bool:
        """Whether the client subscribed to this fact's subject."""
        return self.subjects is not None and (not self.subjects or told.subject in self.subjects)

    def put(self, told: _Told) -> None:
        if not self.wants(told):
            return
        if len(self.waiting) >= self._most:
            self.slow = True
        else:
            self.waiting.append(told)
        self.woken.set()


class Feed:
    """Durable facts to any number of clients; each has a queue of `most_waiting`, and one that fills it is cut.

    Facts are never dropped silently: a client that was cut (4408) resumes after the last sequence it saw, and finds
    none missing by `prev`. `add` is given every durable fact behind `after`, in order. `origins` are the pages that may
    connect. Without a `board` there are no states.
    """

    def __init__(
        self,
        journal: Journal,
        decode: Callable[[Row], Recorded],
        tokens: Tokens,
        *,
        after: int = 0,
        board: Board | None = None,
        origins: frozenset[str] = frozenset(),
        most_waiting: int = 5000,
        heartbeat_seconds: float = 10.0,
        first_seconds: float = 5.0,
    ) -> None:
        self._journal, self._decode, self._tokens, self._board = journal, decode, tokens, board
        self._origins = origins
        self._most, self._beat, self._first = most_waiting, heartbeat_seconds, first_seconds
        self._clients: dict[int, _Client] = {}
        self._stopping = trio.Event()
        self._epoch = ""
        self.seq = after
        #: Frames sent so far, and clients cut for being too slow.
        self.delivered = 0
        self.cut = 0

    def add(self, recorded: Recorded) -> None:
        """The next durable fact."""
        self.seq = recorded.seq
        if self._clients:
            told = _Told(recorded)
            for client in self._clients.values():
                client.put(told)

    def stop(self) -> None:
        """Tell every client that the service restarts."""
        self._stopping.set()
        for client in self._clients.values():
            client.woken.set()

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    @property
    def waiting(self) -> int:
        """The most facts that wait for one client."""
        return max((len(client.waiting) for client in self._clients.values()), default=0)

    async def serve(self, websocket: WebSocket) -> None:
        """One client, from its handshake to its end."""
        origin = websocket.headers.get("origin")
        if origin is not None and origin not in self._origins and origin != _own(websocket):
            await websocket.accept()
            await websocket.close(FORBIDDEN, f"origin {origin} may not connect"[:120])
            return
        await websocket.accept()
        greeted = await self._greeting(websocket)
        if greeted is None:
            return
        first, holder = greeted
        client = _Client(first.subjects, self._most, holder)
        self._clients[id(client)] = client
        try:
            await self._play(websocket, client, first)
        except WebSocketDisconnect:
            pass
        finally:
            del self._clients[id(client)]
            if self._board is not None:
                self._board.leave(client.topics)

    async def _greeting(self, websocket: WebSocket) -> tuple[First, Holder] | None:
        first: First | None = None
        why = f"no first frame within {self._first:g} s"
        with trio.move_on_after(self._first):
            try:
                first = msgspec.json.decode(await websocket.receive_text(), type=First)
            except WebSocketDisconnect:
                return None
            except (msgspec.DecodeError, KeyError, RecursionError) as error:
                why = str(error)
        scheme, _, header = websocket.headers.get("authorization", "").partition(" ")
        token = header.strip() if scheme.lower() == "bearer" else ("" if first is None else first.token)
        holder = None if first is None else self._tokens.holder(token)
        if first is None or holder is None:
            await websocket.close(UNAUTHORIZED, (why if first is None else "a known token is needed")[:120])
            return None
        return first, holder

    async def _play(self, websocket: WebSocket, client: _Client, first: First) -> None:
        start = self.seq
        after = start if first.after is None else min(first.after, start)
        hello = {
            "type": "hello", "epoch": self.epoch(), "sequence": start, "after": after,
            "subjects": None if client.subjects is None else sorted(client.subjects),
            **self._topics(client, first.states), "heartbeat_seconds": self._beat,
        }  # fmt: skip
        await websocket.send_text(_encode(hello).decode())
        client.prev = after
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, websocket, client, nursery.cancel_scope)
            await self._resume(websocket, client, after, start)
            code, reason = await self._deliver(websocket, client, start)
            await websocket.close(code, reason[:120])
            nursery.cancel_scope.cancel()

    async def _deliver(self, websocket: WebSocket, client: _Client, start: int) -> tuple[int, str]:
        """Facts as they come, state as it changes, a beat when it is time; the code and reason for the end."""
        beat_at = trio.current_time() + self._beat
        while True:
            if client.slow:
                self.cut += 1
                return TOO_SLOW, f"more than {self._most} facts waited; resume after {client.prev}"
            while client.waiting and not client.slow:
                told = client.waiting.popleft()
                # What came while the journal was read is in both.
                if told.recorded.seq > start:
                    await self._send(websocket, client, told)
            if client.slow:
                continue
            if self._stopping.is_set():
                return RESTARTING, "the service restarts"
            while client.answers:
                await websocket.send_text(_encode(client.answers.popleft()).decode())
            await self._states(websocket, client)
            now = trio.current_time()
            if client.heard_at is not None and now - client.heard_at > _SILENT_BEATS * self._beat:
                return TOO_SLOW, f"no heartbeat for {now - client.heard_at:.0f} s; resume after {client.prev}"
            if not self._tokens.holds(client.holder):
                return UNAUTHORIZED, "the token was revoked"
            if now >= beat_at:
                await websocket.send_text(_encode(self._heartbeat(client)).decode())
                beat_at = now + self._beat
            if client.waiting or client.answers:
                continue
            client.woken = trio.Event()
            pause = beat_at - now
            if client.topics and self._board is not None:
                pause = min(pause, self._board.interval)
            with trio.move_on_after(pause):
                await client.woken.wait()

    async def _states(self, websocket: WebSocket, client: _Client) -> None:
        if self._board is None:
            return
        for topic, since in list(client.topics.items()):
            found = self._board.frame(topic, since)
            if found is not None:
                client.topics[topic] = found[0]
                self.delivered += 1
                await websocket.send_text(found[1])

    async def _resume(self, websocket: WebSocket, client: _Client, after: int, last: int) -> None:
        while after < last and client.subjects is not None:
            count = min(_CHUNK, last - after)
            rows = await trio.to_thread.run_sync(_rows, self._journal, after, count)
            if not rows:
                break
            for row in rows:
                told = _Told(self._decode(row))
                if client.wants(told):
                    await self._send(websocket, client, told)
            after = rows[-1].seq

    async def _send(self, websocket: WebSocket, client: _Client, told: _Told) -> None:
        if client.wants(told):
            text, client.prev = told.text(client.prev), told.recorded.seq
            self.delivered += 1
            await websocket.send_text(text)

    async def _listen(self, websocket: WebSocket, client: _Client, scope: trio.CancelScope) -> None:
        """Hear what a client says after its first frame, and of its end."""
        try:
            while True:
                self._heard(client, await websocket.receive_text())
                client.woken.set()
        except (WebSocketDisconnect, KeyError, RuntimeError):
            scope.cancel()

    def _heard(self, client: _Client, text: str) -> None:
        if len(client.answers) >= 100:
            client.slow = True  # it asks faster than it reads
            return
        try:
            said = msgspec.json.decode(text, type=Said)
        except (msgspec.DecodeError, RecursionError) as error:
            client.answers.append({"type": "error", "detail": str(error)})
            return
        if said.type == "heartbeat":
            client.heard_at, client.reached = trio.current_time(), said.sequence
            client.answers.append(self._heartbeat(client))
            return
        if said.subjects is not msgspec.UNSET:
            client.subjects = said.subjects
        states = tuple(client.topics) if said.states is None else said.states
        client.answers.append({
            "type": "subscribed", "sequence": self.seq, "prev": client.prev,
            "subjects": None if client.subjects is None else sorted(client.subjects), **self._topics(client, states),
        })  # fmt: skip

    def _topics(self, client: _Client, wanted: tuple[str, ...]) -> dict[str, Any]:
        """Give a client exactly these topics; which it has now, and which were refused and why."""
        board, refused = self._board, list[dict[str, str]]()
        if board is None:
            refused = [{"topic": topic, "detail": "no states are served here"} for topic in wanted]
        else:
            gone = [topic for topic in client.topics if topic not in wanted]
            for topic in gone:
                del client.topics[topic]
            board.leave(gone)
            for topic in dict.fromkeys(wanted):
                if topic in client.topics:
                    continue
                try:
                    board.join(topic)
                    client.topics[topic] = 0
                except UnknownTopic as error:
                    refused.append({"topic": topic, "detail": str(error)})
        return {"states": list(client.topics), "refused": refused}

    def _heartbeat(self, client: _Client) -> dict[str, Any]:
        """`behind`: facts between the journal's end and what the client said it has come to."""
        behind = None if client.reached is None else max(0, self.seq - client.reached)
        pulse = {} if self._board is None else self._board.pulse()
        return {
            "type": "heartbeat", "sequence": self.seq, "sent": client.prev, "waiting": len(client.waiting),
            "behind": behind, **pulse,
        }  # fmt: skip

    def epoch(self) -> str:
        """Another journal has another epoch: what was resumed after means nothing there."""
        if not self._epoch:
            first = next(iter(self._journal.read(0, 1)), None)
            if first is not None:
                self._epoch = hashlib.sha256(first.body + first.at.isoformat().encode()).hexdigest()[:16]
        return self._epoch


def _own(websocket: WebSocket) -> str:
    return f"http://{websocket.headers.get('host')}"


def _rows(journal: Journal, after: int, count: int) -> list[Row]:
    return list(journal.read(after, count))
