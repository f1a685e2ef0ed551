"""The supervision tree of the daemon, on one page.

    callboard                 one for one; 5 failures within 60 s end the process
    |- core       temporary   the driver: core actors, journal, clock. Never restarted in place: a process reads anew
    |- bridge     permanent   serves one LEAN at a time; restarted with back-off, at any await
    |- api        permanent   control API, feed, dashboard; only where an address is given
    |- disk       permanent   stops new risk where the journal's disk has little room left; only on a wall clock
    `- watchdog   permanent   tells systemd that the core still turns and the disk still answers; only under systemd

Started in this order, each once the one above it serves; stopped in reverse, each within its deadline, all within 5 s.
Core actors are no children: they are killed and folded anew by the core, and their groups' rules are the driver's:

    safety (orders, risk, gateway, breaker)        hard stop, then the process ends for systemd to start it anew
    book (positions, volatility)                   reduce-only
    trading, service (performance)                 degraded: said so, nothing stops

An operator signs a stopped actor past what it failed on (`callboard skip`), or kills it, which folds it anew.

A third start within 10 minutes of wall time, the others having ended unasked, is safe mode: the breaker goes to hard
stop, where automation sends nothing while cancels and an operator's reducing orders pass; an operator's two-step reset
ends it. A start after an orderly stop (`Ended` in the journal) or a reload counts for nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec

from actors.messages.breaker import HARD_STOP, REDUCE_ONLY
from actors.runtime import Child, Group, Restart, Status, Supervisor

#: Starts within this time that make safe mode of the last of them.
SAFE_MODE_STARTS, SAFE_MODE_WITHIN = 3, dt.timedelta(minutes=10)

Run = Callable[[Status], Awaitable[None]]


class Edge(msgspec.Struct, frozen=True):
    """An edge: how it is restarted, and the seconds that it has to stop."""

    name: str
    restart: Restart
    deadline: float

    @property
    def rule(self) -> str:
        """In words."""
        return f"{self.restart}, {self.deadline:g} s to stop"


class GroupRule(msgspec.Struct, frozen=True):
    """What a stopped actor of a group means: the breaker goes to `level` (0: nowhere); `ends` the process."""

    level: int
    ends: bool
    rule: str


#: In start order.
EDGES = (
    Edge("core", "temporary", 2.0), Edge("bridge", "permanent", 1.0), Edge("api", "permanent", 1.5),
    Edge("disk", "permanent", 0.1), Edge("watchdog", "permanent", 0.2),
)  # fmt: skip

GROUPS: Mapping[Group, GroupRule] = {
    "safety": GroupRule(HARD_STOP, True, "one that stops is a hard stop, and the process ends"),
    "book": GroupRule(REDUCE_ONLY, False, "one that stops puts the breaker at reduce-only"),
    "trading": GroupRule(0, False, "one that stops is said; the rest goes on"),
    "service": GroupRule(0, False, "one that stops is said; the rest goes on"),
}


def make_tree(
    core: Run,
    bridge: Run,
    api: Run | None,
    disk: Run | None,
    watchdog: Run | None,
    on_change: Callable[[str, str, str], None],
) -> Supervisor:
    """The tree of these runs; `on_change(path, state, error)` is called at every change."""
    children = [
        Child(edge.name, run, restart=edge.restart, deadline=edge.deadline)
        for edge, run in zip(EDGES, (core, bridge, api, disk, watchdog), strict=True)
        if run is not None
    ]
    return Supervisor("callboard", children, on_change=on_change)


def is_safe_mode(starts: Iterable[dt.datetime], now: dt.datetime) -> bool:
    """Whether the start at `now` is one too many, given the instants of those before it that nobody ended."""
    return sum(now - SAFE_MODE_WITHIN < each <= now for each in starts) + 1 >= SAFE_MODE_STARTS
