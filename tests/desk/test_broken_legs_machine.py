"""Legs that fill as they like, late and in parts, whatever is canceled, halted, unquoted or killed meanwhile: they end
equal, or the position is shown as broken with what it waits for; mending never adds to what the order itself risked."""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from kit import CALLS, RULES, Desk

from actors.messages import lean
from actors.messages.breaker import NO_ENTRY, BreakerRaised, BreakerReset, ConfirmReset, Halt, StartReset
from actors.messages.order_state import Order
from actors.messages.orders import CancelAll, CancelOrder, OrderApproved, OrderSent
from actors.messages.positions import MendPosition
from actors.options.payoff import Leg, Payoff, payoff
from actors.positions import Positions
from actors.runtime import Recorded, Refusal

NAN = float("nan")
SHAPES = (
    ((CALLS[1], 1), (CALLS[2], -1)),
    ((CALLS[1], -1), (CALLS[2], 1)),
    ((CALLS[0], 1), (CALLS[1], -1), (CALLS[2], -1), (CALLS[3], 1)),
    ((CALLS[0], -1), (CALLS[1], 1), (CALLS[2], 1), (CALLS[3], -1)),
)
ACTORS = ("positions", "orders", "risk", "gateway")


class AtBroker:
    """An order as the broker has it: what may still fill of each leg, and whether it has ended."""

    def __init__(self, order: Order) -> None:
        self.rest = [order.wanted(leg) for leg in range(len(order.body.legs))]
        self.ended = False
        self.cancel_asked = False


class BrokenLegs(RuleBasedStateMachine):
    """One combo, its broker, an operator, and a daemon that dies."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.facts: list[Recorded] = []
        self.broker: dict[str, AtBroker] = {}
        self.placed: list[tuple[str, int]] = []
        self.session, self.late, self.connected = 1, 5, True
        self.looked_at: set[str] = set()
        self.level, self.scanned, self.reducing = 0, 0, dict[str, bool]()
        self.shadow, self.folded = Positions(RULES), 0
        self.shadow_state = self.shadow.initial()

    # --- what happens -----------------------------------------------------------------------------------------

    @initialize(
        shape=st.sampled_from(SHAPES), quantity=st.integers(1, 3), limit=st.sampled_from(("1.00", "-4.00")),
        parts=st.lists(st.integers(0, 3), min_size=4, max_size=4), ended=st.sampled_from((True, True, True, False)),
    )  # fmt: skip
    def opens(self, shape: Any, quantity: int, limit: str, parts: list[int], ended: bool) -> None:
        self.shape, self.quantity = shape, quantity
        self.desk.submit("o", *shape, limit=limit, quantity=quantity)
        self.deliver()
        for leg, part in zip(range(len(shape)), parts, strict=False):
            self._fill("o", leg, min(part, quantity))
        if ended and not self.broker["o"].ended:
            self._end("o")

    @rule(seconds=st.sampled_from((1, 10, 10, 30, 61)), number=st.integers(0, 3), leg=st.integers(0, 3))
    def an_order_works_and_runs_out(self, seconds: int, number: int, leg: int) -> None:
        """What happens most: it arrives, fills in part, is asked back after its time, and the next one is due."""
        self.deliver()
        for each in range(number):
            self.fills(-1, leg + each, False)
        self.desk.wait(seconds)
        self.deliver()
        self.ends(-1, True)
        self.quotes(10.0, 10.2)

    @rule()
    def deliver(self) -> None:
        """What the daemon says arrives."""
        for word in self.desk.sent():
            if isinstance(word, lean.Place):
                assert (word.order_id, word.attempt) not in self.placed
                self.placed.append((word.order_id, word.attempt))
                self.broker[word.order_id] = AtBroker(self.desk.order(word.order_id))
                self.desk.accept(word.order_id)
            elif isinstance(word, lean.Cancel) and word.order_id in self.broker:
                self.broker[word.order_id].cancel_asked = True
            elif isinstance(word, lean.Query):
                self._answer(word.order_id)

    def _answer(self, order_id: str) -> None:
        known = self.broker.get(order_id)
        if known is None:
            self.desk.returned(order_id, call="query", status="absent")
        elif known.ended:
            self.desk.returned(order_id, call="query", status="filled" if not any(known.rest) else "canceled")
        else:
            self.desk.returned(order_id, call="query", status="submitted")

    @rule(number=st.integers(-2, 5), leg=st.integers(0, 3), whole=st.booleans())
    def fills(self, number: int, leg: int, whole: bool) -> None:
        working = [name for name, each in self.broker.items() if not each.ended]
        if working and self.connected:
            name = working[number % len(working)]
            leg %= len(self.broker[name].rest)
            self._fill(name, leg, abs(self.broker[name].rest[leg]) if whole else 1)

    @precondition(lambda self: self.late)
    @rule(number=st.integers(0, 30), leg=st.integers(0, 3))
    def fills_late(self, number: int, leg: int) -> None:
        """It crossed the cancel."""
        ended = [name for name, each in self.broker.items() if each.ended and any(each.rest)]
        if ended and self.connected:
            self.late -= 1
            name = ended[number % len(ended)]
            self._fill(name, leg % len(self.broker[name].rest), 1)

    def _fill(self, name: str, leg: int, count: int) -> None:
        at_broker = self.broker[name]
        amount = min(count, abs(at_broker.rest[leg])) * (1 if at_broker.rest[leg] > 0 else -1)
        if amount:
            at_broker.rest[leg] -= amount
            at_broker.ended = at_broker.ended or not any(at_broker.rest)
            self.desk.fill(name, leg, amount)

    @precondition(lambda self: self.connected and self.record is not None and self.record.phase != "mended")
    @rule(leg=st.integers(0, 3))
    def somebody_trades_at_the_broker(self, leg: int) -> None:
        """One contract of what is held goes, by no order of ours."""
        held = [(symbol, self.holdings[symbol]) for symbol, _ in self.shape if symbol in self.holdings]
        if held:
            symbol, quantity = held[leg % len(held)]
            self.desk.executions += 1
            self.desk.event(
                "", -1, symbol, "filled", kind="external", fill_quantity=-1 if quantity > 0 else 1,
                fill_price=Decimal("10.10"), execution_id=f"hand{self.desk.executions}",
            )  # fmt: skip

    @rule(number=st.integers(0, 30), asked=st.booleans())
    def ends(self, number: int, asked: bool) -> None:
        """The broker cancels, asked or by itself."""
        names = [name for name, each in self.broker.items() if not each.ended and (each.cancel_asked or not asked)]
        if names and self.connected:
            self._end(names[number % len(names)])

    def _end(self, name: str) -> None:
        self.broker[name].ended = True
        for leg, each in enumerate(self.desk.order(name).body.legs):
            self.desk.event(name, leg, each.symbol, "canceled")

    @rule(number=st.integers(0, 30))
    def operator_cancels(self, number: int) -> None:
        names = list(self.desk.core.state("orders").table.live)
        if names:
            self._try(CancelOrder(names[number % len(names)], "by hand"))

    @rule()
    def operator_cancels_all(self) -> None:
        self._try(CancelAll("enough"))

    @rule(level=st.sampled_from((1, 2, 3, 3, 4, 5)))
    def halts(self, level: int) -> None:
        self._try(Halt(level, "enough"))

    @rule()
    def resets(self) -> None:
        self._try(StartReset("it is over"))
        self._try(ConfirmReset(self.desk.core.state("breaker").phrase))

    def _try(self, command: Any) -> None:
        with contextlib.suppress(Refusal):
            self.desk.command(command)

    @rule(bid=st.sampled_from((NAN, 10.0, 10.0, 9.0)), ask=st.sampled_from((NAN, 10.2, 10.2, 12.0)))
    def quotes(self, bid: float, ask: float) -> None:
        if self.connected:
            self.desk.quote(bid, ask)

    @rule(seconds=st.sampled_from((1, 5, 10, 30, 61)))
    def waits(self, seconds: int) -> None:
        self.desk.wait(seconds)

    @rule(name=st.sampled_from(ACTORS))
    def dies(self, name: str) -> None:
        """What is folded anew is what was there."""
        before = copy.deepcopy(self.desk.core.state(name))
        self.desk.core.kill(name, self.desk.now)
        assert self.desk.core.state(name) == before

    @rule(again=st.booleans())
    def disconnects(self, again: bool) -> None:
        """The connection breaks: words on their way are lost."""
        self.desk.core.tell(lean.LeanDisconnected("cut"), self.desk.now)
        self.desk.sent()
        self.connected = False
        if again:
            self.connects()

    @precondition(lambda self: not self.connected)
    @rule()
    def connects(self) -> None:
        self.session += 1
        self.desk.n, self.connected = 0, True
        self.desk.connect(session=str(self.session))

    @rule()
    def restarts(self) -> None:
        """The process dies: the journal is what is left."""
        old = self.desk
        self.facts += old.facts
        self.desk = Desk(journal=old.journal, connect=False, now=old.now)
        self.desk.executions, self.desk.commands = old.executions, old.commands
        assert self.desk.core.state("positions").ledger.records == old.core.state("positions").ledger.records
        assert self.desk.book == old.book
        self.connected = False
        self.connects()

    # --- what must hold ---------------------------------------------------------------------------------------

    @property
    def record(self) -> Any:
        return self.desk.core.state("positions").ledger.records.get("o")

    @property
    def holdings(self) -> dict[str, int]:
        position = self.desk.book.positions.get("o")
        return {} if position is None else position.holdings

    @invariant()
    def nothing_stopped(self) -> None:
        assert self.desk.core.failed() == {}

    @invariant()
    def the_fold_of_the_journal_is_what_is_known(self) -> None:
        """Whatever is decided, nothing but facts changes what is known."""
        facts = [*self.facts, *self.desk.facts]
        for recorded in facts[self.folded :]:
            if isinstance(recorded.fact, self.shadow.folds):
                self.shadow_state = self.shadow.evolve(self.shadow_state, recorded)
        self.folded = len(facts)
        assert self.desk.core.state("positions") == self.shadow_state

    @invariant()
    def legs_are_equal_or_shown_as_broken(self) -> None:
        if not self.desk.order("o").terminal:
            return
        units = {self.holdings.get(symbol, 0) / ratio for symbol, ratio in self.shape}
        record = self.record
        if len(units) > 1:
            assert record is not None, self.holdings
            assert record.phase in ("complete", "unwind", "waiting"), (record, self.holdings)
            assert record.reason or record.phase == "complete"
        if record is not None and record.phase != "mended":
            assert {leg.symbol: leg.have for leg in record.legs if leg.have} == self.holdings

    @invariant()
    def there_is_a_deadline_for_what_is_mended(self) -> None:
        record = self.record
        if record is not None and record.active and self.connected:
            assert self.desk.core.next_due() is not None

    @invariant()
    def one_order_mends_and_only_what_is_missing_or_surplus(self) -> None:
        live = self.desk.core.state("orders").table.live
        mends = [order for name, order in live.items() if ".mend" in name]
        assert len(mends) <= 1
        for order in mends:
            if order.order_id in self.looked_at or any(order.filled):
                continue
            self.looked_at.add(order.order_id)
            wanted = {leg.symbol: leg.ratio * order.body.quantity for leg in order.body.legs}
            missing, back = self._lacking()
            assert within(wanted, missing) or within(wanted, back), (wanted, missing, back)
            self._adds_no_risk(wanted)

    def _lacking(self) -> tuple[dict[str, int], dict[str, int]]:
        """What completes all units that any leg has begun, and what takes back all beyond whole ones."""
        units = [Fraction(self.holdings.get(symbol, 0), ratio) for symbol, ratio in self.shape]
        begun, whole = min(self.quantity, math.ceil(max(units))), max(0, math.floor(min(units)))
        missing, back = (
            {symbol: ratio * number - self.holdings.get(symbol, 0) for symbol, ratio in self.shape}
            for number in (begun, whole)
        )
        return missing, back

    def _adds_no_risk(self, wanted: dict[str, int]) -> None:
        whole = shape({symbol: ratio * self.quantity for symbol, ratio in self.shape})
        before = shape(self.holdings)
        for take in itertools.product((False, True), repeat=len(wanted)):
            filled = {symbol: n for (symbol, n), yes in zip(wanted.items(), take, strict=True) if yes}
            symbols = {**self.holdings, **filled}
            after = shape({symbol: self.holdings.get(symbol, 0) + filled.get(symbol, 0) for symbol in symbols})
            assert after.slope >= min(before.slope, whole.slope, 0)
            if before.slope >= 0:
                assert min(after.values) >= min(*before.values, *whole.values)

    @invariant()
    def above_no_entry_only_what_reduces_is_sent(self) -> None:
        facts = [*self.facts, *self.desk.facts]
        for recorded in facts[self.scanned :]:
            fact = recorded.fact
            if isinstance(fact, BreakerRaised):
                self.level = max(self.level, fact.level)
            elif isinstance(fact, BreakerReset):
                self.level = 0
            elif isinstance(fact, OrderApproved):
                self.reducing[fact.order_id] = fact.reducing
            elif isinstance(fact, OrderSent):
                assert self.level < NO_ENTRY or self.reducing[fact.order_id]
        self.scanned = len(facts)

    def teardown(self) -> None:
        """Everything answers, everything is quoted, the operator says so: it comes to rest, equal."""
        if not hasattr(self, "shape"):
            return
        if not self.connected:
            self.connects()
        if not self.desk.order("o").terminal:
            self._try(CancelOrder("o", "the end"))
        for turn in range(24):
            if turn % 8 == 0:
                self.disconnects(again=True)
                self.resets()
                record = self.record
                if record is not None and not record.waits_for and record.resumes != "quotes":
                    self._try(MendPosition("o", "unwind", "the end"))
            self.desk.quote(10.0, 10.2)
            self.deliver()
            for name, each in self.broker.items():
                if not each.ended and (name == "o" or each.cancel_asked):
                    self._end(name)
                elif not each.ended:
                    for leg in range(len(each.rest)):
                        self._fill(name, leg, abs(each.rest[leg]))
            self.desk.wait(61 if turn % 8 == 7 else 10)
            self.legs_are_equal_or_shown_as_broken()
        assert self.record is None or self.record.phase == "mended", self.record


def within(wanted: dict[str, int], most: dict[str, int]) -> bool:
    """No more of any symbol than that, on the same side."""
    return all(n * most.get(s, 0) > 0 and abs(n) <= abs(most[s]) for s, n in wanted.items())


def shape(holdings: dict[str, int]) -> Payoff:
    """The payoff of these."""
    return payoff([Leg(symbol, quantity) for symbol, quantity in holdings.items() if quantity])


BrokenLegs.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
TestBrokenLegs = BrokenLegs.TestCase
