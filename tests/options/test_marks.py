"""A mark is the middle of a good quote, else the model, else the last good one, and it says which."""

from __future__ import annotations

import numpy as np

from actors.options.marks import MarkFlag, Marks, mark

NAN = float("nan")


def marks(bid, ask, *, model=NAN, fresh=True, usual=NAN, previous=None) -> tuple[float, MarkFlag]:
    one = lambda value: np.array([value], dtype=np.float64)  # noqa: E731 - a column of one
    found = mark(one(bid), one(ask), np.array([fresh]), one(0.01), one(usual), one(model), previous, 1000.0)
    return float(found.value[0]), MarkFlag(int(found.flag[0]))


def last_good(value: float) -> Marks:
    return Marks(np.array([value]), np.array([0], dtype=np.int8), np.array([940.0]))


def test_a_narrow_two_sided_fresh_quote_is_marked_at_its_middle() -> None:
    assert marks(10.0, 10.4) == (10.2, MarkFlag.GOOD)


def test_a_wide_quote_is_marked_by_the_model_inside_it() -> None:
    assert marks(8.0, 12.0, model=9.5) == (9.5, MarkFlag.MODEL)
    assert marks(8.0, 12.0, model=13.0) == (12.0, MarkFlag.MODEL)
    assert marks(8.0, 12.0, model=7.0) == (8.0, MarkFlag.MODEL)


def test_a_contract_that_is_always_wide_is_good_within_twice_its_usual_width() -> None:
    assert marks(8.0, 12.0, model=9.5, usual=2.5) == (10.0, MarkFlag.GOOD)


def test_crossed_or_old_quotes_fall_back_to_the_last_good_mark() -> None:
    assert marks(10.4, 10.0, previous=last_good(10.1)) == (10.1, MarkFlag.STALE)
    assert marks(10.0, 10.4, fresh=False, previous=last_good(10.1)) == (10.1, MarkFlag.STALE)
    assert marks(NAN, NAN, previous=last_good(10.1)) == (10.1, MarkFlag.STALE)


def test_without_a_bid_it_is_worth_at_most_half_the_ask() -> None:
    assert marks(NAN, 0.10, model=0.02) == (0.02, MarkFlag.MODEL)
    assert marks(0.0, 0.10, model=0.09) == (0.05, MarkFlag.MODEL)


def test_nothing_known_is_said_so() -> None:
    value, flag = marks(NAN, NAN)
    assert value != value
    assert flag is MarkFlag.NONE
