"""Callboard's end inside LEAN: it subscribes, relays and obeys. What is right to do is decided by the daemon.

Thin on purpose: what needs no QCAlgorithm lives in the `bridge` package, which is copied beside this file. In a
backtest every callback waits for the daemon; live, LEAN's threads only leave and take what two threads of ours carry.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Any

from AlgorithmImports import AccountType, BrokerageName, QCAlgorithm, Resolution

from algorithm.brokerage import BrokerageMessages
from algorithm.calls import Calls
from algorithm.reading import Reading, aware, exact
from bridge import protocol
from bridge.client import Connection
from bridge.lean_end import LeanEnd
from bridge.lean_limits import UNLED
from bridge.lean_link import LockStep, ask_subscribe
from bridge.lean_live import Live
from bridge.lean_quotes import QuoteTable
from bridge.lean_words import Known, words_of

#: Seconds between slices, by LEAN's resolutions.
_PERIODS = {"tick": 1.0, "second": 1.0, "minute": 60.0, "hour": 3600.0, "daily": 86400.0}


def harmless(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler that does nothing after the end, and when live never throws into LEAN."""

    @wraps(handler)
    def wrapped(self: Callboard, *args: Any) -> Any:
        if self.over:
            return None
        try:
            return handler(self, *args)
        except Exception as error:
            if not self.live_mode:
                raise  # a backtest that nobody leads must fail, not go on
            return self.failed(handler.__name__, error)

    return wrapped


def guarded(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A harmless handler that does nothing before the start either."""

    @wraps(handler)
    def wrapped(self: Callboard, *args: Any) -> Any:
        return handler(self, *args) if self.started else None

    return harmless(wrapped)


class Callboard(QCAlgorithm):
    """Relays between LEAN and the daemon at the address in parameter `bridge`."""

    started = over = False

    def initialize(self) -> None:
        text: Callable[[str, str], str] = lambda name, default: str(self.get_parameter(name) or default)  # noqa: E731
        if not self.live_mode:
            self.set_start_date(*(int(part) for part in text("from", "").split("-")))
            self.set_end_date(*(int(part) for part in text("to", "").split("-")))
            self.set_cash(float(text("cash", "100000")))
        if brokerage := text("brokerage-model", ""):
            self.set_brokerage_model(getattr(BrokerageName, brokerage), AccountType.MARGIN)
        self._quotes = QuoteTable()
        resolution = text("resolution", "minute").lower()
        self._reading = Reading(self, self._quotes, _PERIODS[resolution])
        mode: protocol.Mode = "live" if self.live_mode else "backtest"
        session = text("session", uuid.uuid4().hex[:12])
        self._calls = Calls(self, self._reading, getattr(Resolution, resolution.upper()))
        self._end = LeanEnd(self._calls, session, mode, text("brokerage", "lean"))
        address = os.environ.get("CALLBOARD_BRIDGE") or text("bridge", "/bridge/callboard.sock")
        secret = os.environ.get("CALLBOARD_BRIDGE_SECRET", text("secret", "")).encode()
        connect, patience = partial(Connection, address, secret), float(text("patience", "60"))
        self._at = aware(self.utc_time)
        self._brokerage = BrokerageMessages(self._end, self.failed)
        self.set_brokerage_message_handler(self._brokerage)
        if self.live_mode:
            self._live = Live(self._end, self._quotes, connect, self.log)
            self.schedule.on(self.date_rules.every_day(), self.time_rules.every(dt.timedelta(seconds=1)), self.tick)
        else:
            self._lock_step = LockStep(self._end, self._quotes, connect, patience, self._calls.subscribe)
        try:
            self._calls.subscribe(ask_subscribe(connect, patience))
        except Exception as error:
            if not self.live_mode:
                raise
            self.failed("initialize", error)  # it is told again once the daemon is there

    def failed(self, where: str, error: Exception) -> None:
        """Say it in LEAN's log and to the daemon, and go on."""
        self.log(f"callboard: {where}: {type(error).__name__}: {words_of(error)}")
        self._end.event(protocol.Notice, "error", where, f"{type(error).__name__}: {words_of(error)}")

    # --- LEAN's callbacks -------------------------------------------------------------------------------------

    @harmless
    def on_warmup_finished(self) -> None:
        if not self.live_mode:
            self.started = True
            self._lock_step.start(self._calls.now())
            return
        try:
            self._end.adopt(self._open_orders)
            self._end.account()
        except Exception as error:  # the daemon must hear of it, so it must be reached
            self.failed("open orders", error)
        self._live.start(self._calls.now())

    def _open_orders(self) -> list[Known]:
        self.started = True  # from here on what is told of them is heard
        return self._reading.open_orders()

    @harmless
    def on_securities_changed(self, changes: Any) -> None:
        self._calls.learn([security.symbol for security in changes.added_securities])
        self._reading.changed(changes)

    @guarded
    def on_data(self, slice: Any) -> None:
        self._reading.slice(slice)
        self._at = self._calls.now()
        if not self.live_mode:
            self._lock_step.step(self._at, self._reading.open_now())
            return
        open_now = self._reading.open_now()
        self._live.step(self._at, open_now, self._reading.stale(open_now), self._end.account_if_touched())
        self._work()

    @guarded
    def on_order_event(self, order_event: Any) -> None:
        order = self.transactions.get_order_by_id(order_event.order_id)
        self._end.hear(self._reading.heard(order_event, order))
        if self.live_mode:
            self._work()
        elif not self._lock_step.busy and self._calls.now() == self._at and self._group_is_told(order):
            # After on_data, at its instant: what came of amends and cancels. Later ones belong to the next step.
            self._lock_step.told()

    def _group_is_told(self, order: Any) -> bool:
        """Whether this was the last event of those that LEAN fires together for a combo."""
        if order is None or order.group_order_manager is None or int(order.status) not in (3, 5):
            return True
        return order.id == max(order.group_order_manager.order_ids)

    @guarded
    def tick(self) -> None:
        """Live, each second, on a thread of its own: also while on_data is held up. The sign of life goes out whatever
        else fails."""
        account = self._account()
        try:
            self._work()
            self._unled()
        finally:
            open_now = self._reading.open_now()
            self._live.beat(self._calls.now(), open_now, self._reading.stale(open_now), account)
        self._brokerage.watch(open_now)

    @guarded
    def _account(self) -> protocol.Account | None:
        return self._end.account()

    def _unled(self) -> None:
        seconds = self._live.dead_man()
        if not seconds:
            return
        first = self._end.limits.set(UNLED, f"no daemon for {seconds:.0f} s")
        if (count := self._end.cancel_entries()) or first:
            why = f"no daemon for {seconds:.0f} s: {count} entries cancelled"
            self._end.event(protocol.Notice, "warning", "dead man", why)

    def _work(self) -> None:
        if self._live.connected:
            self._end.limits.lift(UNLED)
        if answers := self._end.drain():
            self._live.stored(answers)

    @guarded
    def on_delistings(self, delistings: Any) -> None:
        for each in delistings.values():
            self._end.event(protocol.Delisted, each.symbol.value, int(each.type) == 0)

    @guarded
    def on_dividends(self, dividends: Any) -> None:
        for each in dividends.values():
            symbol, amount = each.symbol.value, exact(each.distribution)
            # A backtest books it now, on shares held; live, LEAN leaves the account to the brokerage.
            held = 0 if self.live_mode else round(self.portfolio[each.symbol].quantity)
            paid = (held, held * amount, protocol.dividend_id(symbol, self._calls.now())) if held else ()
            self._end.event(protocol.DividendPaid, symbol, amount, *paid)

    @guarded
    def on_splits(self, splits: Any) -> None:
        for each in splits.values():
            self._end.event(protocol.Split, each.symbol.value, exact(each.split_factor), int(each.type) == 0)

    def on_margin_call(self, requests: Any) -> Any:
        self._margin_called(requests)
        return requests  # LEAN wants them back

    @guarded
    def _margin_called(self, requests: Iterable[Any]) -> None:
        orders = tuple((each.symbol.value, round(each.quantity)) for each in requests)
        self._end.event(protocol.MarginCalled, orders)

    @guarded
    def on_end_of_algorithm(self) -> None:
        if self.live_mode:
            self._end.close()
            self._live.goodbye(self._calls.now(), "the run is over", self._account())
        else:
            self._lock_step.goodbye(self._calls.now(), "the run is over")
        self.over = True
