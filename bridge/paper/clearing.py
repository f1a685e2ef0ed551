"""The clearing house: contracts ended by exercise, assignment or expiry. It says what happened; the broker books it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from actors.options.contracts import Contract, parse_symbol
from bridge.paper.expiry import assigned_early, settle_expired
from bridge.paper.floor import Floor, decimal
from bridge.paper.orders import Execution, Kind
from bridge.paper.portfolio import Portfolio


class Account(Protocol):
    """What the clearing house needs of a broker."""

    floor: Floor
    portfolio: Portfolio
    last_batch: int

    def next_id(self, offset: int = 0) -> str:
        """The next id of an order, where `offset` others are about to be taken."""
        ...

    def execution_id(self, offset: int = 0) -> str:
        """The next id of an execution, likewise; '' where ids do not last."""
        ...

    def book(self, executions: tuple[Execution, ...]) -> None:
        """These happened at once."""
        ...


class Clearing:
    """Ends contracts of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._assigned_at: dt.datetime | None = None

    def exercise(self, contract: Contract, quantity: int, order_id: str, tag: str) -> None:
        """Exercise `quantity` long contracts."""
        self._end(contract, -quantity, "exercise", order_id, tag, together=True)

    def assign(self) -> None:
        """Once an hour LEAN's simulation assigns short contracts that are deep enough in the money."""
        floor, portfolio = self._account.floor, self._account.portfolio
        now = floor.now
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self._assigned_at is not None and hour <= self._assigned_at:
            return
        self._assigned_at = hour
        for symbol in sorted(portfolio.holdings):
            held = portfolio.quantity(symbol)
            contract = parse_symbol(symbol)
            if held >= 0 or not isinstance(contract, Contract) or floor.expired(symbol, now):
                continue
            if assigned_early(contract, floor.price(contract.underlying), floor.local_date(symbol, now)):
                tag = "Simulated option assignment before expiration"
                self._end(contract, -held, "assignment", "", tag, together=False)

    def assign_now(self, contract: Contract, quantity: int) -> None:
        """Assign `quantity` short contracts, whatever they are worth."""
        self._end(contract, quantity, "assignment", "", "", together=False)

    def pass_by(self) -> None:
        """An hour that was played before a restart: nobody is assigned in it again."""
        self._assigned_at = self._account.floor.now.replace(minute=0, second=0, microsecond=0)

    def expire(self, symbols: Sequence[str]) -> None:
        """These contracts' last day is over: all leave at once, exercised or not; then shares come, one by one."""
        account = self._account
        options: list[Execution] = []
        delivered: list[Execution] = []
        for symbol in symbols:
            held = account.portfolio.quantity(symbol)
            if held:
                contract = parse_symbol(symbol)
                assert isinstance(contract, Contract)
                option, shares = self._outcome(contract, -held, "expiry", "", "", offset=len(options))
                options.append(option)
                delivered += [] if shares is None else [shares]
        if options:
            account.book(tuple(options))
        for shares in delivered:
            account.book((msgspec.structs.replace(shares, id=account.execution_id(), batch=account.last_batch + 1),))

    def _end(self, contract: Contract, quantity: int, kind: Kind, order_id: str, tag: str, *, together: bool) -> None:
        """Exercise or assignment of `quantity` (signed, closing) contracts: the option, then the shares."""
        option, shares = self._outcome(contract, quantity, kind, order_id, tag)
        if shares is None:
            self._account.book((option,))
        elif together:
            self._account.book((option, msgspec.structs.replace(shares, batch=option.batch)))
        else:
            self._account.book((option,))
            self._account.book((shares,))

    def _outcome(
        self, contract: Contract, quantity: int, kind: Kind, order_id: str, tag: str, offset: int = 0
    ) -> tuple[Execution, Execution | None]:
        """The executions of the option and of its shares; `offset` others are about to be booked before them."""
        account, now = self._account, self._account.floor.now
        spot = decimal(account.floor.price(contract.underlying))
        outcome = settle_expired(contract, quantity, spot, assigned=kind == "assignment" or quantity > 0)
        zero, broker_id, batch = Decimal(0), account.next_id(offset), account.last_batch + 1 + offset
        option = Execution(
            account.execution_id(offset), now, kind, broker_id, order_id, -1, contract.symbol, quantity, zero, zero,
            batch, outcome.settlement, quantity, contract.symbol, outcome.message, tag, outcome.in_the_money,
        )  # fmt: skip
        if not outcome.shares:
            return option, None
        text = "Option Assignment" if kind == "assignment" else "Option Exercise"
        shares = Execution(
            account.execution_id(offset + 1), now, kind, broker_id, order_id, -1, contract.underlying, outcome.shares,
            contract.strike, zero, batch + 1, zero, quantity, contract.symbol, text, tag, True,
        )  # fmt: skip
        return option, shares
