"""The deaths' scenario live inside one process: real core, bridge and socket, a market that does not wait, a trader."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import trio

from actors.runtime import Child, MarketClock, MemoryJournal, Recorded, Refusal, Supervisor
from bridge.client import Connection
from bridge.paper import Ledger, Market
from bridge.paper.process import LiveMarket
from bridge.server import BridgeServer, BridgeSettings
from config.desk import LEAN_RULES
from daemon.desk import desk_core
from daemon.driver import Driver
from daemon.replay.script import ScriptLine
from daemon.run import BridgePort
from tests.processes.inside import _FIRST, _MINUTE, short_market, short_script
from tests.processes.remains import Outcome, of_facts, of_ledger

#: Market seconds a wall second: a minute takes 20 ms.
SPEED = 3000.0


class Lived(msgspec.Struct):
    """What a live run left, and what was said on the way."""

    ours: Outcome
    brokers: Outcome
    facts: list[Recorded]
    notices: list[str]


async def live(
    folder: Path,
    connect: Callable[[str], Callable[[], Connection]],
    *,
    behind: Callable[[Market], None] | None = None,
    dead_man: float = 30.0,
    freeze: tuple[int, float] = (0, 0.0),
) -> Lived:
    """Play the hour live over such connections; then LEAN starts again, over a good one, and has read the broker.

    With `freeze` (line, seconds) the daemon stands still for so long after that line of the script, as on SIGSTOP:
    its socket is open and nothing of it runs. `behind` changes the broker between the two, unheard by any session.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = [line for line in short_script() if type(line.command).__name__ != "TransferCash"]
    journal, notices = MemoryJournal(), list[str]()
    rules = msgspec.structs.replace(LEAN_RULES, outcome_seconds=600.0)
    core = desk_core(journal, rules)
    port = BridgePort(core, journal, MarketClock(_FIRST - 30 * _MINUTE), (), lambda event, text: None)
    core.start(port.clock.now())
    path = str(folder / "bridge")
    settings = BridgeSettings(unix=Path(path), dead_man_seconds=dead_man)
    server = BridgeServer(port, settings, lambda event, text: notices.append(f"{event} {text}"))
    tree = Supervisor("callboard", [Child("core", port.run, restart="temporary"), Child("bridge", server.run)])
    failed: list[BaseException] = []

    def said(event: str, text: str) -> None:
        notices.append(f"market {event} {text}")

    def play(makes: Callable[[], Connection], name: str) -> Market:
        ledger = Ledger(folder / "ledger")
        try:
            market = short_market(tuple(script), ledger, name, 10 if name == "live" else 70)
            LiveMarket(market, makes, SPEED, said, heartbeat_seconds=0.05).run()
            if name == "live" and behind is not None:
                market.broker.listener = None
                behind(market)
                ledger.commit()
            return market
        finally:
            ledger.close()

    def thread() -> None:
        try:
            play(connect(path), "live")
            play(lambda: Connection(path), "again")
        except BaseException as error:
            failed.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tree.run)
        nursery.start_soon(_trade, port, list(script), *freeze)
        market_thread = threading.Thread(target=thread, daemon=True)
        market_thread.start()
        until = time.monotonic() + 90
        while market_thread.is_alive() and time.monotonic() < until:
            await trio.sleep(0.01)
        while server.peer is not None:
            await trio.sleep(0.005)
        await port.quiet()
        nursery.cancel_scope.cancel()
    if failed:
        raise failed[0]
    assert not market_thread.is_alive(), notices
    facts = [core.decode(row) for row in journal.read()]
    return Lived(of_facts(facts), of_ledger(folder / "ledger"), facts, notices)


async def _trade(port: Driver, script: list[ScriptLine], frozen_after: int, seconds: float) -> None:
    """Give each command once its time has come; a refusal is the trader's to bear."""
    for line in script:
        while port.clock.now() < line.at:
            await trio.sleep(0.002)
        with suppress(Refusal):
            await port.command(line.id, "operator:script", line.command)
        if line.number == frozen_after:
            await trio.sleep(0.05)
            time.sleep(seconds)  # nothing of this process's daemon runs meanwhile; the market does
