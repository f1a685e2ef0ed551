"""The two clocks: neither goes back, and a jump of the system's time is told."""

from __future__ import annotations

import datetime as dt

from actors.runtime import MarketClock, WallClock

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)


def test_wall_time_never_goes_back_and_a_jump_is_told_once() -> None:
    wall, monotonic = [AT.timestamp()], [100.0]
    jumps: list[float] = []
    clock = WallClock(jumps.append, wall=lambda: wall[0], monotonic=lambda: monotonic[0])
    assert clock.now() == AT
    wall[0] += 1.5
    assert clock.now() == AT + dt.timedelta(seconds=1.5)
    assert jumps == []
    wall[0] -= 60
    assert clock.now() == AT + dt.timedelta(seconds=1.5)
    assert [round(jump, 3) for jump in jumps] == [-60]  # the 1.5 s before were below the limit, and are forgiven
    clock.now()
    assert len(jumps) == 1


def test_wall_time_says_how_long_to_wait() -> None:
    clock = WallClock(wall=lambda: AT.timestamp(), monotonic=lambda: 0.0)
    assert clock.wait(AT + dt.timedelta(seconds=3)) == 3
    assert clock.wait(AT - dt.timedelta(seconds=3)) == 0


def test_market_time_is_moved_by_data_alone() -> None:
    clock = MarketClock(AT)
    later = AT + dt.timedelta(minutes=1)
    assert (clock.wait(AT), clock.wait(later)) == (0.0, None)
    clock.move(later)
    clock.move(AT)
    assert clock.now() == later
