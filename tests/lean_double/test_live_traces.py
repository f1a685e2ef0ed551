"""The double when live calls an algorithm as LEAN did in its two recorded live runs: which thread, in which order."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from bridge.paper import Market
from bridge.paper.fill_model import Fill, LeanFills
from bridge.paper.floor import Floor
from bridge.paper.orders import BrokerOrder
from tests.conformance.traces import TRACES
from tests.lean_double.algorithm import QCAlgorithm
from tests.lean_double.kit import lean_market
from tests.lean_double.live import LiveEngine
from tests.lean_double.names import Symbol

#: A second of LEAN's, here.
SECOND = 0.12


class NothingFills(LeanFills):
    """The broker of the second run: what works there never filled."""

    def fills(self, order: BrokerOrder, floor: Floor, *, arriving: bool) -> Sequence[Fill]:
        return ()


class Recorded(QCAlgorithm):
    """The recorded algorithm, its waits as much shorter as its seconds are."""

    def initialize(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.slices = 0
        self.set_start_date(2015, 12, 24)
        self.set_end_date(2015, 12, 24)
        self.add_equity("GOOG")
        every = self.time_rules.every(dt.timedelta(seconds=2))
        self.schedule.on(None, every, partial(self.write, "scheduled"))
        self.write("initialize")

    def write(self, kind: str, **fields: Any) -> None:
        with self.lock:
            self.rows.append({"kind": kind, "thread": threading.current_thread().name, "at": self.utc_time} | fields)

    def on_warmup_finished(self) -> None:
        self.write("on_warmup_finished")

    def on_order_event(self, order_event: Any) -> None:
        fields = {"id": order_event.order_id, "status": order_event.status.name}
        self.write("on_order_event", **fields)
        time.sleep(0.05 * SECOND)
        self.write("on_order_event.end", **fields)

    def on_data(self, slice: Any) -> None:
        self.write("on_data")
        self.slices += 1
        symbol = Symbol("GOOG")
        match self.slices:
            case 3:
                self.write("market sync", status=self.market_order(symbol, 1, False, "sync").status.name)
            case 5:
                ticket = self.market_order(symbol, 1, True, "async")
                time.sleep(0.3 * SECOND)
                self.write("after 300 ms", status=ticket.status.name)
            case 7:
                self.first = self.limit_order(symbol, 1, 1.0, True, "limit")
                for number in range(5):
                    self.limit_order(symbol, 1, 2.0 + number, True, f"burst {number}")
            case 9:
                self.write("cancel", response=str(self.first.cancel()))
            case 11:
                self.write("sleep 5 s in on_data")
                time.sleep(5 * SECOND)
                self.write("slept")
            case 14:
                orders = self.transactions.get_open_orders()
                self.write("open", open=[[each.id, each.status.name, each.tag] for each in orders])
                self.quit("seen enough")
            case _:
                pass

    def on_end_of_algorithm(self) -> None:
        self.write("on_end_of_algorithm")


def _time(at: str | dt.datetime) -> dt.datetime:
    return dt.datetime.fromisoformat(at) if isinstance(at, str) else at


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What must be the same in LEAN's run and in the double's."""
    by_kind: dict[str, set[str]] = {}
    events: dict[int, list[str]] = {}
    for row in rows:
        kind = row["kind"] if row.get("status") != "CANCEL_PENDING" else "CANCEL_PENDING"
        by_kind.setdefault(kind, set()).add(row["thread"])
        if row["kind"] == "on_order_event":
            events.setdefault(row["id"], []).append(row["status"])
    algorithm, pool = by_kind["on_data"], by_kind["on_order_event"]
    named = {row["kind"]: row for row in rows}
    sleep = next(at for at, row in enumerate(rows) if row["kind"] == "sleep 5 s in on_data")
    slept = next(at for at, row in enumerate(rows) if row["kind"] == "slept")
    times = [_time(row["at"]) for row in rows if row["kind"] == "on_data"]
    usual, jump = times[1] - times[0], times[11] - times[10]
    begun, overlapped = set[int](), False
    for row in rows:
        if row["kind"] == "on_order_event":
            overlapped |= bool(begun)
            begun.add(row["id"])
        elif row["kind"] == "on_order_event.end":
            begun.discard(row["id"])
    return {
        "one thread has warm-up's end, data and the end": by_kind["on_warmup_finished"] == algorithm
        == by_kind["on_end_of_algorithm"] and len(algorithm) == 1,
        "initialize has its own": not by_kind["initialize"] & (algorithm | pool | by_kind["scheduled"]),
        "schedules have their own": len(by_kind["scheduled"]) == 1 and not by_kind["scheduled"] & (algorithm | pool),
        "order events have up to three": 1 < len(pool) <= 3 and not pool & algorithm,
        "a pending cancel is on the caller's": by_kind["CANCEL_PENDING"] == algorithm,
        "events of an order in order": events,
        "events of different orders overlap": overlapped,
        "market sync": named["market sync"]["status"],
        "after 300 ms": named["after 300 ms"]["status"],
        "cancel": named["cancel"]["response"],
        "schedules go on while data is held up": sum(row["kind"] == "scheduled" for row in rows[sleep:slept]) >= 2,
        "slices": sum(row["kind"] == "on_data" for row in rows),
        "time stands still in a handler": rows[sleep]["at"] == rows[slept]["at"],
        "then it jumps": jump > 2 * usual,
        "open": named["open"]["open"],
    }  # fmt: skip


@pytest.mark.parametrize(("name", "fills"), [("live_paper", LeanFills()), ("live_brokerage", NothingFills())])
def test_the_threads_and_the_order_are_lean_s(name: str, fills: LeanFills) -> None:
    theirs = [json.loads(line) for line in (TRACES / f"{name}.jsonl").read_text().splitlines()]

    def make(**wanted: Any) -> Market:
        market = lean_market(**wanted)
        market.broker.model = fills
        return market

    engine = LiveEngine(make, {}, pace=SECOND, second=SECOND)
    engine.live_run(Recorded, 200)
    mine, wanted = summary(engine.algorithm.rows), summary(theirs)
    assert engine.late_schedules >= 1
    assert engine.algorithm.slices == 14
    assert mine == wanted
