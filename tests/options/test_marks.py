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
    return Marks(np.array([value]), np.array([0], dtype=np.int8), np.array([940.0]), np.array([value]))


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


def test_a_model_mark_is_not_a_good_one_to_fall_back_to() -> None:
    one = lambda value: np.array([value], dtype=np.float64)  # noqa: E731 - a column of one
    quote = lambda bid, ask, model, previous, now: mark(  # noqa: E731 - what changes from look to look
        one(bid), one(ask), np.array([True]), one(0.01), one(NAN), one(model), previous, now
    )
    first = quote(10.0, 10.4, NAN, None, 1000.0)
    wide = quote(8.0, 12.0, 9.5, first, 1005.0)
    lost = quote(NAN, NAN, NAN, wide, 1010.0)
    assert (float(wide.value[0]), MarkFlag(int(wide.flag[0]))) == (9.5, MarkFlag.MODEL)
    assert (float(lost.value[0]), MarkFlag(int(lost.flag[0]))) == (10.2, MarkFlag.STALE)
    assert float(lost.marked_at[0]) == 1000.0


def test_the_width_that_is_still_good_is_three_ticks_a_quarter_of_the_middle_or_twice_the_usual() -> None:
    assert marks(0.03, 0.06, model=0.04) == (0.045, MarkFlag.GOOD)
    assert marks(0.02, 0.06, model=0.03) == (0.03, MarkFlag.MODEL)
    assert marks(7.0, 9.0, model=7.5) == (8.0, MarkFlag.GOOD)
    assert marks(7.0, 9.01, model=7.5) == (7.5, MarkFlag.MODEL)
    assert marks(7.0, 9.25, model=7.5, usual=1.2) == (8.125, MarkFlag.GOOD)


def test_a_crossed_quote_is_never_good_and_bounds_the_model_on_both_sides() -> None:
    assert marks(10.4, 10.0, model=9.0) == (10.0, MarkFlag.MODEL)
    assert marks(10.4, 10.0, model=11.0) == (10.4, MarkFlag.MODEL)
    assert marks(10.4, 10.0, model=10.2) == (10.2, MarkFlag.MODEL)


def test_a_bid_alone_bounds_the_model_below() -> None:
    assert marks(5.0, NAN, model=4.0) == (5.0, MarkFlag.MODEL)
    assert marks(5.0, NAN, model=6.0) == (6.0, MarkFlag.MODEL)
