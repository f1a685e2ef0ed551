"""The demo as people start it: one address, something to see, a clean end, and the broker's ledger is our book."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

CALLBOARD = (sys.executable, "-c", "import sys; from daemon.cli import main; sys.exit(main())")
ADDRESS = re.compile(r"^(http://127\.0\.0\.1:\d+)/#token=(\S+)$", re.MULTILINE)


def demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A demo whose temporary files are below `folder`."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(
        [*CALLBOARD, "demo", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def market_pids(folder: Path) -> list[int]:
    """Processes that still name this folder in their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in text:
            found.append(int(entry.parent.name))
    return found


def ask(address: str, path: str, token: str) -> dict:
    request = urllib.request.Request(address + path, headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def waited_for(process: subprocess.Popen[str], done, seconds: float = 60.0) -> None:
    """Return once `done()`; it may ask a daemon that is not there yet. The demo must be running until then."""
    until = time.monotonic() + seconds
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)


def test_it_ends_by_itself_and_says_what_happened(tmp_path: Path) -> None:
    process = demo(tmp_path, "--seconds", "2", "--json", "--port", "0", "--speed", "120")
    out, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    summary = json.loads(out)
    assert summary["ledger_equal"] is True
    assert summary["differences"] == []
    assert summary["restarts"] == 0
    assert summary["market_from"] == "2026-01-05T05:00:00Z"
    assert len(ADDRESS.findall(errors)) == 1
    assert list(tmp_path.iterdir()) == []
    assert market_pids(tmp_path) == []


def test_the_guided_orders_fill_amend_cancel_and_exit(tmp_path: Path) -> None:
    process = demo(tmp_path, "--port", "0", "--json", "--speed", "240")
    try:
        assert process.stderr is not None
        address, token = ADDRESS.findall(process.stderr.readline())[0]

        def closed() -> bool:
            orders = ask(address, "/api/v1/orders", token)["orders"]
            states = {order["order_id"].removeprefix("0105-"): order["state"] for order in orders}
            ended = [states.get(name) for name in ("calls", "calls-close", "resting")]
            return ended == ["filled", "filled", "canceled"] and {"condor", "puts"} <= set(states)

        waited_for(process, closed)
        amended = ask(address, "/api/v1/orders/0105-calls", token)
        assert any(row["kind"] == "orders.AmendAccepted" for row in amended["history"])
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    summary = json.loads(out)
    assert summary["ledger_equal"] is True
    assert summary["orders"]["filled"] >= 2
    assert summary["orders"]["canceled"] >= 1
    assert summary["fills"] >= 4
    assert summary["closed_positions"] >= 1


def test_the_address_works_and_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    process = demo(tmp_path, "--port", "0", "--quiet", "--speed", "120")
    try:
        assert process.stdout is not None
        address, token = ADDRESS.findall(process.stdout.readline())[0]
        waited_for(process, lambda: ask(address, "/api/v1/status", token)["now"] > "2026-01-05T14:31")
        with pytest.raises(urllib.error.HTTPError, match="400"):
            ask(address, f"/api/v1/status?token={token}", "")
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    assert "no orders" in out
    assert "our book is equal to the broker's ledger" in out
    assert list(tmp_path.iterdir()) == []
    assert market_pids(tmp_path) == []


def test_a_market_that_is_killed_comes_back_from_its_ledger(tmp_path: Path) -> None:
    process = demo(tmp_path, "--port", "0", "--json", "--speed", "240")
    try:
        assert process.stderr is not None
        address, token = ADDRESS.findall(process.stderr.readline())[0]

        def calls() -> str:
            orders = ask(address, "/api/v1/orders", token)["orders"]
            return next((order["state"] for order in orders if order["order_id"] == "0105-calls"), "")

        waited_for(process, lambda: calls() == "filled")
        session = ask(address, "/api/v1/status", token)["session"]
        (market,) = [each for each in market_pids(tmp_path) if each != process.pid]
        os.kill(market, signal.SIGKILL)
        waited_for(process, lambda: ask(address, "/api/v1/status", token)["session"] != session)
        at = ask(address, "/api/v1/status", token)["now"]
        waited_for(process, lambda: ask(address, "/api/v1/status", token)["now"] > at)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    summary = json.loads(out)
    assert summary["restarts"] == 1
    assert summary["ledger_equal"] is True
    assert summary["fills"] >= 2


def test_kill_9_leaves_no_market_behind(tmp_path: Path) -> None:
    process = demo(tmp_path, "--port", "0", "--quiet")
    assert process.stdout is not None
    address, token = ADDRESS.findall(process.stdout.readline())[0]
    waited_for(process, lambda: ask(address, "/api/v1/status", token)["connected"])
    process.kill()
    process.communicate()
    until = time.monotonic() + 30
    while market_pids(tmp_path):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = demo(tmp_path, "--port", port, "--seconds", "5")
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"127.0.0.1:{port}" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("given", "words"),
    [(("--seconds", "0"), "--seconds 0"), (("--speed", "-1"), "--speed -1"), (("--step", "7"), "--step 7")],
)
def test_what_can_not_be_is_said(tmp_path: Path, given: tuple[str, str], words: str) -> None:
    process = demo(tmp_path, *given)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 78
    assert words in errors
