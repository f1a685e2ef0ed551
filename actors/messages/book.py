"""The book: cash, holdings and lots by position, as the fold of executions. Each execution counts once.

A fold that positions, risk, gateway and performance share; no decision here.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec

from actors.messages.lean import AccountFill, BookOpened, CashMoved, DividendPaid
from actors.messages.orders import LegFilled, OrderBody, OrderQueued
from actors.messages.positions import LotsCrossed
from actors.options.contracts import is_option, multiplier_of
from actors.runtime import Fact, Recorded

#: Where executions land that touch no lot of ours.
EXTERNAL = "external"


class Lot(msgspec.Struct):
    """Signed contracts or shares of one symbol, bought or sold at once. `seq` orders lots oldest first."""

    symbol: str
    quantity: int
    price: Decimal
    seq: int


class Position(msgspec.Struct):
    """Lots that belong together. `cash` is what came in less what went out, fees included, in dollars."""

    position_id: str
    campaign_id: str
    order_id: str
    opened_at: dt.datetime
    lots: list[Lot] = msgspec.field(default_factory=list)
    cash: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    delivered: bool = False

    def holding(self, symbol: str) -> int:
        """Signed quantity held of a symbol."""
        return sum(lot.quantity for lot in self.lots if lot.symbol == symbol)

    @property
    def holdings(self) -> dict[str, int]:
        """Signed quantity by symbol, symbols with none left out."""
        totals: dict[str, int] = {}
        for lot in self.lots:
            totals[lot.symbol] = totals.get(lot.symbol, 0) + lot.quantity
        return {symbol: quantity for symbol, quantity in totals.items() if quantity}


class Book(msgspec.Struct):
    """Cash in dollars, net holdings, open positions and the result of closed ones.

    `flows` is the sum of deposits and withdrawals: it is in `cash`, and never profit. `opened` tells whether a first
    account was ever seen.
    """

    cash: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    flows: Decimal = Decimal(0)
    opened: bool = False
    holdings: dict[str, int] = msgspec.field(default_factory=dict)
    averages: dict[str, Decimal] = msgspec.field(default_factory=dict)
    positions: dict[str, Position] = msgspec.field(default_factory=dict)
    realised: Decimal = Decimal(0)
    executions: dict[str, int] = msgspec.field(default_factory=dict)
    bodies: dict[str, tuple[OrderBody, str]] = msgspec.field(default_factory=dict)
    owner: dict[str, str] = msgspec.field(default_factory=dict)
    deliveries: dict[str, list[tuple[str, int]]] = msgspec.field(default_factory=dict)
    payments: dict[str, int] = msgspec.field(default_factory=dict)
    closed: dict[str, Decimal] = msgspec.field(default_factory=dict)


BOOK_FACTS: tuple[type[Fact], ...] = (
    BookOpened, OrderQueued, LegFilled, AccountFill, CashMoved, DividendPaid, LotsCrossed,
)  # fmt: skip


def fold_book(book: Book, recorded: Recorded) -> None:
    """Fold one fact of BOOK_FACTS into the book, in place. An execution seen before changes nothing."""
    fact = recorded.fact
    match fact:
        case OrderQueued():
            book.bodies[fact.order_id] = (fact.body, fact.campaign_id)
        case LegFilled():
            if _first_time(book, fact.execution_id, recorded.seq):
                _book_fill(book, recorded, fact)
        case AccountFill():
            if _first_time(book, fact.execution_id, recorded.seq):
                _book_account_fill(book, recorded, fact)
        case BookOpened():
            book.cash, book.opened = fact.cash, True
            book.executions |= dict.fromkeys(fact.executions, recorded.seq)
            book.payments |= dict.fromkeys(fact.payments, recorded.seq)
            for seen in fact.holdings:
                _move(book, recorded, EXTERNAL, "", seen.symbol, seen.quantity, seen.average)
        case CashMoved():
            if fact.payment_id:
                if fact.payment_id in book.payments:
                    return
                book.payments[fact.payment_id] = recorded.seq
            book.cash += fact.amount
            book.flows += fact.amount
        case DividendPaid():
            if fact.payment_id not in book.payments:
                book.payments[fact.payment_id] = recorded.seq
                book.cash += fact.cash
                _book_dividend(book, fact)
        case LotsCrossed():
            for position in list(book.positions.values()):
                held = position.holding(fact.symbol)
                if held:
                    value = -held * fact.price * multiplier_of(fact.symbol)
                    position.cash += value
                    _consume(position, fact.symbol, -held)
                    _close_if_empty(book, position)
        case _:
            pass


def _book_dividend(book: Book, fact: DividendPaid) -> None:
    """To every position for the shares it holds; what nobody holds any more is realised."""
    left = fact.cash
    for position in book.positions.values():
        share = position.holding(fact.symbol) * fact.per_share
        position.cash += share
        left -= share
    book.realised += left


def _first_time(book: Book, execution_id: str, seq: int) -> bool:
    if execution_id in book.executions:
        return False
    book.executions[execution_id] = seq
    return True


def _book_fill(book: Book, recorded: Recorded, fact: LegFilled) -> None:
    position_id = book.owner.get(fact.order_id)
    if position_id is None or position_id not in book.positions:
        position_id = position_of(book, fact.order_id) if position_id is None else position_id
        book.owner[fact.order_id] = position_id
    _pay(book, fact.symbol, fact.quantity, fact.price, fact.fee)
    position = _move(book, recorded, position_id, fact.order_id, fact.symbol, fact.quantity, fact.price)
    _pay_position(position, fact.symbol, fact.quantity, fact.price, fact.fee)
    _close_if_empty(book, position)


def position_of(book: Book, order_id: str) -> str:
    """The position that an order's fills belong to: the one it names, the only one it exactly closes, or a new one."""
    body, _ = book.bodies[order_id]
    if body.position_id:
        return body.position_id
    closing = {leg.symbol: -leg.ratio * body.quantity for leg in body.legs}
    matches = [position.position_id for position in book.positions.values() if position.holdings == closing]
    return matches[0] if len(matches) == 1 else order_id


def _book_account_fill(book: Book, recorded: Recorded, fact: AccountFill) -> None:
    price = fact.price + fact.settlement
    _pay(book, fact.symbol, fact.quantity, price, fact.fee)
    for position_id, quantity in _shares_of(book, fact):
        position = _move(book, recorded, position_id, "", fact.symbol, quantity, fact.price)
        fee = fact.fee * quantity / fact.quantity
        _pay_position(position, fact.symbol, quantity, price, fee)
        if fact.kind in ("assignment", "exercise", "expiry"):
            position.delivered = True
        _close_if_empty(book, position)


def delivery_of(fact: AccountFill) -> str:
    """What an exercise's option and shares have in common: the broker's id, else LEAN's of this session."""
    return fact.broker_id or str(fact.lean_id)


def _shares_of(book: Book, fact: AccountFill) -> list[tuple[str, int]]:
    """How an execution that no order asked for falls on positions: lots of the other sign, oldest first."""
    delivered = book.deliveries.get(delivery_of(fact))
    if not is_option(fact.symbol) and delivered and fact.kind in ("assignment", "exercise", "expiry"):
        contracts = sum(abs(quantity) for _, quantity in delivered)
        return [(position_id, fact.quantity * abs(quantity) // contracts) for position_id, quantity in delivered]
    left = fact.quantity
    shares: dict[str, int] = {}
    lots = [
        (lot.seq, position.position_id, lot)
        for position in book.positions.values()
        for lot in position.lots
        if lot.symbol == fact.symbol and lot.quantity * left < 0
    ]
    for _, position_id, lot in sorted(lots, key=lambda item: item[:2]):
        taken = min(abs(left), abs(lot.quantity)) * (1 if left > 0 else -1)
        shares[position_id] = shares.get(position_id, 0) + taken
        left -= taken
        if not left:
            break
    if left:
        shares[EXTERNAL] = shares.get(EXTERNAL, 0) + left
    result = list(shares.items())
    if is_option(fact.symbol) and fact.kind in ("assignment", "exercise", "expiry"):
        book.deliveries[delivery_of(fact)] = result
    return result


def _pay(book: Book, symbol: str, quantity: int, price: Decimal, fee: Decimal) -> None:
    book.cash -= quantity * price * multiplier_of(symbol) + fee
    book.fees += fee
    held = book.holdings.get(symbol, 0)
    total = held + quantity
    if held * quantity >= 0:
        cost = book.averages.get(symbol, Decimal(0)) * held + price * quantity
        book.averages[symbol] = cost / total if total else Decimal(0)
    elif held * total < 0:
        book.averages[symbol] = price
    if total:
        book.holdings[symbol] = total
    else:
        book.holdings.pop(symbol, None)
        book.averages.pop(symbol, None)


def _pay_position(position: Position, symbol: str, quantity: int, price: Decimal, fee: Decimal) -> None:
    position.cash -= quantity * price * multiplier_of(symbol) + fee
    position.fees += fee


def _move(
    book: Book,
    recorded: Recorded,
    position_id: str,
    order_id: str,
    symbol: str,
    quantity: int,
    price: Decimal,
) -> Position:
    position = book.positions.get(position_id)
    if position is None:
        campaign = book.bodies[order_id][1] if order_id in book.bodies else ""
        position = Position(position_id, campaign or position_id, order_id, recorded.at)
        book.positions[position_id] = position
    left = _consume(position, symbol, quantity)
    if left:
        position.lots.append(Lot(symbol, left, price, recorded.seq))
    if isinstance(recorded.fact, BookOpened):
        book.holdings[symbol] = book.holdings.get(symbol, 0) + quantity
        book.averages[symbol] = price
    return position


def _consume(position: Position, symbol: str, quantity: int) -> int:
    """Close lots of the other sign, oldest first; what is left of `quantity` opens."""
    left = quantity
    for lot in position.lots:
        if not left:
            break
        if lot.symbol == symbol and lot.quantity * left < 0:
            taken = min(abs(left), abs(lot.quantity)) * (1 if left > 0 else -1)
            lot.quantity += taken
            left -= taken
    position.lots = [lot for lot in position.lots if lot.quantity]
    return left


def _close_if_empty(book: Book, position: Position) -> None:
    if not position.lots:
        book.realised += position.cash
        book.closed[position.position_id] = position.cash
        book.positions.pop(position.position_id, None)
