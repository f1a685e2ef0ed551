"""The embedded market: LEAN's part of the protocol, played over a feed's instants. One thread, frames in and out.

Stepping lives here; the broker's memory is in `broker`, LEAN's in `session`, what is listed in `listing`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Protocol

from actors.options.contracts import Contract, is_option, parse_symbol
from bridge import protocol
from bridge.paper.bars import Instant
from bridge.paper.broker import Broker
from bridge.paper.data import MarketHours
from bridge.paper.fill_model import FillModel, LeanFills
from bridge.paper.floor import Floor
from bridge.paper.ledger import Ledger
from bridge.paper.listing import Listed
from bridge.paper.margin import MarginModel
from bridge.paper.orders import Execution
from bridge.paper.session import Session


class Source(Protocol):
    """Where instants come from: a LEAN folder, or a synthetic market."""

    #: Symbols that must stay listed whatever a filter says: held, or with an order. The broker keeps it.
    pinned: set[str]

    @property
    def underlyings(self) -> Iterable[str]:
        """Stocks and indexes that are subscribed."""
        ...

    def __iter__(self) -> Iterator[Instant]: ...


#: How far back a new session is told what was executed.
_TOLD_BACK = dt.timedelta(days=7)


class Market:
    """Plays a feed. `next()` goes to the next step, `settle()` runs a round of commands inside the present one.

    With a ledger, all that these do is on disk before they return, and a market made over a ledger goes on at the
    instant where the last one stopped, as a new session of LEAN's that has read the broker (`resumed`); `cash` counts
    for a new ledger only. Raises LedgerError where it can't be written: then the market is at its end.
    """

    def __init__(
        self,
        feed: Source,
        hours: MarketHours,
        *,
        cash: Decimal,
        margin: MarginModel,
        initial: MarginModel,
        session: str = "",
        rounds: int = 1000,
        fills: FillModel | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self._feed = feed
        self._instants: Iterator[Instant] = iter(feed)
        self._limit = rounds
        self._ledger = ledger
        self.floor = Floor(hours)
        append = None if ledger is None else ledger.append
        self.broker = Broker(self.floor, fills or LeanFills(), margin, feed.pinned, ledger=append)
        if ledger is not None and ledger.records:
            self.broker.revive(ledger.records)
        else:
            self.broker.open(cash)
        #: Whether it goes on where another one stopped.
        self.resumed = self.broker.played > 0
        self._played = 0
        self.session = Session(session or str(self.broker.sessions + 1), self.broker, self.floor, margin, initial)
        self._listed = Listed(self.floor)
        self._step = 0
        self._rounds = rounds
        self._pending: Instant | None = None
        self._begun = False
        self._ended = False

    # --- the protocol -----------------------------------------------------------------------------------------

    def hello(self, mode: protocol.Mode = "backtest") -> protocol.Hello:
        """The handshake: of a new session at the first instant of the run, later of the same one after a lost
        connection, with its working orders and what it was asked."""
        fresh = not self._begun
        if fresh:
            self._begin()
        session = self.session
        told = fresh and self.broker.durable
        since = self.floor.now - _TOLD_BACK
        return protocol.Hello(
            protocol.VERSION, session.name, mode, "paper", fresh, self.floor.now, session.account(),
            session.open_orders(), tuple(session.asked.items()), session.told.last,
            tuple(_told(each) for each in self.broker.executions if each.at >= since) if told else (),
            tuple(
                protocol.BrokerPayment(
                    each.id, each.at, each.amount, each.reason, each.symbol, each.per_share, each.quantity
                )
                for each in self.broker.payments
                if each.at >= since
            )
            if told
            else (),
        )  # fmt: skip

    def listed(self) -> tuple[str, ...]:
        """Symbols that are listed now, in the order in which they joined."""
        return tuple(self._listed)

    def _begin(self) -> None:
        self._begun = True
        if self.resumed:
            self._pass_by(self.broker.played)
        else:
            self._pending = next(self._instants)
            self.floor.now = self._pending.at
        self.broker.begin(self.session.name)
        self._commit()

    def _pass_by(self, count: int) -> None:
        """Go through instants that were played before: prices and listings move, the broker does not act."""
        pinned = set(self._feed.pinned)
        self._feed.pinned.update(leg.symbol for order in self.broker.orders.values() for leg in order.legs)
        self._feed.pinned.update(each.symbol for each in self.broker.executions)
        for _ in range(count):
            instant = next(self._instants)
            self.floor.now = instant.at
            self._listed.take(instant)
            if instant.kind == "midnight":
                for symbol in [each for each in self._listed if is_option(each)]:
                    if self.floor.midnight_of(symbol, instant.at) and self.floor.expired(symbol, instant.at):
                        self._listed.remove(symbol)
            else:
                self.floor.minute(instant)
            self.broker.pass_by(instant.kind == "bars")
        self._feed.pinned.intersection_update(pinned)
        self._played = self._step = count

    def _commit(self) -> None:
        if self._ledger is not None:
            self._ledger.commit()

    def heartbeat(self) -> protocol.Heartbeat:
        """Alive between steps, and the feed too for what is open."""
        return protocol.Heartbeat(self.floor.now, self._alive())

    def everything(self, events: tuple[protocol.Event, ...]) -> list[protocol.Frame]:
        """What a daemon that knows nothing needs: every security, every quote, and these events of this session."""
        now = self.floor.now
        account, quotes = self.session.account(), self._listed.quotes(self._listed)
        step = protocol.Step(self._step, now, 0, True, events, account, quotes, self._alive())
        return [self._listed.everything(now), step]

    def dead_man(self) -> int:
        """Nobody leads: working orders that add to what is held are cancelled at the end of this step. How many."""
        return self.session.dead_man()

    def next(self) -> list[protocol.Frame]:
        """Frames up to the next step: the end of the present one (cancels, amends), listings, the step, or the end."""
        frames = self._next()
        self._commit()
        return frames

    def _next(self) -> list[protocol.Frame]:
        frames: list[protocol.Frame] = []
        self.session.end_of_step()
        if self.session.quit is not None and not self._ended:
            return self._goodbye(self.session.quit)
        if self.session.told.waits:
            frames.append(protocol.Events(self.session.told.take(), self.session.account_if_touched()))
            return frames
        while not self._ended:
            instant = self._pending if self._pending is not None else next(self._instants)
            self._pending = None
            self.floor.now = instant.at
            if instant.kind == "end":
                return [*frames, *self._goodbye("the run is over")]
            listing = self._listed.take(instant)
            if listing is not None:
                frames.append(listing)
            if instant.kind == "midnight":
                self._midnight(instant)
                self._has_played()
                if not self.session.told.waits:
                    continue
                frames.append(self._frame((), instant))
                return frames
            self.floor.minute(instant)
            self.broker.minute()
            self._has_played()
            frames.append(self._frame(dict.fromkeys((*instant.updates, *instant.open_interest)), instant))
            return frames
        raise StopIteration("the run is over")

    def end(self, reason: str) -> list[protocol.Frame]:
        """Stop here: what is still to be told, and goodbye."""
        self.session.end_of_step()
        frames: list[protocol.Frame] = []
        if self.session.told.waits:
            frames.append(protocol.Events(self.session.told.take(), self.session.account_if_touched()))
        frames += self._goodbye(reason)
        self._commit()
        return frames

    def settle(self, done: protocol.Done) -> protocol.Settle:
        """Run the commands one after another and answer with what came of them."""
        self._rounds -= 1
        for command in done.commands:
            self.session.run(command)
        self._commit()
        events, account = self.session.told.take(), self.session.account_if_touched()
        return protocol.Settle(self._step, self.floor.now, self._rounds, events, account)

    def _has_played(self) -> None:
        self._played += 1
        if self.broker.durable:
            self.broker.has_played(self._played)

    # --- a step -----------------------------------------------------------------------------------------------

    def _goodbye(self, reason: str) -> list[protocol.Frame]:
        self._ended = True
        return [protocol.Goodbye(self.floor.now, reason, self.session.account())]

    def _frame(self, changed: Iterable[str], instant: Instant) -> protocol.Step:
        self._step += 1
        self._rounds = self._limit
        quotes = self._listed.quotes(changed)
        alive = tuple(symbol for symbol in self._feed.underlyings if symbol in instant.open)
        return protocol.Step(
            self._step, self.floor.now, self._rounds, self._step == 1, self.session.told.take(),
            self.session.account_if_touched(), quotes, alive,
        )  # fmt: skip

    def _alive(self) -> tuple[str, ...]:
        return tuple(symbol for symbol in self._feed.underlyings if symbol in self.floor.open)

    def _midnight(self, instant: Instant) -> None:
        """00:00 of an exchange: announcements and expiries of what trades there, the hourly look at assignment, and
        dividends on what is held after it."""
        at = instant.at
        held = self.broker.portfolio.holdings
        here = [
            symbol
            for symbol in sorted({*held, *self._listed})
            if is_option(symbol) and self.floor.midnight_of(symbol, at)
        ]
        self.broker.clearing.assign()
        for symbol in here:
            if _last_day(symbol) == self.floor.local_date(symbol, at) and symbol in self._listed:
                self.session.told.event(protocol.Delisted, symbol, True)
        expired = [symbol for symbol in here if self.floor.expired(symbol, at)]
        self.broker.clearing.expire(expired)
        for symbol in expired:
            if self._listed.remove(symbol):
                self.session.told.event(protocol.Delisted, symbol, False)
            self.broker.delist(symbol)
        for symbol, per_share in instant.dividends.items():
            self.session.dividend(symbol, per_share)


def _told(execution: Execution) -> protocol.BrokerExecution:
    ours = execution.kind in ("order", "exercise")
    return protocol.BrokerExecution(
        execution.id, execution.at, execution.kind, execution.order_id if ours else "",
        execution.leg if execution.kind == "order" else -1, execution.symbol, execution.quantity, execution.price,
        execution.fee, execution.settlement, execution.broker_id, execution.batch, execution.message, execution.tag,
    )  # fmt: skip


def _last_day(symbol: str) -> dt.date:
    contract = parse_symbol(symbol)
    assert isinstance(contract, Contract)
    return contract.expiry
