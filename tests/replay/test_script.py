"""A script either becomes commands exactly, or an error names its file and line."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from actors.messages.breaker import Halt
from actors.messages.exercises import ExerciseContracts
from actors.messages.lean import TransferCash
from actors.messages.orders import AmendOrder, CancelOrder, SubmitOrder
from daemon.replay.script import ScriptError, parse_script, symbols_of

CALL = "GOOG  160219C00750000"


def parse(*lines: str):
    return parse_script("\n".join(lines), "orders.jsonl", "gtc")


def test_every_verb_becomes_its_command() -> None:
    lines = parse(
        '{"at": "2015-12-24T14:31:00Z", "submit": {"order_id": "a", "legs": [{"symbol": "'
        + CALL
        + '", "ratio": -1}], "quantity": 2, "limit_price": "-6.05"}}',
        '{"at": "2015-12-24T14:32:00Z", "amend": {"order_id": "a", "limit_price": -5.9, "quantity": 3}}',
        '{"at": "2015-12-24T14:33:00Z", "cancel": {"order_id": "a"}}',
        '{"at": "2015-12-24T14:34:00Z", "exercise": {"symbol": "' + CALL + '", "quantity": 1}}',
        '{"at": "2015-12-24T14:35:00Z", "halt": {"level": 3, "reason": "enough"}}',
        '{"at": "2015-12-24T14:36:00Z", "withdraw": {"amount": "9000"}}',
    )
    submit, amend, cancel, exercise, halt, withdraw = (line.command for line in lines)
    assert isinstance(submit, SubmitOrder)
    assert (submit.body.limit_price, submit.body.quantity, submit.body.time_in_force) == (
        Decimal("-6.05"),
        2,
        "gtc",
    )
    assert isinstance(amend, AmendOrder)
    assert (amend.change.limit_price, amend.change.quantity) == (Decimal("-5.9"), 3)
    assert cancel == CancelOrder("a")
    assert exercise == ExerciseContracts("script-4", CALL, 1)
    assert halt == Halt(3, "enough")
    assert withdraw == TransferCash(Decimal(-9000), "withdrawal")
    assert [line.id for line in lines] == [f"script:{number}" for number in range(1, 7)]
    assert symbols_of(submit) == symbols_of(exercise) == (CALL,)


def test_lines_happen_by_time_and_then_in_file_order() -> None:
    lines = parse(
        '{"at": "2015-12-24T15:00:00Z", "cancel": {"order_id": "late"}}',
        "",
        '{"at": "2015-12-24T09:31:00-05:00", "cancel": {"order_id": "first"}}',
        '{"at": "2015-12-24T14:31:00Z", "cancel": {"order_id": "second"}}',
    )
    assert [(line.number, line.at.hour) for line in lines] == [(3, 14), (4, 14), (1, 15)]
    assert all(line.at.tzinfo is dt.UTC for line in lines)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "orders.jsonl:1"),
        ('{"at": "2015-12-24T14:31:00Z"}', "found none"),
        ('{"at": "2015-12-24T14:31:00", "cancel": {"order_id": "a"}}', "no time zone"),
        (
            '{"at": "2015-12-24T14:31:00Z", "cancel": {"order_id": "a"}, "halt": {"level": 1, "reason": "r"}}',
            "'halt'",
        ),
        ('{"at": "2015-12-24T14:31:00Z", "cancel": {"order": "a"}}', "order"),
        (
            '{"at": "2015-12-24T14:31:00Z", "exercise": {"symbol": "goog 1", "quantity": 1}}',
            "neither a ticker",
        ),
    ],
)
def test_a_bad_line_is_named(line: str, words: str) -> None:
    with pytest.raises(ScriptError, match=r"orders\.jsonl:1") as caught:
        parse(line)
    assert words in str(caught.value)
