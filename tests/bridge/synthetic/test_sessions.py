"""The rule of sessions is the exchange's calendar, and the hours database says the same."""

from __future__ import annotations

import datetime as dt

from bridge.paper.data import MarketHours
from bridge.paper.synthetic.sessions import RuleSessions, hours_entries
from config.calendar import ExchangeSessions

RULE, CALENDAR = RuleSessions(), ExchangeSessions()
DATES = [dt.date(2022, 1, 3) + dt.timedelta(days=days) for days in range(5 * 365)]


def test_every_session_and_half_day_of_five_years_is_the_exchange_calendars() -> None:
    for date in DATES:
        assert RULE.is_session(date) == CALENDAR.is_session(date), date
        if RULE.is_session(date):
            assert (RULE.open(date), RULE.close(date)) == (CALENDAR.open(date), CALENDAR.close(date)), date


def test_next_and_previous_skip_weekends_and_holidays() -> None:
    thanksgiving = dt.date(2026, 11, 26)
    assert RULE.next(dt.date(2026, 11, 25)) == dt.date(2026, 11, 27) == CALENDAR.next(dt.date(2026, 11, 25))
    assert RULE.previous(dt.date(2026, 11, 30)) == dt.date(2026, 11, 27)
    assert not RULE.is_session(thanksgiving)


def test_the_hours_database_has_the_same_sessions_and_index_options_close_a_quarter_later() -> None:
    hours = MarketHours(hours_entries())
    for date in DATES[400::3]:
        session = hours.session("ACME", date)
        assert (session is not None) == RULE.is_session(date)
        late = hours.session("SPXW  261120C04325000", date)
        if session is None:
            assert late is None
            continue
        assert session == (RULE.open(date), RULE.close(date))
        assert late == (RULE.open(date), RULE.close(date) + dt.timedelta(minutes=15))
        assert hours.session("SPX", date) == late
        assert hours.session("ACME  261120C00180000", date) == session
