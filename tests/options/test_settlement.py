"""Last trades, fixings and the expiry desk against the exchange calendar's real sessions."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.options.contracts import Contract, parse_symbol
from actors.options.settlement import (
    days_to_last_trade,
    expected_move,
    expiry_instants,
    expiry_verdict,
    last_trade,
    monthly_expiry,
    pin_width,
    settlement_session,
    settles_at,
    third_friday,
)
from config.calendar import ExchangeSessions

SESSIONS = ExchangeSessions()
NEW_YORK = ZoneInfo("America/New_York")


def contract(root: str, date: str, right: str = "C", strike: int = 100) -> Contract:
    found = parse_symbol(f"{root:<6}{date}{right}{strike * 1000:08d}")
    assert isinstance(found, Contract)
    return found


def new_york(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=NEW_YORK)


# root, expiry as listed, last trade, fixing: New York
TABLE = [
    # third Friday, 18 December 2026
    ("SPX", "261218", "2026-12-17 16:15", "2026-12-18 09:30"),
    ("NDX", "261218", "2026-12-17 16:15", "2026-12-18 09:30"),
    ("RUT", "261218", "2026-12-17 16:15", "2026-12-18 09:30"),
    ("SPXW", "261218", "2026-12-18 16:00", "2026-12-18 16:00"),
    ("NDXP", "261218", "2026-12-18 16:00", "2026-12-18 16:00"),
    ("RUTW", "261218", "2026-12-18 16:00", "2026-12-18 16:00"),
    ("XSP", "261218", "2026-12-18 16:00", "2026-12-18 16:00"),
    ("SPY", "261218", "2026-12-18 16:00", "2026-12-18 16:00"),
    ("QQQ", "261218", "2026-12-18 16:00", "2026-12-18 16:00"),
    ("AAPL", "261218", "2026-12-18 16:00", "2026-12-18 16:00"),
    # the half day of 24 December 2026
    ("SPXW", "261224", "2026-12-24 13:00", "2026-12-24 13:00"),
    ("SPY", "261224", "2026-12-24 13:00", "2026-12-24 13:00"),
    ("AAPL", "261224", "2026-12-24 13:00", "2026-12-24 13:00"),
    # 18 June 2027 is a holiday: Thursday, dated either way
    ("SPX", "270618", "2027-06-16 16:15", "2027-06-17 09:30"),
    ("SPX", "270617", "2027-06-16 16:15", "2027-06-17 09:30"),
    ("SPY", "270618", "2027-06-17 16:00", "2027-06-17 16:00"),
    ("AAPL", "270617", "2027-06-17 16:00", "2027-06-17 16:00"),
    # Wednesday before the third Friday's month: volatility futures' day, fixed at the open
    ("VIX", "261216", "2026-12-15 16:15", "2026-12-16 09:30"),
    # Good Friday 2025-04-18 was a third Friday
    ("RUT", "250418", "2025-04-16 16:15", "2025-04-17 09:30"),
    # AM series after a half day: the Friday after Thanksgiving is the session before Monday 30 November 2026
    ("VIXW", "261130", "2026-11-27 13:15", "2026-11-30 09:30"),
    # a contract listed before 2015, dated Saturday
    ("AAPL", "140621", "2014-06-20 16:00", "2014-06-20 16:00"),
]


@pytest.mark.parametrize(("root", "date", "last", "fixed"), TABLE)
def test_last_trade_and_fixing(root: str, date: str, last: str, fixed: str) -> None:
    listed = contract(root, date)
    assert last_trade(listed, SESSIONS) == new_york(last)
    assert settles_at(listed, SESSIONS) == new_york(fixed)
    assert last_trade(listed, SESSIONS).utcoffset() == dt.timedelta(0)


def test_days_count_to_the_last_trade_not_the_listed_date() -> None:
    friday = dt.date(2026, 12, 11)
    assert days_to_last_trade(contract("SPXW", "261218"), friday, SESSIONS) == 7
    assert days_to_last_trade(contract("SPX", "261218"), friday, SESSIONS) == 6
    assert days_to_last_trade(contract("SPY", "270618"), dt.date(2027, 6, 17), SESSIONS) == 0
    assert days_to_last_trade(contract("SPX", "261218"), dt.date(2026, 12, 18), SESSIONS) == -1


def test_a_holiday_third_friday_moves_to_thursday() -> None:
    assert third_friday(2027, 6) == dt.date(2027, 6, 18)
    assert monthly_expiry(2027, 6, SESSIONS) == dt.date(2027, 6, 17)
    assert monthly_expiry(2026, 12, SESSIONS) == dt.date(2026, 12, 18)


@settings(max_examples=200, deadline=None)
@given(
    st.dates(dt.date(2012, 1, 3), dt.date(2027, 6, 30)), st.sampled_from(["SPX", "SPXW", "XSP", "SPY", "AAPL", "VIX"])
)
def test_trading_never_ends_after_the_fixing(date: dt.date, root: str) -> None:
    listed = Contract(root, date, "P", Decimal(50))
    session = settlement_session(listed, SESSIONS)
    assert SESSIONS.is_session(session)
    assert session <= date
    assert last_trade(listed, SESSIONS) <= settles_at(listed, SESSIONS)
    instants = expiry_instants(listed, SESSIONS)
    assert instants.close_by < instants.out_by < instants.last_trade


def test_the_pin_zone_is_half_a_percent_or_the_expected_move() -> None:
    assert pin_width(400.0, 0.5) == pytest.approx(2.0)
    hour = 1 / (365 * 24)
    assert expected_move(400.0, 0.40, hour) == pytest.approx(400 * 0.4 * hour**0.5)
    assert pin_width(400.0, 3.0) == 3.0


SPREAD = {"AAPL  261218P00395000": 2, "AAPL  261218P00400000": -2}


@pytest.mark.parametrize(
    ("holdings", "spot", "at", "action", "symbols"),
    [
        (SPREAD, 401.0, "2026-12-18 14:59", "hold", ()),
        (SPREAD, 401.0, "2026-12-18 15:00", "close", ("AAPL  261218P00400000",)),
        (SPREAD, 396.5, "2026-12-18 15:00", "close", ("AAPL  261218P00395000",)),
        (SPREAD, 410.0, "2026-12-18 15:00", "hold", ()),
        (SPREAD, 410.0, "2026-12-18 15:45", "hold", ()),
        (SPREAD, 380.0, "2026-12-18 15:10", "hold", ()),
        (SPREAD, 380.0, "2026-12-18 15:30", "out", ("AAPL  261218P00395000", "AAPL  261218P00400000")),
        (SPREAD, 401.0, "2026-12-18 16:01", "hold", ()),
        ({"AAPL  261224C00400000": 1}, 401.0, "2026-12-24 12:00", "close", ("AAPL  261224C00400000",)),
        ({"AAPL  261224C00400000": 1}, 401.0, "2026-12-24 12:30", "out", ("AAPL  261224C00400000",)),
        ({"SPXW  261218C00400000": -1}, 401.0, "2026-12-18 15:40", "hold", ()),
        ({"AAPL": 100}, 401.0, "2026-12-18 15:40", "hold", ()),
    ],
)
def test_expiry_desk(holdings: dict[str, int], spot: float, at: str, action: str, symbols: tuple[str, ...]) -> None:
    now = new_york(at).astimezone(dt.UTC)
    verdict = expiry_verdict(holdings, spot, 0.8, now, SESSIONS)
    assert (verdict.action, verdict.symbols) == (action, symbols)
    funded = expiry_verdict(holdings, spot, 0.8, now, SESSIONS, delivery_funded=True)
    assert funded.action == "hold"


def test_the_deadline_is_the_earliest_of_physical_legs() -> None:
    now = new_york("2026-12-17 12:00").astimezone(dt.UTC)
    book = {"AAPL  261224C00400000": 1, "AAPL  261218C00400000": -1}
    assert expiry_verdict(book, 401.0, 1.0, now, SESSIONS).deadline == new_york("2026-12-18 15:30")
    assert expiry_verdict({"SPX   261218C06000000": -1}, 6000.0, 1.0, now, SESSIONS).deadline is None
