"""Runs of the deaths' scenario in which something is killed, stopped or cut, and what came of each."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tests.processes.cutter import Cutter
from tests.processes.kit import DATA, Process, scripted_daemon, scripted_market
from tests.processes.remains import Outcome, compare, of_journal, of_ledger

SCENARIO = DATA / "deaths.jsonl"
#: Fills by chance: entry and roll come in parts, legs apart, with this seed.
FILLS = ("--fills", "realistic", "--seed", "7", "--legs-apart")
Victim = Literal["daemon", "market", "both"]
#: Seconds for which a stopped process stands still: longer than the dead-man's time that these daemons ask for.
STOPPED = 1.5


class Blow(msgspec.Struct, frozen=True):
    """Who dies, once the victim's own file (of the daemon for both) has come to this: facts, or bytes."""

    victim: Victim
    at: int
    stop: bool = False


class Ran(msgspec.Struct):
    """One run's end: our outcome, the broker's, seconds from each blow until both were talking again, and how much
    was written on the way: facts, bytes of ledger, bytes over the socket (0 where it was not measured)."""

    ours: Outcome
    brokers: Outcome
    recoveries: list[float]
    facts: int
    ledger: int
    passed: int = 0


def facts(journal: Path) -> int:
    """The last fact on disk, as another process sees it."""
    if not journal.exists():
        return 0
    connection = sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute("select coalesce(max(seq), 0) from fact").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def size(ledger: Path) -> int:
    """Bytes of the ledger so far."""
    return ledger.stat().st_size if ledger.exists() else 0


def left(folder: Path, recoveries: list[float], passed: int = 0) -> Ran:
    """What lies in a run's folder."""
    journal, ledger = folder / "journal", folder / "ledger"
    return Ran(of_journal(journal), of_ledger(ledger), recoveries, facts(journal), size(ledger), passed)


class Stage:
    """Daemon and market of one lock-step day, in a folder of its own; either can be struck and comes back."""

    def __init__(self, folder: Path, *options: str, silent: str = "60s") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._options = folder, options
        self.journal, self.ledger = folder / "journal", folder / "ledger"
        self._silent = silent
        self.daemon = scripted_daemon(folder, script=SCENARIO, silent=silent)
        self.market = self._market()
        self.recoveries: list[float] = []

    def _market(self) -> Process:
        return scripted_market(self.folder, "bridge", 30, SCENARIO, "--ledger", str(self.ledger), *self._options)

    def strike(self, blow: Blow) -> None:
        """Wait until the blow's point is reached, kill, start anew, and wait until the two talk again."""
        progress: Callable[[], int] = (
            (lambda: size(self.ledger)) if blow.victim == "market" else (lambda: facts(self.journal))
        )
        until = time.monotonic() + 60
        while progress() < blow.at and not self.market.ended:
            assert time.monotonic() < until, f"{blow} was never reached:\n{self.daemon.said}\n{self.market.said}"
            time.sleep(0.0005)
        if self.market.ended:
            return
        began = time.monotonic()
        if blow.stop:
            stopped = [
                each
                for each, name in ((self.daemon, "daemon"), (self.market, "market"))
                if blow.victim in (name, "both")
            ]
            for each in stopped:
                each.signal(signal.SIGSTOP)
            time.sleep(STOPPED)
            for each in stopped:
                each.signal(signal.SIGCONT)
            self.recoveries.append(time.monotonic() - began - STOPPED)
            return
        if blow.victim != "market":
            self.daemon.kill()
        if blow.victim != "daemon":
            self.market.kill()
            self.market = self._market()
        if blow.victim != "market":
            self.daemon = scripted_daemon(self.folder, script=SCENARIO, silent=self._silent)
        before = self.daemon.connects if blow.victim == "market" else 0
        while self.daemon.connects <= before and not self.market.ended:
            time.sleep(0.002)
        self.recoveries.append(time.monotonic() - began)

    def end(self) -> Ran:
        """Both end by themselves; what they left."""
        try:
            assert self.market.end() == 0, self.market.said
            # Killed after its last word, the daemon comes back to a market that has gone home.
            served = self.daemon.connects > 0
            assert (self.daemon.end() if served else self.daemon.stop()) == 0, self.daemon.said
        finally:
            self.close()
        return left(self.folder, self.recoveries)

    def close(self) -> None:
        """Nothing of it is left running."""
        self.daemon.kill()
        self.market.kill()


def run(folder: Path, blows: Sequence[Blow], *options: str) -> Ran:
    """A day in which these blows fall."""
    # What stands still is longer silent than the other end bears.
    stage = Stage(folder, *options, silent="1s" if any(blow.stop for blow in blows) else "60s")
    try:
        for blow in blows:
            stage.strike(blow)
        return stage.end()
    finally:
        stage.close()


def run_cut(folder: Path, cuts: list[int], *options: str) -> tuple[Ran, Cutter]:
    """A day over a socket that is cut after so many bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    daemon = scripted_daemon(folder, script=SCENARIO)
    cutter = Cutter(str(folder / "near"), str(folder / "bridge"), cuts)
    cutter.start()
    market = scripted_market(folder, "near", 30, SCENARIO, "--ledger", str(folder / "ledger"), *options)
    try:
        assert market.end() == 0, market.said
        assert daemon.end() == 0, daemon.said
    finally:
        daemon.kill()
        market.kill()
    return left(folder, [], cutter.passed), cutter


class Row(msgspec.Struct):
    """A line of the table: what was done, at how many points, and what came of it."""

    what: str
    points: int = 0
    equal: int = 0
    as_calm: int = 0
    twice: int = 0
    lost: int = 0
    worst: float = 0.0
    failures: list[str] = msgspec.field(default_factory=list)

    def add(self, ran: Ran, points: int, calm: Outcome | None, label: str) -> None:
        """Count one run with so many points."""
        verdict = compare(ran.ours, ran.brokers)
        self.points += points
        self.twice += verdict.twice
        self.lost += verdict.lost
        self.equal += points if verdict.equal else 0
        same = calm is None or ran.ours.book == calm.book
        self.as_calm += points if same else 0
        self.worst = max(self.worst, *ran.recoveries, 0.0)
        if not verdict.equal:
            self.failures.append(
                f"{self.what} at {label}: {verdict.differs}, twice {verdict.twice}, lost {verdict.lost}"
            )
        elif not same:
            assert calm is not None
            self.failures.append(f"{self.what} at {label}: {ran.ours.book}, undisturbed {calm.book}")


def sweep(
    folder: Path, victim: Victim, points: int, each: int, seed: int, calm: Ran, *options: str, stop: bool = False
) -> Row:
    """`points` blows, `each` of them a run, at points drawn from the undisturbed run's whole length."""
    row, chooser = Row(f"SIGSTOP of {victim}" if stop else f"kill -9 of {victim}"), random.Random(seed)
    length = calm.ledger if victim == "market" else calm.facts
    first = 200 if victim == "market" else 2
    drawn = chooser.sample(range(first, int(length * 0.95)), points)
    for number, start in enumerate(range(0, points, each)):
        at = sorted(drawn[start : start + each])
        ran = run(folder / f"{victim}{number}{stop}", [Blow(victim, point, stop) for point in at], *options)
        row.add(ran, len(at), calm.ours, f"seed {seed}, {at}")
    return row


def cut_sweep(folder: Path, points: int, each: int, seed: int, calm: Ran, *options: str) -> Row:
    """The socket is cut at `points` bytes of all that crosses it, `each` of them a run."""
    row, chooser = Row("socket cut"), random.Random(seed)
    length = run_cut(folder / "measured", [], *options)[0].passed
    drawn = chooser.sample(range(10, int(length * 0.95)), points)
    for number, start in enumerate(range(0, points, each)):
        cuts = sorted(drawn[start : start + each])
        ran, cutter = run_cut(folder / f"cut{number}", list(cuts), *options)
        row.add(ran, cutter.done, calm.ours, f"seed {seed}, cuts {cuts}")
    return row


def table(rows: Sequence[Row]) -> str:
    """The table as the command prints it."""
    names = ("points", "= ledger", "= undisturbed", "twice", "lost", "worst recovery")
    head = f"{'what':34} {' '.join(names)}"
    lines = [head, "-" * len(head)]
    for row in rows:
        worst = f"{row.worst:.2f} s" if row.worst else "-"
        calm = str(row.as_calm) if row.as_calm >= 0 else "-"
        lines.append(f"{row.what:34} {row.points:6} {row.equal:8} {calm:>13} {row.twice:5} {row.lost:4} {worst:>14}")
    return "\n".join(lines)
