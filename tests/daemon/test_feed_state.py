"""State frames: everything at first, then what changed and what is gone, and nothing where nothing did."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.feed_state import Found, UnknownTopic, _Topic
from tests.api.house import house


class Sight:
    """A topic over rows that a test changes."""

    def __init__(self) -> None:
        self.value: Any = {"level": 0}
        self.rows: dict[str, Any] = {"a": 1, "b": 2}
        self.looked = 0
        self.topic = _Topic("things", self.look, object)

    def look(self) -> Found:
        self.looked += 1
        return Found(self.value, tuple((key, {"id": key, "n": n}) for key, n in self.rows.items()), "id")

    def frame(self, since: int) -> Any:
        self.topic.refresh()
        return json.loads(self.topic.frame(since))


def test_first_all_then_what_changed_then_nothing() -> None:
    sight = Sight()
    first = sight.frame(0)
    assert (first["full"], first["value"], len(first["rows"])) == (True, {"level": 0}, 2)
    assert "removed" not in first
    sight.rows["b"] = 3
    del sight.rows["a"]
    second = sight.frame(first["version"])
    assert (second["full"], second["rows"], second["removed"]) == (False, [{"id": "b", "n": 3}], ["a"])
    assert "value" not in second
    before = second["version"]
    sight.topic.refresh()
    assert sight.topic.version == before
    assert sight.frame(0)["rows"] == [{"id": "b", "n": 3}]


def test_the_same_inputs_are_not_looked_at_again() -> None:
    looked = 0

    def look() -> Found:
        nonlocal looked
        looked += 1
        return Found({"view": 1})

    topic = _Topic("chain", look, lambda: 7)
    for _ in range(5):
        topic.refresh()
    assert (looked, topic.version) == (1, 1)


def test_who_missed_more_than_is_remembered_gets_everything_anew() -> None:
    sight = Sight()
    start = sight.frame(0)["version"]
    for number in range(3000):
        sight.rows = {f"row-{number}": number}
        sight.topic.refresh()
    frame = sight.frame(start)
    assert (frame["full"], frame["rows"]) == (True, [{"id": "row-2999", "n": 2999}])
    late = sight.topic.version - 10
    assert json.loads(sight.topic.frame(late))["full"] is False


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2)), st.booleans()), max_size=20))
def test_a_client_that_reads_now_and_then_holds_what_is_there(steps: list[tuple[dict[str, int], bool]]) -> None:
    sight, held, version = Sight(), dict[str, int](), 0
    for rows, reads in [*steps, ({"a": 1}, True)]:
        sight.rows = rows
        sight.topic.refresh()
        if not reads or sight.topic.version == version:
            continue
        frame = json.loads(sight.topic.frame(version))
        version = frame["version"]
        held = {} if frame["full"] else held
        for key in frame.get("removed", ()):
            held.pop(key, None)  # it may have come and gone between two frames
        held |= {row["id"]: row["n"] for row in frame["rows"]}
        assert held == rows


async def test_topics_are_named_and_forgotten_with_their_last_client() -> None:
    async with house() as served:
        board = served.board
        for name in ("status", "account", "positions", "orders", "underlyings", "chain:GOOG", "expiries:GOOG",
                     "chain:GOOG:2016-01-15"):  # fmt: skip
            board.join(name)
            board.join(name)
            found = board.frame(name, 0)
            assert found is not None
            assert json.loads(found[1])["topic"] == name
            board.leave((name,))
            assert board.frame(name, found[0]) is None
            board.leave((name,))
            with pytest.raises(KeyError):
                board.frame(name, 0)
        for name in ("", "chain", "chain:", "chain:GOOG:soon", "expiries:GOOG:2016-01-15", "positions:GOOG", "facts"):
            with pytest.raises(UnknownTopic):
                board.join(name)
