"""A replay's script: JSON lines, each one thing done at one time. Read, checked and turned into commands here."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec

from actors.messages.breaker import Halt
from actors.messages.exercises import ExerciseContracts
from actors.messages.lean import TransferCash
from actors.messages.orders import AmendOrder, CancelOrder, SubmitOrder
from actors.options.contracts import SymbolError, parse_symbol
from actors.runtime import Command
from daemon.bodies import AmendBody, HaltBody, SubmitBody


class ScriptError(ValueError):
    """A script that can't be used; the message names file, line and what was wrong."""


class _Submit(SubmitBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    time_in_force: Literal["day", "gtc"] | None = None  # type: ignore[assignment]
    sell_group: bool = False


class _Amend(AmendBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    order_id: str


class _Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    order_id: str
    reason: str = ""
    tag: str = ""


class _Exercise(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    symbol: str
    quantity: int
    exercise_id: str | None = None
    tag: str = ""


class _Withdraw(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    amount: Decimal
    reason: str = "withdrawal"


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    at: dt.datetime
    submit: _Submit | None = None
    amend: _Amend | None = None
    cancel: _Cancel | None = None
    exercise: _Exercise | None = None
    halt: HaltBody | None = None
    withdraw: _Withdraw | None = None


class ScriptLine(msgspec.Struct, frozen=True):
    """One command and when it is due; `number` is its line in the file, from 1."""

    number: int
    at: dt.datetime
    command: Command

    @property
    def id(self) -> str:
        """The command's id."""
        return f"script:{self.number}"


_VERBS = ("submit", "amend", "cancel", "exercise", "halt", "withdraw")


def read_script(path: Path, default_time_in_force: Literal["day", "gtc"]) -> list[ScriptLine]:
    """The lines of a script in the order in which they happen: by time, then by line.

    Empty lines are skipped. Raises ScriptError for anything that is not exactly one known verb with known fields.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise ScriptError(f"{path}: {error.strerror}") from error
    return parse_script(text, str(path), default_time_in_force)


def parse_script(text: str, name: str, default_time_in_force: Literal["day", "gtc"]) -> list[ScriptLine]:
    """As `read_script`, from text; `name` stands for the file in messages."""
    lines: list[ScriptLine] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        if not raw.strip():
            continue
        try:
            line = msgspec.json.decode(raw, type=_Line)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise ScriptError(f"{name}:{number}: {error}") from None
        if line.at.tzinfo is None:
            raise ScriptError(f"{name}:{number}: 'at' {line.at.isoformat()} has no time zone; write ...Z")
        given = [verb for verb in _VERBS if getattr(line, verb) is not None]
        if len(given) != 1:
            raise ScriptError(f"{name}:{number}: one of {', '.join(_VERBS)} is needed, found {given or 'none'}")
        command = _command(getattr(line, given[0]), number, default_time_in_force)
        for symbol in symbols_of(command):
            try:
                parse_symbol(symbol)
            except SymbolError as error:
                raise ScriptError(f"{name}:{number}: {error}") from None
        lines.append(ScriptLine(number, line.at.astimezone(dt.UTC), command))
    return sorted(lines, key=lambda line: line.at)


def _command(body: Any, number: int, default_time_in_force: Literal["day", "gtc"]) -> Command:
    match body:
        case _Submit():
            order = msgspec.structs.replace(
                body.body(), time_in_force=body.time_in_force or default_time_in_force, sell_group=body.sell_group
            )
            return SubmitOrder(body.order_id, order)
        case _Amend():
            return AmendOrder(body.order_id, body.change())
        case _Cancel():
            return CancelOrder(body.order_id, body.reason, body.tag)
        case _Exercise():
            return ExerciseContracts(body.exercise_id or f"script-{number}", body.symbol, body.quantity, body.tag)
        case HaltBody():
            return Halt(body.level, body.reason)
        case _Withdraw():
            return TransferCash(-body.amount, body.reason)
        case _:
            raise TypeError(type(body).__name__)


def symbols_of(command: Command) -> tuple[str, ...]:
    """The symbols that a command names."""
    match command:
        case SubmitOrder(body=body):
            return tuple(leg.symbol for leg in body.legs)
        case ExerciseContracts(symbol=symbol):
            return (symbol,)
        case _:
            return ()
