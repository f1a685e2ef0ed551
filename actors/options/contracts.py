"""What is traded: stocks, indexes and option contracts, in LEAN's printed (OCC) spelling.

Identity only. Prices, signs and payoffs live in their own modules; calendars are passed in, never read.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from functools import lru_cache
from typing import Literal

import msgspec

Right = Literal["C", "P"]
Style = Literal["american", "european"]
Settlement = Literal["physical", "cash"]

_OCC = re.compile(r"^(?P<root>[A-Z0-9.]{1,6}) *(?P<date>\d{6})(?P<right>[CP])(?P<strike>\d{8})$")

#: Index option roots and the index each is written on. Every other root is its own underlying's ticker.
INDEX_ROOTS: dict[str, str] = {
    "SPX": "SPX", "SPXW": "SPX", "XSP": "XSP", "NDX": "NDX", "NDXP": "NDX",
    "RUT": "RUT", "RUTW": "RUT", "VIX": "VIX", "VIXW": "VIX",
}  # fmt: skip


class SymbolError(ValueError):
    """A symbol that is neither a ticker nor an OCC option symbol."""


class Contract(msgspec.Struct, frozen=True, order=True, array_like=True):
    """One listed option contract. `strike` is in dollars per share, `multiplier` in shares per contract."""

    root: str
    expiry: dt.date
    right: Right
    strike: Decimal
    multiplier: int = 100

    @property
    def underlying(self) -> str:
        """The ticker of the stock or index that this is written on."""
        return INDEX_ROOTS.get(self.root, self.root)

    @property
    def style(self) -> Style:
        """European for index options, American for all others."""
        return "european" if self.root in INDEX_ROOTS else "american"

    @property
    def settlement(self) -> Settlement:
        """Cash for index options, physical delivery for all others."""
        return "cash" if self.root in INDEX_ROOTS else "physical"

    @property
    def symbol(self) -> str:
        """The OCC symbol as LEAN prints it, root padded to six: `GOOG  160219C00750000`."""
        return occ_symbol(self)


@lru_cache(maxsize=65536)
def occ_symbol(contract: Contract) -> str:
    """The 21-character OCC symbol of a contract (The Options Clearing Corporation, symbology initiative)."""
    thousandths = contract.strike * 1000
    if thousandths != int(thousandths):
        raise SymbolError(f"strike {contract.strike} of {contract.root} is not a multiple of 0.001")
    return f"{contract.root:<6}{contract.expiry:%y%m%d}{contract.right}{int(thousandths):08d}"


@lru_cache(maxsize=65536)
def parse_symbol(symbol: str) -> Contract | str:
    """The contract that an OCC symbol names, or the ticker itself where it names a stock or an index.

    Spaces between root and date may be missing. Raises SymbolError for anything else.
    """
    match = _OCC.match(symbol)
    if match is None:
        if re.fullmatch(r"[A-Z][A-Z0-9.]{0,9}", symbol):
            return symbol
        raise SymbolError(f"{symbol!r} is neither a ticker nor an OCC option symbol like 'GOOG  160219C00750000'")
    try:
        expiry = dt.datetime.strptime(match["date"], "%y%m%d").date()
    except ValueError:
        raise SymbolError(f"{symbol!r} has no valid expiry date: {match['date']!r}") from None
    right: Right = "C" if match["right"] == "C" else "P"
    strike = Decimal(int(match["strike"])) / 1000
    if strike <= 0:
        raise SymbolError(f"{symbol!r} has strike {strike}, which must be above 0")
    return Contract(match["root"], expiry, right, strike)


def is_option(symbol: str) -> bool:
    """Whether a symbol in this spelling names an option contract."""
    return isinstance(parse_symbol(symbol), Contract)


def is_index(symbol: str) -> bool:
    """Whether a ticker names an index, which cannot itself be held."""
    return symbol in set(INDEX_ROOTS.values())


def underlying_of(symbol: str) -> str:
    """The ticker behind a symbol: itself for a stock or an index."""
    parsed = parse_symbol(symbol)
    return parsed.underlying if isinstance(parsed, Contract) else parsed


def multiplier_of(symbol: str) -> int:
    """Shares per unit of a symbol: 1 for a stock, 100 for a standard contract."""
    parsed = parse_symbol(symbol)
    return parsed.multiplier if isinstance(parsed, Contract) else 1
