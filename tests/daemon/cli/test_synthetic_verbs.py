"""`--synthetic SEED` in the verbs: the same seed the same journal, and what can't be played is said."""

from __future__ import annotations

import json

import pytest

from daemon.cli import main

#: A half day, so that it is short.
DAY = ["--from", "2026-11-27", "--to", "2026-11-27", "--subscribe", "ACME:weeklys,strikes=-2..2,days=0..20"]


def report(seed: str, capsys: pytest.CaptureFixture[str]) -> dict:
    assert main(["replay", "--synthetic", seed, *DAY, "--json", "--quiet", "--risk", "default"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_seed_is_a_journal(capsys: pytest.CaptureFixture[str]) -> None:
    first, again = report("7", capsys), report("7", capsys)
    assert first["journal_hash"] == again["journal_hash"]
    # 210 minutes, and the midnights at which the day's expiry is announced and gone.
    assert first["steps"] == 212


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--from", "2020-01-02"], "not within the synthetic market's 2024-01-02"),
        (["--subscribe", "GOOG:weeklys,strikes=-1..1,days=0..9"], "no GOOG"),
        (["--from", "2026-01-06", "--to", "2026-01-05"], "--to 2026-01-05 is before --from 2026-01-06"),
        (["--step", "7"], "7 seconds does not divide a minute"),
    ],
)
def test_what_it_can_not_play_is_named(given: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--synthetic", "7", *given]) == 2
    assert words in capsys.readouterr().err


def test_a_folder_and_a_seed_at_once_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["replay", "--synthetic", "7", "--data", "somewhere"])
    assert "not allowed with" in capsys.readouterr().err


def test_a_folder_has_minutes_only(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--data", "tests/data/lean", "--from", "2015-12-24", "--to", "2015-12-24", "--underlying", "GOOG"]
    assert main(["replay", *given, "--step", "15"]) == 2
    assert "a step of 15 seconds can't be played" in capsys.readouterr().err
