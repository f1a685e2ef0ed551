"""Chains without a universe file: contracts become known with their first quote, and join if the filter wants them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from actors.options.contracts import Contract
from bridge.paper.bars import Update
from bridge.paper.data.folder import LeanFolder, minute_of
from bridge.paper.data.hours import MarketHours
from bridge.paper.data.universe import Listed, select
from bridge.protocol import ChainFilter

_MINUTE = dt.timedelta(minutes=1)


class Newcomers:
    """One chain's day. Nothing is told of a contract before the minute of its first quote has ended."""

    def __init__(self, folder: LeanFolder, hours: MarketHours, chain: ChainFilter, date: dt.date) -> None:
        self._chain = chain
        self._date = date
        self._known: list[Contract] = []
        self._unjudged = False
        self._spot = float("nan")
        self._coming: dict[dt.datetime, list[Contract]] = {}
        for contract, row in folder.first_quotes(chain.root, date).items():
            session = hours.session(contract.symbol, date)
            if session is None:
                continue
            midnight = dt.datetime.combine(date, dt.time(), hours.data_zone(contract.symbol)).astimezone(dt.UTC)
            ended = midnight + dt.timedelta(milliseconds=minute_of(row)) + _MINUTE
            self._coming.setdefault(max(ended, session[0] + _MINUTE), []).append(contract)

    def join(self, at: dt.datetime, updates: Mapping[str, Update], subscribed: Mapping[str, None]) -> list[str]:
        """Symbols that join now: known by now, wanted by the filter at the present price, and not yet subscribed."""
        underlying = Contract(self._chain.root, self._date, "C", 1).underlying  # type: ignore[arg-type]
        update = updates.get(underlying)
        if update is not None:
            if update.trade is not None:
                self._spot = update.trade.close
            elif update.quote is not None:
                self._spot = (update.quote.bid_close + update.quote.ask_close) / 2
        fresh = self._coming.pop(at, [])
        self._known += fresh
        self._unjudged = self._unjudged or bool(fresh)
        if not self._unjudged or self._spot != self._spot:
            return []
        self._unjudged = False
        self._known.sort()
        wanted = select(Listed(self._spot, tuple(self._known)), self._chain, self._date)
        return [contract.symbol for contract in wanted if contract.symbol not in subscribed]
