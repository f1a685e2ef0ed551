"""Sessions of the New York exchanges by rule: holidays, half days, and the market-hours entries that say the same.

The rule, not a table, so that the synthetic market needs no data. Source: NYSE Rule 7.2 and its published holidays.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
#: First and last year of the holidays in the market-hours entries.
FIRST_YEAR, LAST_YEAR = 2023, 2045

_OPEN, _CLOSE, _EARLY = dt.time(9, 30), dt.time(16), dt.time(13)
_DAY = dt.timedelta(days=1)
#: Days of mourning: closed by decision, not by rule.
_MOURNING = (dt.date(2025, 1, 9),)


class RuleSessions:
    """Sessions of shares by NYSE's rules, 2022 (when Juneteenth joined) and later; instants are aware UTC."""

    def is_session(self, date: dt.date) -> bool:
        """Whether the exchange trades on a date."""
        return date.weekday() < 5 and date not in holidays(date.year)

    def open(self, date: dt.date) -> dt.datetime:
        """The open of a session."""
        return _instant(date, _OPEN)

    def close(self, date: dt.date) -> dt.datetime:
        """The close of a session: 16:00, on half days 13:00 in New York."""
        return _instant(date, _EARLY if date in half_days(date.year) else _CLOSE)

    def next(self, date: dt.date) -> dt.date:
        """The first session after a date."""
        date += _DAY
        while not self.is_session(date):
            date += _DAY
        return date

    def previous(self, date: dt.date) -> dt.date:
        """The last session before a date."""
        date -= _DAY
        while not self.is_session(date):
            date -= _DAY
        return date


@lru_cache(maxsize=4096)
def _instant(date: dt.date, time: dt.time) -> dt.datetime:
    return dt.datetime.combine(date, time, NEW_YORK).astimezone(dt.UTC)


@lru_cache
def holidays(year: int) -> frozenset[dt.date]:
    """Weekdays of a year without a session."""
    fixed = [_observed(dt.date(year, month, day)) for month, day in ((6, 19), (7, 4), (12, 25))]
    new_year = dt.date(year, 1, 1)
    if new_year.weekday() != 5:
        # A New Year's Day on a Saturday is not made up for: the Friday ends the accounts of the old year.
        fixed.append(_observed(new_year))
    moving = [
        _weekday(year, 1, 0, 3), _weekday(year, 2, 0, 3), _easter(year) - 2 * _DAY, _last_monday(year, 5),
        _weekday(year, 9, 0, 1), _weekday(year, 11, 3, 4),
    ]  # fmt: skip
    return frozenset((*fixed, *moving, *(date for date in _MOURNING if date.year == year)))


@lru_cache
def half_days(year: int) -> frozenset[dt.date]:
    """Sessions of a year that close at 13:00: before Independence Day, after Thanksgiving, on Christmas Eve."""
    wanted = (dt.date(year, 7, 3), _weekday(year, 11, 3, 4) + _DAY, dt.date(year, 12, 24))
    return frozenset(date for date in wanted if date.weekday() < 5 and date not in holidays(year))


def _observed(date: dt.date) -> dt.date:
    return date - _DAY if date.weekday() == 5 else date + _DAY if date.weekday() == 6 else date


def _weekday(year: int, month: int, weekday: int, number: int) -> dt.date:
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _last_monday(year: int, month: int) -> dt.date:
    last = dt.date(year, month + 1, 1) - _DAY
    return last - dt.timedelta(days=last.weekday())


def _easter(year: int) -> dt.date:
    """Easter Sunday, Gregorian (the anonymous algorithm of Nature, 1876)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    f = (b + 8) // 25
    h = (19 * a + b - d - (b - f + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return dt.date(year, month, day + 1)


def hours_entries() -> dict[str, Any]:
    """Entries of a market-hours database for stocks, indexes and options on both, as LEAN writes them."""
    closed = sorted(date for year in range(FIRST_YEAR, LAST_YEAR + 1) for date in holidays(year))
    early = sorted(date for year in range(FIRST_YEAR, LAST_YEAR + 1) for date in half_days(year))
    names = [_us(date) for date in closed]

    def entry(zone: str, data_zone: str, opens: str, closes: str, early_close: str) -> dict[str, Any]:
        day = [{"start": opens, "end": closes, "state": "market"}]
        entry: dict[str, Any] = {"dataTimeZone": data_zone, "exchangeTimeZone": zone}
        entry |= dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), day)
        entry |= {"saturday": [], "sunday": [], "holidays": list(names)}
        entry["earlyCloses"] = {_us(date): early_close for date in early}
        return entry

    york, chicago = "America/New_York", "America/Chicago"
    shares = entry(york, york, "09:30:00", "16:00:00", "13:00:00")
    index = entry(chicago, chicago, "08:30:00", "15:15:00", "12:15:00")
    on_index = entry(chicago, york, "08:30:00", "15:15:00", "12:15:00")
    entries = {"Equity-usa-[*]": shares, "Option-usa-[*]": shares, "Index-usa-[*]": index, "Index-usa-SPX": index}
    return entries | {f"IndexOption-usa-{root}": on_index for root in ("[*]", "SPX", "SPXW")}


def _us(date: dt.date) -> str:
    return f"{date.month}/{date.day}/{date.year}"
