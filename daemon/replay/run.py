"""Lock-step: the embedded market and the core, step by step, each waiting for the other. Nothing here decides."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from actors.messages.lean import AccountSeen
from actors.messages.market import MarketQuotes
from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from actors.runtime import Core, Journal, MemoryJournal, Recorded, Refusal, Tape
from bridge import protocol, translate
from bridge.paper import Market
from config.calendar import ExchangeSessions
from config.desk import LEAN_RULES, DeskRules
from daemon.desk import desk_core
from daemon.fills import FillChoice
from daemon.journal import JournalHash, open_new
from daemon.replay.report import Report, ReportFold
from daemon.replay.script import ScriptLine, parse_script, read_script, symbols_of
from daemon.source import MarketSource

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
        self._now = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
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
                case protocol.Events():
                    # The end of a step: amends and cancels take effect, and what they cause may still be sent.
                    self._tell(frame.events, frame.account, self._now)
                    self._rounds(self._now)
                case protocol.Goodbye():
                    self._goodbye(frame)
                    return
                case _:
                    raise ReplayError(f"unexpected {type(frame).__name__} between steps")

    def missing(self) -> list[str]:
        """Stocks and indexes of which nothing was ever seen, in words."""
        assert self._view is not None
        return [
            f"no data was found for {security.symbol}"
            for security in self._view.securities
            if security.kind in ("equity", "index") and self._view.price(security.symbol) is None
        ]

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


class ReplayRequest(MarketSource, frozen=True, kw_only=True):
    """What to replay; the fields are the verb's options. `script_text` is used where there is no file."""

    cash: Decimal = Decimal(100000)
    risk: Literal["lean", "default"] = "lean"
    fills: FillChoice = FillChoice()
    script: Path | None = None
    script_text: str | None = None
    journal: Path | None = None
    seed: int | None = None


def replay(
    request: ReplayRequest,
    progress: Progress | None = None,
    *,
    tape: Tape | None = None,
    journal: Journal | None = None,
    on_account: Callable[[dt.datetime, AccountSeen], None] | None = None,
) -> Report:
    """Run one replay to its end. Raises ReplayError, ScriptError or the data side's errors for input it can't use.

    `tape` takes every input; `journal` is written to instead of the request's; `on_account` is told of every
    account that the market shows. The request's `seed` picks another interleaving of reactions: the book is the same.
    """
    began = time.perf_counter()
    rules = LEAN_RULES if request.risk == "lean" else DeskRules(legs_fill_apart=request.fills.legs_apart)
    lines = _script(request, rules)
    symbols = dict.fromkeys(symbol for line in lines for symbol in symbols_of(line.command))
    feed, hours = request.open(symbols)
    market = Market(
        feed, hours, cash=request.cash, margin=lean_margin_used, initial=lean_initial_margin,
        fills=request.fills.model(),
    )  # fmt: skip
    if journal is None:
        journal = MemoryJournal() if request.journal is None else open_new(request.journal)
    fold = ReportFold()
    hasher = JournalHash()

    def record(recorded: Recorded) -> None:
        fold.add(recorded)
        hasher.add(recorded)
        if on_account is not None and isinstance(recorded.fact, AccountSeen):
            on_account(recorded.at, recorded.fact)

    try:
        sessions = ExchangeSessions() if request.risk == "default" else None
        pick = None if request.seed is None else random.Random(request.seed).randrange
        core = desk_core(journal, rules, sessions, on_record=record, elapsed=time.perf_counter, tape=tape, pick=pick)
        core.start(dt.datetime.combine(request.first, dt.time(), dt.UTC))
        play = LockStep(market, core, lines, fold)
        play.run(progress)
    finally:
        journal.close()
    report = fold.report([*_notes(request), *play.missing()])
    if play.final is not None:
        report.final.lean_value = play.final.value
    report.journal_hash = hasher.hexdigest()
    report.steps = play.steps
    report.seconds = round(time.perf_counter() - began, 3)
    return report


def _script(request: ReplayRequest, rules: DeskRules) -> list[ScriptLine]:
    if request.script_text is not None:
        return parse_script(request.script_text, "script", rules.default_time_in_force)
    if request.script is not None:
        return read_script(request.script, rules.default_time_in_force)
    return []


def _notes(request: ReplayRequest) -> list[str]:
    notes = [request.fills.words()]
    if request.risk == "lean":
        notes.append("lean's rules alone judged the orders: the desk's own were off")
    return notes


def _wire(frame: protocol.Frame) -> protocol.ToDaemon:
    """The frame as it arrives after crossing the wire."""
    return protocol.decode_to_daemon(protocol.encode(frame)[4:])
