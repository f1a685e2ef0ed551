"""Turns a second of the core beside pykka's ask and a bare trio channel, and the refold of a million facts."""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
import pykka
import trio

from actors.runtime import (
    Batch,
    Command,
    Core,
    CoreActor,
    Decision,
    Fact,
    MemoryJournal,
    Recorded,
    Row,
    Write,
)

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)


class Add(Command, frozen=True, tag=True):
    """Add to the sum."""

    amount: int


class Poke(msgspec.Struct, frozen=True):
    """A word that leads to nothing."""


class Added(Fact, frozen=True, array_like=True):
    """The sum grew."""

    KIND: ClassVar[str] = "bench.Added"
    amount: int


class Sum(msgspec.Struct):
    """What was added."""

    total: int = 0


class Adder(CoreActor[Sum]):
    """One fact a command, none a poke."""

    name = "adder"
    group = "book"
    commands = (Add,)
    inputs = (Poke,)
    folds = (Added,)

    def initial(self) -> Sum:
        return Sum()

    def evolve(self, state: Sum, recorded: Recorded) -> Sum:
        state.total += recorded.fact.amount  # type: ignore[attr-defined]
        return state

    def decide(self, state: Sum, message: Any, now: dt.datetime, market: Any) -> Decision:
        if isinstance(message, Poke):
            return Decision()
        return Decision((Write("sum", Added(message.command.amount)),))


class PykkaAdder(pykka.ThreadingActor):
    """The same sum in pykka."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def on_receive(self, message: int) -> int:
        self.total += message
        return self.total


def rate(run: Callable[[int], None], count: int) -> float:
    """Median operations a second of five runs."""
    found = []
    for _ in range(5):
        began = time.perf_counter()
        run(count)
        found.append(count / (time.perf_counter() - began))
    return statistics.median(found)


def core_pokes(count: int) -> None:
    core = Core([Adder()], MemoryJournal())
    core.start(NOW)
    poke = Poke()
    for _ in range(count):
        core.tell(poke, NOW)


def core_commands(count: int) -> None:
    core = Core([Adder()], MemoryJournal())
    core.start(NOW)
    for number in range(count):
        core.command(str(number), "bench", Add(1), NOW)


def pykka_asks(count: int) -> None:
    ref = PykkaAdder.start()
    for _ in range(count):
        ref.ask(1)
    ref.stop()


def trio_channel(count: int) -> None:
    async def main() -> None:
        send, receive = trio.open_memory_channel[int](100)

        async def sender() -> None:
            async with send:
                for number in range(count):
                    await send.send(number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(sender)
            async for _ in receive:
                pass

    trio.run(main)


def refold(count: int) -> float:
    """Seconds to start a core on a journal of so many facts."""
    journal = MemoryJournal()
    body = msgspec.msgpack.encode(Added(1))
    rows = tuple(Row(seq, "sum", seq, NOW, Added.KIND, 1, 0, body) for seq in range(1, count + 1))
    for start in range(0, count, 100_000):
        journal.append(Batch(rows[start : start + 100_000]))
    core = Core([Adder()], journal)
    began = time.perf_counter()
    core.start(NOW)
    took = time.perf_counter() - began
    assert core.state("adder").total == count
    return took


def main() -> None:
    pokes, commands = rate(core_pokes, 50_000), rate(core_commands, 10_000)
    asks, channel = rate(pykka_asks, 10_000), rate(trio_channel, 20_000)
    print(f"{'what':<44} {'per second':>12} {'to pykka ask':>13}")
    for name, value in (
        ("core: turns without a fact", pokes),
        ("core: commands, each a fact, a batch, a reply", commands),
        ("pykka: ask (two threads)", asks),
        ("trio: memory channel, 100 deep", channel),
    ):
        print(f"{name:<44} {value:>12,.0f} {value / asks:>12.1f}x")
    took = refold(1_000_000)
    print(f"refold of 1,000,000 facts: {took:.2f} s, {1_000_000 / took:,.0f} facts a second")


if __name__ == "__main__":
    main()
