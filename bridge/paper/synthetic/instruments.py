"""What is listed in the synthetic market: an index and two stocks, their expiries, strikes and dividends. No prices."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache

import msgspec

from actors.options.contracts import Contract, is_index
from actors.options.settlement import fixing, monthly_expiry
from bridge.paper.synthetic.sessions import RuleSessions

SESSIONS = RuleSessions()
#: A year's interest on cash, continuous, by which forwards grow.
RATE = 0.035
_DAY = dt.timedelta(days=1)


class Instrument(msgspec.Struct, frozen=True):
    """One underlying: where its price began, how it moves, what is listed on it.

    `beta` scales the market's moves, `own` is the volatility a year beside them; `implied` the long-run volatility that
    its options are priced at, `skew` and `wings` the surface's rho and eta. `yields` is a continuous dividend yield,
    `dividend` dollars a share each quarter. `step` and `reach` lay out the strikes: dollars between them, and how far
    they go beyond the highest and lowest closes, as a fraction. `half` and `spread` make half the width of a quote:
    dollars, and a part of the price; `interest` is the most open interest, `share_volume` shares traded a minute.
    """

    ticker: str
    roots: tuple[str, ...]
    start: float
    beta: float
    own: float
    implied: float
    skew: float
    wings: float
    step: Decimal
    reach: float
    yields: float = 0.0
    dividend: Decimal = Decimal(0)
    jumps: float = 4.0
    jump: float = 0.02
    spread: float = 0.0
    half: float = 0.01
    interest: float = 0.0
    share_volume: float = 0.0

    @property
    def is_index(self) -> bool:
        """Whether it is an index: no shares, European options."""
        return is_index(self.ticker)


INDEX = Instrument(
    "SPX", ("SPX", "SPXW"), 5900.0, 1.0, 0.0, 0.155, -0.72, 1.05, Decimal(25), 0.10, yields=0.013, jumps=0.0,
    half=0.05, spread=0.004, interest=9000.0,
)  # fmt: skip
ACME = Instrument(
    "ACME", ("ACME",), 182.40, 0.95, 0.17, 0.27, -0.40, 1.0, Decimal("2.5"), 0.22, dividend=Decimal("0.62"),
    half=0.012, spread=0.010, interest=2400.0, share_volume=21000.0,
)  # fmt: skip
NOVA = Instrument(
    "NOVA", ("NOVA",), 46.20, 1.45, 0.40, 0.52, -0.22, 0.9, Decimal(1), 0.30, jumps=8.0, jump=0.035, half=0.010,
    spread=0.014, interest=3600.0, share_volume=48000.0,
)  # fmt: skip
INSTRUMENTS = (INDEX, ACME, NOVA)
BY_TICKER = {each.ticker: each for each in INSTRUMENTS}
BY_ROOT = {root: each for each in INSTRUMENTS for root in each.roots}

#: Days before its expiry at which a weekly and a monthly series are listed.
WEEKLY_DAYS, MONTHLY_DAYS = 45, 100


@lru_cache(maxsize=4096)
def expiries(root: str, date: dt.date) -> tuple[dt.date, ...]:
    """Expiries listed on a session's morning, nearest first; a series is listed through its last day of trade.

    SPX has the third Fridays (AM); SPXW every Friday, and Mondays and Wednesdays of the next ten days (PM); stocks the
    third Fridays and weeklies. A Friday that is a holiday moves to the session before it.
    """
    found: set[dt.date] = set()
    weekly = root != "SPX"
    for days in range(MONTHLY_DAYS + 1):
        day = date + days * _DAY
        if day.weekday() == 4:
            expiry = day if SESSIONS.is_session(day) else SESSIONS.previous(day)
            monthly = expiry == monthly_expiry(day.year, day.month, SESSIONS)
            if (monthly and root != "SPXW") or (weekly and days <= WEEKLY_DAYS):
                found.add(expiry)
        elif root == "SPXW" and day.weekday() in (0, 2) and days <= 10 and SESSIONS.is_session(day):
            found.add(day)
    return tuple(sorted(expiry for expiry in found if expiry >= date))


def listed_on(expiry: dt.date) -> dt.date:
    """From when closes widen the strikes of an expiry, whatever its series."""
    # Ten days more: the expiry may be dated before a holiday, the listing after some.
    return expiry - (MONTHLY_DAYS + 10) * _DAY


@lru_cache(maxsize=1024)
def dividends(ticker: str, year: int) -> tuple[tuple[dt.date, Decimal], ...]:
    """Ex-dates of a year and dollars a share: the second Thursday of February, May, August and November, or the session
    before it."""
    amount = BY_TICKER[ticker].dividend
    if not amount:
        return ()
    result: list[tuple[dt.date, Decimal]] = []
    for month in (2, 5, 8, 11):
        first = dt.date(year, month, 1)
        day = first + dt.timedelta(days=(3 - first.weekday()) % 7 + 7)
        result.append((day if SESSIONS.is_session(day) else SESSIONS.previous(day), amount))
    return tuple(result)


def dividend_on(ticker: str, date: dt.date) -> Decimal:
    """Dollars a share that a stock goes without from this session on; 0 on all other days."""
    return next((amount for ex_date, amount in dividends(ticker, date.year) if ex_date == date), Decimal(0))


@lru_cache(maxsize=8192)
def dividends_between(ticker: str, after: dt.date, until: dt.date) -> float:
    """Dollars a share with an ex-date after one date and up to another, inclusive; not discounted."""
    years = range(after.year, until.year + 1)
    return float(sum(paid for year in years for day, paid in dividends(ticker, year) if after < day <= until))


@lru_cache
def fixing_of(root: str) -> str:
    """AM or PM by root."""
    return fixing(Contract(root, dt.date(2026, 1, 16), "C", Decimal(1)))
