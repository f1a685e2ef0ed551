"""The market's running state by security: last bars, prices as LEAN keeps them. Numbers only, no orders."""

from __future__ import annotations

import datetime as dt

from bridge.paper.bars import QuoteBar, TradeBar, Update

_NAN = float("nan")
#: LEAN takes prices older than this for stale.
STALE = dt.timedelta(hours=1)


class Prices:
    """Last known values of one security. `price` is LEAN's: the newer of last trade and middle of the quote (one side
    alone where the other is missing); where both end together the quote for options (`quoted`), the trade for
    others."""

    __slots__ = (
        "ask", "ask_size", "bid", "bid_size", "last", "open_interest", "price", "quote", "quoted", "quoted_at",
        "trade",        "traded_at", "volume",
    )  # fmt: skip

    def __init__(self, *, quoted: bool) -> None:
        self.quoted = quoted
        self.quote: QuoteBar | None = None
        self.trade: TradeBar | None = None
        self.quoted_at: dt.datetime | None = None
        self.traded_at: dt.datetime | None = None
        self.bid = self.ask = self.last = self.open_interest = _NAN
        self.bid_size = self.ask_size = self.volume = 0.0
        self.price = 0.0

    def update(self, at: dt.datetime, update: Update) -> None:
        """Take the bars that ended at `at`. A side without a quote keeps the prices of its last bar, with its own
        size of 0, as LEAN does."""
        quote, trade = update
        if quote is not None:
            last = self.quote
            if last is not None and quote.bid_close != quote.bid_close:
                quote = QuoteBar(*last[:4], *quote[4:])
            if last is not None and quote.ask_close != quote.ask_close:
                quote = QuoteBar(*quote[:5], *last[5:9], quote[9])
            self.quote, self.quoted_at = quote, at
            self.bid, self.ask = quote.bid_close, quote.ask_close
            self.bid_size, self.ask_size = quote.bid_size, quote.ask_size
            middle = _middle(self.bid, self.ask)
            if middle == middle and (trade is None or self.quoted):
                self.price = middle
        if trade is not None:
            self.trade, self.traded_at = trade, at
            self.last = trade.close
            if quote is None or not self.quoted:
                self.price = trade.close
            self.volume += trade.volume

    @property
    def updated_at(self) -> dt.datetime | None:
        """When a bar of either kind last came."""
        if self.quoted_at is None or self.traded_at is None:
            return self.quoted_at or self.traded_at
        return max(self.quoted_at, self.traded_at)

    def new_day(self) -> None:
        """The day's volume starts anew."""
        self.volume = 0.0


def _middle(bid: float, ask: float) -> float:
    if bid != bid:
        return ask
    if ask != ask:
        return bid
    return (bid + ask) / 2
