"""Every recorded run of LEAN, replayed from order body to journal, books what LEAN booked, to the cent."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).with_name("compare.py")
_SPEC = importlib.util.spec_from_file_location("conformance_compare", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
compare_module = importlib.util.module_from_spec(_SPEC)
sys.modules["conformance_compare"] = compare_module
_SPEC.loader.exec_module(compare_module)


@pytest.mark.parametrize("name", compare_module.NAMES)
def test_a_trace_books_what_lean_booked(name: str) -> None:
    result = compare_module.compare(name)
    assert result.differences == []
    assert sum(row.different for row in result.rows) == 0
    assert result.report.anomalies == []


def test_the_traces_hold_what_they_are_said_to() -> None:
    """A comparison of nothing would pass too."""
    rows = {name: compare_module.read(name) for name in compare_module.NAMES}
    assert sum(len(trace.fills) for trace in rows.values()) == 289
    assert sum(len(trace.margins) for trace in rows.values()) == 41
    assert sum(len(trace.refused) for trace in rows.values()) == 13


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_another_interleaving_of_reactions_gives_the_same_book(seed: int) -> None:
    plain, mixed = compare_module.compare("random1"), compare_module.compare("random1", seed=seed)
    assert mixed.differences == plain.differences == []
