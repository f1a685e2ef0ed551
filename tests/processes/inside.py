"""The deaths' scenario inside one process, shortened to a minute a line: real tree, core, bridge, socket and market.

Here a death can be put exactly: an edge's task at its n-th await, the market at its n-th point; see `dying`.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import trio

from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from actors.runtime import Backoff, Child, MarketClock, MemoryJournal, Status, Supervisor
from bridge.paper import Ledger, Market
from bridge.paper.bars import Instant
from bridge.paper.data import Feed, LeanFolder, MarketHours
from bridge.paper.process import play_lock_step
from bridge.paper.realistic import RealisticFills
from bridge.server import BridgeServer, BridgeSettings
from config.desk import LEAN_RULES
from daemon.desk import desk_core
from daemon.journal import journal_hash
from daemon.port import BridgePort
from daemon.replay.script import ScriptLine, parse_script, symbols_of
from tests.processes.dying import AwaitKiller, Deaths, DyingConnection, DyingLedger, MarketDied, Strikes
from tests.processes.kit import DATA
from tests.processes.remains import Outcome, of_facts, of_ledger
from tests.processes.sweeps import Ran, Row

SCENARIO = DATA / "deaths.jsonl"
DAY = dt.date(2015, 12, 24)
_FIRST = dt.datetime(2015, 12, 24, 14, 40, tzinfo=dt.UTC)
_MINUTE = dt.timedelta(minutes=1)


def short_script() -> tuple[ScriptLine, ...]:
    """The scenario's lines, one instant a minute."""
    lines, minute, last = list[str](), 0, ""
    for line in map(json.loads, SCENARIO.read_text().splitlines()):
        minute += line["at"] != last
        last = line["at"]
        lines.append(json.dumps({**line, "at": (_FIRST + minute * _MINUTE).isoformat()}))
    return tuple(parse_script("\n".join(lines), "deaths", LEAN_RULES.default_time_in_force))


class ShortFeed(Feed):
    """A day that ends a few minutes after the script's last line."""

    end: dt.datetime

    def __iter__(self) -> Iterator[Instant]:
        for instant in super().__iter__():
            if instant.at > self.end:
                yield Instant(instant.at, "end", {}, frozenset())
                return
            yield instant


def short_market(script: tuple[ScriptLine, ...], ledger: Ledger, session: str = "", minutes: int = 3) -> Market:
    """The market of that hour over a ledger, new or not; it ends so many minutes after the script's last line."""
    hours = MarketHours.load(DATA / "lean")
    symbols = dict.fromkeys(symbol for line in script for symbol in symbols_of(line.command))
    feed = ShortFeed(LeanFolder(DATA / "lean"), hours, DAY, DAY, underlyings=("GOOG",), symbols=symbols)
    feed.end = script[-1].at + minutes * _MINUTE
    return Market(
        feed, hours, cash=Decimal(100000), margin=lean_margin_used, initial=lean_initial_margin,
        session=session, fills=RealisticFills(7), ledger=ledger,
    )  # fmt: skip


class Inside(msgspec.Struct):
    """What a run in one process left: both books, how often edge and market died, awaits and points counted.

    `strikes` says how often an actor forgot, `journal` is its hash.
    `reached` says whether the run came to the point asked for while the market was still playing: the number of
    awaits differs by a few from run to run.
    """

    ours: Outcome
    brokers: Outcome
    died: int
    awaits: int
    points: int
    strikes: int
    reached: bool
    journal: str


async def play(folder: Path, *, await_number: int = 0, market_point: int = 0, struck: str = "") -> Inside:
    """Play the hour; kill the bridge at its n-th await, the market at its n-th point, or an actor after each turn."""
    folder.mkdir(parents=True, exist_ok=True)
    script = short_script()
    journal = MemoryJournal()
    core = desk_core(journal, LEAN_RULES)
    clock = MarketClock(_FIRST - 30 * _MINUTE)
    port = BridgePort(core, journal, clock, script, lambda event, text: None)
    core.start(clock.now())
    strikes = Strikes(core, struck) if struck else None
    path = folder / "bridge"
    server = BridgeServer(port, BridgeSettings(unix=path), lambda event, text: None)
    playing = reached = False

    def kill() -> None:
        nonlocal reached
        reached = playing
        tree.kill("bridge")

    killer = AwaitKiller(await_number, kill)

    async def bridge(status: Status) -> None:
        killer.root = trio.lowlevel.current_task()
        try:
            await server.run(status)
        finally:
            killer.root = None

    quick = Backoff(first=0.001, most=0.01)
    killed: list[str] = []

    def changed(path: str, state: str, error: str) -> None:
        if error.startswith("ChildKilled"):
            killed.append(path)

    tree = Supervisor(
        "callboard",
        [Child("core", port.run, restart="temporary"), Child("bridge", bridge, backoff=quick)],
        on_change=changed,
    )
    failed: list[BaseException] = []
    deaths = Deaths(market_point)
    lives = 0
    market: Market | None = None

    def market_process() -> None:
        nonlocal lives, market
        ledger = DyingLedger.__new__(DyingLedger)
        ledger.deaths = deaths
        ledger.__init__(folder / "ledger")
        try:
            market = short_market(script, ledger)
            lives += 1
            play_lock_step(market, lambda: DyingConnection(str(path), deaths), patience=20.0)
        finally:
            ledger.close()

    def market_thread() -> None:
        nonlocal playing
        try:
            try:
                market_process()
            except MarketDied:
                market_process()
        except BaseException as error:
            failed.append(error)
        finally:
            playing = False

    trio.lowlevel.add_instrument(killer)
    try:
        async with trio.open_nursery() as nursery:
            ready = Status()
            nursery.start_soon(tree.run, ready)
            await ready.wait_started()
            thread = threading.Thread(target=market_thread, daemon=True)
            playing = True
            thread.start()
            while thread.is_alive():
                await trio.sleep(0.005)
            tree.stop()
    finally:
        trio.lowlevel.remove_instrument(killer)
    if failed:
        raise failed[0]
    assert market is not None
    died = len(killed) + lives - 1
    reached = reached or 0 < market_point <= deaths.count or bool(struck)
    count = 0 if strikes is None else strikes.count
    ours = of_facts(map(core.decode, journal.read()))
    return Inside(
        ours,
        of_ledger(folder / "ledger"),
        died,
        killer.count,
        deaths.count,
        count,
        reached,
        journal_hash(journal.read()),
    )


#: Every core actor of the desk.
ACTORS = tuple(desk_core(MemoryJournal(), LEAN_RULES).statistics())


def inside_sweep(folder: Path, part: Literal["edge", "market", "actors"], every: int = 1) -> Row:
    """The bridge killed at each await, the market at each frame and commit, or each actor after every turn.

    `every` takes each n-th point only.
    """
    calm = trio.run(lambda: play(folder / "calm"))
    whats = {
        "edge": "bridge, at each await", "market": "market, each frame and commit", "actors": "actor, after every turn"
    }  # fmt: skip
    row = Row(whats[part])
    if part == "actors":
        for actor in ACTORS:
            ran = trio.run(partial(play, folder / actor, struck=actor))
            _add(row, calm, ran, actor, 0, ran.strikes)
            if ran.journal != calm.journal:
                row.failures.append(f"{row.what} at {actor}: another journal than undisturbed")
        return row
    last = calm.awaits if part == "edge" else calm.points
    name = "await_number" if part == "edge" else "market_point"
    short = list[int]()
    for number in range(1, last + 1, every):
        ran = trio.run(partial(play, folder / f"{part}{number}", **{name: number}))
        if ran.reached:
            _add(row, calm, ran, str(number), 1)
        else:
            short.append(number)
    if len(short) > max(1, 0.05 * last / every):
        row.failures.append(f"{row.what}: nothing was killed at {short}, of {last} points counted undisturbed")
    return row


def _add(row: Row, calm: Inside, ran: Inside, label: str, died: int, points: int = 1) -> None:
    row.add(Ran(ran.ours, ran.brokers, [], 0, 0), points, calm.ours, label)
    if ran.died != died:
        row.failures.append(f"{row.what} at {label}: {ran.died} deaths, expected {died}")
