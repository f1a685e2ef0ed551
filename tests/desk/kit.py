"""A desk for tests: the real core and actors over a journal in memory; only LEAN's end is played by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from actors.messages import lean
from actors.messages.market import MarketQuotes, SecuritySeen
from actors.messages.orders import OrderBody, OrderLeg, SubmitOrder
from actors.options.contracts import Contract, parse_symbol
from actors.runtime import Answer, Command, Core, MemoryJournal, Recorded
from config.calendar import Sessions
from config.desk import DeskRules
from daemon.desk import desk_core

START = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)
CALLS = tuple(f"GOOG  160219C00{strike}000" for strike in (740, 750, 760, 770))
PUTS = tuple(f"GOOG  160219P00{strike}000" for strike in (740, 750, 760, 770))
#: The book's limits have tests of their own (test_book_limits.py); quotes here are all alike, and no market.
RULES = DeskRules(cancel_entries_before_close_seconds=0.0, maximum_loss_fraction=Decimal("0.5"), limits=None)


class Desk:
    """A started core that LEAN is connected to, with quotes of eight contracts, and time that stands still."""

    def __init__(
        self,
        rules: DeskRules = RULES,
        *,
        journal: MemoryJournal | None = None,
        cash: str = "100000",
        connect: bool = True,
        mode: str = "live",
        pick: Callable[[int], int] | None = None,
        now: dt.datetime = START,
        sessions: Sessions | None = None,
    ) -> None:
        self.journal = journal if journal is not None else MemoryJournal()
        self.facts: list[Recorded] = []
        self.core: Core = desk_core(self.journal, rules, sessions, on_record=self.facts.append, pick=pick)
        self.now = now
        self.n = 0
        self.commands = 0
        self.executions = 0
        self.core.start(self.now)
        self.mode = mode
        if connect:
            self.connect(cash)
            self.quote()

    # --- LEAN's end -------------------------------------------------------------------------------------------

    def connect(self, cash: str = "100000", session: str = "1", payments: tuple[lean.PaymentSeen, ...] = ()) -> None:
        """LEAN shakes hands."""
        account = lean.AccountView(Decimal(cash), Decimal(cash), Decimal(0), Decimal(cash), Decimal(0), (), 0)
        hello = lean.LeanConnected(session, self.mode, "paper", True, account, (), (), (), payments)  # type: ignore[arg-type]
        self.core.tell(hello, self.now)

    def quote(self, bid: float = 10.0, ask: float = 10.2) -> None:
        """A view in which every contract has this quote."""
        symbols = ("GOOG", *CALLS, *PUTS)
        count = len(symbols)
        securities = tuple(_security(number, symbol) for number, symbol in enumerate(symbols, start=1))
        full = np.full
        self.core.view(
            MarketQuotes(
                1, self.now, 1, securities, {symbol: row for row, symbol in enumerate(symbols)},
                full(count, bid), full(count, ask), full(count, 10.0), full(count, 10.0),
                np.array([750.0] + [np.nan] * (count - 1)), full(count, 0.0), full(count, 100.0),
                full(count, self.now.timestamp()), {"GOOG": self.now}, frozenset({"GOOG"}),
            ),
            self.now,
        )  # fmt: skip

    def returned(self, order_id: str, **fields: Any) -> None:
        """A call came back."""
        self.n += 1
        values: dict[str, Any] = {
            "call": "place", "attempt": 1, "ok": True, "status": "submitted", "lean_ids": (), "message": "",
            "raised": "",
            "denied": False, "known_here": True, "generation": self._generation(order_id),
        }  # fmt: skip
        known = self.core.state("orders").table.get(order_id)
        values["attempt"] = 1 if known is None else known.attempt
        self.core.tell(lean.LeanReturned(n=self.n, order_id=order_id, **{**values, **fields}), self.now)

    def _generation(self, order_id: str) -> int:
        known = self.core.state("orders").table.get(order_id)
        return 0 if known is None else known.generation

    def event(self, order_id: str, leg: int, symbol: str, status: str, **fields: Any) -> None:
        """One event of one leg."""
        self.n += 1
        values: dict[str, Any] = {
            "kind": "order", "fill_price": Decimal(0), "fill_quantity": 0, "fee": Decimal(0), "execution_id": "",
            "message": "", "tag": "", "lean_id": leg + 1, "batch": self.n, "broker_ids": (f"b{order_id}{leg}",),
            "generation": self._generation(order_id) if status == "update_submitted" else 0,
        }  # fmt: skip
        self.core.tell(
            lean.LeanOrderEvent(
                n=self.n, at=self.now, order_id=order_id, leg=leg, symbol=symbol, status=status, **{**values, **fields}
            ),
            self.now,
        )

    def accept(self, order_id: str) -> None:
        """LEAN takes the order, leg by leg."""
        for leg, each in enumerate(self.order(order_id).body.legs):
            self.event(order_id, leg, each.symbol, "submitted")

    def fill(self, order_id: str, leg: int, quantity: int | None = None, price: str = "10.10") -> None:
        """One leg fills, whole or by a signed quantity."""
        order = self.order(order_id)
        amount = order.open_quantity(leg) if quantity is None else quantity
        self.executions += 1
        self.event(
            order_id, leg, order.body.legs[leg].symbol, "filled", fill_price=Decimal(price), fill_quantity=amount,
            fee=Decimal("1.00"), execution_id=f"x{self.executions}",
        )  # fmt: skip

    # --- people -----------------------------------------------------------------------------------------------

    def command(self, command: Command, principal: str = "operator:test", number: int | None = None) -> Answer:
        """Give a command under an id of its own."""
        self.commands += 1
        return self.core.command(f"test:{self.commands}", principal, command, self.now, number)

    def submit(self, order_id: str, *legs: tuple[str, int], limit: str = "1.00", **fields: Any) -> Answer:
        """Submit a limit order."""
        body = OrderBody(
            tuple(OrderLeg(*leg) for leg in legs), fields.pop("quantity", 1), "limit", Decimal(limit), **fields
        )
        return self.command(SubmitOrder(order_id, body))

    # --- looking ----------------------------------------------------------------------------------------------

    def order(self, order_id: str) -> Any:
        """The order as the queue has it."""
        return self.core.state("orders").table.orders[order_id]

    @property
    def book(self) -> Any:
        """The book by position."""
        return self.core.state("positions").book

    def sent(self) -> list[Any]:
        """Words for LEAN that leave now."""
        return self.core.take_outputs("lean")

    def wait(self, seconds: float) -> None:
        """Time passes; timers fire."""
        self.now += dt.timedelta(seconds=seconds)
        self.core.advance(self.now)

    def kinds(self) -> list[str]:
        """Names of all facts so far, without their subject."""
        return [type(recorded.fact).__name__ for recorded in self.facts]


def _security(number: int, symbol: str) -> SecuritySeen:
    contract = parse_symbol(symbol)
    if not isinstance(contract, Contract):
        return SecuritySeen(number, symbol, "equity", symbol, 1, "", "", Decimal("0.01"), None, None)
    expiry = dt.datetime.combine(contract.expiry, dt.time(21), dt.UTC)
    return SecuritySeen(number, symbol, "option", "GOOG", 100, "american", "physical", Decimal("0.01"), expiry, expiry)
