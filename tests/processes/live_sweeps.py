"""Live days in which daemon, market, both or the socket between them die or stand still while a trader trades.

Live time does not repeat: after each blow our book is held to the broker's ledger of the same day, nothing else.
"""

from __future__ import annotations

import random
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from actors.messages.lean import Reconciled
from bridge.paper import Books, read_ledger
from daemon.journal import verify
from tests.processes.cutter import Aim, Cutter
from tests.processes.kit import Process
from tests.processes.remains import Outcome, compare, of_books, of_facts, of_ledger, read_journal
from tests.processes.sweeps import STOPPED, Row, facts, size
from tests.processes.trader import DAY, PATIENCE, TOKEN, UNDERLYING, Trader

Kind = Literal["daemon", "market", "both", "cut", "stop"]
NAMES: dict[Kind, str] = {
    "daemon": "live: kill -9 of daemon", "market": "live: kill -9 of market", "both": "live: kill -9 of both",
    "cut": "live: socket cut", "stop": "live: SIGSTOP of daemon or market",
}  # fmt: skip
#: Times the wall's speed, in steps of so many market seconds: twenty steps a second.
SPEED, STEP = 300, 15
#: Every other cut falls on an order in flight.
AIMS = [
    Aim(frame, where)
    for frame in ("PlaceOrder", "AmendOrder", "CancelOrder")
    for where in ("before", "after", "answer")
]
#: After its blow a bout goes on for this much of what it writes: facts, bytes of ledger, bytes over the socket.
_LENGTHS: dict[Kind, int] = {"daemon": 120, "market": 25_000, "both": 120, "cut": 60_000, "stop": 120}


class LiveStage:
    """Daemon and market of live days, in a folder of their own, over a socket that can be cut."""

    def __init__(self, folder: Path, kind: Kind, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._seed, self._kind = folder, seed, kind
        self.journal, self.ledger = folder / "journal", folder / "ledger"
        # What stands still is longer gone than the other end bears; of the dead, some are and some are not.
        self._dead_man = "1" if kind == "stop" or seed % 2 else "30"
        self._silent = "1s" if kind == "stop" else "60s"
        self._ended: list[Process] = []
        self.trader = Trader(seed, seed, lambda: self.address)
        self.address = ""
        self.daemon = self._daemon()
        self.cutter = Cutter(str(folder / "near"), str(folder / "bridge"), [])
        if kind == "cut":
            self.cutter.start()
        self.market = self._market()
        self.market.wait_for("connected", PATIENCE)

    def _daemon(self, *more: str) -> Process:
        daemon = Process(
            self.folder, "run", "run", "--journal", str(self.journal), "--bridge", str(self.folder / "bridge"),
            "--clock", "market", "--speed", str(SPEED), "--risk", "lean", "--dead-man", self._dead_man, "--api",
            "127.0.0.1:0", *more, CALLBOARD_AUTH_TOKEN=TOKEN, CALLBOARD__BRIDGE__SILENT=self._silent,
            CALLBOARD__ORDER_QUEUE_API__REQUESTS_PER_SECOND="1000", CALLBOARD__ORDER_QUEUE_API__BURST="1000",
        )  # fmt: skip
        daemon.wait_for("api: ", PATIENCE)
        self.address = re.findall(r"api: (\S+)", daemon.said)[0]
        return daemon

    def _market(self, *more: str, speed: int = SPEED) -> Process:
        bridge = self.folder / ("near" if self._kind == "cut" else "bridge")
        return Process(
            self.folder, "market", "market", "--bridge", str(bridge), "--synthetic", str(self._seed), "--speed",
            str(speed), "--step", str(STEP), "--underlying", UNDERLYING, *self.trader.symbols, "--ledger",
            str(self.ledger), "--fills", "realistic", "--seed", str(self._seed), "--legs-apart", "--cash", "1000000",
            *more,
        )  # fmt: skip

    # --- blows ------------------------------------------------------------------------------------------------

    def strike(self, gap: int, who: Literal["daemon", "market"], bout: threading.Thread) -> float:
        """Wait until so much more is written or has passed, strike, and wait until the two talk again: so long that
        took. `who` stands still where somebody shall."""
        if self._kind == "cut":
            return self._cut(gap, bout)
        self._reach((lambda: size(self.ledger)) if self._kind == "market" else (lambda: facts(self.journal)), gap)
        began = time.monotonic()
        if self._kind == "stop":
            stands = self.daemon if who == "daemon" else self.market
            before = self.daemon.connects
            stands.signal(signal.SIGSTOP)
            time.sleep(STOPPED)
            stands.signal(signal.SIGCONT)
            self._until(lambda: self.daemon.connects > before, "the two talk again")
            return time.monotonic() - began - STOPPED
        if self._kind != "market":
            self.address = ""
            self.daemon.kill()
        if self._kind != "daemon":
            self.market.kill()
        before = self.daemon.connects if self._kind == "market" else 0
        if self._kind != "daemon":
            self.market = self._market()
        if self._kind != "market":
            self.daemon = self._daemon()
        self._until(lambda: self.daemon.connects > before, "the two talk again")
        return time.monotonic() - began

    def _cut(self, gap: int, bout: threading.Thread) -> float:
        before, cut = self.daemon.connects, self.cutter.done
        if gap % 2:
            self.cutter.cut_after(gap)
        else:
            self.cutter.cut_at(AIMS[gap // 2 % len(AIMS)])
            self._until(lambda: self.cutter.done > cut or not bout.is_alive(), "the frame aimed at passes")
            if self.cutter.forget_aim():
                self.cutter.cut_after(gap)
        self._until(lambda: self.cutter.done > cut, f"{gap} more bytes pass")
        began = time.monotonic()
        self._until(lambda: self.daemon.connects > before, "the two talk again")
        return time.monotonic() - began

    def _reach(self, progress: Callable[[], int], gap: int) -> None:
        at = progress() + gap
        self._until(lambda: progress() >= at, f"{gap} more are written", pause=0.0005)

    def _until(self, condition: Callable[[], bool], what: str, pause: float = 0.002) -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            said = f"within {PATIENCE} s not: {what}\n{self.daemon.said}\n{self.market.said}"
            assert time.monotonic() < until, said
            assert not self.market.ended, f"the market ended\n{said}"
            assert not self.daemon.ended, f"the daemon ended\n{said}"
            time.sleep(pause)

    # --- what came of it --------------------------------------------------------------------------------------

    def settle(self) -> tuple[Outcome, Outcome, list[str]]:
        """Ours, the broker's and what is not as it should be, once nothing is under way and both agree; or what they
        are at the end of all patience."""
        until = time.monotonic() + PATIENCE
        while True:
            waits = self.trader.waits_for()
            brokers = of_books(Books.of(read_ledger(self.ledger)))
            ours = of_facts(read_journal(self.journal))
            wrong = ([f"under way: {waits}"] if waits else []) + self.trader.broken(ours)
            if (compare(ours, brokers).equal and not wrong) or time.monotonic() > until:
                return ours, brokers, wrong
            time.sleep(0.05)

    def end(self) -> tuple[Outcome, Outcome, list[str]]:
        """Both end when asked, start once more over what they left, and end by themselves with the day; then nothing
        moves, and what they left is final."""
        wrong: list[str] = []
        for process, name in ((self.market, "market"), (self.daemon, "daemon")):
            code = process.stop(PATIENCE)
            wrong += [] if code == 0 else [f"the {name} that was asked to end gave {code}:\n{process.said}"]
        played = Books.of(read_ledger(self.ledger)).played_to
        last = max(DAY, DAY if played is None else played.date())
        self.daemon = self._daemon("--once")
        self.market = self._market("--from", str(DAY), "--to", str(last), speed=40 * SPEED)
        for process, name in ((self.market, "market"), (self.daemon, "daemon")):
            code = process.end(PATIENCE)
            wrong += [] if code == 0 else [f"the {name} gave {code} at the day's end:\n{process.said}"]
        assert verify(self.journal).problem is None
        left = list(read_journal(self.journal))
        columns = [each.fact for each in left if isinstance(each.fact, Reconciled)]
        if not columns or not columns[-1].agree:
            wrong.append(f"the last word of the columns: {columns[-1:]}")
        ours = of_facts(left)
        return ours, of_ledger(self.ledger), wrong + self.trader.broken(ours)

    def close(self) -> None:
        """Nothing of it is left running."""
        self.daemon.kill()
        self.market.kill()


def live_sweep(folder: Path, kind: Kind, points: int, each: int, seed: int) -> Row:
    """`points` blows, `each` of them a run, each in a bout of trading of its own, as far into it as `seed` says."""
    row = Row(NAMES[kind], as_calm=-1)
    for number, start in enumerate(range(0, points, each)):
        _run(folder / f"live-{kind}{number}", row, kind, min(each, points - start), seed + number)
    return row


def _run(folder: Path, row: Row, kind: Kind, count: int, seed: int) -> None:
    chooser = random.Random(f"{kind} {seed}")
    label = f"--seed {seed} --points {count} (journal and ledger in {folder})"
    stage = LiveStage(folder, kind, seed)
    try:
        for blow in range(count):
            gap, who = chooser.randrange(1, _LENGTHS[kind]), chooser.choice(("daemon", "market"))
            failed: list[BaseException] = []
            bout = threading.Thread(target=_guarded, args=(stage.trader.bout, failed), daemon=True)
            bout.start()
            recovered = stage.strike(gap, who, bout)
            bout.join()
            if failed:
                raise failed[0]
            add(row, stage.settle(), 1, recovered, f"blow {blow + 1} after {gap}, {label}")
        add(row, stage.end(), 0, 0.0, f"the day's end, {label}")
    finally:
        stage.close()


def _guarded(run: Callable[[], None], failed: list[BaseException]) -> None:
    try:
        run()
    except BaseException as error:
        failed.append(error)


def add(row: Row, found: tuple[Outcome, Outcome, Sequence[str]], points: int, recovered: float, label: str) -> None:
    """Count what came of one blow."""
    ours, brokers, wrong = found
    verdict = compare(ours, brokers)
    whole = verdict.equal and not wrong
    row.points += points
    row.equal += points if whole else 0
    row.twice += verdict.twice
    row.lost += verdict.lost
    row.worst = max(row.worst, recovered)
    if not whole:
        differs = [*verdict.differs, *wrong]
        row.failures.append(f"{row.what}, {label}: {differs}, twice {verdict.twice}, lost {verdict.lost}")
