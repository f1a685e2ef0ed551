"""When a contract trades last and what fixes it, and the expiry desk's instants. Calendars are passed in, never read.

Times of day are offsets from the session's own open and close, so half days need no rule of their own.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from actors.options.contracts import INDEX_ROOTS, Contract, parse_symbol

#: Roots that are fixed by the opening print: every series of these (their afternoon series have roots of their own).
#: Source: Cboe and Nasdaq contract specifications, November 2026.
MORNING_ROOTS = ("SPX", "NDX", "RUT", "VIX", "VIXW")

#: Funds whose options trade past the close of their shares. Source: Cboe hours of trading, November 2026.
LATE_FUNDS = ("SPY", "QQQ", "IWM", "DIA")

#: How far index options and those funds' options trade beyond the close of shares.
LATE = dt.timedelta(minutes=15)

#: The pin zone's least half-width, as a part of spot.
PIN_FRACTION = 0.005

#: When the expiry desk looks at physically settled positions, and when it must be out, before last trade.
CLOSE_BEFORE = dt.timedelta(minutes=60)
OUT_BEFORE = dt.timedelta(minutes=30)

Fixing = Literal["AM", "PM"]


class Sessions(Protocol):
    """The sessions of shares, as a calendar tells them; instants are aware UTC."""

    def is_session(self, date: dt.date) -> bool:
        """Whether the exchange trades on a date."""
        ...

    def open(self, date: dt.date) -> dt.datetime:
        """The open of a session."""
        ...

    def close(self, date: dt.date) -> dt.datetime:
        """The close of a session, early on half days."""
        ...

    def next(self, date: dt.date) -> dt.date:
        """The first session after a date."""
        ...

    def previous(self, date: dt.date) -> dt.date:
        """The last session before a date."""
        ...


def fixing(contract: Contract) -> Fixing:
    """AM where the opening print of the settlement session fixes the contract, PM where its close does.

    The root decides: SPX, NDX and RUT are third-Friday series; their others are SPXW, NDXP and RUTW, all PM, as is
    all of XSP.
    """
    return "AM" if contract.root in MORNING_ROOTS else "PM"


def trades_late(root: str) -> bool:
    """Whether the class trades 15 minutes beyond the close of shares (16:15, half days 13:15)."""
    return root in INDEX_ROOTS or root in LATE_FUNDS


def third_friday(year: int, month: int) -> dt.date:
    """The third Friday of a month, holiday or not."""
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(4 - first.weekday()) % 7 + 14)


def monthly_expiry(year: int, month: int, sessions: Sessions) -> dt.date:
    """The session that a month's standard series expire on: the third Friday, or the session before a holiday."""
    return _session_on_or_before(third_friday(year, month), sessions)


def settlement_session(contract: Contract, sessions: Sessions) -> dt.date:
    """The session whose print fixes the contract: its expiry, or the session before where that is none (holidays, and
    the Saturdays that contracts listed before 2015 are dated)."""
    return _session_on_or_before(contract.expiry, sessions)


def class_close(root: str, date: dt.date, sessions: Sessions) -> dt.datetime:
    """The close of a class on a session, for series that do not expire in it: the close of shares, 15 minutes later
    for index options and the late funds."""
    close = sessions.close(date)
    return close + LATE if trades_late(root) else close


def last_session(contract: Contract, sessions: Sessions) -> dt.date:
    """The session of the contract's last trade: the settlement session, the one before it for AM series."""
    date = settlement_session(contract, sessions)
    return sessions.previous(date) if fixing(contract) == "AM" else date


def last_trade(contract: Contract, sessions: Sessions) -> dt.datetime:
    """The last instant the desk treats the contract as tradable, aware UTC.

    AM series: the class's close on the session before. All others end with the shares' close on expiry, half days
    included: PM index series stop there, and funds that trade on for 15 minutes are exercised by that close.
    """
    date = last_session(contract, sessions)
    return class_close(contract.root, date, sessions) if fixing(contract) == "AM" else sessions.close(date)


def settles_at(contract: Contract, sessions: Sessions) -> dt.datetime:
    """The instant of the fixing, aware UTC: the open of the settlement session for AM series, else its close."""
    date = settlement_session(contract, sessions)
    return sessions.open(date) if fixing(contract) == "AM" else sessions.close(date)


def days_to_last_trade(contract: Contract, date: dt.date, sessions: Sessions) -> int:
    """DTE: calendar days from a New York date to the session of the last trade; negative once it is past."""
    return (last_session(contract, sessions) - date).days


def closing_instant(contract: Contract, date: dt.date, sessions: Sessions) -> dt.datetime:
    """Until when the contract trades on a session: its last trade on the last one, else the close of its class."""
    if date == last_session(contract, sessions):
        return last_trade(contract, sessions)
    return class_close(contract.root, date, sessions)


# --- the expiry desk --------------------------------------------------------------------------------------------


def expected_move(spot: float, volatility: float, time: float) -> float:
    """One standard deviation of spot over `time` years at a volatility a year, in dollars per share."""
    return spot * volatility * math.sqrt(max(time, 0.0))


def pin_width(spot: float, move: float) -> float:
    """Half the width of the pin zone, dollars per share: the larger of 0.5 % of spot and the expected move."""
    return max(PIN_FRACTION * spot, move)


class ExpiryInstants(msgspec.Struct, frozen=True):
    """When the expiry desk acts on a contract: looks and closes what is pinned, must be out, last trade, fixing."""

    close_by: dt.datetime
    out_by: dt.datetime
    last_trade: dt.datetime
    settles_at: dt.datetime


def expiry_instants(contract: Contract, sessions: Sessions) -> ExpiryInstants:
    """The expiry desk's instants of a contract: 60 and 30 minutes before its last trade; for AM series that is the
    session before. They bind for physically settled contracts; cash-settled ones may be held to the fixing."""
    end = last_trade(contract, sessions)
    return ExpiryInstants(end - CLOSE_BEFORE, end - OUT_BEFORE, end, settles_at(contract, sessions))


ExpiryAction = Literal["hold", "close", "out"]


class ExpiryVerdict(msgspec.Struct, frozen=True):
    """What expiry asks of a position now: hold; close the whole position; be out at once. `deadline` is the instant
    it must be out (None: nothing of it settles physically), `symbols` the legs that ask for it."""

    action: ExpiryAction
    symbols: tuple[str, ...]
    deadline: dt.datetime | None
    reason: str


def expiry_verdict(
    holdings: Mapping[str, int], spot: float, move: float, now: dt.datetime, sessions: Sessions, *,
    delivery_funded: bool = False,
) -> ExpiryVerdict:  # fmt: skip
    """What the expiry desk asks of one position on one underlying.

    `holdings` are signed quantities by symbol, long legs ask as short ones do; `spot` is in dollars per share, `move`
    the expected move of the time left (`expected_move`). `delivery_funded` is `allow_delivery` and an exercise that
    cash covers. From 60 minutes before last trade a leg in the pin zone closes the whole position; from 30 minutes on
    nothing that is, or may come to be, in the money remains. Past last trade there is nothing left to do: hold.
    """
    pinned: list[str] = []
    late: list[str] = []
    deadlines: list[dt.datetime] = []
    width = pin_width(spot, move)
    for symbol in sorted(holdings):
        contract = parse_symbol(symbol)
        if not isinstance(contract, Contract) or not holdings[symbol] or contract.settlement == "cash":
            continue
        instants = expiry_instants(contract, sessions)
        deadlines.append(instants.out_by)
        if not instants.close_by <= now <= instants.last_trade:
            continue
        strike = float(contract.strike)
        near = abs(strike - spot) <= width
        inside = spot > strike if contract.right == "C" else spot < strike
        if near:
            pinned.append(symbol)
        if (near or inside) and now >= instants.out_by:
            late.append(symbol)
    deadline = min(deadlines) if deadlines else None
    if delivery_funded and (pinned or late):
        return ExpiryVerdict("hold", tuple(pinned or late), deadline, "delivery is allowed and funded")
    if late:
        return ExpiryVerdict("out", tuple(late), deadline, f"may be delivered: spot {spot:.2f}, zone +-{width:.2f}")
    if pinned:
        return ExpiryVerdict("close", tuple(pinned), deadline, f"pinned: spot {spot:.2f}, zone +-{width:.2f}")
    return ExpiryVerdict("hold", (), deadline, "nothing near the money expires within the hour")


def in_the_money(contract: Contract, spot: Decimal) -> Decimal:
    """Dollars per share that the contract is in the money by at this spot, 0 where it is not."""
    gap = spot - contract.strike if contract.right == "C" else contract.strike - spot
    return max(gap, Decimal(0))


def _session_on_or_before(date: dt.date, sessions: Sessions) -> dt.date:
    return date if sessions.is_session(date) else sessions.previous(date)
