"""The book is the fold of executions: each counted once, cash to the cent, lots owned by exactly one position."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from actors.messages.book import EXTERNAL, Book, fold_book
from actors.messages.common import Origin
from actors.messages.lean import AccountFill, BookOpened, CashMoved, DividendPaid
from actors.messages.orders import LegFilled, OrderBody, OrderLeg, OrderQueued
from actors.options.contracts import multiplier_of
from actors.runtime import Fact, Recorded

NOW = dt.datetime(2015, 12, 24, 15, tzinfo=dt.UTC)
CALL, OTHER, PUT = "GOOG  160219C00750000", "GOOG  160219C00760000", "GOOG  151224P00800000"
ORIGIN = Origin(1, 1)


class Recorder:
    """Folds facts into a book as a journal would number them."""

    def __init__(self, cash: str = "100000") -> None:
        self.book = Book()
        self.seq = 0
        self.add(BookOpened(Decimal(cash), ()))

    def add(self, fact: Fact) -> None:
        self.seq += 1
        fold_book(self.book, Recorded(self.seq, "test", self.seq, NOW, 0, fact))

    def order(self, order_id: str, *legs: tuple[str, int], quantity: int = 1, position_id: str = "") -> None:
        body = OrderBody(tuple(OrderLeg(*leg) for leg in legs), quantity, "limit", Decimal(1), position_id=position_id)
        self.add(OrderQueued(order_id, body, "test"))

    def fill(self, order_id: str, leg: int, symbol: str, quantity: int, price: str, execution: str = "") -> None:
        execution = execution or f"1:{self.seq}"
        self.add(
            LegFilled(order_id, ORIGIN, leg, symbol, quantity, Decimal(price), Decimal("0.65"), execution, self.seq)
        )

    def account(self, kind, symbol: str, quantity: int, price: str, lean_id: int, settlement: str = "0") -> None:
        self.add(
            AccountFill(
                ORIGIN,
                kind,
                symbol,
                quantity,
                Decimal(price),
                Decimal(0),
                f"1:a{self.seq}",
                lean_id,
                self.seq,
                "",
                "",
                Decimal(settlement),
            )
        )


def test_a_spread_opens_one_position_and_its_mirror_closes_it() -> None:
    desk = Recorder()
    desk.order("open", (CALL, 1), (OTHER, -1))
    desk.fill("open", 0, CALL, 1, "33.60")
    desk.fill("open", 1, OTHER, -1, "27.30")
    assert desk.book.positions["open"].holdings == {CALL: 1, OTHER: -1}
    desk.order("close", (CALL, -1), (OTHER, 1))
    desk.fill("close", 0, CALL, -1, "34.00")
    desk.fill("close", 1, OTHER, 1, "27.00")
    assert desk.book.positions == {}
    assert desk.book.holdings == {}
    assert desk.book.closed["open"] == (Decimal("34.00") - Decimal("33.60") + Decimal("0.30")) * 100 - 4 * Decimal(
        "0.65"
    )
    assert desk.book.cash == Decimal(100000) + desk.book.realised


def test_an_execution_counts_once_however_often_it_is_told() -> None:
    desk = Recorder()
    desk.order("a", (CALL, 1))
    desk.fill("a", 0, CALL, 1, "10", "1:7:2")
    cash = desk.book.cash
    desk.fill("a", 0, CALL, 1, "10", "1:7:2")
    assert (desk.book.cash, desk.book.holdings) == (cash, {CALL: 1})


def test_an_order_that_names_a_position_changes_that_one() -> None:
    desk = Recorder()
    desk.order("a", (CALL, -1), quantity=2)
    desk.fill("a", 0, CALL, -2, "10")
    desk.order("b", (CALL, 1), position_id="a")
    desk.fill("b", 0, CALL, 1, "9")
    assert desk.book.positions["a"].holdings == {CALL: -1}


def test_delivered_shares_join_the_position_that_owned_the_contracts_oldest_first() -> None:
    desk = Recorder()
    for name in ("first", "second"):
        desk.order(name, (PUT, 1), quantity=2)
        desk.fill(name, 0, PUT, 2, "49")
    before = desk.book.cash
    desk.account("expiry", PUT, -3, "0", 9)
    desk.account("expiry", "GOOG", -300, "800", 9)
    assert desk.book.positions["first"].holdings == {"GOOG": -200}
    assert desk.book.positions["second"].holdings == {PUT: 1, "GOOG": -100}
    assert desk.book.cash == before + 300 * 800
    assert desk.book.positions["first"].delivered


def test_a_cash_settled_assignment_moves_the_settlement() -> None:
    desk = Recorder("1055970")
    short = "SPX   210115C03200000"
    desk.order("a", (short, -1))
    desk.fill("a", 0, short, -1, "0")
    before = desk.book.cash
    desk.account("assignment", short, 1, "0", 4, "595.54")
    assert desk.book.cash == before - Decimal("59554.00")
    assert desk.book.positions == {}


def test_what_touches_no_lot_of_ours_is_external() -> None:
    desk = Recorder()
    desk.account("external", CALL, 3, "10", 5)
    assert desk.book.positions[EXTERNAL].holdings == {CALL: 3}


def test_a_deposit_is_a_flow_and_never_a_result() -> None:
    desk = Recorder()
    desk.add(CashMoved(ORIGIN, Decimal(-9000), "withdrawal"))
    assert (desk.book.cash, desk.book.flows, desk.book.realised) == (Decimal(91000), Decimal(-9000), 0)


@given(
    st.lists(
        st.tuples(st.sampled_from([CALL, OTHER, "GOOG"]), st.integers(-5, 5).filter(bool), st.integers(1, 9000)),
        max_size=30,
    )
)
def test_lots_always_sum_to_the_net_holding_and_cash_to_what_was_paid(
    fills: list[tuple[str, int, int]],
) -> None:
    desk = Recorder()
    paid = Decimal(0)
    for number, (symbol, quantity, cents) in enumerate(fills):
        order_id = f"o{number}"
        desk.order(order_id, (symbol, 1 if quantity > 0 else -1), quantity=abs(quantity))
        desk.fill(order_id, 0, symbol, quantity, str(Decimal(cents) / 100))
        paid += quantity * (Decimal(cents) / 100) * multiplier_of(symbol) + Decimal("0.65")
        lots: dict[str, int] = {}
        for position in desk.book.positions.values():
            for held, amount in position.holdings.items():
                lots[held] = lots.get(held, 0) + amount
        assert {held: amount for held, amount in lots.items() if amount} == desk.book.holdings
        assert desk.book.cash == 100000 - paid
        open_cash = sum((position.cash for position in desk.book.positions.values()), Decimal(0))
        assert open_cash + desk.book.realised == -paid


def test_a_dividend_is_a_result_of_the_positions_that_hold_the_shares_and_counts_once() -> None:
    desk = Recorder()
    for name, shares in (("a", 100), ("b", -30)):
        desk.order(name, ("GOOG", 1 if shares > 0 else -1), quantity=abs(shares))
        desk.fill(name, 0, "GOOG", shares, "700")
    before = {key: position.cash for key, position in desk.book.positions.items()}
    cash = desk.book.cash
    # The broker held ten more when it paid: sold since, or never ours.
    paid = DividendPaid(ORIGIN, "GOOG", Decimal("0.5"), 80, Decimal(40), "dividend GOOG 2015-12-24")
    desk.add(paid)
    desk.add(paid)
    moved = sorted(position.cash - before[key] for key, position in desk.book.positions.items())
    assert moved == [Decimal(-15), Decimal(50)]
    assert (desk.book.cash - cash, desk.book.flows, desk.book.realised) == (Decimal(40), 0, Decimal(5))
