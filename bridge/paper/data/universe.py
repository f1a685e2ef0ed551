"""Which contracts a chain subscription selects on a day: LEAN's option filter over the listing known that morning."""

from __future__ import annotations

import bisect
import datetime as dt
import re
from decimal import Decimal

import msgspec

from actors.options.contracts import Contract
from bridge.protocol import ChainFilter

_FORM = re.compile(
    r"^(?P<root>[A-Z.]+):(?P<expiries>weeklys|standards)"
    r",strikes=(?P<low>-?\d+)\.\.(?P<high>-?\d+),days=(?P<first>\d+)\.\.(?P<last>\d+)$"
)


class SubscriptionError(ValueError):
    """A subscription that is not of the form ROOT:weeklys|standards,strikes=-30..30,days=0..60."""


class Listed(msgspec.Struct, frozen=True):
    """Contracts known on a morning, and the underlying's price that strikes are counted from."""

    spot: float
    contracts: tuple[Contract, ...]


def parse_filter(text: str) -> ChainFilter:
    """The filter that a subscription spells. Raises SubscriptionError."""
    match = _FORM.match(text.replace(" ", ""))
    if match is None:
        raise SubscriptionError(f"{text!r} is not of the form 'GOOG:weeklys,strikes=-30..30,days=0..60'")
    low, high, first, last = (int(match[name]) for name in ("low", "high", "first", "last"))
    if low > high or first > last:
        raise SubscriptionError(f"{text!r} has a range whose end is before its start")
    expiries = "weeklys" if match["expiries"] == "weeklys" else "standards"
    return ChainFilter(match["root"], expiries, low, high, first, last)


def select(listed: Listed, wanted: ChainFilter, date: dt.date) -> tuple[Contract, ...]:
    """The contracts that LEAN's filter keeps, in listing order: first by strike, then by expiry, then by kind.

    Strikes count over all listed strikes, from the first at or above spot; where none is exactly at the money the upper
    end is one nearer, as LEAN's OptionFilterUniverse has it. Both ends of strikes and days are inclusive.
    """
    strikes = sorted({float(contract.strike) for contract in listed.contracts})
    if not strikes:
        return ()
    at = bisect.bisect_left(strikes, listed.spot)
    exact = at < len(strikes) and strikes[at] == listed.spot
    low, high = at + wanted.min_strike, at + wanted.max_strike
    if not exact:
        if wanted.min_strike < 0 < wanted.max_strike:
            high -= 1
        elif wanted.min_strike > 0:
            low, high = low - 1, high - 1
    if high < 0 or low >= len(strikes):
        return ()
    lowest, highest = Decimal(repr(strikes[max(low, 0)])), Decimal(repr(strikes[min(high, len(strikes) - 1)]))
    return tuple(
        contract
        for contract in listed.contracts
        if lowest <= contract.strike <= highest
        and wanted.min_days <= (contract.expiry - date).days <= wanted.max_days
        and (wanted.expiries == "weeklys" or _standard(contract.expiry))
    )


def _standard(expiry: dt.date) -> bool:
    """The third Friday of its month, or the Saturday after it, as listed until 2015."""
    friday = expiry if expiry.weekday() == 4 else expiry - dt.timedelta(days=1)
    return friday.weekday() == 4 and 15 <= friday.day <= 21
