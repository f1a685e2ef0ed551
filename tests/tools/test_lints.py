"""The lints of actors/ on good and bad snippets."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

_LINTS = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "lints.py"))
problems, undocumented = _LINTS["problems"], _LINTS["undocumented"]


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


@pytest.mark.parametrize(
    "source",
    [
        "async def decide(): pass",
        "from random import choice",
        "import trio",
        "def decide():\n    names = {'a', 'b'}\n    for name in names: pass",
        "def decide():\n    seen: set[str] = set()\n    return [name for name in seen]",
        "def decide(a, b):\n    return [name for name in set(a) | b]",
    ],
)
def test_awaiting_chance_and_sets_by_name_are_seen(source: str) -> None:
    assert problems(source)


def test_a_name_that_holds_a_set_elsewhere_is_not_blamed_here() -> None:
    assert not problems("def one():\n    names = {1}\n\ndef two(names):\n    return [n for n in names]")


def test_public_names_without_a_docstring_are_found() -> None:
    bad = "class A:\n    def b(self): pass\n    def _c(self): pass\ndef d():\n    def inner(): pass\n"
    assert [text for _, text in undocumented(bad)] == [
        "module has no docstring", "public A has no docstring", "public A.b has no docstring",
        "public d has no docstring",
    ]  # fmt: skip
    assert undocumented('"""M."""\nclass A:\n    """A."""\n    x: int = 1\ndef _d(): pass\n') == []
    assert undocumented("") == []
