"""Whenever the API edge dies: each order once, and the feed's client with exactly the journal's facts."""

from __future__ import annotations

import pytest

from tests.api.deaths import sweep


def test_the_api_killed_at_some_of_its_awaits_loses_and_doubles_nothing() -> None:
    points, killed, failed = sweep(every=23)
    assert failed == []
    assert points > 5
    assert killed >= points - 2


@pytest.mark.long
def test_the_api_killed_at_each_of_its_awaits_loses_and_doubles_nothing() -> None:
    points, killed, failed = sweep()
    assert failed == []
    assert killed >= points - 20
