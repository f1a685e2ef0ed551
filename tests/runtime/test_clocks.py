"""The two clocks: neither goes back or stands still, and a jump of the system's time is told."""

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


def test_wall_time_goes_on_at_half_its_pace_until_the_system_s_time_has_come_up_with_it() -> None:
    wall, monotonic = [AT.timestamp()], [100.0]
    clock = WallClock(wall=lambda: wall[0], monotonic=lambda: monotonic[0])
    clock.now()

    def seconds_later(seconds: float) -> float:
        wall[0] += seconds
        monotonic[0] += seconds
        return (clock.now() - AT).total_seconds()

    wall[0] -= 60
    assert seconds_later(0) == 0
    # A deadline in 5 s comes in 10, not in 65.
    assert clock.wait(AT + dt.timedelta(seconds=5)) == 10
    assert seconds_later(10) == 5
    # One that comes when the two are one again is as far as the system's time has it.
    assert clock.wait(AT + dt.timedelta(seconds=90)) == 140
    assert seconds_later(110) == 60
    assert wall[0] == AT.timestamp() + 60
    assert seconds_later(1) == 61


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
