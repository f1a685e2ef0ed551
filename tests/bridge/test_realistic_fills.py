"""The market that fills by chance: it keeps its limits and its seed, crosses cancels and amends, and can be learnt."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from actors.options.fills import Attempt, Exposure, FillTruth, Prior, believe, intervals, learn
from bridge import protocol
from bridge.paper import Market
from bridge.paper.bars import Instant
from bridge.paper.data import Feed, LeanFolder, MarketHours
from bridge.paper.fill_model import Fill
from bridge.paper.floor import Floor
from bridge.paper.orders import BrokerOrder
from bridge.paper.realistic import Realism, RealisticFills, exposed_seconds

DATA = Path(__file__).parents[1] / "data" / "lean"
DAY = dt.date(2015, 12, 24)
CALLS = tuple(f"GOOG  160219C00{strike}000" for strike in (740, 745, 750, 755))
PUTS = tuple(f"GOOG  160219P00{strike}000" for strike in (740, 745, 750, 755))
ALWAYS = FillTruth(rate=60.0)
NEVER = FillTruth(rate=-40.0)
PLAIN = Realism(rejects=0.0, whole=1.0, way_seconds=0.0, told_late=0.0)


@cache
def hours() -> MarketHours:
    return MarketHours.load(DATA)


@cache
def instants() -> tuple[Instant, ...]:
    return tuple(Feed(LeanFolder(DATA), hours(), DAY, DAY, underlyings=("GOOG",), symbols=(*CALLS, *PUTS)))


class Kept:
    """A feed that was read already."""

    def __init__(self) -> None:
        self.pinned: set[str] = set()
        self.underlyings = ("GOOG",)

    def __iter__(self) -> Iterator[Instant]:
        return iter(instants())


def no_margin(holdings: Any, price: Any, natural: Any) -> Decimal:
    return Decimal(0)


def opened(model: RealisticFills, steps: int = 5) -> Market:
    """A market some minutes into the day."""
    market = Market(Kept(), hours(), cash=Decimal(10_000_000), margin=no_margin, initial=no_margin, fills=model)
    market.hello()
    for _ in range(steps):
        step(market)
    return market


def step(market: Market) -> list[protocol.Event]:
    """One minute on; its events, those of the end of the last minute first."""
    events: list[protocol.Event] = []
    while True:
        for frame in market.next():
            if isinstance(frame, protocol.Events | protocol.Step):
                events += frame.events
            if isinstance(frame, protocol.Step | protocol.Goodbye):
                return events


def place(order_id: str, limit: Decimal, *legs: tuple[str, int], quantity: int = 4) -> protocol.PlaceOrder:
    return protocol.PlaceOrder(
        order_id, 1, tuple(protocol.Leg(*leg) for leg in legs), quantity, "limit", limit, None, None, "day", "",
        len(legs) > 1,
    )  # fmt: skip


def run(market: Market, *commands: protocol.Command) -> list[protocol.Event]:
    return list(market.settle(protocol.Done(commands, False)).events)


def statuses(events: Sequence[protocol.Event]) -> list[str]:
    return [event.status for event in events if isinstance(event, protocol.OrderEvent)]


def limit_at(market: Market, share: float, *legs: tuple[str, int]) -> Decimal:
    """A limit between far and natural now."""
    far = natural = 0.0
    for symbol, ratio in legs:
        prices = market.floor.prices[symbol]
        natural += ratio * (prices.ask if ratio > 0 else prices.bid)
        far += ratio * (prices.bid if ratio > 0 else prices.ask)
    return Decimal(str(round(far + share * (natural - far), 2)))


SPREAD = ((CALLS[1], 1), (CALLS[2], -1))
FLY = ((CALLS[0], 1), (CALLS[1], -2), (CALLS[2], 1))
COVERED = (("GOOG", 100), (CALLS[3], -1))
WIDE = ((CALLS[0], 2), (CALLS[2], -3))


@pytest.mark.parametrize("legs", [SPREAD, FLY, WIDE, ((PUTS[0], -1), (PUTS[1], 1)), ((PUTS[1], -1),), ((CALLS[0], 1),)])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0, 1.6])
def test_a_fill_costs_its_limit_or_natural_where_that_is_better(legs, share: float) -> None:
    market = opened(RealisticFills(1, PLAIN, ALWAYS))
    limit = limit_at(market, share, *legs)
    run(market, place("a", limit, *legs))
    events = [event for event in step(market) if isinstance(event, protocol.OrderEvent)]
    assert [event.status for event in events] == ["filled"] * len(legs)
    net = sum(event.fill_price * ratio for event, (_, ratio) in zip(events, legs, strict=True))
    best = min(limit, limit_at(market, 1.0, *legs))
    assert best - Decimal("0.0003") <= net <= best
    assert all(event.fill_price >= 0 for event in events)


def test_shares_and_calls_fill_for_the_net_per_share() -> None:
    market = opened(RealisticFills(1, PLAIN, ALWAYS))
    shares, call = market.floor.prices["GOOG"].price, market.floor.prices[CALLS[3]]
    limit = Decimal(str(round(shares - call.bid + 1, 2)))
    run(market, place("a", limit, *COVERED))
    events = [event for event in step(market) if isinstance(event, protocol.OrderEvent)]
    assert [event.fill_quantity for event in events] == [400, -4]
    assert events[0].fill_price - events[1].fill_price <= limit


def test_an_order_fills_once_it_has_worked_for_some_time_and_never_without_quotes() -> None:
    market = opened(RealisticFills(1, PLAIN, ALWAYS))
    assert statuses(run(market, place("a", Decimal("90"), (CALLS[0], 1)))) == ["submitted"]
    market.floor.prices[CALLS[0]].bid = math.nan
    model, order = market.broker.model, next(iter(market.broker.working.values()))
    market.floor.now += dt.timedelta(minutes=1)
    assert isinstance(model, RealisticFills)
    assert model.fills(order, market.floor, arriving=False) == ()
    assert model.conditions(order, market.floor) is None


def test_partial_fills_add_up_and_end_the_order() -> None:
    seen: set[str] = set()
    for seed in range(6):
        market = opened(RealisticFills(seed, Realism(rejects=0.0, whole=0.0, way_seconds=0.0), ALWAYS))
        run(market, place("a", limit_at(market, 1.0, *SPREAD), *SPREAD, quantity=7))
        filled = [0, 0]
        for _ in range(40):
            for event in step(market):
                if isinstance(event, protocol.OrderEvent):
                    filled[event.leg] += event.fill_quantity
                    seen.add(event.status)
            assert filled[0] == -filled[1], f"seed {seed}"
            if filled[0] == 7:
                break
        assert filled == [7, -7], f"seed {seed}"
        assert not market.broker.working
    assert seen == {"partially_filled", "filled"}


def test_legs_come_apart_only_where_the_venue_lets_them_and_meet_again() -> None:
    market = opened(RealisticFills(3, Realism(rejects=0.0, whole=1.0, apart=1.0, way_seconds=0.0), ALWAYS))
    run(market, place("a", limit_at(market, 1.0, *SPREAD), *SPREAD))
    first = [event.leg for event in step(market) if isinstance(event, protocol.OrderEvent)]
    assert len(first) == 1
    second = [event.leg for event in step(market) if isinstance(event, protocol.OrderEvent)]
    assert sorted((*first, *second)) == [0, 1]
    assert not market.broker.working


@pytest.mark.parametrize("late", [False, True])
def test_a_fill_crosses_a_cancel_and_is_told_before_or_after_it(late: bool) -> None:
    realism = Realism(rejects=0.0, whole=1.0, way_seconds=60.0, told_late=float(late))
    market = opened(RealisticFills(1, realism, ALWAYS))
    run(market, place("a", limit_at(market, 1.0, *SPREAD), *SPREAD))
    assert statuses(run(market, protocol.CancelOrder("a", ""))) == ["cancel_pending"]
    told = statuses(step(market))
    assert told == (["canceled", "canceled", "filled", "filled"] if late else ["filled", "filled"])
    assert {symbol: held.quantity for symbol, held in market.broker.portfolio.holdings.items()} == {
        CALLS[1]: 4, CALLS[2]: -4,
    }  # fmt: skip


def test_the_old_generation_fills_by_its_old_terms_and_the_amend_comes_too_late() -> None:
    realism = Realism(rejects=0.0, whole=1.0, way_seconds=60.0)
    market = opened(RealisticFills(1, realism, ALWAYS))
    old = limit_at(market, 0.5, *SPREAD)
    run(market, place("a", old, *SPREAD))
    events = run(market, protocol.AmendOrder("a", 1, 1, 9, limit_at(market, 1.0, *SPREAD), None, None, None))
    assert statuses(events) == ["filled", "filled"]
    prices = [event.fill_price for event in events if isinstance(event, protocol.OrderEvent)]
    assert prices[0] - prices[1] == old
    (returned,) = [event for event in events if isinstance(event, protocol.CallReturned)]
    assert (returned.ok, returned.message) == (False, "Too late to replace: the order has filled.")


def test_an_amend_below_what_filled_meanwhile_is_refused_and_the_order_works_on() -> None:
    market = opened(RealisticFills(2, Realism(rejects=0.0, whole=0.0, way_seconds=0.0), ALWAYS))
    run(market, place("a", limit_at(market, 1.0, *SPREAD), *SPREAD, quantity=100))
    step(market)
    (order,) = market.broker.working.values()
    filled = order.legs[0].filled
    assert 1 < filled < 100
    limit = order.limit_price
    events = run(market, protocol.AmendOrder("a", 1, 1, filled - 1, limit, None, None, None))
    (returned,) = [event for event in events if isinstance(event, protocol.CallReturned)]
    assert (returned.ok, returned.message) == (False, f"Too late to replace: more than {filled - 1} have filled.")
    assert order.working
    events = run(market, protocol.AmendOrder("a", 1, 2, filled, limit, None, None, None))
    assert statuses(events) == ["update_submitted"]
    assert not market.broker.working


def test_the_venue_turns_orders_away_at_its_rate() -> None:
    market = opened(RealisticFills(1, Realism(rejects=1.0), ALWAYS))
    events = run(market, place("a", limit_at(market, 1.0, *SPREAD), *SPREAD))
    assert statuses(events) == ["invalid", "invalid"]
    assert not market.broker.working
    market = opened(RealisticFills(1, Realism(rejects=0.1), NEVER))
    for number in range(300):
        run(market, place(f"o{number}", Decimal("1.00"), (CALLS[0], 1)))
    assert 15 <= 300 - len(market.broker.working) <= 50


def _played(seed: int, *, renew: bool = False) -> list[protocol.Event]:
    market, rng, told = opened(RealisticFills(seed)), random.Random(5), []
    for minute in range(25):
        legs = rng.choice((SPREAD, FLY, WIDE))
        told += run(market, place(f"o{minute}", limit_at(market, rng.uniform(0.3, 1.0), *legs), *legs))
        if rng.random() < 0.3:
            told += run(market, protocol.CancelOrder(f"o{rng.randint(0, minute)}", ""))
        if renew:
            market.broker.model = RealisticFills(seed)
        told += step(market)
    return told


def test_the_same_seed_gives_the_same_fills_whatever_model_object_is_asked() -> None:
    assert _played(11) == _played(11)
    assert _played(11, renew=True) == _played(11)
    assert _played(12) != _played(11)


class Noting(RealisticFills):
    """Keeps what each look at an order was, as a desk would have seen it."""

    def __init__(self, seed: int, truth: FillTruth) -> None:
        super().__init__(seed, PLAIN, truth)
        self.seen: dict[str, list[Exposure]] = {}

    def fills(self, order: BrokerOrder, floor: Floor, *, arriving: bool) -> Sequence[Fill]:
        found = super().fills(order, floor, arriving=arriving)
        conditions, seconds = self.conditions(order, floor), exposed_seconds(order, floor)
        if conditions is not None and seconds > 0 and not arriving:
            self.seen.setdefault(order.broker_id, []).append(Exposure(conditions, seconds, bool(found)))
        return found


def test_a_belief_learns_this_markets_truth_from_its_fills() -> None:
    truth = FillTruth(rate=-4.0, aggressiveness=7.0, spread=-0.5)
    model, rng = Noting(21, truth), random.Random(21)
    market = opened(model, steps=1)
    shapes = (SPREAD, FLY, ((CALLS[0], 1),), ((PUTS[0], -1),), ((PUTS[1], 1), (PUTS[2], -1)))
    for minute in range(200):
        commands: list[protocol.Command] = [
            protocol.CancelOrder(order.order_id, "") for order in market.broker.working.values() if rng.random() < 0.3
        ]
        for number in range(10):
            legs, quantity = rng.choice(shapes), rng.choice((1, 2, 5, 15))
            if all(market.floor.prices[symbol].bid > 0 for symbol, _ in legs):
                limit = limit_at(market, rng.uniform(0.0, 1.0), *legs)
                commands.append(place(f"o{minute}-{number}", limit or Decimal("0.01"), *legs, quantity=quantity))
        run(market, *commands)
        step(market)
    belief = believe(Prior(half_life_days=1e6))
    for exposures in model.seen.values():
        belief = learn(belief, Attempt(dt.datetime(2015, 12, 24, 18, tzinfo=dt.UTC), tuple(exposures)))
    assert belief.attempts > 1500
    for each, value in zip(intervals(belief, 0.999), truth.values, strict=True):
        assert each.low <= value <= each.high, each
    rate, aggressive = intervals(belief)[:2]
    assert aggressive.high - aggressive.low < 2.0, rate
