"""Random orders of submits, fills, cancels, halts, disconnects, slow disks and kills. A failure names its seed."""

from __future__ import annotations

import contextlib
import random
from decimal import Decimal

import pytest
from kit import CALLS, PUTS, RULES, START, Desk

from actors.messages import lean
from actors.messages.breaker import NO_ENTRY, BreakerRaised, BreakerReset, Halt
from actors.messages.order_state import OrderTable, fold
from actors.messages.orders import (
    AmendApproved,
    Amendment,
    AmendOrder,
    CancelAll,
    CancelOrder,
    OrderApproved,
    OrderFact,
    OrderQueued,
    OrderSent,
)
from actors.runtime import MemoryJournal, Recorded, Refusal
from daemon.desk import desk_core

SEEDS = 1000
SHAPES = (
    (((CALLS[1], 1), (CALLS[2], -1)), "4.00"),
    (((PUTS[2], -1), (PUTS[1], 1)), "-4.00"),
    (((CALLS[0], -1), (CALLS[3], 1)), "-6.00"),
)


class Race:
    """One seeded run of a desk on a slow disk, with what left for LEAN and when."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.journal = MemoryJournal(hold=True)
        self.desk = Desk(RULES, journal=self.journal, pick=self.random.randrange)
        self.journal.settle()
        self.left: list[tuple[int, object]] = []
        self.orders = 0
        self.session = 1

    def run(self, moves: int = 70) -> None:
        """Random moves, then let everything come to rest."""
        self.moves(moves)
        self.drain()

    def moves(self, count: int) -> None:
        """Random moves, and stop in the middle of things."""
        actions = (
            self.submit, self.submit, self.close, self.close, self.cancel, self.amend, self.settle, self.settle,
            self.settle, self.take, self.take, self.take, self.halt, self.kill, self.cut, self.wait,
            *[self.lean_answers] * 8,
        )  # fmt: skip
        for _ in range(count):
            self.random.choice(actions)()

    def drain(self) -> None:
        """Let the disk catch up until nothing more is decided."""
        while True:
            self.journal.settle()
            self.take()
            if self.journal.durable_seq == self.journal.head().seq:
                return

    def submit(self) -> None:
        legs, limit = self.random.choice(SHAPES)
        self.orders += 1
        self.attempt(
            lambda: self.desk.submit(f"o{self.orders}", *legs, limit=limit, quantity=self.random.randint(1, 3))
        )

    def close(self) -> None:
        positions = sorted(self.desk.book.positions)
        if not positions:
            return
        position = self.desk.book.positions[self.random.choice(positions)]
        legs = [(symbol, -1 if held > 0 else 1) for symbol, held in position.holdings.items()]
        chosen = self.random.sample(legs, self.random.randint(1, len(legs)))
        self.orders += 1
        held = abs(position.holdings[chosen[0][0]])
        quantity = self.random.choice((held, held, self.random.randint(1, 3)))
        self.attempt(
            lambda: self.desk.submit(
                f"o{self.orders}", *chosen, limit="5.00", quantity=quantity, position_id=position.position_id
            )
        )

    def cancel(self) -> None:
        if self.random.random() < 0.1:
            self.attempt(lambda: self.desk.command(CancelAll("all")))
        elif self.orders:
            order_id = f"o{self.random.randint(1, self.orders)}"
            self.attempt(lambda: self.desk.command(CancelOrder(order_id, "test")))

    def amend(self) -> None:
        if self.orders:
            order_id = f"o{self.random.randint(1, self.orders)}"
            change = Amendment(quantity=self.random.randint(1, 4))
            self.attempt(lambda: self.desk.command(AmendOrder(order_id, change)))

    def settle(self) -> None:
        self.journal.settle(self.random.randint(self.journal.durable_seq, self.journal.head().seq))

    def take(self) -> None:
        for word in self.desk.sent():
            self.left.append((self.desk.core.seq, word))

    def lean_answers(self) -> None:
        working = [order for order in self.desk.core.state("gateway").table.live.values() if order.at_market]
        placed = {word.order_id for _, word in self.left if isinstance(word, lean.Place)}
        working = [order for order in working if order.order_id in placed]
        if not working:
            return
        order = self.random.choice(working)
        leg = self.random.randrange(len(order.body.legs))
        if order.amend in ("sent", "unknown") and self.random.random() < 0.7:
            if order.amend == "unknown":
                amend = self.random.choice(("stands", "refused", "pending", ""))
                self.desk.returned(order.order_id, call="query", status="submitted", amend=amend)
            elif self.random.random() < 0.5:
                self.desk.event(order.order_id, 0, order.body.legs[0].symbol, "update_submitted")
            else:
                self.desk.returned(order.order_id, call="amend", ok=False, status="submitted")
            return
        what = self.random.choice(("accept", "fill", "fill", "part", "cancel", "invalid", "refuse"))
        if what == "accept":
            self.desk.event(order.order_id, leg, order.body.legs[leg].symbol, "submitted")
        elif what in ("fill", "part") and order.open_quantity(leg):
            open_quantity = order.open_quantity(leg)
            amount = open_quantity if what == "fill" else open_quantity // abs(open_quantity)
            self.desk.fill(order.order_id, leg, amount)
        elif what == "cancel":
            for index, each in enumerate(order.body.legs):
                self.desk.event(order.order_id, index, each.symbol, "canceled")
        elif what == "invalid" and not any(order.filled):
            self.desk.event(order.order_id, leg, order.body.legs[leg].symbol, "invalid", message="no")
        elif what == "refuse" and order.cancel_wanted:
            self.desk.returned(order.order_id, call="cancel", ok=False, status="submitted")

    def halt(self) -> None:
        if self.random.random() < 0.2:
            self.attempt(lambda: self.desk.command(Halt(self.random.randint(1, 5), "race")))

    def kill(self) -> None:
        if not self.desk.core.failed():
            name = self.random.choice(("orders", "risk", "gateway", "breaker", "positions", "performance"))
            before = self.desk.core.state(name)
            self.desk.core.kill(name, self.desk.now)
            assert self.desk.core.state(name) == before

    def cut(self) -> None:
        if self.random.random() < 0.1:
            self.desk.core.tell(lean.LeanDisconnected("cut"), self.desk.now)
            self.session += self.random.random() < 0.5
            self.desk.connect(session=str(self.session))

    def wait(self) -> None:
        self.desk.wait(self.random.choice((0.5, 2.0, 12.0)))
        self.desk.quote()

    def attempt(self, action) -> None:
        with contextlib.suppress(Refusal):
            action()


def check(race: Race) -> None:
    """No fact that adds risk follows a halt; no bytes that add risk leave after it; no attempt leaves twice."""
    assert race.desk.core.failed() == {}
    assert race.desk.core.dead_letters == []
    level, reducing = 0, dict[str, bool]()
    level_at: list[int] = [0]
    for recorded in race.desk.facts:
        fact = recorded.fact
        if isinstance(fact, BreakerRaised):
            level = max(level, fact.level)
        elif isinstance(fact, BreakerReset):
            level = 0
        elif isinstance(fact, OrderApproved):
            reducing[fact.order_id] = fact.reducing
            assert level < NO_ENTRY or fact.reducing
        elif isinstance(fact, OrderSent | AmendApproved):
            assert level < NO_ENTRY or reducing[fact.order_id]
        level_at.append(level)
    placed: set[tuple[str, int]] = set()
    for seq, word in race.left:
        if isinstance(word, lean.Place):
            assert (word.order_id, word.attempt) not in placed
            placed.add((word.order_id, word.attempt))
        if isinstance(word, lean.Place | lean.Amend):
            assert level_at[seq] < NO_ENTRY or reducing[word.order_id]
    _check_book(race)


def _check_book(race: Race) -> None:
    """The book is what the fills say, each once."""
    holdings: dict[str, int] = {}
    cash = Decimal(100000)
    for recorded in race.desk.facts:
        fact = recorded.fact
        if type(fact).__name__ in ("LegFilled", "AccountFill"):
            holdings[fact.symbol] = holdings.get(fact.symbol, 0) + fact.quantity
            cash -= fact.quantity * fact.price * 100 + fact.fee
    book = race.desk.book
    assert book.holdings == {symbol: quantity for symbol, quantity in holdings.items() if quantity}
    assert book.cash == cash


def _run(seeds: range) -> None:
    for seed in seeds:
        race = Race(seed)
        try:
            race.run()
            check(race)
        except BaseException:
            print(f"seed {seed} replays it")
            raise


def test_no_race_of_a_thousand_adds_risk_after_a_halt_or_sends_twice() -> None:
    _run(range(SEEDS))


@pytest.mark.parametrize("seed", range(25))
def test_state_at_the_head_equals_a_refold_of_what_is_on_disk(seed: int) -> None:
    race = Race(seed)
    race.run()
    fresh = desk_core(race.journal, RULES)
    fresh.start(START)
    for name in ("orders", "risk", "gateway", "breaker", "positions", "performance", "volatility"):
        assert fresh.state(name) == race.desk.core.state(name), f"seed {seed}, {name}"


@pytest.mark.parametrize("seed", range(25))
def test_a_crash_keeps_all_or_none_of_a_cascade_and_sends_nothing_again(seed: int) -> None:
    race = Race(seed)
    race.moves(30)
    placed = {(w.order_id, w.attempt) for _, w in race.left if isinstance(w, lean.Place)}
    race.journal.lose()
    fresh = desk_core(race.journal, RULES)
    fresh.start(race.desk.now)
    table = OrderTable()
    for row in race.journal.read():
        recorded: Recorded = fresh.decode(row)
        if isinstance(recorded.fact, OrderFact):
            fold(table, recorded)
    assert table.orders == fresh.state("orders").table.orders
    # A new session: what was sent is asked for, never placed again as the same attempt.
    hello = lean.LeanConnected(
        "after", "live", "paper", True,
        lean.AccountView(Decimal(100000), Decimal(100000), Decimal(0), Decimal(0), Decimal(0), (), 0), (), (),
    )  # fmt: skip
    fresh.tell(hello, race.desk.now)
    race.journal.settle()
    for word in fresh.take_outputs("lean"):
        if isinstance(word, lean.Place):
            assert (word.order_id, word.attempt) not in placed, f"seed {seed}"


def test_a_race_does_submit_send_fill_and_halt() -> None:
    """The races above would pass on a desk that does nothing."""
    seen: dict[str, int] = {}
    for seed in range(60):
        race = Race(seed)
        race.run()
        for kind in race.desk.kinds():
            seen[kind] = seen.get(kind, 0) + 1
        seen["reducing"] = seen.get("reducing", 0) + sum(
            1 for recorded in race.desk.facts if isinstance(recorded.fact, OrderApproved) and recorded.fact.reducing
        )
        assert any(isinstance(recorded.fact, OrderQueued) for recorded in race.desk.facts)
    for kind in (
        "OrderSent", "LegFilled", "OrderCanceled", "BreakerRaised", "SendWithheld", "OrderUnknown", "AmendAccepted",
        "AmendUnknown", "OrderDenied", "PositionOpened", "CancelRefused", "reducing",
    ):  # fmt: skip
        assert seen.get(kind, 0) > 0, kind
