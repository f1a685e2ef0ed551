"""The ticket in dollars and words."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.options.buying_power import Account
from actors.options.orders import LegsError, OrderLeg
from actors.options.preview import BookSeen, PreviewRules, Ticket, preview
from actors.options.risk_market import risk_order
from tests.options.kit_risk import market, symbol

# A condor five dollars wide on either side of a stock at 100.
LOW, PUT, CALL, HIGH = symbol("P", 90), symbol("P", 95), symbol("C", 105), symbol("C", 110)
CONDOR = (OrderLeg(LOW, 1), OrderLeg(PUT, -1), OrderLeg(CALL, -1), OrderLeg(HIGH, 1))
LATER = symbol("C", 105, "160318")
CHAIN = market([LOW, PUT, CALL, HIGH, LATER], {"GOOG": 100.0})
ACCOUNT = Account("reg_t", Decimal(100000), Decimal(100000))
FLAT = BookSeen(ACCOUNT, {})
RULES = PreviewRules()


def test_an_iron_condor_reads_as_the_desk_says_it() -> None:
    """5 x 1.05 x 100 = 525.00 in; 20 contracts x 0.65 = 13.00; 5 x (5.00 - 1.05) x 100 = 1,975.00 at most."""
    found = preview(Ticket(CONDOR, 5, Decimal("-1.05")), FLAT, CHAIN, RULES)
    assert found.words == (
        "SELL 5 iron condors for a credit of at least 1.05 ($525.00), fees 13.00, max loss $1,975.00"
    )
    assert found.maximum_loss == Decimal("1975.00")
    assert found.maximum_profit == Decimal("525.00")
    assert found.break_evens == (Decimal("93.95"), Decimal("106.05"))
    assert found.debit == Decimal("-525.00")
    assert found.vertices[0] == (Decimal(0), Decimal("-1975.00"))
    # The width of one side must stay in the account: 525 - 13 - 2,500.
    assert found.buying_power is not None
    assert found.buying_power.change == Decimal("-1988.00")
    assert found.buying_power.after == Decimal("98012.00")
    assert found.passes
    assert {verdict.control for verdict in found.verdicts} >= {
        "size", "maximum_loss", "buying_power", "scenario_5", "scenario_10", "scenario_20", "gap_3", "underlying",
        "expiry", "beta_delta", "gamma_2", "delivery",
    }  # fmt: skip
    assert any("beta not known: GOOG" in note for note in found.notes)


def test_natural_pays_asks_and_hits_bids() -> None:
    found = preview(Ticket(CONDOR, 1, Decimal("-1.05")), FLAT, CHAIN, RULES)
    assert found.natural is not None
    assert found.far is not None
    # Four legs, each half a width of 0.05 away from its middle.
    assert found.natural - found.far == pytest.approx(Decimal("0.40"), abs=Decimal("0.00001"))
    assert found.middle == (found.natural + found.far) / 2


def test_a_short_strangle_is_refused_by_its_loss_and_says_so() -> None:
    strangle = (OrderLeg(PUT, -1), OrderLeg(CALL, -1))
    found = preview(Ticket(strangle, 1, Decimal("-3.00")), FLAT, CHAIN, RULES)
    assert found.maximum_loss == "unlimited"
    assert not found.passes
    assert "max loss unlimited" in found.words
    assert [v.words for v in found.verdicts if v.control == "maximum_loss"] == [
        "maximum loss is unlimited, at most 2,000.00 (2 % of equity) may be"
    ]


def test_closing_is_named_after_what_is_closed_and_is_refused_by_no_limit() -> None:
    held = {LOW: 5, PUT: -5, CALL: -5, HIGH: 5}
    poor = Account("reg_t", Decimal(3000), Decimal(500))
    book = BookSeen(poor, held, position=held)
    order = Ticket(tuple(OrderLeg(leg.symbol, -leg.ratio) for leg in CONDOR), 5, Decimal("0.50"))
    apart = preview(order, book, CHAIN, RULES)
    assert apart.words == "BUY 5 iron condors to close for a debit of at most 0.50 ($250.00), fees 13.00"
    assert not apart.reducing
    whole = preview(order, book, CHAIN, PreviewRules(legs_fill_apart=False))
    assert whole.reducing
    assert whole.passes


def test_legs_that_expire_apart_are_an_estimate() -> None:
    calendar = (OrderLeg(CALL, -1), OrderLeg(LATER, 1))
    found = preview(Ticket(calendar, 1, Decimal("1.50")), FLAT, CHAIN, RULES)
    assert found.estimated
    assert isinstance(found.maximum_loss, Decimal)
    # Nearly all of the debit is lost far away from the strike, where both are worth nothing or the same.
    assert Decimal("149.00") < found.maximum_loss <= Decimal("150.00")
    assert len(found.break_evens) == 2
    assert "(estimated)" in found.words


def test_working_orders_take_buying_power_too() -> None:
    working = risk_order("o1", CONDOR, 5, Decimal("-1.05"), fees=Decimal("13.00"))
    found = preview(Ticket(CONDOR, 5, Decimal("-1.05")), BookSeen(ACCOUNT, {}, (working,)), CHAIN, RULES)
    assert found.buying_power is not None
    assert found.buying_power.before == Decimal("98012.00")
    assert found.buying_power.after == Decimal("96024.00")


def test_probability_is_asked_with_round_trip_fees_taken_off() -> None:
    asked = []

    def probability(quantities, cash) -> float:
        asked.append((dict(quantities), cash))
        return 0.7

    found = preview(Ticket(CONDOR, 5, Decimal("-1.05")), FLAT, CHAIN, RULES, probability)
    assert found.probability_of_profit == 0.7
    assert asked == [({LOW: 5, PUT: -5, CALL: -5, HIGH: 5}, Decimal("499.00"))]


def test_missing_quotes_are_named_not_raised() -> None:
    bare = msgspec.structs.replace(
        CHAIN,
        options={
            name: msgspec.structs.replace(seen, bid=float("nan"), volatility=float("nan"))
            if name == HIGH
            else seen
            for name, seen in CHAIN.options.items()
        },
    )  # fmt: skip
    found = preview(Ticket(CONDOR, 1, Decimal("-1.05")), FLAT, bare, RULES)
    assert found.natural is not None
    assert found.far is None
    assert any("volatility taken from a neighbour: GOOG  160219C00110000" in note for note in found.notes)


def test_bad_bodies_are_refused() -> None:
    with pytest.raises(LegsError):
        preview(Ticket((), 1, Decimal(1)), FLAT, CHAIN, RULES)
    with pytest.raises(ValueError, match="quantity 0 must be at least 1"):
        preview(Ticket(CONDOR, 0, Decimal(1)), FLAT, CHAIN, RULES)


def test_the_answer_is_json() -> None:
    found = preview(Ticket(CONDOR, 5, Decimal("-1.05")), FLAT, CHAIN, RULES)
    assert b"SELL 5 iron condors" in msgspec.json.encode(found)
