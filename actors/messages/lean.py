"""LEAN's end as the core sees it: inputs that translate makes of frames, words that go out, facts about the session."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from actors.messages.common import Origin
from actors.messages.orders import Amendment, OrderBody, OrderLeg
from actors.runtime import Command, Fact

ExecutionKind = Literal["order", "assignment", "exercise", "expiry", "margin_call", "external"]


class HeldSeen(msgspec.Struct, frozen=True, array_like=True):
    """A holding as LEAN shows it: signed quantity, average and price per share."""

    symbol: str
    quantity: int
    average: Decimal
    price: Decimal


class AccountView(msgspec.Struct, frozen=True, array_like=True):
    """LEAN's account in dollars; `n` is the event number up to which it is current."""

    cash: Decimal
    value: Decimal
    margin_used: Decimal
    margin_remaining: Decimal
    fees: Decimal
    holdings: tuple[HeldSeen, ...]
    n: int


class OpenOrderSeen(msgspec.Struct, frozen=True, array_like=True):
    """An order that LEAN lists as working when a session begins."""

    order_id: str
    legs: tuple[OrderLeg, ...]
    quantity: int
    filled: tuple[int, ...]
    lean_ids: tuple[int, ...]
    broker_ids: tuple[str, ...]
    tag: str


class ExecutionSeen(msgspec.Struct, frozen=True, array_like=True):
    """An execution that the broker tells of when a session begins, under its own lasting id (signed, per share)."""

    execution_id: str
    kind: ExecutionKind
    order_id: str
    leg: int
    symbol: str
    quantity: int
    price: Decimal
    fee: Decimal
    settlement: Decimal
    broker_id: str
    batch: int
    message: str


class PaymentSeen(msgspec.Struct, frozen=True, array_like=True):
    """Cash that came in (+) or went out (-), as the broker tells of it when a session begins; with a symbol a
    dividend."""

    payment_id: str
    amount: Decimal
    reason: str
    symbol: str = ""
    per_share: Decimal = Decimal(0)
    quantity: int = 0


class TransferCash(Command, frozen=True, tag=True):
    """Backtests: pay in (+) or withdraw (-) dollars."""

    amount: Decimal
    reason: str = ""


# --- inputs -----------------------------------------------------------------------------------------------------


class LeanConnected(msgspec.Struct, frozen=True, tag=True):
    """A handshake: a new session, or the old one again (`session` is LEAN's own name for it)."""

    session: str
    mode: Literal["backtest", "live"]
    brokerage: str
    fresh_from_broker: bool
    account: AccountView
    orders: tuple[OpenOrderSeen, ...]
    placed: tuple[tuple[str, int], ...]
    executions: tuple[ExecutionSeen, ...] = ()
    payments: tuple[PaymentSeen, ...] = ()


class LeanDisconnected(msgspec.Struct, frozen=True, tag=True):
    """The connection is gone; what was sent may or may not have arrived."""

    reason: str


class LeanRounds(msgspec.Struct, frozen=True, tag=True):
    """Backtest: how many command rounds the present step still admits."""

    rounds: int


class LeanOrderEvent(msgspec.Struct, frozen=True, tag=True):
    """One event of one leg, as in the wire vocabulary (signed quantities, prices per share, fee in dollars)."""

    n: int
    at: dt.datetime
    kind: ExecutionKind
    order_id: str
    leg: int
    symbol: str
    status: str
    fill_price: Decimal
    fill_quantity: int
    fee: Decimal
    execution_id: str
    message: str
    tag: str
    lean_id: int
    batch: int
    broker_ids: tuple[str, ...]
    settlement: Decimal = Decimal(0)
    generation: int = 0


class LeanReturned(msgspec.Struct, frozen=True, tag=True):
    """A call for one of our orders came back."""

    n: int
    call: Literal["place", "amend", "cancel", "exercise", "query"]
    order_id: str
    attempt: int
    ok: bool
    status: str
    lean_ids: tuple[int, ...]
    message: str
    raised: str
    denied: bool
    known_here: bool
    generation: int = 0
    amend: Literal["", "stands", "refused", "pending", "never"] = ""


class LeanCashMoved(msgspec.Struct, frozen=True, tag=True):
    """Cash came in (+) or went out (-) without a trade."""

    n: int
    amount: Decimal
    reason: str
    payment_id: str = ""


class LeanDividend(msgspec.Struct, frozen=True, tag=True):
    """A dividend moved cash: dollars a share, signed shares held, and the product (negative: paid for short shares)."""

    n: int
    symbol: str
    per_share: Decimal
    quantity: int
    cash: Decimal
    payment_id: str


class LeanNotice(msgspec.Struct, frozen=True, tag=True):
    """Anything else that LEAN reports: messages, delistings, dividends, splits, margin calls to come."""

    n: int
    what: str
    symbol: str
    text: str


class LeanAccount(msgspec.Struct, frozen=True, tag=True):
    """The account as LEAN shows it after the events before."""

    account: AccountView


# --- words that go out ------------------------------------------------------------------------------------------


class Place(msgspec.Struct, frozen=True, tag=True):
    """Place this attempt of an order."""

    order_id: str
    attempt: int
    body: OrderBody


class Amend(msgspec.Struct, frozen=True, tag=True):
    """Change a working order."""

    order_id: str
    attempt: int
    generation: int
    change: Amendment


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Cancel this attempt of an order."""

    order_id: str
    attempt: int
    tag: str


class ExerciseWord(msgspec.Struct, frozen=True, tag=True):
    """Exercise long contracts."""

    exercise_id: str
    symbol: str
    quantity: int
    tag: str


class Query(msgspec.Struct, frozen=True, tag=True):
    """Ask what became of an attempt, and of its amend where `generation` is not 0."""

    order_id: str
    attempt: int
    generation: int = 0


class MoveCash(msgspec.Struct, frozen=True, tag=True):
    """Backtests: pay in (+) or withdraw (-), once for each id."""

    amount: Decimal
    reason: str
    transfer_id: str


# --- facts ------------------------------------------------------------------------------------------------------


class SessionOpened(Fact, frozen=True, array_like=True):
    """LEAN connected: the number we count its session by, and what it showed."""

    KIND: ClassVar[str] = "lean.SessionOpened"
    HOST: ClassVar[bool] = True
    number: int
    session: str
    mode: str
    brokerage: str
    fresh_from_broker: bool
    account: AccountView
    orders: tuple[OpenOrderSeen, ...]


class SessionClosed(Fact, frozen=True, array_like=True):
    """The connection to LEAN is gone."""

    KIND: ClassVar[str] = "lean.SessionClosed"
    HOST: ClassVar[bool] = True
    number: int
    reason: str


class BookOpened(Fact, frozen=True, array_like=True):
    """The first account ever seen: where our own book starts. Executions and payments that are in it already."""

    KIND: ClassVar[str] = "lean.BookOpened"
    cash: Decimal
    holdings: tuple[HeldSeen, ...]
    executions: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()


class AccountSeen(Fact, frozen=True, array_like=True):
    """LEAN's account after event `origin.n`."""

    KIND: ClassVar[str] = "lean.AccountSeen"
    origin: Origin
    account: AccountView


class AccountFill(Fact, frozen=True, array_like=True):
    """An execution that no order of ours asked for: assignment, exercise, expiry, margin call, a trade by hand.

    `settlement` is the cash a share that a cash-settled contract paid, beside its `price` of 0.
    """

    KIND: ClassVar[str] = "lean.AccountFill"
    origin: Origin
    kind: ExecutionKind
    symbol: str
    quantity: int
    price: Decimal
    fee: Decimal
    execution_id: str
    lean_id: int
    batch: int
    message: str
    exercise_id: str = ""
    settlement: Decimal = Decimal(0)
    broker_id: str = ""


class CashMoved(Fact, frozen=True, array_like=True):
    """A cash flow: deposit (+) or withdrawal (-), never profit or loss."""

    KIND: ClassVar[str] = "lean.CashMoved"
    origin: Origin
    amount: Decimal
    reason: str
    payment_id: str = ""


class DividendPaid(Fact, frozen=True, array_like=True):
    """A dividend came in for shares held, or went out (-) for short ones: a result of who holds them, no cash flow."""

    KIND: ClassVar[str] = "lean.DividendPaid"
    origin: Origin
    symbol: str
    per_share: Decimal
    quantity: int
    cash: Decimal
    payment_id: str


class CashWanted(Fact, frozen=True, array_like=True):
    """Somebody asked a backtest to move cash."""

    KIND: ClassVar[str] = "lean.CashWanted"
    amount: Decimal
    reason: str
    principal: str
    transfer_id: str = ""


class EventSeen(Fact, frozen=True, array_like=True):
    """An event that changes nothing by itself; kept so that every event number is accounted for."""

    KIND: ClassVar[str] = "lean.EventSeen"
    origin: Origin
    what: str
    order_id: str = ""
    text: str = ""


class EventUnreadable(Fact, frozen=True, array_like=True):
    """An event that could not be decided, as it came; the book is marked."""

    KIND: ClassVar[str] = "lean.EventUnreadable"
    origin: Origin
    raw: bytes
    error: str


class Anomaly(Fact, frozen=True, array_like=True):
    """Something that should not happen did: a status that the table forbids, a fill after the end."""

    KIND: ClassVar[str] = "lean.Anomaly"
    origin: Origin | None
    order_id: str
    text: str


class Column(msgspec.Struct, frozen=True, array_like=True):
    """One column of a reconciliation: whose, from where, how old in seconds, cash and signed holdings."""

    source: str
    age_seconds: float
    cash: Decimal
    holdings: tuple[tuple[str, int], ...]


class Reconciled(Fact, frozen=True, array_like=True):
    """The three columns side by side; a column that is not known is None. `agree` compares those that are."""

    KIND: ClassVar[str] = "lean.Reconciled"
    agree: bool
    ours: Column
    lean: Column | None
    broker: Column | None
    differences: tuple[str, ...]
