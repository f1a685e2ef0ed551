"""The gate on the whole book: buying power by the account's margin and the desk's limits, each named with value and
limit. Lean's rules know none of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
from kit import CALLS, PUTS, START, Desk

from actors.messages.market import MarketQuotes, SecuritySeen
from actors.options.contracts import Contract, parse_symbol
from actors.options.limits import RiskLimits
from actors.options.pricing import black76
from actors.risk_view import next_open, risk_market
from config.desk import LEAN_RULES, DeskRules

RULES = DeskRules(
    cancel_entries_before_close_seconds=0.0, maximum_loss_fraction=Decimal("0.5"), maximum_order_contracts=100
)
NONE = RiskLimits(
    move_5=None, move_10=None, move_20=None, underlying=None, expiry=None, gap_3=None, delivery=None, assigned=False,
    beta_delta=None, gamma_2=None,
)  # fmt: skip
CONDOR = ((PUTS[0], 1), (PUTS[1], -1), (CALLS[2], -1), (CALLS[3], 1))


class PricedDesk(Desk):
    """A desk whose quotes are Black-76 at 30 % around a stock at 755."""

    spot = 755.0

    def quote(self, bid: float = 0.0, ask: float = 0.0) -> None:
        symbols = ("GOOG", *CALLS, *PUTS)
        middle = np.array([self._worth(symbol) for symbol in symbols])
        full = np.full
        count = len(symbols)
        securities = tuple(_security(number, symbol) for number, symbol in enumerate(symbols, start=1))
        self.core.view(
            MarketQuotes(
                1, self.now, 1, securities, {symbol: row for row, symbol in enumerate(symbols)}, middle - 0.1,
                middle + 0.1, full(count, 10.0), full(count, 10.0), np.array([self.spot] + [np.nan] * (count - 1)),
                full(count, 0.0), full(count, 100.0), full(count, self.now.timestamp()), {"GOOG": self.now},
                frozenset({"GOOG"}),
            ),
            self.now,
        )  # fmt: skip

    def _worth(self, symbol: str) -> float:
        contract = parse_symbol(symbol)
        if not isinstance(contract, Contract):
            return self.spot
        years = (_END - self.now).total_seconds() / (365 * 24 * 3600)
        return float(black76(self.spot, float(contract.strike), years, 0.3, 1.0, contract.right == "C"))

    def reasons(self, order_id: str) -> dict[str, Any]:
        """Controls that denied an order, by name."""
        denied = [fact.fact for fact in self.facts if type(fact.fact).__name__ == "OrderDenied"]
        return {reason.control: reason for fact in denied if fact.order_id == order_id for reason in fact.reasons}


_END = dt.datetime(2016, 2, 19, 21, 0, tzinfo=dt.UTC)


def _security(number: int, symbol: str) -> SecuritySeen:
    option = symbol != "GOOG"
    return SecuritySeen(
        number, symbol, "option" if option else "equity", "GOOG", 100 if option else 1,
        "american" if option else "", "physical" if option else "", Decimal("0.01"),
        _END if option else None, _END if option else None,
    )  # fmt: skip


def test_a_small_condor_passes() -> None:
    desk = PricedDesk(RULES)
    desk.submit("a", *CONDOR, limit="-3.50")
    assert desk.order("a").state == "sent", desk.reasons("a")


def test_a_large_condor_is_refused_by_the_loss_of_its_underlying() -> None:
    desk = PricedDesk(RULES)
    desk.submit("a", *CONDOR, limit="-3.50", quantity=20)
    reasons = desk.reasons("a")
    # 20 condors 10 wide for 3.50 lose up to 13,000: over 5, 6, 8 and 12 % of 100,000, under 20 %.
    assert {"scenario_5", "scenario_10", "underlying", "expiry"} <= set(reasons)
    assert not {"scenario_20", "buying_power", "size"} & set(reasons)
    found = reasons["underlying"]
    assert found.limit == "5000.00"
    assert float(found.value) > 5000
    assert found.message.startswith("GOOG at worst (spot ")
    assert "5 % of equity" in found.message


def test_working_orders_count_before_they_fill() -> None:
    desk = PricedDesk(RULES)
    for name in ("a", "b"):
        desk.submit(name, *CONDOR, limit="-3.50", quantity=4)
    assert desk.order("a").state == "sent"
    # Each may lose 2,600; both 5,200.
    assert float(desk.reasons("b")["underlying"].value) > 5000


def test_buying_power_is_the_accounts_margin_with_its_arithmetic() -> None:
    """50 spreads 10 wide for a credit of 1.00: 50,000 asked, 5,000 come in, 65.00 in fees; 15 % of 60,000 must stay."""
    rules = msgspec.structs.replace(RULES, limits=NONE, maximum_loss_fraction=Decimal(1))
    desk = PricedDesk(rules, cash="60000")
    legs = ((PUTS[1], -1), (PUTS[0], 1))
    desk.submit("fits", *legs, limit="-1.00", quantity=50)
    assert desk.order("fits").state == "sent", desk.reasons("fits")
    desk = PricedDesk(rules, cash="50000")
    desk.submit("a", *legs, limit="-1.00", quantity=50)
    found = desk.reasons("a")["buying_power"]
    assert (found.value, found.limit) == ("4935.00", "7500.00")
    assert found.message == (
        "4,935.00 of buying power would be left, 7,500.00 must be; "
        "buying power -45,065.00: credit 5,000.00, fees 65.00, initial requirement +50,000.00"
    )


def test_an_ira_refuses_what_is_uncovered() -> None:
    rules = msgspec.structs.replace(RULES, account="ira", limits=NONE, maximum_loss_fraction=Decimal(1))
    desk = PricedDesk(rules)
    desk.submit("a", (CALLS[2], -1), limit="-20.00")
    assert "account" in desk.reasons("a")
    assert "an IRA may not be" in desk.reasons("a")["account"].message


def test_an_exit_is_asked_for_no_margin_and_no_limit() -> None:
    desk = PricedDesk(msgspec.structs.replace(RULES, limits=NONE, maximum_loss_fraction=Decimal(1)))
    desk.submit("a", (PUTS[1], -1), (PUTS[0], 1), limit="-3.00", quantity=10)
    desk.sent()
    desk.accept("a")
    desk.fill("a", 0)
    desk.fill("a", 1)
    desk.submit("out", (PUTS[1], 1), limit="40.00", quantity=10, position_id="a")
    assert desk.order("out").state == "sent", desk.reasons("out")


def test_lean_rules_ask_nothing_of_the_book() -> None:
    desk = PricedDesk(LEAN_RULES)
    desk.submit("a", *CONDOR, limit="-3.50", quantity=500)
    assert desk.order("a").state == "sent"


def test_a_decision_names_a_price_that_is_missing() -> None:
    desk = PricedDesk(RULES)
    desk.spot = float("nan")
    desk.wait(1)
    desk.quote()
    desk.submit("a", *CONDOR, limit="-3.50")
    assert desk.reasons("a")["margin"].message == "GOOG has no price: its margin is not known"


class Days:
    """Sessions on weekdays, 14:30 to 21:00 UTC."""

    def is_session(self, date: dt.date) -> bool:
        return date.weekday() < 5

    def open(self, date: dt.date) -> dt.datetime:
        return dt.datetime.combine(date, dt.time(14, 30), tzinfo=dt.UTC)

    def close(self, date: dt.date) -> dt.datetime:
        return dt.datetime.combine(date, dt.time(21), tzinfo=dt.UTC)

    def next(self, date: dt.date) -> dt.date:
        after = date + dt.timedelta(days=1)
        return after if self.is_session(after) else self.next(after)

    def previous(self, date: dt.date) -> dt.date:
        before = date - dt.timedelta(days=1)
        return before if self.is_session(before) else self.previous(before)


def test_the_next_open_is_the_calendars() -> None:
    friday = dt.datetime(2016, 1, 8, 15, 0, tzinfo=dt.UTC)
    assert next_open(friday, Days()) == dt.datetime(2016, 1, 11, 14, 30, tzinfo=dt.UTC)
    assert next_open(friday.replace(hour=9), Days()) == friday.replace(hour=14, minute=30)
    assert next_open(friday, None) == friday + dt.timedelta(days=1)


def test_the_view_brings_volatility_forward_and_quotes() -> None:
    desk = PricedDesk(RULES)
    market = risk_market(desk.core.market, [CALLS[1], "GOOG", "GOOG  160318C00750000"], START)
    seen = market.options[CALLS[1]]
    assert abs(seen.volatility - 0.3) < 0.01
    assert abs(seen.forward - 755.0) < 0.5
    assert seen.settles_at == _END
    assert market.underlyings["GOOG"].spot == 755.0
    assert market.underlyings["GOOG"].beta is None
    # Not listed: no quotes, no volatility, and still a contract.
    assert market.options["GOOG  160318C00750000"].volatility != market.options["GOOG  160318C00750000"].volatility
