"""Logs for people and their tools: each durable fact and each notice as one JSON line of one schema, in five files.

The journal is the truth and the audit; a log line may be lost with the process, a fact may not.
"""

from __future__ import annotations

import datetime as dt
import gzip
import logging
import logging.handlers
import queue
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

import msgspec
import structlog

from actors.runtime import Fact, Recorded
from daemon.views import named

Category = Literal["execution", "risk", "strategy", "error", "performance"]
Level = Literal["debug", "info", "warning", "error"]
CATEGORIES: tuple[Category, ...] = get_args(Category)

#: Kinds that go elsewhere than their subject says.
_CATEGORY_OF_KIND: dict[str, Category] = {
    "orders.OrderApproved": "risk", "orders.OrderDenied": "risk", "orders.AmendApproved": "risk",
    "orders.AmendDenied": "risk", "lean.Anomaly": "error", "lean.EventUnreadable": "error",
    "runtime.ActorFailed": "error", "runtime.FactSkipped": "error",
}  # fmt: skip
_CATEGORY_OF_SUBJECT: dict[str, Category] = {
    "orders": "execution", "lean": "execution", "breaker": "risk", "positions": "strategy", "volatility": "strategy",
    "performance": "performance", "runtime": "performance",
}  # fmt: skip
_WARNINGS = frozenset({
    "orders.OrderDenied", "orders.OrderRejected", "orders.OrderUnknown", "orders.SendWithheld", "orders.CancelRefused",
    "orders.AmendDenied", "orders.AmendRejected", "breaker.BreakerRaised", "positions.PositionAssigned",
    "positions.PositionBroken", "positions.PositionUnwinding", "orders.LegsOverdue", "runtime.FactSkipped",
})  # fmt: skip
_ERRORS = frozenset({
    "lean.Anomaly", "lean.EventUnreadable", "runtime.ActorFailed", "positions.PositionWaiting",
})  # fmt: skip
#: Said so often that only a debugger wants to read it.
_DEBUG = frozenset({"lean.AccountSeen", "lean.EventSeen"})
#: Notices that tell of a failure; any other is a word about how things go.
_BAD_NOTICES = frozenset({"broken", "refused", "failed", "degraded", "gave up", "clock", "safe mode", "listener"})

#: Fields that say something in a line; structs and lists are in `data`.
_PLAIN = (str, int, float, Decimal)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
#: Lines that wait for the writing thread; beyond it lines are dropped, so that a full disk never stops trading.
_MOST_WAITING = 50_000


class LogLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one schema. `at` is market time, `logged_at` this machine's; `cause` is the sequence of the fact reacted to.

    `sequence` is the journal's, 0 for a notice. `data` holds the fact's own fields, money as decimal strings.
    """

    logged_at: dt.datetime
    category: Category
    level: Level
    event: str
    message: str
    at: dt.datetime | None = None
    sequence: int = 0
    cause: int = 0
    order_id: str = ""
    stream: str = ""
    data: dict[str, Any] = {}


class Logs:
    """Writes lines of `level` and above: to `<directory>/<category>.jsonl`, and for people to `console`.

    Files are rotated at `megabytes` and compressed; `kept` old ones stay. Writing happens on a thread of its own: a
    slow disk costs the caller nothing; beyond 50,000 waiting lines new ones are dropped and counted in `dropped`.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        level: Level = "info",
        megabytes: int = 50,
        kept: int = 10,
        console: TextIO | None = None,
    ) -> None:
        self.dropped = 0
        self._least = getattr(logging, level.upper())
        self._render = structlog.dev.ConsoleRenderer(colors=_is_terminal(console), pad_event_to=24)
        handlers: list[logging.Handler] = []
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for category in CATEGORIES:
                handler = _rotating(directory / f"{category}.jsonl", megabytes, kept)
                handler.addFilter(lambda record, category=category: record.name == category)
                handler.setFormatter(_Json())
                handlers.append(handler)
        if console is not None:
            stream = logging.StreamHandler(console)
            stream.setFormatter(_Console(self._render))
            handlers.append(stream)
        self._queue: queue.Queue[logging.LogRecord] = queue.Queue(_MOST_WAITING)
        self._listener = logging.handlers.QueueListener(self._queue, *handlers)
        self._listener.start()

    def add(self, recorded: Recorded) -> None:
        """A durable fact."""
        fact = recorded.fact
        kind = type(fact).KIND
        level = (
            "error" if kind in _ERRORS else "warning" if kind in _WARNINGS else "debug" if kind in _DEBUG else "info"
        )
        self._put(
            level,
            lambda: LogLine(
                logged_at=dt.datetime.now(dt.UTC), category=category_of(kind), level=level, event=kind,
                message=words_of(fact), at=recorded.at, sequence=recorded.seq, cause=recorded.cause,
                order_id=getattr(fact, "order_id", ""), stream=recorded.stream, data=named(fact),
            ),
        )  # fmt: skip

    def notice(self, event: str, text: str) -> None:
        """A word about the process itself."""
        bad = event in _BAD_NOTICES
        level = "warning" if bad else "info"
        self._put(
            level,
            lambda: LogLine(
                logged_at=dt.datetime.now(dt.UTC), category="error" if bad else "performance", level=level,
                event=event, message=text,
            ),
        )  # fmt: skip

    def close(self) -> None:
        """Write what waits, and close the files. Idempotent."""
        if self._listener is not None:
            self._listener.stop()
            for handler in self._listener.handlers:
                handler.close()
            self._listener = None  # type: ignore[assignment]

    def _put(self, level: str, line: Any) -> None:
        number = getattr(logging, level.upper())
        if number < self._least or self._listener is None:
            return
        made: LogLine = line()
        record = logging.LogRecord(made.category, number, "", 0, made, None, None)
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


def category_of(kind: str) -> Category:
    """Which file a kind of fact goes to."""
    return _CATEGORY_OF_KIND.get(kind) or _CATEGORY_OF_SUBJECT.get(kind.partition(".")[0], "execution")


def level_of(kind: str) -> Level:
    """How loud a kind of fact is."""
    if kind in _ERRORS:
        return "error"
    if kind in _WARNINGS:
        return "warning"
    return "debug" if kind in _DEBUG else "info"


def words_of(fact: Fact) -> str:
    """A fact in words: what happened, then its plain fields."""
    name = _CAMEL.sub(" ", type(fact).__name__).lower()
    values = {field: getattr(fact, field) for field in fact.__struct_fields__}
    said = [f"{field}={value}" for field, value in values.items() if value != "" and isinstance(value, _PLAIN)]
    return " ".join([name, *said])


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _rotating(path: Path, megabytes: int, kept: int) -> logging.handlers.RotatingFileHandler:
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=megabytes * 1024 * 1024, backupCount=kept, encoding="utf-8", delay=True
    )
    handler.namer = lambda name: f"{name}.gz"
    handler.rotator = _compress
    return handler


def _compress(source: str, target: str) -> None:
    with open(source, "rb") as plain, gzip.open(target, "wb", compresslevel=6) as packed:
        shutil.copyfileobj(plain, packed)
    Path(source).unlink()


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return msgspec.json.encode(record.msg).decode()


class _Console(logging.Formatter):
    """One readable line: time, level, what, and the order and sequence it is about."""

    def __init__(self, render: structlog.dev.ConsoleRenderer) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        line: Any = record.msg
        when = line.at or line.logged_at
        shown: dict[str, Any] = {"timestamp": f"{when:%Y-%m-%d %H:%M:%S}", "level": line.level, "event": line.message}
        if line.sequence:
            shown["seq"] = line.sequence
        return str(self._render(None, "", shown))
