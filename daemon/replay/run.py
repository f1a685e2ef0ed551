"""Lock-step: the embedded market and the core, step by step, each waiting for the other. Nothing here decides."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from actors.messages.market import MarketQuotes
from actors.runtime import Core, Refusal
from bridge import protocol, translate
from daemon.desk import desk_core
from daemon.replay.report import Report, ReportFold
from daemon.replay.script import ScriptLine, symbols_of

Progress = Callable[[dt.datetime, int], None]


class ReplayError(Exception):
    """A replay that can't be run or did not end as it must; the message says why."""


class LockStep:
    """Plays a market against a core until the market's run ends.

    Frames pass as bytes both ways, so that a replay proves the wire vocabulary too. `progress` is called with the
    market's time and the number of steps, once a step.
    """

    def __init__(self, market: Any, core: Core, script: Iterable[ScriptLine], fold: ReportFold) -> None:
        self._market = market
        self._core = core
        self._script = list(script)
        self._next_line = 0
        self._fold = fold
        self._view: MarketQuotes | None = None
        self._rows: dict[int, int] = {}
        self._now: dt.datetime | None = None
        self.steps = 0
        self.final: protocol.Account | None = None

    def run(self, progress: Progress | None = None) -> None:
        """Play to the end. Raises ReplayError where the market breaks the protocol."""
        hello = _wire(self._market.hello())
        if not isinstance(hello, protocol.Hello):
            raise ReplayError(f"the market began with {type(hello).__name__}, not Hello")
        self._view = translate.empty_view(hello.at)
        self._now = hello.at
        self._core.tell(translate.hello(hello), hello.at)
        for frame in self._frames():
            match frame:
                case protocol.Listing():
                    self._view = translate.listed(self._view, frame)
                    self._rows = translate.row_numbers(self._view)
                case protocol.Step():
                    self._step(frame)
                    if progress is not None:
                        progress(frame.at, self.steps)
                case protocol.Goodbye():
                    self._goodbye(frame)
                    return
                case _:
                    raise ReplayError(f"unexpected {type(frame).__name__} between steps")

    def _frames(self) -> Iterator[protocol.ToDaemon]:
        while True:
            for frame in self._market.next():
                yield _wire(frame)

    def _step(self, step: protocol.Step) -> None:
        assert self._view is not None
        self.steps += 1
        now = self._now = step.at
        self._core.advance(now)
        self._tell(step.events, step.account, now)
        self._view = translate.stepped(self._view, self._rows, step)
        self._core.view(self._view, now)
        self._rounds(now)
        while self._next_line < len(self._script) and self._script[self._next_line].at <= now:
            line = self._script[self._next_line]
            self._next_line += 1
            self._command(line, now)
            self._rounds(now)

    def _command(self, line: ScriptLine, now: dt.datetime) -> None:
        try:
            self._core.command(line.id, "operator:script", line.command, now)
        except Refusal as refusal:
            what = type(line.command).__name__
            order_id = getattr(line.command, "order_id", "")
            self._fold.refused_command(now, line.id, what, order_id, str(refusal))

    def _rounds(self, now: dt.datetime) -> None:
        """Hand what the core wants sent to the market, and what came of it back, until nothing is left."""
        while words := self._core.take_outputs("lean"):
            frames = tuple(translate.word(word) for word in words)
            done = protocol.decode_to_lean(protocol.encode(protocol.Done(frames, True))[4:])
            settle = _wire(self._market.settle(done))
            if not isinstance(settle, protocol.Settle):
                raise ReplayError(f"the market answered Done with {type(settle).__name__}")
            self._tell(settle.events, settle.account, now)

    def _tell(self, events: tuple[protocol.Event, ...], account: protocol.Account | None, now: dt.datetime) -> None:
        for event in events:
            self._core.tell(translate.event(event), now)
        if account is not None:
            self._core.tell(translate.lean.LeanAccount(translate.account(account)), now)

    def _goodbye(self, frame: protocol.Goodbye) -> None:
        self._core.advance(frame.at)
        if frame.account is not None:
            self.final = frame.account
            self._core.tell(translate.lean.LeanAccount(translate.account(frame.account)), frame.at)
        for line in self._script[self._next_line :]:
            order_id = getattr(line.command, "order_id", "")
            what = type(line.command).__name__
            self._fold.refused_command(line.at, line.id, what, order_id, "the run ended before its time")


def _wire(frame: protocol.Frame) -> protocol.ToDaemon:
    """The frame as it arrives after crossing the wire."""
    return protocol.decode_to_daemon(protocol.encode(frame)[4:])
