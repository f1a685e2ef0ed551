"""Durable appends alone and with many waiting, beside the disk's own sync rate; commands on slow disks."""

from __future__ import annotations

import datetime as dt
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from actors.runtime import Batch, Command, Core, CoreActor, Decision, Fact, Recorded, Row, Write
from daemon.journal import SqliteJournal

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
BODY = bytes(88)
SECONDS = 1.5


def batch(seq: int) -> Batch:
    """One fact of 88 bytes."""
    return Batch((Row(seq, "bench", seq, NOW, "bench.Fact", 1, 0, BODY),))


def disk(folder: Path) -> float:
    """Appends of 88 bytes with fdatasync, a second."""
    with (folder / "plain").open("wb") as file:
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            file.write(BODY)
            file.flush()
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.perf_counter() - began)


def appends(path: Path, waiting: int) -> tuple[float, float]:
    """Durable appends a second with so many waiting at once, and the median seconds from append to durable."""
    with SqliteJournal(path, live=True) as journal:
        done = threading.Semaphore(0)
        told = 0
        started: dict[int, float] = {}
        took: list[float] = []

        def durable(seq: int) -> None:
            nonlocal told
            now = time.perf_counter()
            for each in range(told + 1, seq + 1):
                took.append(now - started.pop(each))
                done.release()
            told = seq

        journal.on_durable = durable
        seq, began = 0, time.perf_counter()
        for _ in range(waiting):
            seq += 1
            started[seq] = time.perf_counter()
            journal.append(batch(seq))
        while time.perf_counter() - began < SECONDS:
            done.acquire()
            seq += 1
            started[seq] = time.perf_counter()
            journal.append(batch(seq))
        count = journal.durable_seq
        return count / (time.perf_counter() - began), statistics.median(took)


class Add(Command, frozen=True, tag=True):
    """Count one."""


class Added(Fact, frozen=True, array_like=True):
    """One more."""

    KIND: ClassVar[str] = "bench.Added"


class Counter(CoreActor[list[int]]):
    """One fact a command."""

    name = "counter"
    group = "book"
    commands = (Add,)
    folds = (Added,)

    def initial(self) -> list[int]:
        return [0]

    def evolve(self, state: list[int], recorded: Recorded) -> list[int]:
        state[0] += 1
        return state

    def decide(self, state: list[int], message: Any, now: dt.datetime, market: Any) -> Decision:
        return Decision((Write("counter", Added()),))


def commands(path: Path, sync: float) -> float:
    """Median seconds from a command to the moment at which its reply may be given, on a disk slower by `sync`."""
    with SqliteJournal(path, live=True, before_sync=lambda: time.sleep(sync)) as journal:
        core = Core([Counter()], journal)
        told = threading.Semaphore(0)
        journal.on_durable = lambda seq: told.release()
        core.start(NOW)
        told.acquire()
        took: list[float] = []
        began = time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            start = time.perf_counter()
            answer = core.command(str(len(took)), "bench", Add(), NOW)
            while journal.durable_seq < answer.seq:
                told.acquire()
            took.append(time.perf_counter() - start)
        return statistics.median(took)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        rate = disk(folder)
        print(f"{'what':<44} {'a second':>10} {'to the disk':>12} {'each, ms':>9}")
        print(f"{'plain file, write and fdatasync':<44} {rate:>10,.0f} {1:>11.2f}x {1000 / rate:>9.3f}")
        for waiting in (1, 10, 100):
            each, median = appends(folder / f"w{waiting}.db", waiting)
            text = f"journal, durable, {waiting} waiting"
            print(f"{text:<44} {each:>10,.0f} {each / rate:>11.2f}x {1000 * median:>9.3f}")
        for sync in (0.0003, 0.005):
            each = commands(folder / f"s{sync}.db", sync)
            text = f"command to durable reply, sync of {1000 * sync:g} ms more"
            print(f"{text:<44} {1 / each:>10,.0f} {each / sync:>9.2f} syncs {1000 * each:>7.3f}")


if __name__ == "__main__":
    main()
