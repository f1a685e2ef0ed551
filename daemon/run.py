"""The daemon as a process: journal, core, driver and bridge, started in order, stopped in reverse. No decision."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import trio

from actors.messages.breaker import HARD_STOP, Halt
from actors.messages.lean import LeanDisconnected
from actors.runtime import (
    Clock,
    CoreActor,
    Ended,
    MarketClock,
    Recorded,
    Started,
    Status,
    WallClock,
    first_cause,
)
from bridge.server import BridgeServer, BridgeSettings
from config.calendar import ExchangeSessions
from config.desk import LEAN_RULES, DeskRules
from daemon.api import ApiSettings, make_app
from daemon.desk import desk_core
from daemon.disk import open_journal, room_at, watch_disk
from daemon.ending import Ending, end_on_signals
from daemon.feed import Feed
from daemon.feed_state import Board
from daemon.journal import SqliteJournal, give_up_ballast
from daemon.outlet import DriverStopped
from daemon.port import BridgePort
from daemon.replay.script import read_script
from daemon.serve import WebServer
from daemon.systemd import LongStart, feed_watchdog, sd_notify, watchdog_seconds
from daemon.tokens import Tokens
from daemon.tree import SAFE_MODE_STARTS, SAFE_MODE_WITHIN, is_safe_mode, make_tree
from daemon.views import Views

#: Seconds that an orderly end may take before the watchdog ends the process.
STOP_SECONDS = 5.0

#: Seconds for which one thread may keep the interpreter. At Python's own 5 ms the journal's writer, which takes it
#: again after every call into SQLite, falls behind a busy core, and every reply waits for the writer (bench/api.py).
SWITCH_SECONDS = 0.0005

Notice = Callable[[str, str], None]


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to run; the fields are the verb's options.

    `clock` 'market' takes time from the data, as a backtest or an accelerated market needs; `speed` is how fast that
    market's time runs, and stretches the deadlines that wait for answers. `rules` are the desk's own where `risk` is
    'default'. `once` ends with the first session. Without `signals` SIGTERM and SIGINT are the caller's to answer.
    `on_hangup` is asked at SIGHUP whether to end, so that the caller may begin anew with other settings; `on_stop`
    hears of SIGTERM and SIGINT, after which it may not. `more` are core actors of the caller's beside the desk's own.
    """

    journal: Path
    bridge: BridgeSettings
    clock: Literal["wall", "market"] = "wall"
    speed: float = 1.0
    risk: Literal["lean", "default"] = "default"
    rules: DeskRules | None = None
    script: Path | None = None
    once: bool = False
    api: tuple[str, int] | None = None
    api_settings: ApiSettings = ApiSettings()
    tokens: Tokens | None = None
    signals: bool = True
    on_hangup: Callable[[], bool] = lambda: False
    on_stop: Callable[[], None] = lambda: None
    more: tuple[CoreActor[Any], ...] = ()


def rules_of(request: RunRequest) -> DeskRules:
    """The desk's rules for this run: at a speed, deadlines for answers are as long on the wall as they were."""
    rules = LEAN_RULES if request.risk == "lean" else request.rules or DeskRules()
    return msgspec.structs.replace(
        rules,
        outcome_seconds=rules.outcome_seconds * request.speed,
        approval_lapse_seconds=rules.approval_lapse_seconds * request.speed,
        reconcile_seconds=rules.reconcile_seconds * request.speed,
    )


async def run_daemon(
    request: RunRequest,
    notice: Notice,
    status: Status | None = None,
    on_fact: Callable[[Recorded], None] | None = None,
    on_start: Callable[[BridgePort, Views], None] | None = None,
) -> BridgePort:
    """Run until SIGTERM, SIGINT, `status.stopping` or, with `once`, the end of the first session.

    `on_fact` hears each fact once it is durable; `on_start` is given the driver and the views before anything listens.
    Raises the journal's errors, CoreFailed, SafetyFailed, TooManyRestarts or OSError. Gives the ended driver back.
    """
    began = dt.datetime.now(dt.UTC)
    sys.setswitchinterval(SWITCH_SECONDS)
    rules = rules_of(request)
    script = read_script(request.script, rules.default_time_in_force) if request.script is not None else []
    clock: Clock = MarketClock(dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
    if request.clock == "wall":
        clock = WallClock(lambda seconds: notice("clock", f"the system's time jumped by {seconds:+.1f} s"))
    ending = Ending(STOP_SECONDS if request.signals else None)
    journal = (
        open_journal(request.journal, notice) if request.clock == "wall" else SqliteJournal(request.journal, live=True)
    )
    try:
        if request.bridge.unix is not None:
            _check_free(request.bridge.unix)
        sessions = ExchangeSessions() if request.risk == "default" else None
        core = desk_core(journal, rules, sessions, more=request.more, elapsed=time.perf_counter)
        port = BridgePort(core, journal, clock, script, notice)
        port.on_deaf = lambda name, text: notice("deaf", f"{name} failed at {text}")
        port.groups.on_stopped = lambda name, text: notice("failed", f"{name} stopped, {text}")
        views = Views()
        port.listen(views.add)
        if on_fact is not None:
            port.listen(on_fact)
        _start(port, views, notice)
        if on_start is not None:
            on_start(port, views)
        await _serve(request, port, views, notice, status or Status(), began, sessions, ending)
    except ExceptionGroup as group:
        raise first_cause(group) from group
    finally:
        journal.close()
        ending.over()
    return port


def _check_free(path: Path) -> None:
    """Raise OSError where somebody answers at this socket: the bridge would take its path from them without a word."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (TimeoutError, BlockingIOError):
            pass  # it is somebody's, and they are busy
        except OSError:
            return
    raise OSError(errno.EADDRINUSE, "another daemon serves this bridge", str(path))


def _hosted(request: RunRequest) -> ApiSettings:
    """The API's settings with the name it is bound to among its own."""
    assert request.api is not None
    settings = request.api_settings
    return msgspec.structs.replace(settings, hosts=settings.hosts | {request.api[0].lower()})


def _start(port: BridgePort, views: Views, notice: Notice) -> None:
    """Read the journal once, for the core and the views; what a dead daemon left connected is not."""
    core, clock = port.core, port.clock
    head = port.journal.head().seq
    for row in port.journal.read(head - 1, 1) if head else ():
        if isinstance(clock, MarketClock):
            clock.move(row.at)
    starts: list[dt.datetime] = []  # of those that nobody ended

    long_start = LongStart(head)

    def told(recorded: Recorded) -> None:
        port.hear(views.add, recorded)
        long_start.reads(recorded.seq)
        if isinstance(recorded.fact, Started):
            starts.append(recorded.at)
        elif isinstance(recorded.fact, Ended):
            starts.pop()

    core.start(clock.now(), told)
    if core.state("gateway").connected:
        core.tell(LeanDisconnected("the daemon began anew"), clock.now())
    if isinstance(clock, WallClock) and is_safe_mode(starts, clock.now()):
        minutes = SAFE_MODE_WITHIN.total_seconds() / 60
        reason = f"safe mode: start {SAFE_MODE_STARTS} within {minutes:g} minutes, the others ended unasked"
        core.command(f"runtime:safe:{core.seq}", "runtime", Halt(HARD_STOP, reason), clock.now())
        notice("safe mode", f"{reason}: nothing automatic is sent; cancel, close by hand, then reset the breaker")


async def _serve(
    request: RunRequest,
    port: BridgePort,
    views: Views,
    notice: Notice,
    status: Status,
    began: dt.datetime,
    sessions: ExchangeSessions | None,
    ending: Ending,
) -> None:
    bridge = BridgeServer(port, request.bridge, notice)
    api: Callable[[Status], Awaitable[None]] | None = None
    if request.api is not None and request.tokens is not None:
        board = Board(port, views, rules_of(request))
        feed = Feed(
            port.journal, port.core.decode, request.tokens, after=views.seq, board=board,
            origins=request.api_settings.origins,
        )  # fmt: skip
        port.listen(feed.add)
        app = make_app(
            port, views, request.tokens, feed, rules=rules_of(request), sessions=sessions,
            reports=lambda: tree.report(), kill_edge=lambda name: tree.kill(name), settings=_hosted(request),
            notice=notice,
        )  # fmt: skip
        web = WebServer(app, *request.api, notice)
        api = partial(_serve_api, web, feed, request.api[0], notice)

    def stop() -> None:
        ending.begin()
        tree.stop()

    def changed(path: str, state: str, error: str) -> None:
        # For good: the core, or an edge that failed too often. Where the end has begun it goes on as it was asked for.
        if state == "failed" and not ending.has_begun:
            stop()
        notice(state, f"{path} {error}".strip())

    seconds = watchdog_seconds()
    watchdog = None if seconds is None else partial(feed_watchdog, port.pulse, partial(_line, port, views), seconds)
    room, release = partial(room_at, request.journal.resolve()), partial(give_up_ballast, request.journal)
    disk = partial(watch_disk, port, room, release, notice) if isinstance(port.clock, WallClock) else None
    tree = make_tree(port.run, bridge.run, api, disk, watchdog, changed)
    async with trio.open_nursery() as nursery:
        if request.signals:
            nursery.start_soon(end_on_signals, ending, tree.stop, request.on_hangup, request.on_stop)
        nursery.start_soon(_stop_with, stop, status)
        if request.once:
            nursery.start_soon(_stop_after_session, stop, bridge, port)
        ready = Status()
        nursery.start_soon(_say_ready, ready, status, port, views, notice, began)
        await tree.run(ready)
        nursery.cancel_scope.cancel()
    if port.failure is not None:
        raise port.failure


async def _say_ready(
    ready: Status, status: Status, port: BridgePort, views: Views, notice: Notice, began: dt.datetime
) -> None:
    await ready.wait_started()
    seconds = (dt.datetime.now(dt.UTC) - began).total_seconds()
    sd_notify(f"READY=1\nSTATUS={_line(port, views)}")
    notice("ready", f"fact {port.core.seq}, {seconds:.2f} s after the start")
    status.started()


def _line(port: BridgePort, views: Views) -> str:
    """The status line for the service manager."""
    session = views.session
    words = [
        "no session yet" if session is None else session.mode if views.connected else "lean is not connected",
        views.level_name, f"{len(views.book.positions)} positions", f"fact {views.seq}",
    ]  # fmt: skip
    if failed := sorted(port.core.failed()):
        words.append(f"stopped: {', '.join(failed)}")
    return ", ".join(words)


async def _serve_api(web: WebServer, feed: Feed, host: str, notice: Notice, status: Status) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(web.run, status)
        await status.wait_started()
        notice("api", f"http://{host}:{web.port}")
        await status.stopping.wait()
        feed.stop()


async def _stop_with(stop: Callable[[], None], status: Status) -> None:
    await status.stopping.wait()
    stop()


async def _stop_after_session(stop: Callable[[], None], bridge: BridgeServer, port: BridgePort) -> None:
    await bridge.ended.wait()
    with contextlib.suppress(DriverStopped):  # somebody else asked for the end at the same time
        await port.quiet()
    stop()
