"""An exported stretch, played back from its files, is the synthetic market: the same instants, the same journal."""

from __future__ import annotations

import bisect
import datetime as dt
import json
from pathlib import Path

import pytest

from actors.runtime import MemoryJournal
from bridge.paper.bars import Instant
from bridge.paper.data import Feed, LeanFolder, MarketHours, parse_filter
from bridge.paper.synthetic import Exchange, SyntheticFeed, export
from bridge.paper.synthetic.instruments import SESSIONS, expiries
from daemon.cli import main
from daemon.replay import ReplayRequest, replay
from daemon.replay.report import Report

SEED = 7
FIRST, LAST = dt.date(2026, 1, 8), dt.date(2026, 1, 9)
CHAINS = (
    "SPX:weeklys,strikes=-4..4,days=0..40", "SPXW:weeklys,strikes=-4..4,days=0..10",
    "ACME:weeklys,strikes=-5..5,days=0..20", "NOVA:weeklys,strikes=-5..5,days=0..20",
)  # fmt: skip
TICKERS = ("SPX", "ACME", "NOVA")


def script(exchange: Exchange, first: dt.date, last: dt.date) -> str:
    """Every session: a condor held to its end, a vertical amended and closed, options and shares bought and let
    expire, something far from the market cancelled."""
    lines: list[dict] = []
    date = first
    while date <= last:
        if SESSIONS.is_session(date):
            lines += _session(exchange, date)
        date += dt.timedelta(days=1)
    return "\n".join(json.dumps(line) for line in lines)


def _session(exchange: Exchange, date: dt.date) -> list[dict]:
    opens = SESSIONS.open(date)

    def at(minutes: int) -> str:
        return (opens + dt.timedelta(minutes=minutes)).isoformat()

    def near(root: str, right: str, steps: int, least: int) -> str:
        listed = exchange.listed(root, date)
        expiry = next(each for each in expiries(root, date) if (each - date).days >= least)
        strikes = sorted({each.strike for each in listed.contracts if each.expiry == expiry})
        strike = strikes[bisect.bisect_left([float(each) for each in strikes], listed.spot) + steps]
        return next(
            each.symbol for each in listed.contracts
            if (each.expiry, each.right, each.strike) == (expiry, right, strike)
        )  # fmt: skip

    def submit(minutes: int, name: str, legs: list[tuple[str, int]], **more) -> dict:
        body = {"legs": [{"symbol": symbol, "ratio": ratio} for symbol, ratio in legs], "quantity": 1, **more}
        return {"at": at(minutes), "submit": {"order_id": f"{date:%m%d}-{name}", **body}}

    condor = [
        (near("SPXW", "P", -3, 1), 1), (near("SPXW", "P", -2, 1), -1), (near("SPXW", "C", 2, 1), -1),
        (near("SPXW", "C", 3, 1), 1),
    ]  # fmt: skip
    vertical = [(near("ACME", "C", 0, 5), 1), (near("ACME", "C", 2, 5), -1)]
    back = [(symbol, -ratio) for symbol, ratio in vertical]
    return [
        submit(10, "condor", condor, type="limit", limit_price="-2.00"),
        submit(12, "vertical", vertical, type="limit", limit_price="0.50"),
        submit(15, "put", [(near("NOVA", "P", 3, 0), 1)], type="market"),
        submit(16, "call", [(near("NOVA", "C", -3, 0), 1)], type="market"),
        submit(20, "shares", [("ACME", 1)], type="market"),
        submit(25, "dreamer", [(near("SPX", "C", 0, 5), 1)], type="limit", limit_price="1.00"),
        {"at": at(40), "amend": {"order_id": f"{date:%m%d}-vertical", "limit_price": "4.90"}},
        {"at": at(50), "cancel": {"order_id": f"{date:%m%d}-dreamer"}},
        submit(180, "vertical-close", back, type="market"),
    ]


def legs(text: str) -> list[str]:
    """What a script trades is played from the first day on, so it is written from then."""
    lines = [json.loads(line) for line in text.splitlines()]
    return [leg["symbol"] for line in lines if "submit" in line for leg in line["submit"]["legs"]]


def played(exchange: Exchange, first: dt.date, last: dt.date, folder: Path | None) -> Report:
    return replay(
        ReplayRequest(
            data=folder, synthetic=None if folder else SEED, first=first, last=last, underlyings=TICKERS,
            subscribe=CHAINS, script_text=script(exchange, first, last),
        ),
        journal=MemoryJournal(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "data"
    chains = [parse_filter(text) for text in CHAINS]
    exchange = Exchange(SEED)
    assert export(exchange, folder, FIRST, LAST, chains, legs(script(exchange, FIRST, LAST))) == 2
    return folder


def test_the_files_hold_the_same_instants(exported: Path) -> None:
    chains = [parse_filter(text) for text in CHAINS]
    made = SyntheticFeed(Exchange(SEED), FIRST, LAST, underlyings=TICKERS, chains=chains)
    hours = MarketHours.load(exported)
    read = Feed(LeanFolder(exported), hours, FIRST, LAST, underlyings=TICKERS, chains=chains)
    count = 0
    for ours, theirs in zip(made, read, strict=True):
        assert _told(ours) == _told(theirs), ours.at
        count += len(ours.updates)
    assert count > 50_000


def _told(instant: Instant) -> tuple:
    """Everything of an instant."""
    return (
        instant.at, instant.kind, instant.updates, instant.open, instant.listed,
        instant.unlisted, instant.open_interest, instant.dividends,
    )  # fmt: skip


def test_the_journal_is_the_same_from_the_seed_and_from_the_files(exported: Path) -> None:
    exchange = Exchange(SEED)
    made, read = played(exchange, FIRST, LAST, None), played(exchange, FIRST, LAST, exported)
    print(f"{len(made.fills)} fills, journal hash {made.journal_hash} and {read.journal_hash}")
    assert made.journal_hash == read.journal_hash
    assert made.final.agrees
    assert read.final.agrees
    assert len(made.fills) > 15
    assert {fill.kind for fill in made.fills} >= {"order", "expiry"}


@pytest.mark.long
def test_a_whole_month_gives_the_same_journal(tmp_path: Path) -> None:
    exchange, folder = Exchange(SEED), tmp_path / "month"
    first, last = dt.date(2026, 1, 30), dt.date(2026, 2, 27)
    chains = [parse_filter(text) for text in CHAINS]
    print(export(exchange, folder, first, last, chains, legs(script(exchange, first, last))), "sessions")
    made, read = played(exchange, first, last, None), played(exchange, first, last, folder)
    print(f"{len(made.fills)} fills, journal hash {made.journal_hash} and {read.journal_hash}")
    assert made.journal_hash == read.journal_hash
    assert made.final.agrees
    assert len(made.fills) > 100


def test_two_exports_are_the_same_bytes(tmp_path: Path) -> None:
    day = dt.date(2026, 1, 7)
    for name in ("one", "two"):
        export(Exchange(SEED), tmp_path / name, day, day, [parse_filter("ACME:weeklys,strikes=-2..2,days=0..9")])
    one = {path.relative_to(tmp_path / "one"): path.read_bytes() for path in (tmp_path / "one").rglob("*.*")}
    two = {path.relative_to(tmp_path / "two"): path.read_bytes() for path in (tmp_path / "two").rglob("*.*")}
    assert one == two
    assert len(one) > 15


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["market", "--synthetic", "7", "--export", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_only_a_seed_can_be_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--data", str(tmp_path), "--from", "2026-01-05", "--to", "2026-01-05"]
    assert main(["market", *given, "--export", str(tmp_path / "x")]) == 2
    assert "--synthetic" in capsys.readouterr().err
