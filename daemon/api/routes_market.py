"""The market over HTTP, as the core sees it now: underlyings and chains."""

from __future__ import annotations

import datetime as dt

import msgspec
import trio
from starlette.responses import Response

from actors.runtime import Refusal
from daemon.api.answers import answer
from daemon.api.desk import Desk
from daemon.api.routing import Call, Endpoint
from daemon.views_chances import fitted
from daemon.views_market import ChainShown, UnderlyingShown, chain, underlyings


class ChainQuery(msgspec.Struct, frozen=True):
    """`expiry`: one only. `fit`: with the smile fitted to each expiry's quotes."""

    expiry: dt.date | None = None
    fit: bool = False


class MarketRoutes:
    """The handlers; `endpoints` declares them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every route of this module."""
        return (
            Endpoint(method="GET", path="/api/v1/underlyings", role="viewer", handler=self.underlyings,
                     answers={200: tuple[UnderlyingShown, ...]}, summary="Stocks and indexes that are listed"),
            Endpoint(method="GET", path="/api/v1/chain/{underlying}", role="viewer", handler=self.chain,
                     query=ChainQuery, answers={200: ChainShown}, refuses=(404,),
                     summary="The chain of an underlying with marks, volatilities and greeks"),
        )  # fmt: skip

    async def underlyings(self, call: Call) -> Response:
        return answer(underlyings(self._desk.market, self._desk.now))

    async def chain(self, call: Call) -> Response:
        underlying, market = call.path("underlying"), self._desk.market
        if market is None:
            raise Refusal("not_found", f"no chain of {underlying!r}: no market was seen yet")
        found = chain(market, underlying, call.query.expiry, self._desk.now)
        if not found.expiries:
            which = "" if call.query.expiry is None else f" that expires on {call.query.expiry}"
            raise Refusal("not_found", f"no option on {underlying!r}{which} is listed")
        if call.query.fit:
            found = await trio.to_thread.run_sync(fitted, market, found)
        return answer(found)
