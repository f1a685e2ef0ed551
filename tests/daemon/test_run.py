"""What `callboard run` makes of its options, and how it says that it can't use what it finds."""

from __future__ import annotations

import datetime as dt
import socket
from pathlib import Path

import pytest

from actors.runtime import Batch, Row
from bridge.server import BridgeSettings
from config.desk import LEAN_RULES, DeskRules
from daemon.journal import SqliteJournal
from daemon.run import RunRequest, rules_of
from tests.api.kit import TOKENS
from tests.processes.kit import Process


@pytest.mark.parametrize(("risk", "rules"), [("lean", LEAN_RULES), ("default", DeskRules())])
def test_deadlines_for_answers_are_stretched_by_the_markets_speed_whoever_judges_orders(
    risk: str, rules: DeskRules
) -> None:
    request = RunRequest(journal=Path("journal"), bridge=BridgeSettings(), risk=risk, speed=60.0)  # type: ignore[arg-type]
    stretched = rules_of(request)
    assert stretched.outcome_seconds == rules.outcome_seconds * 60
    assert stretched.reconcile_seconds == rules.reconcile_seconds * 60
    assert stretched.approval_lapse_seconds == rules.approval_lapse_seconds * 60


def run(folder: Path, name: str, *arguments: str, **more: str) -> Process:
    """A daemon whose journal has this name, at the one bridge of the folder."""
    return Process(
        folder, name, "run", "--journal", str(folder / name), "--bridge", str(folder / "bridge"), *arguments, **more
    )  # fmt: skip


def test_a_second_daemon_does_not_take_the_bridge_of_the_first(tmp_path: Path) -> None:
    first = run(tmp_path, "first")
    try:
        first.wait_for("ready: ")
        second = run(tmp_path, "second")
        assert second.end() == 1
        assert "another daemon serves this bridge" in second.said
        with socket.socket(socket.AF_UNIX) as lean:
            lean.connect(str(tmp_path / "bridge"))
        assert first.stop() == 0
    finally:
        first.kill()


def test_a_daemon_that_answers_nobody_at_present_keeps_its_bridge(tmp_path: Path) -> None:
    path, waiting = str(tmp_path / "bridge"), list[socket.socket]()
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(path)
        busy.listen(0)
        try:
            while not waiting or waiting[-1].connect_ex(path) == 0:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
            second = run(tmp_path, "journal")
            try:
                assert second.end() == 1
                assert "another daemon serves this bridge" in second.said
            finally:
                second.kill()
        finally:
            for each in waiting:
                each.close()


def test_what_a_dead_daemon_left_of_its_bridge_is_in_nobodys_way(tmp_path: Path) -> None:
    for _ in range(2):
        daemon = run(tmp_path, "journal")
        daemon.wait_for("ready: ")
        daemon.kill()
        assert (tmp_path / "bridge").is_socket()


def test_an_address_of_the_api_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        daemon = run(tmp_path, "journal", "--api", address, CALLBOARD_AUTH_TOKEN=TOKENS["admin"])
        assert daemon.end() == 1
    assert f"Address already in use: '{address}'" in daemon.said.splitlines()[-1]
    assert "Traceback" not in daemon.said


def test_a_journal_of_a_newer_program_is_refused_in_one_line(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal", live=False) as journal:
        at = dt.datetime(2015, 12, 24, tzinfo=dt.UTC)
        journal.append(Batch((Row(1, "later", 1, at, "later.Unheard", 1, 0, b"\x90", False),), None))
    daemon = run(tmp_path, "journal")
    assert daemon.end() == 1
    assert daemon.said == (
        "callboard run: UnknownKind: fact 1 is a later.Unheard, which this core does not know\n"
    )  # fmt: skip
