"""The demo's guided orders: one trader's day, again each session, through the commands that any operator gives.

It looks at the same view as the desk and waits in market time. A refusal is said and passed over.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from decimal import Decimal

import trio

from actors.messages.market import MarketQuotes
from actors.messages.orders import Amendment, AmendOrder, CancelOrder, OrderBody, OrderLeg, OrderType, SubmitOrder
from actors.options.contracts import Contract, parse_symbol
from actors.options.settlement import last_session
from actors.options.ticks import round_signed
from actors.runtime import Command, CommandFailed, Refusal
from actors.volatility import Chain
from config.calendar import ExchangeSessions
from daemon.driver import Driver
from daemon.outlet import DriverStopped
from daemon.views import Views

Say = Callable[[str, str], None]
Legs = tuple[tuple[str, int], ...]

_PRINCIPAL = "operator:demo"
_MOST_POSITIONS = 7
#: Dollars a share beyond the natural price, so that an order fills though the market moves a little.
_CONCESSION = Decimal("0.05")
#: Positions of days before that the guide leaves open.
_KEPT = 2


class Guide:
    """Gives the orders. `run` never returns by itself; it ends with the driver."""

    def __init__(self, driver: Driver, views: Views, sessions: ExchangeSessions, say: Say) -> None:
        self._driver = driver
        self._views = views
        self._sessions = sessions
        self._say = say
        self._given = 0
        self._played: dt.date | None = None

    async def run(self) -> None:
        """Play one day after another for as long as there are days."""
        try:
            while True:
                opens = await self._next_open()
                await self._day(opens)
        except DriverStopped:
            return

    # --- a day ------------------------------------------------------------------------------------------------

    async def _day(self, opens: dt.datetime) -> None:
        day = f"{opens:%m%d}"
        close = self._sessions.close(opens.date())

        async def at(minutes: float) -> bool:
            """Wait for so many minutes after the open; False where the session is over by then."""
            until = opens + dt.timedelta(minutes=minutes)
            if until >= close - dt.timedelta(minutes=20):
                return False
            await self._until(until)
            return True

        await at(1)
        await self._open(f"{day}-condor", "iron condor on SPX for a credit", self._condor("SPX", "SPXW", 2), 1)
        await self._open(f"{day}-resting", "put spread on NOVA, bid far below the market",
                         self._vertical("NOVA", "P", 10), 1, edge=Decimal("0.60"))  # fmt: skip
        await at(2)
        calls = self._vertical("ACME", "C", 10)
        await self._open(f"{day}-calls", "call spread on ACME, asked too cheap", calls, 2, edge=Decimal("0.30"))
        await at(4)
        await self._amend(f"{day}-calls", "pay what the market asks", calls)
        await at(5)
        await self._cancel(f"{day}-resting", "no longer wanted")
        await at(7)
        await self._open(f"{day}-puts", "put spread on NOVA sold", _turned(self._vertical("NOVA", "P", 4)), 2)
        await at(15)
        await self._close(f"{day}-calls", "take the call spread off")
        await at(20)
        await self._tidy(opens)
        if not await at(60):
            return
        await self._open(f"{day}-acme", "iron condor on ACME", self._condor("ACME", "ACME", 3), 1)
        await self._open(f"{day}-wish", "calls on ACME, far from the market", self._single("ACME", "C", 20), 1,
                         edge=Decimal("1.50"), gtc=True)  # fmt: skip
        await at(120)
        await self._cancel(f"{day}-wish", "it never came")
        if await at(240):
            await self._close(f"{day}-acme", "take the ACME condor off")

    async def _open(
        self, order_id: str, why: str, legs: Legs | None, quantity: int, *, edge: Decimal = Decimal(0),
        gtc: bool = False,
    ) -> None:  # fmt: skip
        """A limit order a little worse than the natural price, or better than it by `edge` dollars a share."""
        natural = None if legs is None else self._natural(legs)
        if legs is None or natural is None or len(self._views.book.positions) >= _MOST_POSITIONS:
            return
        limit = _tick(legs, natural - edge if edge else natural + _CONCESSION, opening=True)
        body = _body(legs, quantity, limit, why, gtc=gtc)
        if await self._give(SubmitOrder(order_id, body), f"order:{order_id}"):
            self._say("guide", f"{why}: {quantity} at {limit}")

    async def _amend(self, order_id: str, why: str, legs: Legs | None) -> None:
        order = self._views.orders.get(order_id)
        natural = None if legs is None else self._natural(legs)
        if order is None or order.terminal or legs is None or natural is None:
            return
        limit = _tick(legs, natural + 2 * _CONCESSION, opening=False)
        if await self._give(AmendOrder(order_id, Amendment(limit_price=limit))):
            self._say("guide", f"{why}: {limit}")

    async def _cancel(self, order_id: str, why: str) -> None:
        order = self._views.orders.get(order_id)
        if order is not None and not order.terminal and await self._give(CancelOrder(order_id, why)):
            self._say("guide", f"cancel {order_id}: {why}")

    async def _close(self, position_id: str, why: str) -> None:
        position = self._views.book.positions.get(position_id)
        if position is None:
            return
        held = position.holdings
        quantity = _units(held)
        legs = tuple((symbol, -count // quantity) for symbol, count in sorted(held.items()))
        natural = self._natural(legs)
        if natural is None:
            return
        limit = _tick(legs, natural + 2 * _CONCESSION, opening=False)
        body = _body(legs, quantity, limit, why, position_id=position_id)
        order_id = f"{position_id}-close"
        while self._views.orders.get(order_id) is not None:
            order_id += "-again"
        if await self._give(SubmitOrder(order_id, body), f"order:{order_id}"):
            self._say("guide", f"{why}: {quantity} at {limit}")

    async def _tidy(self, opens: dt.datetime) -> None:
        """Close what is left from days before, the newest two aside."""
        old = sorted(
            (position.opened_at, name)
            for name, position in self._views.book.positions.items()
            if position.opened_at < opens
        )
        for _, name in old[: max(0, len(old) - _KEPT)]:
            await self._close(name, f"close {name}, which is old")

    async def _give(self, command: Command, id: str = "") -> bool:
        self._given += 1
        try:
            await self._driver.command(id or f"demo:{self._given}", _PRINCIPAL, command)
        except (Refusal, CommandFailed) as refused:
            self._say("guide", f"refused: {refused}")
            return False
        return True

    # --- time -------------------------------------------------------------------------------------------------

    async def _next_open(self) -> dt.datetime:
        """Wait for quotes of a session that has not been played; when it opened."""
        while True:
            base = self._base()
            if base is not None and base.open and base.at.date() != self._played:
                self._played = base.at.date()
                return self._sessions.open(base.at.date())
            await trio.sleep(0.05)

    async def _until(self, instant: dt.datetime) -> None:
        while (base := self._base()) is None or base.at < instant:
            await trio.sleep(0.02)

    # --- what to trade ----------------------------------------------------------------------------------------

    def _base(self) -> MarketQuotes | None:
        market = self._driver.core.market
        return None if market is None or not isinstance(market.base, MarketQuotes) else market.base

    def _deltas(self, root: str, days: int) -> dict[str, Mapping[float, str]]:
        """Symbols of the nearest expiry at least so many days away, by right and delta; empty where none is priced."""
        market, base = self._driver.core.market, self._base()
        if market is None or base is None:
            return {}
        chain: Chain = market.derived("chain")
        found: dict[dt.date, list[tuple[Contract, float]]] = {}
        for symbol, delta in zip(chain.index.symbols, chain.greeks.delta.tolist(), strict=True):
            contract = parse_symbol(symbol)
            if isinstance(contract, Contract) and contract.root == root and delta == delta:
                found.setdefault(contract.expiry, []).append((contract, delta))
        today = base.at.date()
        for expiry in sorted(found):
            contracts = found[expiry]
            if (last_session(contracts[0][0], self._sessions) - today).days >= days:
                sides: dict[str, dict[float, str]] = {"C": {}, "P": {}}
                for contract, delta in contracts:
                    sides[contract.right][abs(delta)] = contract.symbol
                return dict(sides)
        return {}

    def _condor(self, underlying: str, root: str, days: int) -> Legs | None:
        """Short options of delta 0.20, wings beyond."""
        sides = self._deltas(root, days)
        if not sides or not sides["P"] or not sides["C"]:
            return None
        puts, calls = _by_strike(sides["P"]), _by_strike(sides["C"])
        put, call = _nearest(sides["P"], 0.20), _nearest(sides["C"], 0.20)
        low, high = puts.index(put) - 1, calls.index(call) + 1
        if low < 0 or high >= len(calls):
            return None
        return (puts[low], 1), (put, -1), (call, -1), (calls[high], 1)

    def _vertical(self, root: str, right: str, days: int) -> Legs | None:
        """Bought near delta 0.50, sold near delta 0.25."""
        side = self._deltas(root, days).get(right)
        if not side:
            return None
        near, far = _nearest(side, 0.50), _nearest(side, 0.25)
        return None if near == far else ((near, 1), (far, -1))

    def _single(self, root: str, right: str, days: int) -> Legs | None:
        side = self._deltas(root, days).get(right)
        return ((_nearest(side, 0.40), 1),) if side else None

    def _natural(self, legs: Legs) -> Decimal | None:
        """What the legs cost at once, asks for what is bought and bids for what is sold; None without quotes."""
        base, total = self._base(), 0.0
        if base is None:
            return None
        for symbol, ratio in legs:
            quote = base.quote(symbol)
            price = quote.ask if ratio > 0 else quote.bid
            if price is None:
                return None
            total += ratio * price
        return Decimal(str(round(total, 4)))


def _turned(legs: Legs | None) -> Legs | None:
    return None if legs is None else tuple((symbol, -ratio) for symbol, ratio in legs)


def _tick(legs: Legs, price: Decimal, *, opening: bool) -> Decimal:
    """A price on the grid that both a combo's and a single option's classes take."""
    step = Decimal("0.05")
    if len(legs) == 1 and abs(price) >= 3:
        step = Decimal("0.10")
    return round_signed(price, step, opening=opening)


def _body(
    legs: Legs, quantity: int, limit: Decimal, tag: str, *, gtc: bool = False, position_id: str = ""
) -> OrderBody:
    kind: OrderType = "limit"
    # A single contract's limit is a price; a combo's is signed.
    price = abs(limit) if len(legs) == 1 else limit
    return OrderBody(
        tuple(OrderLeg(symbol, ratio) for symbol, ratio in legs), quantity, kind, price,
        time_in_force="gtc" if gtc else "day", position_id=position_id, tag=tag,
    )  # fmt: skip


def _units(held: Mapping[str, int]) -> int:
    return math.gcd(*held.values())


def _nearest(side: Mapping[float, str], delta: float) -> str:
    return side[min(side, key=lambda each: (abs(each - delta), each))]


def _by_strike(side: Mapping[float, str]) -> list[str]:
    return sorted(side.values(), key=lambda symbol: int(symbol[13:]))
