"""The lints of actors/ on good and bad snippets."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

problems = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "lints.py"))["problems"]


@pytest.mark.parametrize(
    "bad",
    [
        "dt.datetime.now()",
        "time.time()",
        "random.random()",
        "uuid.uuid4()",
        "for x in {1, 2}: pass",
        "[x for x in set(y)]",
    ],
)
def test_bad_is_named(bad: str) -> None:
    assert [line for line, _ in problems(bad)] == [1]


@pytest.mark.parametrize(
    "good", ["for x in sorted({1, 2}): pass", "now + x", "time.time()  # lint: allow measured only"]
)
def test_good_passes(good: str) -> None:
    assert problems(good) == []
