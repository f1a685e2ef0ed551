"""A replay's script: JSON lines, each one thing done at one time. Read, checked and turned into commands here."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec

from actors.messages.breaker import Halt
from actors.messages.lean import TransferCash
from actors.messages.orders import (
    Amendment,
    AmendOrder,
    CancelOrder,
    ExerciseContracts,
    OrderBody,
    OrderLeg,
    SubmitOrder,
)
from actors.options.contracts import SymbolError, parse_symbol
from actors.runtime import Command


class ScriptError(ValueError):
    """A script that can't be used; the message names file, line and what was wrong."""


class _Leg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    symbol: str
    ratio: int


class _Submit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    order_id: str
    legs: tuple[_Leg, ...]
    quantity: int
    type: Literal["market", "limit", "stop", "market_on_close"] = "limit"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    leg_limits: tuple[Decimal, ...] | None = None
    time_in_force: Literal["day", "gtc"] | None = None
    priority: int = 0
    ttl_seconds: float | None = None
    position_id: str = ""
    tag: str = ""
    allow_netting: bool = False
    sell_group: bool = False


class _Amend(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    order_id: str
    quantity: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    leg_limits: tuple[Decimal, ...] | None = None
    tag: str | None = None


class _Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    order_id: str
    reason: str = ""
    tag: str = ""


class _Exercise(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    symbol: str
    quantity: int
    exercise_id: str | None = None
    tag: str = ""


class _Halt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    level: int
    reason: str


class _Withdraw(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    amount: Decimal
    reason: str = "withdrawal"


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    at: dt.datetime
    submit: _Submit | None = None
    amend: _Amend | None = None
    cancel: _Cancel | None = None
    exercise: _Exercise | None = None
    halt: _Halt | None = None
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
            order = OrderBody(
                legs=tuple(OrderLeg(leg.symbol, leg.ratio) for leg in body.legs),
                quantity=body.quantity,
                type=body.type,
                limit_price=body.limit_price,
                stop_price=body.stop_price,
                leg_limits=body.leg_limits,
                time_in_force=body.time_in_force or default_time_in_force,
                priority=body.priority,
                ttl_seconds=body.ttl_seconds,
                position_id=body.position_id,
                tag=body.tag,
                allow_netting=body.allow_netting,
                sell_group=body.sell_group,
            )
            return SubmitOrder(body.order_id, order)
        case _Amend():
            change = Amendment(body.quantity, body.limit_price, body.stop_price, body.leg_limits, body.tag)
            return AmendOrder(body.order_id, change)
        case _Cancel():
            return CancelOrder(body.order_id, body.reason, body.tag)
        case _Exercise():
            return ExerciseContracts(body.exercise_id or f"script-{number}", body.symbol, body.quantity, body.tag)
        case _Halt():
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
