"""The instants of a run are LEAN's, the values its files', and nothing is known before its minute has ended."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from bridge.paper.data import Feed, LeanFolder, MarketHours, SubscriptionError, parse_filter, select
from bridge.paper.prices import Prices

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("feed_traces", ROOT / "tests" / "conformance" / "traces.py")
assert _SPEC is not None
assert _SPEC.loader is not None
traces = importlib.util.module_from_spec(_SPEC)
sys.modules["feed_traces"] = traces
_SPEC.loader.exec_module(traces)
HOURS = MarketHours.load(traces.DATA)
RECORDED = tuple(name for name in traces.NAMES if name != "strategies")
SPX = tuple(f"SPX   210115{right}0{strike}000" for right, strike in (("C", 3200), ("C", 4250), ("P", 3200)))


def feed(trace) -> Feed:
    return Feed(
        LeanFolder(traces.DATA), HOURS, dt.date.fromisoformat(trace.first), dt.date.fromisoformat(trace.last),
        underlyings=(trace.underlying,), chains=(parse_filter(trace.subscribe),) if trace.subscribe else (),
        symbols=() if trace.subscribe else SPX,
    )  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_minutes_come_exactly_when_leans_slices_came(name: str) -> None:
    trace = traces.read(name)
    ours = [traces.stamp(str(instant.at)) for instant in feed(trace) if instant.kind == "bars"]
    # LEAN also calls on_data at midnight for delistings; ours are steps of their own kind.
    assert ours == [at for at in trace.steps if at[11:16] not in ("05:00", "06:00")]


@pytest.mark.parametrize("name", RECORDED)
def test_every_quote_that_was_recorded_is_ours(name: str) -> None:
    rows = [json.loads(line) for line in (traces.TRACES / f"{name}.jsonl").read_text().splitlines()]
    wanted: dict[str, list] = {}
    for row in rows:
        if row["kind"] == "quotes":
            wanted.setdefault(traces.stamp(row["at"]), []).extend(row["legs"])
    prices: dict[str, Prices] = {}
    checked = 0
    for instant in feed(traces.read(name)):
        for symbol, update in instant.updates.items():
            prices.setdefault(symbol, Prices(quoted=True)).update(instant.at, update)
        for symbol, interest in instant.open_interest.items():
            prices.setdefault(symbol, Prices(quoted=True)).open_interest = interest
        for leg in wanted.get(traces.stamp(str(instant.at)), ()) if instant.kind == "bars" else ():
            seen = prices[leg["symbol"]]
            assert (seen.bid, seen.ask) == (leg["bid"], leg["ask"]), leg["symbol"]
            assert (seen.bid_size, seen.ask_size) == (leg["bid_size"], leg["ask_size"]), leg["symbol"]
            assert (0.0 if seen.last != seen.last else seen.last) == leg["last"]
            assert (0.0 if seen.open_interest != seen.open_interest else seen.open_interest) == leg["oi"]
            checked += 1
    assert checked == sum(len(legs) for legs in wanted.values())


@pytest.mark.parametrize(
    ("subscribe", "count"),
    [
        ("GOOG:standards,strikes=-10..10,days=0..180", 96), ("GOOG:standards,strikes=-12..12,days=0..180", 114),
        ("GOOG:standards,strikes=-30..30,days=0..40", 120), ("GOOG:standards,strikes=-40..40,days=0..180", 378),
        ("GOOG:weeklys,strikes=-40..40,days=0..10", 238), ("GOOG:weeklys,strikes=-30..30,days=0..60", 704),
    ],
)  # fmt: skip
def test_a_filter_selects_as_many_contracts_as_leans(subscribe: str, count: int) -> None:
    day = dt.date(2015, 12, 24)
    listed = LeanFolder(traces.DATA).listed("GOOG", day)
    assert listed is not None
    assert len(select(listed, parse_filter(subscribe), day)) == count


@pytest.mark.parametrize(
    "text", ["GOOG", "GOOG:monthly,strikes=-1..1,days=0..9", "GOOG:weeklys,strikes=5..1,days=0..9"]
)
def test_a_filter_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(SubscriptionError):
        parse_filter(text)


def test_sessions_know_half_days_holidays_and_that_options_follow_their_underlying() -> None:
    half, christmas, king = dt.date(2015, 12, 24), dt.date(2015, 12, 25), dt.date(2021, 1, 18)
    for symbol in ("GOOG", "GOOG  160219C00750000"):
        session = HOURS.session(symbol, half)
        assert session is not None
        assert [at.hour for at in session] == [14, 18]
        assert HOURS.session(symbol, christmas) is None
    for symbol in ("SPX", SPX[0]):
        assert HOURS.session(symbol, king) is None
        session = HOURS.session(symbol, dt.date(2021, 1, 14))
        assert session is not None
        assert str(session[1].time()) == "21:15:00"


def test_without_a_universe_a_contract_joins_with_its_first_quote_and_never_before() -> None:
    day = dt.date(2023, 8, 3)
    folder = LeanFolder(traces.DATA)
    assert folder.listed("SPY", day) is None
    run = Feed(
        folder, HOURS, day, day, underlyings=("SPY",), chains=(parse_filter("SPY:weeklys,strikes=-30..30,days=0..60"),)
    )
    joined = {symbol: instant.at for instant in run for symbol in instant.listed if symbol != "SPY"}
    firsts = {contract.symbol: row for contract, row in LeanFolder(traces.DATA).first_quotes("SPY", day).items()}
    assert set(joined) == set(firsts)
    midnight = dt.datetime(2023, 8, 3, 4, tzinfo=dt.UTC)
    for symbol, at in joined.items():
        quoted = midnight + dt.timedelta(milliseconds=int(firsts[symbol].split(b",")[0])) + dt.timedelta(minutes=1)
        assert at >= quoted


@pytest.mark.parametrize("last", [dt.date(2021, 1, 15), dt.date(2021, 1, 16), dt.date(2021, 1, 18)])
def test_time_never_goes_back_where_an_index_run_ends_without_a_session(last: dt.date) -> None:
    run = list(Feed(LeanFolder(traces.DATA), HOURS, dt.date(2021, 1, 15), last, underlyings=("SPX",)))
    assert [instant.at for instant in run] == sorted(instant.at for instant in run)
    assert run[-1].kind == "end"


def test_an_old_universe_is_not_taken_for_todays() -> None:
    folder = LeanFolder(traces.DATA)
    assert folder.listed("SPY", dt.date(2024, 1, 16)) is not None
    assert folder.listed("SPY", dt.date(2024, 1, 17)) is None


def test_contracts_stay_subscribed_through_days_without_files_until_they_expire() -> None:
    chain = parse_filter("SPY:weeklys,strikes=-30..30,days=0..60")
    run = list(Feed(LeanFolder(traces.DATA), HOURS, dt.date(2023, 8, 3), dt.date(2023, 8, 4), chains=(chain,)))
    joined = {symbol for instant in run for symbol in instant.listed}
    assert len(joined) == 5
    assert not [symbol for instant in run for symbol in instant.unlisted]
    assert [instant for instant in run if instant.kind == "bars"][-1].open == joined


def _run_counts(trace) -> list[tuple[str, int, int]]:
    quotes: set[str] = set()
    trades: set[str] = set()
    counts: list[tuple[str, int, int]] = []
    for instant in feed(trace):
        expired = {
            symbol for symbol in quotes | trades
            if instant.kind == "midnight" and len(symbol) == 21
            and f"20{symbol[6:12]}" < f"{instant.at - dt.timedelta(hours=5):%Y%m%d}"
        }  # fmt: skip
        quotes -= expired | set(instant.unlisted)
        trades -= expired | set(instant.unlisted)
        quotes |= {symbol for symbol, update in instant.updates.items() if update.quote is not None}
        trades |= {symbol for symbol, update in instant.updates.items() if update.trade is not None}
        if instant.kind == "bars":
            counts.append((traces.stamp(str(instant.at)), len(trades), len(quotes)))
    return counts


@pytest.mark.parametrize("name", RECORDED)
def test_as_many_securities_have_bars_and_quotes_as_in_every_slice_of_leans(name: str) -> None:
    rows = [json.loads(line) for line in (traces.TRACES / f"{name}.jsonl").read_text().splitlines()]
    slices = [
        (traces.stamp(row["at"]), row["bars"], row["quotes"])
        for row in rows
        if row["kind"] == "on_data" and traces.stamp(row["at"])[11:16] not in ("05:00", "06:00")
    ]
    assert _run_counts(traces.read(name)) == slices
