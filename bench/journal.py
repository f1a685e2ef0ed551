"""Durable appends alone and with many waiting, beside the disk's own sync rate; append to durable on slow disks."""

from __future__ import annotations

import datetime as dt
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from actors.runtime import Batch, Row
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


def appends(path: Path, waiting: int, before_sync: Callable[[], None] | None = None) -> tuple[float, float]:
    """Durable appends a second with so many waiting at once, and the median seconds from append to durable."""
    with SqliteJournal(path, live=True, before_sync=before_sync) as journal:
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
            _, median = appends(folder / f"s{sync}.db", 1, lambda sync=sync: time.sleep(sync))
            text = f"append to durable, sync of {1000 * sync:g} ms more"
            print(f"{text:<44} {1 / median:>10,.0f} {median / sync:>9.2f} syncs {1000 * median:>7.3f}")


if __name__ == "__main__":
    main()
