"""What a market plays, as the verbs say it: a LEAN folder or a seed, dates, subscriptions. It opens, nothing more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import msgspec

from bridge.paper.data import Feed, Instants, LeanFolder, MarketHours, parse_filter
from bridge.paper.synthetic import Exchange, SyntheticFeed

#: What is played of a synthetic market where nothing is named.
SYNTHETIC_UNDERLYINGS = ("SPX", "ACME", "NOVA")
SYNTHETIC_CHAINS = (
    "SPX:weeklys,strikes=-12..12,days=7..60", "SPXW:weeklys,strikes=-12..12,days=0..45",
    "ACME:weeklys,strikes=-12..12,days=0..60", "NOVA:weeklys,strikes=-12..12,days=0..60",
)  # fmt: skip


class SourceError(ValueError):
    """A source that can't be played; the message says why."""


class MarketSource(msgspec.Struct, frozen=True, kw_only=True):
    """What to play. Exactly one of `data` (a LEAN folder) and `synthetic` (a seed); dates are both played.

    `step` is in seconds and other than 60 for a synthetic market only. A synthetic market of which nothing is named
    is played whole: all underlyings, a moderate part of each chain.
    """

    first: dt.date
    last: dt.date
    data: Path | None = None
    synthetic: int | None = None
    underlyings: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    step: int = 60

    def open(self, symbols: Iterable[str] = ()) -> tuple[Instants, MarketHours]:
        """The instants and the hours; `symbols` are played beside the subscriptions.

        Raises SourceError, or the data side's errors: HoursError, SubscriptionError, SyntheticError, OSError.
        """
        symbols = tuple(symbols)
        if (self.data is None) == (self.synthetic is None):
            raise SourceError("a market plays either a folder (data) or a seed (synthetic)")
        if self.last < self.first:
            raise SourceError(f"the last date {self.last} is before the first {self.first}")
        underlyings, subscribe = self.underlyings, self.subscribe
        if self.synthetic is not None:
            if not underlyings and not subscribe:
                underlyings, subscribe = SYNTHETIC_UNDERLYINGS, SYNTHETIC_CHAINS
            exchange = Exchange(self.synthetic)
            chains = tuple(parse_filter(text) for text in subscribe)
            feed: Instants = SyntheticFeed(
                exchange, self.first, self.last, underlyings=underlyings, chains=chains, symbols=symbols, step=self.step
            )
            return feed, exchange.hours
        assert self.data is not None
        if self.step != 60:
            raise SourceError(f"a LEAN folder has minutes: a step of {self.step} seconds can't be played")
        hours = MarketHours.load(self.data)
        chains = tuple(parse_filter(text) for text in subscribe)
        feed = Feed(
            LeanFolder(self.data), hours, self.first, self.last, underlyings=underlyings, chains=chains, symbols=symbols
        )
        if not feed.underlyings:
            raise SourceError("nothing to play: name an underlying, a subscription, or contracts")
        return feed, hours
