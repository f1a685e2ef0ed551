"""Daemon and market as two processes: lock-step leaves the journal of a replay, live ends clean and agrees."""

from __future__ import annotations

import datetime as dt
import socket
from pathlib import Path

from daemon.fills import FillChoice
from daemon.journal import file_hash, verify
from daemon.replay import ReplayRequest, replay
from tests.processes.kit import (
    CHAIN,
    DATA,
    DAY,
    SCRIPT,
    Process,
    named,
    orders_of,
    scripted_daemon,
    scripted_market,
)


def test_a_day_through_the_socket_leaves_the_journal_of_the_replay(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    daemon = scripted_daemon(tmp_path)
    market = scripted_market(tmp_path)
    assert market.end() == 0, market.said
    assert daemon.end() == 0, daemon.said
    day = dt.date(2015, 12, 24)
    report = replay(
        ReplayRequest(
            data=DATA / "lean", first=day, last=day, underlyings=("GOOG",), subscribe=(CHAIN[3],), script=SCRIPT
        )
    )
    assert verify(journal).problem is None
    assert file_hash(journal) == report.journal_hash
    assert report.orders


def test_a_day_of_chance_through_the_socket_leaves_the_journal_of_the_replay_of_its_seed(tmp_path: Path) -> None:
    daemon = scripted_daemon(tmp_path)
    market = Process(
        tmp_path, "market", "market", "--bridge", str(tmp_path / "bridge"), "--data", str(DATA / "lean"), *DAY,
        "--underlying", "GOOG", *named(orders_of(SCRIPT)), "--fills", "realistic", "--seed", "5", "--legs-apart",
    )  # fmt: skip
    assert market.end() == 0, market.said
    assert "fills are realistic, seed 5" in market.said
    assert daemon.end() == 0, daemon.said
    day = dt.date(2015, 12, 24)
    report = replay(
        ReplayRequest(
            data=DATA / "lean", first=day, last=day, underlyings=("GOOG",), script=SCRIPT,
            fills=FillChoice("realistic", 5, legs_apart=True),
        )
    )  # fmt: skip
    assert file_hash(tmp_path / "journal") == report.journal_hash
    assert report.fills


def test_over_tcp_the_secret_is_asked_for(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    secret = "a secret of enough bytes"
    daemon = Process(
        tmp_path, "run", "run", "--journal", str(tmp_path / "j"), "--bridge", address, "--clock", "market",
        "--risk", "lean", "--once", secret=secret,
    )  # fmt: skip
    daemon.wait_for("ready")
    verb = ("market", "--bridge", address, "--data", str(DATA / "lean"), "--underlying", "GOOG", *DAY)
    stranger = Process(tmp_path, "stranger", *verb, secret="another secret of bytes")
    assert stranger.end() == 4
    assert "the secret was not proved" in stranger.said
    market = Process(tmp_path, "market", *verb, secret=secret)
    assert market.end() == 0, market.said
    assert daemon.end() == 0, daemon.said
    assert daemon.said.count("refused:") == 1


def test_live_at_a_speed_survives_the_daemons_death_and_ends_when_asked(tmp_path: Path) -> None:
    bridge, journal = str(tmp_path / "bridge"), tmp_path / "journal"
    run = ("run", "--journal", str(journal), "--bridge", bridge, "--clock", "market", "--speed", "400")
    daemon = Process(tmp_path, "run", *run)
    daemon.wait_for("ready")
    market = Process(
        tmp_path, "market", "market", "--bridge", bridge, "--data", str(DATA / "lean"), *CHAIN, *DAY, "--speed", "400"
    )
    for _ in range(3):
        daemon.wait_for("connected: session")
        daemon.kill()
        assert verify(journal).problem is None
        daemon = Process(tmp_path, "run", *run)
    assert market.end() == 0, market.said
    assert daemon.stop() == 0, daemon.said
    assert "events up to" in daemon.said
    assert verify(journal).problem is None
