"""`callboard replay` as a user meets it: report, page, journal, exit codes, and errors that say what to mend."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from daemon.cli import main
from daemon.journal import file_hash, verify

DATA = Path(__file__).parents[1] / "data"
DAY = ["--data", str(DATA / "lean"), "--underlying", "GOOG", "--from", "2015-12-24", "--to", "2015-12-24", "--quiet"]
CHAIN = ["--subscribe", "GOOG:weeklys,strikes=-10..10,days=0..60"]
DEMO = ["--script", str(DATA / "demo.jsonl")]


def test_the_demo_day_is_booked_reported_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, journal = tmp_path / "report.json", tmp_path / "journal.db"
    arguments = ["replay", *DAY, *CHAIN, *DEMO, "--report", str(report), "--journal", str(journal)]
    assert main(arguments) == 0
    assert "3 filled" in capsys.readouterr().out
    told = json.loads(report.read_bytes())
    assert [row["order_id"] for row in told["fills"]] == ["calls"] * 2 + ["condor"] * 4 + ["condor-close"] * 4
    assert told["final"]["agrees"] is True
    assert isinstance(told["final"]["cash"], str)
    assert Decimal(told["final"]["cash"]) == Decimal(told["fills"][-1]["cash"])
    assert [row["position_id"] for row in told["positions"]] == ["calls"]
    assert len(told["equity"]) == 210
    assert told["journal_hash"] == file_hash(journal)
    assert verify(journal).problem is None
    page = report.with_suffix(".html").read_text()
    assert "<svg" in page
    assert "condor-close" in page
    assert main(arguments) == 2, "a journal that is there already is not written over"
    assert "exists already" in capsys.readouterr().err


def test_a_report_says_how_orders_filled_and_a_seed_decides_it(capsys: pytest.CaptureFixture[str]) -> None:
    hashes: list[str] = []
    for options in (["lean"], ["realistic", "--seed", "7"], ["realistic", "--seed", "7"], ["realistic", "--seed", "9"]):
        assert main(["replay", *DAY, *DEMO, "--json", "--fills", *options]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["final"]["agrees"] is True
        words = "optimistic" if options[0] == "lean" else f"realistic, seed {options[2]}"
        assert words in told["notes"][0]
        hashes.append(told["journal_hash"])
    assert hashes[1] == hashes[2]
    assert len({*hashes}) == 3


def test_a_seed_without_chance_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", *DAY, "--seed", "7"]) == 2
    assert "--seed and --legs-apart belong to --fills realistic" in capsys.readouterr().err


def test_the_desk_s_own_rules_deny_what_lean_would_fill(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", *DAY, *CHAIN, *DEMO, "--risk", "default", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(row["by"], row["order_id"]) for row in told["refusals"]] == [("callboard", "condor-close")]
    assert "market orders" in told["refusals"][0]["reason"]


def test_money_that_is_withdrawn_and_a_halt_are_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.jsonl"
    order = (
        '{"order_id": "%s", "legs": [{"symbol": "GOOG  160115C00750000", "ratio": 1}], "quantity": 1, "type": "market"}'
    )
    script.write_text(
        '{"at": "2015-12-24T15:00:00Z", "withdraw": {"amount": "2500.50"}}\n'
        '{"at": "2015-12-24T15:01:00Z", "submit": ' + order % "before" + "}\n"
        '{"at": "2015-12-24T15:01:00Z", "halt": {"level": 2, "reason": "enough"}}\n'
        '{"at": "2015-12-24T15:01:30Z", "submit": ' + order % "after" + "}\n"
        '{"at": "2015-12-25T15:00:00Z", "cancel": {"order_id": "before"}}\n'
    )
    assert main(["replay", *DAY, "--script", str(script), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["order_id"] for row in told["orders"]["filled"]] == ["before"]
    assert [row["order_id"] for row in told["orders"]["denied"]] == ["after"]
    denied = next(row for row in told["refusals"] if row["order_id"] == "after")
    assert denied["at"] == "2015-12-24T15:02:00Z", "a time without a step is the next one"
    assert [row["reason"] for row in told["refusals"] if row["command"]] == ["the run ended before its time"]
    spent = 100 * Decimal(told["fills"][0]["price"]) + Decimal(told["fills"][0]["fee"])
    assert Decimal(told["final"]["cash"]) == Decimal(100000) - Decimal("2500.50") - spent


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere", "--from", "2015-12-24", "--to", "2015-12-24"], "nowhere"),
        (["--data", str(DATA / "lean"), "--from", "2015-12-24", "--to", "2015-12-23"], "is before"),
        (["--data", str(DATA / "lean"), "--from", "2015-12-24", "--to", "2015-12-24"], "nothing to play"),
        ([*DAY, "--subscribe", "GOOG:all"], "is not of the form"),
        ([*DAY, "--script", "missing.jsonl"], "missing.jsonl"),
    ],
)
def test_bad_input_is_named_and_ends_with_two(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_an_underlying_without_data_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    data = [
        "--data",
        str(DATA / "lean"),
        "--underlying",
        "ZZZ",
        "--from",
        "2015-12-24",
        "--to",
        "2015-12-24",
        "--quiet",
    ]
    assert main(["replay", *data]) == 0
    assert "no data was found for ZZZ" in capsys.readouterr().out
