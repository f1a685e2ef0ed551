"""The double is LEAN as recorded: a trace's calls give its events, tickets, account, slices and schedules, in order."""

from __future__ import annotations

import pytest

from tests.conformance import traces
from tests.lean_double.retrace import retrace

#: A few seconds each; the others are short.
LONG = ("spx",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in traces.NAMES]
)
def test_the_recorded_calls_give_the_recorded_rows(name: str) -> None:
    counted, different, words = retrace(name)
    assert words == []
    assert different.total() == 0
    assert counted.total() > 200
