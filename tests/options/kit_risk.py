"""A chain for tests of risk: quotes by Black-76 at one volatility, so that every value can be told by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from actors.options.contracts import Contract, parse_symbol
from actors.options.pricing import black76
from actors.options.risk_market import OptionSeen, RiskMarket, UnderlyingSeen

NOW = dt.datetime(2015, 12, 24, 17, 0, tzinfo=dt.UTC)
NEXT_OPEN = dt.datetime(2015, 12, 28, 14, 30, tzinfo=dt.UTC)


def symbol(right: str, strike: float, expiry: str = "160219", root: str = "GOOG") -> str:
    """An OCC symbol: `symbol("C", 750)`."""
    return f"{root:<6}{expiry}{right}{round(strike * 1000):08d}"


def market(
    symbols: Iterable[str], spots: dict[str, float], *, volatility: float = 0.3, betas: dict[str, float] | None = None,
    half_width: float = 0.05, reference: float = float("nan"), now: dt.datetime = NOW,
) -> RiskMarket:  # fmt: skip
    """The market of these symbols; options are fixed at 21:00 UTC of their expiry."""
    options: dict[str, OptionSeen] = {}
    for name in symbols:
        contract = parse_symbol(name)
        if not isinstance(contract, Contract):
            continue
        end = dt.datetime.combine(contract.expiry, dt.time(21), tzinfo=dt.UTC)
        time = max(0.0, (end - now).total_seconds()) / (365 * 24 * 3600)
        spot = spots[contract.underlying]
        value = float(black76(spot, float(contract.strike), time, volatility, 1.0, contract.right == "C"))
        options[name] = OptionSeen(end, max(0.0, value - half_width), value + half_width, value, volatility)
    seen = {ticker: UnderlyingSeen(spot, (betas or {}).get(ticker)) for ticker, spot in spots.items()}
    return RiskMarket(now, NEXT_OPEN if now == NOW else now + dt.timedelta(days=1), seen, options, reference)
