"""A seed is one market: the same for whoever looks, nothing of it known early, its quotes free of arbitrage."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Iterable
from decimal import Decimal

import pytest

from actors.options.contracts import Contract, parse_symbol
from bridge.paper.bars import Instant
from bridge.paper.data import parse_filter
from bridge.paper.synthetic import Exchange, SyntheticError, SyntheticFeed
from bridge.paper.synthetic.instruments import ACME, SESSIONS, dividends, expiries
from bridge.paper.synthetic.path import Path

CHAINS = (
    "SPX:weeklys,strikes=-6..6,days=0..40", "SPXW:weeklys,strikes=-6..6,days=0..20",
    "ACME:weeklys,strikes=-6..6,days=0..40", "NOVA:weeklys,strikes=-6..6,days=0..40",
)  # fmt: skip
DAY = dt.date(2026, 1, 15)


def feed(
    seed: int = 7, first: dt.date = DAY, last: dt.date = DAY, chains: Iterable[str] = CHAINS, **more
) -> SyntheticFeed:
    return SyntheticFeed(
        Exchange(seed), first, last, underlyings=("SPX", "ACME", "NOVA"),
        chains=[parse_filter(text) for text in chains], **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def day() -> list[Instant]:
    return list(feed())


def test_the_same_seed_gives_the_same_instants_and_another_seed_others(day: list[Instant]) -> None:
    again, other = feed(), feed(seed=8)
    assert repr(list(itertools.islice(again, 120))) == repr(day[:120])
    assert repr(list(itertools.islice(other, 120))) != repr(day[:120])


def test_an_instant_knows_nothing_of_how_long_the_run_goes_on(day: list[Instant]) -> None:
    longer = list(itertools.islice(feed(last=dt.date(2026, 1, 20)), len(day) - 2))
    assert repr(longer) == repr(day[:-2])


def test_a_contracts_quotes_are_the_same_alone_and_among_others_and_whenever_the_run_began(day: list[Instant]) -> None:
    symbol = next(symbol for instant in day for symbol in instant.listed if symbol.startswith("ACME  "))
    alone = list(feed(chains=(), symbols=(symbol,), first=dt.date(2026, 1, 13)))
    ours = [(i.at, i.updates[symbol]) for i in day if symbol in i.updates]
    theirs = [(i.at, i.updates[symbol]) for i in alone if symbol in i.updates and i.at >= day[0].at]
    assert len(ours) > 200
    assert repr(ours) == repr(theirs)


def test_finer_steps_pass_through_the_same_minutes() -> None:
    minute = {i.at: i.updates["ACME"].trade.close for i in feed(chains=()) if "ACME" in i.updates}
    fine = {i.at: i.updates["ACME"].trade.close for i in feed(chains=(), step=15) if "ACME" in i.updates}
    assert len(fine) == 4 * len(minute)
    assert all(fine[at] == close for at, close in minute.items())


def test_quotes_can_not_be_traded_against_each_other(day: list[Instant]) -> None:
    """At natural prices no vertical, butterfly, box or early exercise brings money, at any minute of the day."""
    bids: dict[Contract, float] = {}
    asks: dict[Contract, float] = {}
    looked = 0
    for number, instant in enumerate(day):
        for symbol, update in instant.updates.items():
            contract = parse_symbol(symbol)
            if isinstance(contract, Contract) and update.quote is not None:
                bid = update.quote.bid_close
                bids[contract], asks[contract] = bid, update.quote.ask_close
                assert 0 <= bid < update.quote.ask_close
        if number % 45 == 20:
            looked += _look(bids, asks)
    assert looked > 3000


def _look(bids: dict[Contract, float], asks: dict[Contract, float]) -> int:
    series: dict[tuple[str, dt.date, str], list[Contract]] = {}
    for contract in sorted(bids):
        series.setdefault((contract.root, contract.expiry, contract.right), []).append(contract)
    count = 0
    for (_, _, right), contracts in series.items():
        for low, high in itertools.pairwise(contracts):
            dear, cheap = (low, high) if right == "C" else (high, low)
            width = float(high.strike - low.strike)
            assert bids[cheap] <= asks[dear] + 1e-9
            assert bids[dear] - asks[cheap] <= width + 1e-9
            count += 1
        for low, middle, high in zip(contracts, contracts[1:], contracts[2:], strict=False):
            assert middle.strike - low.strike == high.strike - middle.strike
            assert 2 * bids[middle] <= asks[low] + asks[high] + 1e-9
    return count


def test_quotes_are_widest_after_the_open(day: list[Instant]) -> None:
    def width(instants: list[Instant]) -> float:
        spreads = [
            (u.quote.ask_close - u.quote.bid_close) / u.quote.ask_close
            for i in instants for symbol, u in i.updates.items()
            if symbol.startswith("SPXW") and u.quote is not None and u.quote.bid_close > 5
        ]  # fmt: skip
        return sum(spreads) / len(spreads)

    bars = [instant for instant in day if instant.kind == "bars"]
    assert width(bars[:3]) > 1.8 * width(bars[180:183])


def test_prices_jump_and_quotes_widen_in_the_stress_after_it() -> None:
    exchange, date = Exchange(7), DAY
    while True:
        session = exchange.path.session(date)
        minute = int(session.stress.argmax())
        if session.stress[minute] > 0.9 and 60 < minute < session.minutes - 60:
            break
        date = SESSIONS.next(date)
    moves = abs(session.logs[:, minute] - session.logs[:, minute - 1]) / session.deviations[:, minute - 1]
    assert moves.max() > 5  # standard deviations of that minute

    widths: list[list[float]] = []
    for instant in feed(first=date, last=date, chains=("NOVA:weeklys,strikes=-6..6,days=5..40",)):
        if instant.kind == "bars":
            spreads = [
                (update.quote.ask_close - update.quote.bid_close) / update.quote.ask_close
                for symbol, update in instant.updates.items()
                if len(symbol) > 6 and update.quote is not None and update.quote.bid_close > 1
            ]
            widths.append(spreads)
    before = [*itertools.chain.from_iterable(widths[minute - 11 : minute - 1])]
    after = [*itertools.chain.from_iterable(widths[minute : minute + 10])]
    assert sum(after) / len(after) > 1.2 * sum(before) / len(before), (date, minute)


def test_morning_series_trade_until_the_day_before_and_afternoon_series_until_the_close_of_shares() -> None:
    friday = dt.date(2026, 1, 16)
    instants = list(feed(first=friday, last=friday, chains=()))
    chain = ("SPX:weeklys,strikes=-2..2,days=0..0", "SPXW:weeklys,strikes=-2..2,days=0..0")
    instants = list(feed(first=friday, last=friday, chains=chain))
    close = SESSIONS.close(friday)
    last = {symbol: i.at for i in instants for symbol in i.updates}
    morning = [s for i in instants for s in i.listed if s.startswith("SPX   ")]
    assert morning
    assert not set(morning) & set(last)
    afternoon = {at for symbol, at in last.items() if symbol.startswith("SPXW")}
    assert afternoon
    assert close - dt.timedelta(minutes=10) <= max(afternoon) <= close


def test_a_half_day_ends_early() -> None:
    bars = [i for i in feed(first=dt.date(2026, 11, 27), last=dt.date(2026, 11, 27), chains=()) if i.kind == "bars"]
    assert [i.at for i in bars if "ACME" in i.updates][-1] == dt.datetime(2026, 11, 27, 18, 0, tzinfo=dt.UTC)
    assert len(bars) == 225


def test_a_stock_falls_by_its_dividend() -> None:
    path = Path(7)
    moves = [
        float(path.session(ex_date).logs[1, 0]) - math.log(path.close(SESSIONS.previous(ex_date))[1])
        for year in range(2024, 2044)
        for ex_date, _ in dividends("ACME", year)
    ]
    assert -0.006 < sum(moves) / len(moves) < -0.002


def test_options_expect_the_dividend_until_the_ex_date() -> None:
    (ex_date, paid), *_ = dividends("ACME", 2026)
    assert paid == ACME.dividend > 0
    expiry = next(date for date in expiries("ACME", ex_date) if date > ex_date)
    gaps = [_forward(date, expiry) for date in (SESSIONS.previous(ex_date), ex_date)]
    assert gaps[0] == pytest.approx(-float(paid), abs=0.15)
    assert gaps[1] == pytest.approx(0.0, abs=0.15)


def _forward(date: dt.date, expiry: dt.date) -> float:
    """What parity says of the forward less the stock's price, at noon."""
    days = (expiry - date).days
    instants = list(feed(first=date, last=date, chains=(f"ACME:weeklys,strikes=-1..1,days={days}..{days}",)))
    middles: dict[str, float] = {}
    for instant in instants[:150]:
        for symbol, update in instant.updates.items():
            if update.quote is not None:
                middles[symbol] = (update.quote.bid_close + update.quote.ask_close) / 2
    call = next(symbol for symbol in middles if symbol[12:13] == "C")
    put = call[:12] + "P" + call[13:]
    return float(call[13:]) / 1000 + middles[call] - middles[put] - middles["ACME"]


def test_it_lists_weeklies_monthlies_and_both_fixings() -> None:
    monday = dt.date(2026, 1, 5)
    assert dt.date(2026, 1, 16) in expiries("SPX", monday)
    assert dt.date(2026, 1, 9) not in expiries("SPX", monday)
    assert {dt.date(2026, 1, 5), dt.date(2026, 1, 7), dt.date(2026, 1, 9), dt.date(2026, 1, 16)} <= set(
        expiries("SPXW", monday)
    )
    assert {dt.date(2026, 1, 9), dt.date(2026, 1, 16), dt.date(2026, 3, 20)} <= set(expiries("ACME", monday))
    # Good Friday has no session: that week's series ends on the Thursday.
    assert dt.date(2026, 4, 2) in expiries("ACME", dt.date(2026, 3, 30))


def test_a_listing_never_loses_a_contract_before_it_expired() -> None:
    exchange = Exchange(11)
    date, known = dt.date(2026, 1, 5), set()
    for _ in range(40):
        now = set(exchange.listed("ACME", date).contracts)
        assert {contract for contract in known if contract.expiry >= date} <= now
        known, date = now, SESSIONS.next(date)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"first": dt.date(2019, 1, 2)}, "not within the synthetic market's 2024-01-02"),
        ({"chains": ("GOOG:weeklys,strikes=-1..1,days=0..9",)}, "no GOOG"),
        ({"symbols": ("GOOG  160115C00750000",)}, "no GOOG"),
        ({"step": 7}, "7 seconds does not divide a minute"),
    ],
)
def test_what_it_does_not_have_is_named(given: dict, words: str) -> None:
    with pytest.raises(SyntheticError, match=words):
        feed(**given)


def test_a_contract_that_is_not_listed_yet_has_no_quotes() -> None:
    far = "ACME  260619C00180000"
    assert not any(
        far in instant.updates or far in instant.open_interest for instant in feed(chains=(), symbols=(far,))
    )


def test_open_interest_is_whole_and_most_at_the_money(day: list[Instant]) -> None:
    interest = next(instant.open_interest for instant in day if instant.open_interest)
    assert all(value == int(value) >= 0 for value in interest.values())
    assert max(interest.values()) > 500
    assert Decimal(str(sum(interest.values()))) > 10000
