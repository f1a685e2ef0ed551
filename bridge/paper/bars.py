"""What the data side of the embedded market hands to its broker side: bars and the instants at which they arrive."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec


class QuoteBar(NamedTuple):
    """Bid and ask of one period, floats per share; a side without a quote is all NaN with size 0."""

    bid_open: float
    bid_high: float
    bid_low: float
    bid_close: float
    bid_size: float
    ask_open: float
    ask_high: float
    ask_low: float
    ask_close: float
    ask_size: float


class TradeBar(NamedTuple):
    """Trades of one period; an index's levels come as trade bars with volume 0."""

    open: float
    high: float
    low: float
    close: float
    volume: float


class Update(NamedTuple):
    """What arrived for one security: None where that kind of bar had no row of its own in the files."""

    quote: QuoteBar | None
    trade: TradeBar | None


class Instant(msgspec.Struct, frozen=True):
    """One moment at which LEAN would act.

    `kind`: 'bars' is the end of a minute that delivers a slice (fill-forward included: `updates` then may be empty);
    'midnight' is 00:00 of an exchange time zone (expiry, delisting); 'end' is the end of the run.
    `updates` holds only rows that the files
    really have for the minute ending at `at`. `open` names subscribed securities whose regular session covered this
    minute. `listed` and `unlisted` name securities that joined or left the subscription at this instant,
    `open_interest` values that became known at it, `dividends` dollars a share of stocks whose ex-date begins at it.
    """

    at: dt.datetime
    kind: Literal["bars", "midnight", "end"]
    updates: dict[str, Update]
    open: frozenset[str]
    listed: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    open_interest: dict[str, float] = {}
    dividends: dict[str, Decimal] = {}
