"""Drives the core live, on trio: inputs go in through lanes, replies, words and facts come out once they are on disk.

No decision and no I/O of its own; whoever has a socket or a screen uses this.
"""

from __future__ import annotations

import datetime as dt
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
    Core,
    CoreFailed,
    Journal,
    JournalError,
    Lanes,
    LaneStatistics,
    MarketClock,
    SkipFact,
    Status,
)
from daemon.groups import GroupRules
from daemon.outlet import DriverStopped, Outlet

#: Inputs after which other tasks get their turn.
_INPUTS_A_TURN = 64
_CONTROL: tuple[type[Command], ...] = (Halt, CancelAll, StartReset, ConfirmReset, SkipFact)


class _Waiting(msgspec.Struct, eq=False):
    """One input on its way, and what came of it."""

    done: trio.Event
    result: Any = None
    error: BaseException | None = None


class Driver(Outlet):
    """One core, one journal, one clock. `run` must be running for anything to happen.

    `most_commands` bounds the commands that wait; beyond it `command` raises Busy at once and nothing was taken.
    After the core or the journal failed `run` raises, and everybody who waits gets DriverStopped.
    """

    def __init__(self, core: Core, journal: Journal, clock: Clock, *, most_commands: int = 1000) -> None:
        super().__init__(core, journal, clock)
        self._lanes = Lanes(core, most_commands=most_commands)
        self._wake = trio.Event()
        self._pending: dict[int, _Waiting] = {}
        self._view_taken: list[_Waiting] = []
        #: Set when nothing is taken any more; `failure` says why where it was not asked for.
        self.stopped = trio.Event()
        self.failure: Exception | None = None
        self.groups = GroupRules(core, self._poke)
        self._has_said_its_end = False

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
            self.deliver()
            self.groups.check()
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
        self.groups.halt(now)
        if self.groups.ends:
            return False
        for _ in range(_INPUTS_A_TURN):
            if not self._lanes.take(now):
                break
            if self.groups.waits:
                # What waits behind the input that an actor failed on comes after its halt.
                self.groups.halt(now)
                if self.groups.ends:
                    return False
            if self._view_taken and not self._lanes.statistics().view:
                self._view_is_taken()
        else:
            return True
        return self.groups.waits

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
        self._let_go()
        self.stopped.set()

    async def quiet(self) -> None:
        """Return once no input waits and all that was decided is durable and released."""
        while True:
            await self._put("lean", lambda core, now, number: None)
            await self.durable(self.core.seq)
            self.deliver()
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
        await self.durable_batch(batch)
        await self.durable(answer.seq)
        return answer

    async def pulse(self) -> None:
        """Return once the core took a turn and then a write of its own reached the disk. Raises DriverStopped."""

        def put(core: Core, now: dt.datetime, number: int) -> int:
            self.journal.append(Batch((), None))
            return self.journal.batches

        await self.durable_batch(await self._put("control", put))

    async def tell(self, words: Sequence[Any]) -> int:
        """Hand words of an edge's to their actors, in order; gives the sequence after them, not yet durable.

        Raises DriverStopped where an actor of safety stopped meanwhile: they may wait in memory only.
        """
        if not words:
            return self.core.seq

        def put(core: Core, now: dt.datetime, number: int) -> int:
            for index, word in enumerate(words):
                core.tell(word, now, None if index else number)
                if self.groups.ends:
                    raise DriverStopped("an actor of safety stopped: these words are to be told anew")
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
