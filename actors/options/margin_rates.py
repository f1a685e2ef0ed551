"""Margin rates by underlying and account kind, as data. No arithmetic of books here.

Sources: Regulation T (12 CFR 220.12), FINRA Rule 4210(c) and (f)(2), FINRA Regulatory Notice 09-53 (leveraged funds),
Cboe Margin Manual. A broker may ask more: its own preview is the larger where it is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import msgspec

#: What an account may hold, and what it is asked for.
AccountKind = Literal["cash", "ira", "reg_t", "portfolio"]
Mode = Literal["initial", "maintenance"]

_ONE = Decimal(1)


class MarginRates(msgspec.Struct, frozen=True):
    """Rates of one underlying as fractions: uncovered options ask `basic` of spot less out of the money, at least
    `floor` of spot (calls) or strike (puts); `factor` is a fund's leverage, which multiplies all of them, 100 % at
    most. `moves` is the range of prices (down, up) that a portfolio margin account is tested over."""

    basic: Decimal = Decimal("0.20")
    floor: Decimal = Decimal("0.10")
    factor: Decimal = _ONE
    moves: tuple[float, float] = (-0.15, 0.15)

    @property
    def option_basic(self) -> Decimal:
        """The basic rate of an uncovered option, leverage included."""
        return min(_ONE, self.basic * self.factor)

    @property
    def option_floor(self) -> Decimal:
        """The least rate of an uncovered option, leverage included."""
        return min(_ONE, self.floor * self.factor)

    def long_stock(self, mode: Mode, account: AccountKind) -> Decimal:
        """The part of long shares' value that must be equity: 50 % at first, 25 % later; all of it without a loan."""
        if account in ("cash", "ira"):
            return _ONE
        kept = min(_ONE, Decimal("0.25") * self.factor)
        return kept if mode == "maintenance" else max(Decimal("0.50"), kept)

    def short_stock(self, spot: Decimal, mode: Mode) -> Decimal:
        """Dollars a share short beyond its proceeds: 50 % at first; later 30 % and 5.00 at least, or, under 5.00, the
        whole price and 2.50 at least (FINRA 4210(c)(2), (3))."""
        kept = max(min(_ONE, Decimal("0.30") * self.factor) * spot, Decimal(5))
        if spot < 5:
            kept = max(spot, Decimal("2.50"))
        return kept if mode == "maintenance" else max(Decimal("0.50") * spot, kept)


EQUITY = MarginRates()
BROAD_INDEX = MarginRates(basic=Decimal("0.15"), moves=(-0.08, 0.06))
SMALL_INDEX = MarginRates(basic=Decimal("0.15"), moves=(-0.10, 0.10))
VOLATILITY_INDEX = MarginRates(moves=(-0.20, 0.20))

_BROAD = ("SPX", "XSP", "NDX", "SPY", "VOO", "IVV", "VTI", "QQQ", "QQQM", "DIA")
_SMALL = ("RUT", "IWM", "MDY", "IJH", "IJR")

#: Leverage of funds on broad-based indexes, then of all others. The sign of an inverse fund does not matter here.
_LEVERAGED_BROAD = {
    "SH": 1, "PSQ": 1, "DOG": 1, "RWM": 1,
    "SSO": 2, "SDS": 2, "QLD": 2, "QID": 2, "DDM": 2, "DXD": 2, "UWM": 2, "TWM": 2,
    "UPRO": 3, "SPXU": 3, "SPXL": 3, "SPXS": 3, "TQQQ": 3, "SQQQ": 3, "UDOW": 3, "SDOW": 3, "TNA": 3, "TZA": 3,
    "URTY": 3, "SRTY": 3,
}  # fmt: skip
_LEVERAGED_OTHER = {
    "NVDL": 2, "TSLL": 2, "AAPU": 2, "AMZU": 2, "GGLL": 2, "METU": 2, "MSFU": 2, "CONL": 2, "NUGT": 2, "DUST": 2,
    "BOIL": 2, "KOLD": 2, "UCO": 2, "SCO": 2, "AGQ": 2, "ZSL": 2, "UVXY": 2, "SVXY": 1, "ERX": 2, "ERY": 2,
    "SOXL": 3, "SOXS": 3, "FAS": 3, "FAZ": 3, "LABU": 3, "LABD": 3, "TECL": 3, "TECS": 3, "TMF": 3, "TMV": 3,
    "YINN": 3, "YANG": 3,
}  # fmt: skip

#: Rates by ticker, where they are not those of a stock. Entered 2026-11-25 from the sources above.
SHIPPED: Mapping[str, MarginRates] = {
    **dict.fromkeys(_BROAD, BROAD_INDEX),
    **dict.fromkeys(_SMALL, SMALL_INDEX),
    "VIX": VOLATILITY_INDEX,
    **{
        ticker: MarginRates(
            basic=Decimal("0.15"), factor=Decimal(factor), moves=(-min(1.0, 0.10 * factor), 0.10 * factor)
        )
        for ticker, factor in _LEVERAGED_BROAD.items()
    },
    **{
        ticker: MarginRates(factor=Decimal(factor), moves=(-min(1.0, 0.15 * factor), 0.15 * factor))
        for ticker, factor in _LEVERAGED_OTHER.items()
    },
}


def rates_of(underlying: str, own: Mapping[str, MarginRates] | None = None) -> MarginRates:
    """The rates of an underlying: `own` first (a broker's house rates), then the shipped table, else a stock's."""
    if own is not None and underlying in own:
        return own[underlying]
    return SHIPPED.get(underlying, EQUITY)
