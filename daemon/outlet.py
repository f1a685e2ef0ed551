"""What comes out of the core once it is on disk: facts to listeners, words to edges, and who waits for either. Takes no
input."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import trio

from actors.runtime import Clock, Core, Journal, Recorded

Listener = Callable[[Recorded], None]


class DriverStopped(Exception):
    """The core takes nothing any more; whether what waited was recorded is to be asked after the next start."""


class Outlet:
    """The outgoing half of a driver: nothing leaves by it that is not durable.

    Facts reach listeners in order; one that raises is noted in `deaf` and still told of those that follow.
    """

    def __init__(self, core: Core, journal: Journal, clock: Clock) -> None:
        self.core = core
        self.journal = journal
        self.clock = clock
        self._durable_waiters: list[tuple[int, int, trio.Event]] = []
        self._batch_waiters: list[tuple[int, int, trio.Event]] = []
        self._count = itertools.count()
        self._tail: deque[Recorded] = deque()
        self._listeners: list[Listener] = []
        self._delivered = core.durable_seq
        self._words: dict[str, deque[Any]] = {}
        self._words_ready: dict[str, trio.Event] = {}
        self._ended: BaseException | None = None
        #: Listeners that raised, with the last fact they failed at; `on_deaf(name, text)` hears of each once.
        self.deaf: dict[str, str] = {}
        self.on_deaf: Callable[[str, str], None] | None = None
        core.on_record = self._recorded

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hear every fact from now on, once it is durable, in order; the call given back ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def words(self, to: str) -> list[Any]:
        """Words for an edge that may leave now; handed out once."""
        waiting = self._words.get(to)
        if not waiting:
            return []
        taken = list(waiting)
        waiting.clear()
        return taken

    async def wait_words(self, to: str) -> list[Any]:
        """As `words`, but waits until there are some. On cancel nothing was taken."""
        while True:
            taken = self.words(to)
            if taken:
                return taken
            self._words_ready[to] = trio.Event()
            await self._words_ready[to].wait()

    def _recorded(self, recorded: Recorded) -> None:
        self._tail.append(recorded)

    def deliver(self) -> None:
        """Give out whatever has become durable."""
        self.core.release(self.clock.now())
        for to in ("lean",):
            words = self.core.take_outputs(to)
            if words:
                self._words.setdefault(to, deque()).extend(words)
                if to in self._words_ready:
                    self._words_ready[to].set()
        durable = self.core.durable_seq
        while self._tail and self._tail[0].seq <= durable:
            recorded = self._tail.popleft()
            for listener in tuple(self._listeners):
                self.hear(listener, recorded)
        self._delivered = durable
        while self._durable_waiters and self._durable_waiters[0][0] <= durable:
            heapq.heappop(self._durable_waiters)[2].set()
        while self._batch_waiters and self._batch_waiters[0][0] <= self.journal.durable_batches:
            heapq.heappop(self._batch_waiters)[2].set()

    def hear(self, listener: Listener, recorded: Recorded) -> None:
        """Tell one listener. What it raises is its own trouble: replies still leave, and the others still hear."""
        try:
            listener(recorded)
        except Exception as error:
            name = getattr(listener, "__qualname__", repr(listener))
            first = name not in self.deaf
            self.deaf[name] = f"fact {recorded.seq} ({type(recorded.fact).KIND}): {error!r}"[:400]
            if first and self.on_deaf is not None:
                self.on_deaf(name, self.deaf[name])

    async def durable(self, seq: int) -> None:
        """Return once everything up to `seq` is on disk and every listener has heard of it.

        Raises DriverStopped where that can't happen any more.
        """
        if self._delivered >= seq:
            await trio.lowlevel.checkpoint()
            return
        if self._ended is None:
            event = trio.Event()
            heapq.heappush(self._durable_waiters, (seq, next(self._count), event))
            await event.wait()
        if self._delivered < seq:
            raise DriverStopped(f"fact {seq} may not be on disk: {self._ended}")

    async def durable_batch(self, number: int) -> None:
        """As `durable`, for a batch of the journal: a command's own row may be all that one left."""
        if self.journal.durable_batches < number and self._ended is None:
            event = trio.Event()
            heapq.heappush(self._batch_waiters, (number, next(self._count), event))
            await event.wait()
        if self.journal.durable_batches < number:
            raise DriverStopped(f"what was decided may not be on disk: {self._ended}")

    def _let_go(self) -> None:
        """Wake all who wait for what may never be durable; they look for themselves."""
        for _, _, event in (*self._durable_waiters, *self._batch_waiters):
            event.set()
