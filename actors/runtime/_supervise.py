"""Supervision of edges: trio tasks that are restarted, backed off, killed and stopped in order. Nothing of the core.

After OTP's supervisor (one-for-one) with Akka's back-off; who uses it holds no task, only a name.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec
import trio

Restart = Literal["permanent", "transient", "temporary"]
State = Literal["waiting", "starting", "running", "backing off", "stopped", "failed"]


class Backoff(msgspec.Struct, frozen=True):
    """Seconds before a start: `first` doubled each time up to `most`, times 1 +- `jitter`; anew after `reset` s up."""

    first: float = 0.1
    most: float = 30.0
    jitter: float = 0.2
    reset: float = 60.0

    def delay(self, failures: int, uniform: Callable[[float, float], float]) -> float:
        """Seconds to wait before start number `failures` + 1 (failures >= 1)."""
        plain = min(self.most, self.first * 2.0 ** min(failures - 1, 60))
        return plain * uniform(1.0 - self.jitter, 1.0 + self.jitter)


class Child(msgspec.Struct, frozen=True):
    """What a supervisor keeps running.

    `run(status)` does its work until `status.stopping` is set, then returns within `deadline` seconds or is cancelled.
    It calls `status.started()` once it serves; those after it in the list start only then. A permanent child is
    restarted however it ends, a transient one only after an error or a kill, a temporary one never.
    """

    name: str
    run: Callable[[Status], Awaitable[None]]
    restart: Restart = "permanent"
    deadline: float = 2.0
    start_within: float = 30.0
    backoff: Backoff = Backoff()


class TooManyRestarts(Exception):
    """A child failed more often than its supervisor bears: everything below it was stopped."""


class ChildEnded(Exception):
    """A permanent child returned though nobody asked it to."""


class ChildKilled(Exception):
    """Somebody killed this child by its name."""


class StartTimeout(Exception):
    """A child did not start in the time it has for that."""


class Status:
    """One run of a child: it says when it serves, and hears when to stop."""

    def __init__(self) -> None:
        self.stopping = trio.Event()
        self._started = trio.Event()

    def started(self) -> None:
        """Say that it serves. Idempotent."""
        self._started.set()

    @property
    def is_started(self) -> bool:
        """Whether it ever said so."""
        return self._started.is_set()

    async def wait_started(self) -> None:
        """Return once it serves."""
        await self._started.wait()


class ChildReport(msgspec.Struct, frozen=True):
    """How a child does: runs so far beyond the first, what ended the last one, seconds since it serves."""

    path: str
    state: State
    restarts: int
    last_error: str
    up_seconds: float


class _Kept:
    def __init__(self, child: Child) -> None:
        self.child = child
        self.state: State = "waiting"
        self.restarts = 0
        self.failures = 0
        self.last_error = ""
        self.since = 0.0
        self.status: Status | None = None
        self.scope: trio.CancelScope | None = None
        self.killed = False
        self.ended = trio.Event()
        self.first_start = trio.Event()


class Supervisor:
    """Keeps its children running, one for one.

    More than `intensity` failures within `period` seconds, start-up failures included, stop all of them and raise
    TooManyRestarts out of `run`. `on_change(path, state, error)` is called at every change. `uniform(low, high)` is the
    source of jitter.
    """

    def __init__(
        self,
        name: str,
        children: Sequence[Child],
        *,
        intensity: int = 5,
        period: float = 60.0,
        on_change: Callable[[str, State, str], None] | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        names = [child.name for child in children]
        if len(set(names)) < len(names):
            raise ValueError(f"two children of {name} have one name: {sorted(names)}")
        self.name = name
        self._kept = {child.name: _Kept(child) for child in children}
        self._intensity, self._period = intensity, period
        self._failed_at: deque[float] = deque()
        self._on_change = on_change
        self._uniform = uniform
        self._stopping = trio.Event()

    async def run(self, status: Status | None = None) -> None:
        """Start the children in order and keep them until `stop` (or `status.stopping`); then stop them in reverse.

        Raises TooManyRestarts. On cancellation every child is cancelled at once, without order.
        """
        try:
            await self._run(status)
        except ExceptionGroup as group:
            raise first_cause(group) from group

    async def _run(self, status: Status | None) -> None:
        async with trio.open_nursery() as nursery:
            if status is not None:
                nursery.start_soon(self._follow, status)
            try:
                nursery.start_soon(self._start_all, nursery, status)
                await self._stopping.wait()
                await self._stop_all()
            finally:
                nursery.cancel_scope.cancel()

    async def _start_all(self, nursery: trio.Nursery, status: Status | None) -> None:
        for kept in self._kept.values():
            if self._stopping.is_set():
                return
            nursery.start_soon(self._keep, kept)
            await kept.first_start.wait()
            # It may have ended for good instead: then this is being cancelled, and nobody is to call it ready.
            await trio.lowlevel.checkpoint_if_cancelled()
        if status is not None and not self._stopping.is_set():
            status.started()

    def stop(self) -> None:
        """Ask for an orderly end of `run`, also while it still starts: what comes later in the list never does."""
        self._stopping.set()

    def kill(self, name: str) -> None:
        """Cancel a child at whatever it awaits, as if it had failed; its restart rule applies. Raises KeyError."""
        kept = self._kept[name]
        kept.killed = True
        if kept.scope is not None:
            kept.scope.cancel()

    def report(self) -> tuple[ChildReport, ...]:
        """How every child does, in start order."""
        now = trio.current_time()
        return tuple(
            ChildReport(
                f"{self.name}/{name}", kept.state, kept.restarts, kept.last_error,
                now - kept.since if kept.state == "running" else 0.0,
            )
            for name, kept in self._kept.items()
        )  # fmt: skip

    # --- one child --------------------------------------------------------------------------------------------

    async def _keep(self, kept: _Kept) -> None:
        try:
            while True:
                error = await self._run_once(kept)
                if self._stopping.is_set() or not self._again(kept, error):
                    self._say(kept, "stopped" if error is None else "failed", error)
                    return
                self._count(kept, error)
                self._say(kept, "backing off", error)
                with trio.move_on_after(kept.child.backoff.delay(kept.failures, self._uniform)):
                    await self._stopping.wait()
                    return
                kept.restarts += 1
        finally:
            kept.ended.set()
            kept.first_start.set()

    async def _run_once(self, kept: _Kept) -> BaseException | None:
        """One run to its end; what ended it, None where it returned."""
        kept.status, kept.killed, kept.scope = Status(), False, trio.CancelScope()
        self._say(kept, "starting", None)
        error: BaseException | None = None
        try:
            with kept.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch_start, kept, kept.status)
                    await kept.child.run(kept.status)
                    nursery.cancel_scope.cancel()
        except Exception as raised:
            error = first_cause(raised)
        if kept.killed:
            error = ChildKilled(f"{kept.child.name} was killed")
        elif error is None and kept.child.restart == "permanent" and not self._stopping.is_set():
            error = ChildEnded(f"{kept.child.name} returned, and nobody asked it to")
        return error

    async def _watch_start(self, kept: _Kept, status: Status) -> None:
        with trio.move_on_after(kept.child.start_within) as scope:
            await status.wait_started()
        if scope.cancelled_caught and not self._stopping.is_set():
            raise StartTimeout(f"{kept.child.name} did not start within {kept.child.start_within:g} s")
        kept.since = trio.current_time()
        self._say(kept, "running", None)
        kept.first_start.set()

    def _again(self, kept: _Kept, error: BaseException | None) -> bool:
        match kept.child.restart:
            case "permanent":
                return True
            case "transient":
                return error is not None
            case _:
                return False

    def _count(self, kept: _Kept, error: BaseException | None) -> None:
        now = trio.current_time()
        if kept.status is not None and kept.status.is_started and now - kept.since >= kept.child.backoff.reset:
            kept.failures = 0
        kept.failures += 1
        self._failed_at.append(now)
        while self._failed_at and self._failed_at[0] <= now - self._period:
            self._failed_at.popleft()
        if len(self._failed_at) > self._intensity:
            self._say(kept, "failed", error)
            raise TooManyRestarts(
                f"{self.name}: {len(self._failed_at)} failures within {self._period:g} s, the limit is "
                f"{self._intensity}; the last was {kept.child.name}: {type(error).__name__}: {error}"
            ) from error

    # --- the end ----------------------------------------------------------------------------------------------

    async def _follow(self, status: Status) -> None:
        await status.stopping.wait()
        self._stopping.set()

    async def _stop_all(self) -> None:
        for kept in reversed(self._kept.values()):
            if kept.status is None or kept.ended.is_set():
                continue
            kept.status.stopping.set()
            with trio.move_on_after(kept.child.deadline):
                await kept.ended.wait()
                continue
            if kept.scope is not None:
                kept.scope.cancel()
            await kept.ended.wait()

    def _say(self, kept: _Kept, state: State, error: BaseException | None) -> None:
        kept.state = state
        if error is not None:
            kept.last_error = f"{type(error).__name__}: {error}"
        if self._on_change is not None:
            self._on_change(f"{self.name}/{kept.child.name}", state, kept.last_error if error is not None else "")


def first_cause(error: Exception) -> Exception:
    """The first error inside nested groups: nurseries wrap what a reader wants by its own name."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
