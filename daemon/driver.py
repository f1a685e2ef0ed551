"""Drives the core live, on trio: inputs go in through lanes, replies, words and facts come out once they are on disk.

No decision and no I/O of its own; whoever has a socket or a screen uses this.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import trio

from actors.messages.breaker import ConfirmReset, Halt, StartReset
from actors.messages.orders import CancelAll
from actors.runtime import (
    Answer,
    Batch,
    Clock,
    Command,
    CommandFailed,
    Core,
    CoreFailed,
    Journal,
    JournalError,
    Lanes,
    LaneStatistics,
    MarketClock,
    Recorded,
    Refusal,
    SkipFact,
    Status,
)
from daemon.tree import GROUPS

#: Inputs after which other tasks get their turn.
_INPUTS_A_TURN = 64
_CONTROL: tuple[type[Command], ...] = (Halt, CancelAll, StartReset, ConfirmReset, SkipFact)

Listener = Callable[[Recorded], None]


class DriverStopped(Exception):
    """The core takes nothing any more; whether what waited was recorded is to be asked after the next start."""


class SafetyFailed(Exception):
    """An actor of the safety group stopped: the process must end and start anew."""


class _Waiting(msgspec.Struct, eq=False):
    """One input on its way, and what came of it."""

    done: trio.Event
    result: Any = None
    error: BaseException | None = None


class Driver:
    """One core, one journal, one clock. `run` must be running for anything to happen.

    `most_commands` bounds the commands that wait; beyond it `command` raises Busy at once and nothing was taken.
    Facts reach listeners in order and only when durable; one that raises is noted in `deaf` and still told of those
    that follow. After the core or the journal failed `run` raises, and
    everybody who waits gets DriverStopped.
    """

    def __init__(self, core: Core, journal: Journal, clock: Clock, *, most_commands: int = 1000) -> None:
        self.core = core
        self.clock = clock
        self.journal = journal
        self._lanes = Lanes(core, most_commands=most_commands)
        self._wake = trio.Event()
        self._durable_waiters: list[tuple[int, int, trio.Event]] = []
        self._batch_waiters: list[tuple[int, int, trio.Event]] = []
        self._count = itertools.count()
        self._tail: deque[Recorded] = deque()
        self._listeners: list[Listener] = []
        self._delivered = core.durable_seq
        self._words: dict[str, deque[Any]] = {}
        self._words_ready: dict[str, trio.Event] = {}
        self._pending: dict[int, _Waiting] = {}
        self._view_taken: list[_Waiting] = []
        self._ended: BaseException | None = None
        #: Set when nothing is taken any more; `failure` says why where it was not asked for.
        self.stopped = trio.Event()
        self.failure: Exception | None = None
        #: Listeners that raised, with the last fact they failed at; `on_deaf(name, text)` hears of each once.
        self.deaf: dict[str, str] = {}
        self.on_deaf: Callable[[str, str], None] | None = None
        #: Hears of each actor that stops: its name, and what that means with the error.
        self.on_stopped: Callable[[str, str], None] | None = None
        self._halts: deque[Halt] = deque()
        self._fatal: SafetyFailed | None = None
        self._has_said_its_end = False
        core.on_record = self._recorded
        core.on_failure = self._failed

    # --- running ----------------------------------------------------------------------------------------------

    async def run(self, status: Status) -> None:
        """Take inputs until stopped; then take what still waits, and return once all of it and `Ended` are durable.

        Raises CoreFailed or JournalError, which end the process, or SafetyFailed.
        """
        token = trio.lowlevel.current_trio_token()

        def woken(_: object) -> None:
            token.run_sync_soon(self._poke, idempotent=True)

        self.journal.on_durable = woken
        self.journal.on_failure = woken
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_stopping, status)
            try:
                await self._loop(status)
            except Exception as error:
                self.failure = error
                self._end(error)
            except BaseException as error:
                self._end(error)
                raise
            else:
                self._end(DriverStopped("the daemon is stopping"))
            nursery.cancel_scope.cancel()
        if self.failure is not None:
            raise self.failure

    async def _until_stopping(self, status: Status) -> None:
        await status.stopping.wait()
        self._poke()

    async def _loop(self, status: Status) -> None:
        while True:
            self._wake = trio.Event()
            more = self._pump()
            self._deliver()
            if self._fatal is not None and not self._halts:
                raise self._fatal
            if more:
                await trio.lowlevel.checkpoint()
                continue
            if self.journal.durable_batches >= self.journal.batches:
                # Not before its own beginning is on disk: where the disk takes nothing it never served.
                status.started()
                if self._has_said_its_end:
                    return
                if status.stopping.is_set():
                    self.core.end(self.clock.now())
                    self._has_said_its_end = True
                    continue
            await self._sleep()

    def _pump(self) -> bool:
        """Fire what is due and take some inputs; True where more may wait."""
        if self.journal.failure is not None:
            raise self.journal.failure
        now = self.clock.now()
        due = self.core.next_due()
        if due is not None and due <= now:
            self.core.advance(now)
        while self._halts:
            self._halt(self._halts.popleft(), now)
        for _ in range(_INPUTS_A_TURN):
            if not self._lanes.take(now):
                break
            if self._view_taken and not self._lanes.statistics().view:
                self._view_is_taken()
        else:
            return True
        return bool(self._halts)

    async def _sleep(self) -> None:
        due = self.core.next_due()
        seconds = None if due is None else self.clock.wait(due)
        if seconds is None:
            await self._wake.wait()
            return
        # A timer that stays due at its instant fires once: without a floor its wait of 0 would spin.
        with trio.move_on_after(max(seconds, 0.005)):
            await self._wake.wait()

    def _poke(self) -> None:
        self._wake.set()

    def _end(self, error: BaseException) -> None:
        self._ended = error
        for waiting in self._pending.values():
            waiting.error = DriverStopped(f"the core stopped: {error}")
            waiting.done.set()
        self._pending.clear()
        self._view_is_taken()
        for _, _, event in (*self._durable_waiters, *self._batch_waiters):
            event.set()
        self.stopped.set()

    # --- what comes out ---------------------------------------------------------------------------------------

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

    def _deliver(self) -> None:
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

    async def _durable_batch(self, number: int) -> None:
        if self.journal.durable_batches < number and self._ended is None:
            event = trio.Event()
            heapq.heappush(self._batch_waiters, (number, next(self._count), event))
            await event.wait()
        if self.journal.durable_batches < number:
            raise DriverStopped(f"what was decided may not be on disk: {self._ended}")

    async def quiet(self) -> None:
        """Return once no input waits and all that was decided is durable and released."""
        while True:
            await self._put("lean", lambda core, now, number: None)
            await self.durable(self.core.seq)
            self._deliver()
            lanes = self._lanes.statistics()
            if not (lanes.control or lanes.lean or lanes.command or lanes.view) and (
                self.core.durable_seq >= self.core.seq
            ):
                return

    # --- what goes in -----------------------------------------------------------------------------------------

    async def command(self, id: str, principal: str, command: Command) -> Answer:
        """Give a command and return its reply once that rests on disk.

        Halts, cancel-all and resets overtake others. Raises Refusal, CommandConflict, CommandFailed, Busy or
        DriverStopped. On cancel it may or may not be taken: ask again with the same id.
        """
        lane = "control" if isinstance(command, _CONTROL) else "command"

        def put(core: Core, now: dt.datetime, number: int) -> tuple[Answer, int]:
            return core.command(id, principal, command, now, number), self.journal.batches

        answer, batch = await self._put(lane, put)
        # The command's own row may be all that it left.
        await self._durable_batch(batch)
        await self.durable(answer.seq)
        return answer

    async def pulse(self) -> None:
        """Return once the core took a turn and then a write of its own reached the disk. Raises DriverStopped."""

        def put(core: Core, now: dt.datetime, number: int) -> int:
            self.journal.append(Batch((), None))
            return self.journal.batches

        await self._durable_batch(await self._put("control", put))

    async def tell(self, words: Sequence[Any]) -> int:
        """Hand words of an edge's to their actors, in order; gives the sequence after them, not yet durable."""
        if not words:
            return self.core.seq

        def put(core: Core, now: dt.datetime, number: int) -> int:
            core.tell(words[0], now, number)
            for word in words[1:]:
                core.tell(word, now)
            return core.seq

        return await self._put("lean", put)

    def tell_soon(self, word: Any) -> None:
        """As `tell`, without waiting: for an edge that is being cancelled."""
        if self._ended is None:
            self._lanes.offer("lean", lambda core, now, number: core.tell(word, now, number))
            self._poke()

    def show(self, base: Any) -> None:
        """Offer the newest market view; it replaces one that still waits."""
        self._lanes.offer_view(base)
        self._poke()

    async def view(self, base: Any) -> None:
        """As `show`, and return once it was taken."""
        self._check()
        waiting = _Waiting(trio.Event())
        self._view_taken.append(waiting)
        self.show(base)
        await waiting.done.wait()

    async def kill(self, actor: str) -> None:
        """Drop an actor's state and fold it anew. Raises KeyError for no such actor."""
        if actor not in self.core.statistics():
            raise KeyError(actor)
        await self._put("control", lambda core, now, number: core.kill(actor, now))

    async def move(self, to: dt.datetime) -> None:
        """Move market time, and return once its timers fired. Does nothing on a wall clock."""
        if isinstance(self.clock, MarketClock):
            self.clock.move(to)
            await self._put("control", lambda core, now, number: core.advance(now))

    def statistics(self) -> LaneStatistics:
        """How many inputs wait, were refused and were replaced."""
        return self._lanes.statistics()

    async def _put(self, lane: Any, put: Callable[[Core, dt.datetime, int], Any]) -> Any:
        self._check()
        waiting = _Waiting(trio.Event())
        key = id(waiting)

        def taken(core: Core, now: dt.datetime, number: int) -> None:
            self._pending.pop(key, None)
            try:
                waiting.result = put(core, now, number)
            except (CoreFailed, JournalError) as error:
                waiting.error = DriverStopped(f"the core stopped: {error}")
                raise
            except Exception as error:
                waiting.error = error
            finally:
                waiting.done.set()

        self._lanes.offer(lane, taken)
        self._pending[key] = waiting
        self._poke()
        await waiting.done.wait()
        if waiting.error is not None:
            raise waiting.error
        return waiting.result

    def _check(self) -> None:
        if self._ended is not None:
            raise DriverStopped(f"the core stopped: {self._ended}")

    def _view_is_taken(self) -> None:
        for waiting in self._view_taken:
            waiting.done.set()
        self._view_taken.clear()

    # --- actors that stop -------------------------------------------------------------------------------------

    def _failed(self, actor: str, group: Any, error: BaseException) -> None:
        """The rule of an actor's group: book stops new risk, safety ends the process; the rest is only degraded."""
        rule = GROUPS[group]
        if rule.level:
            self._halts.append(Halt(rule.level, f"{actor} stopped: {error!r}"[:400]))
            self._poke()
        if rule.ends:
            self._fatal = SafetyFailed(f"{actor} stopped: {error!r}")
        if self.on_stopped is not None:
            self.on_stopped(actor, f"of {group}: {rule.rule}; {error!r}")

    def _halt(self, halt: Halt, now: dt.datetime) -> None:
        """Raise the breaker unless it is that high already: what fails at every view must not fill the journal."""
        if self.core.state("breaker").level >= halt.level:
            return
        # Where the breaker itself is what stopped, the process ends for it: nothing is left to raise.
        with contextlib.suppress(Refusal, CommandFailed):
            self.core.command(f"runtime:{self.core.seq}", "runtime", halt, now)
