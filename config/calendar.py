"""Trading sessions of the exchange calendar: dates, opens and closes in UTC, half days included."""

from __future__ import annotations

import datetime as dt
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from actors.options.settlement import Sessions

if TYPE_CHECKING:
    import exchange_calendars

__all__ = ["NEW_YORK", "ExchangeSessions", "Sessions"]

#: The exchanges' own time: dates of sessions and hours of the desk are told in it.
NEW_YORK = ZoneInfo("America/New_York")


class ExchangeSessions:
    """Sessions of an exchange_calendars calendar (XNYS by default), loaded on first use: the library is slow to
    import."""

    def __init__(self, name: str = "XNYS") -> None:
        self._name = name

    @cached_property
    def _calendar(self) -> exchange_calendars.ExchangeCalendar:
        import exchange_calendars

        return exchange_calendars.get_calendar(self._name, start="2005-01-03")

    def is_session(self, date: dt.date) -> bool:
        """Whether the exchange trades on a date."""
        return bool(self._calendar.is_session(_stamp(date)))

    def open(self, date: dt.date) -> dt.datetime:
        """The open of a session, aware UTC."""
        return self._calendar.session_open(_stamp(date)).to_pydatetime()

    def close(self, date: dt.date) -> dt.datetime:
        """The close of a session, aware UTC; early on half days."""
        return self._calendar.session_close(_stamp(date)).to_pydatetime()

    def next(self, date: dt.date) -> dt.date:
        """The first session after a date."""
        return self._calendar.date_to_session(_stamp(date + dt.timedelta(days=1)), "next").date()

    def previous(self, date: dt.date) -> dt.date:
        """The last session before a date."""
        return self._calendar.date_to_session(_stamp(date - dt.timedelta(days=1)), "previous").date()


def _stamp(date: dt.date) -> Any:
    import pandas as pd

    return pd.Timestamp(date)
