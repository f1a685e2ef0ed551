"""Daemon and synthetic market as two processes: an hour of market time, traded over the API, ended clean."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import time
import urllib.request
from pathlib import Path

import pytest

from bridge.paper.synthetic import Exchange
from bridge.paper.synthetic.instruments import expiries
from tests.processes.kit import Process
from tests.processes.remains import compare, of_journal, of_ledger

TOKEN = "0123456789 a token of the test"
DAY = dt.date(2026, 1, 5)


def ask(address: str, path: str, body: object = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    request = urllib.request.Request(address + path, data, headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def spread() -> list[dict]:
    """A call spread on ACME at the money, ten days or more away."""
    listed = Exchange(7).listed("ACME", DAY)
    expiry = next(each for each in expiries("ACME", DAY) if (each - DAY).days >= 10)
    calls = [each for each in listed.contracts if each.expiry == expiry and each.right == "C"]
    near = min(range(len(calls)), key=lambda place: abs(float(calls[place].strike) - listed.spot))
    return [{"symbol": calls[near].symbol, "ratio": 1}, {"symbol": calls[near + 2].symbol, "ratio": -1}]


@pytest.mark.parametrize("speed", ["900", pytest.param("60", marks=pytest.mark.long)])
def test_two_processes_trade_a_synthetic_hour_and_end_clean(tmp_path: Path, speed: str) -> None:
    with contextlib.ExitStack() as ended:
        _hour(tmp_path, ended, speed)


def _hour(tmp_path: Path, ended: contextlib.ExitStack, speed: str) -> None:
    bridge, journal = str(tmp_path / "bridge"), tmp_path / "journal"
    daemon = Process(
        tmp_path, "run", "run", "--journal", str(journal), "--bridge", bridge, "--clock", "market", "--speed", speed,
        "--once", "--api", "127.0.0.1:0", CALLBOARD_AUTH_TOKEN=TOKEN,
    )  # fmt: skip
    ended.callback(daemon.kill)
    daemon.wait_for("ready")
    address = re.findall(r"api: (\S+)", daemon.said)[0]
    market = Process(
        tmp_path, "market", "market", "--bridge", bridge, "--synthetic", "7", "--speed", speed, "--subscribe",
        "ACME:weeklys,strikes=-5..5,days=0..20", "--ledger", str(tmp_path / "ledger"),
    )  # fmt: skip
    ended.callback(market.kill)
    daemon.wait_for("connected")
    _wait(address, "2026-01-05T14:32")
    order = {"order_id": "spread", "legs": spread(), "quantity": 2, "limit_price": "4.90", "tag": "a synthetic hour"}
    assert _state(address, order) == "filled"
    back = [{**leg, "ratio": -leg["ratio"]} for leg in spread()]
    _wait(address, "2026-01-05T15:00")
    close = {"order_id": "close", "legs": back, "quantity": 2, "limit_price": "-0.10", "position_id": "spread"}
    assert _state(address, close) == "filled"
    _wait(address, "2026-01-05T15:31")
    account = ask(address, "/api/v1/account")
    assert market.stop() == 0, market.said
    assert daemon.end() == 0, daemon.said
    assert "it said goodbye" in daemon.said
    ours, brokers = of_journal(journal), of_ledger(tmp_path / "ledger")
    verdict = compare(ours, brokers)
    assert verdict.equal, verdict
    assert {order: state for order, (state, _) in ours.orders.items()} == {"spread": "filled", "close": "filled"}
    print(f"{speed}x: {len(ours.orders)} orders, {ours.executions.total()} executions, cash {ours.cash}, as the broker")
    assert account["cash"] == account["lean"]["cash"]
    assert account["lean"]["holdings"] == []


def _state(address: str, order: dict, seconds: float = 120.0) -> str:
    """Submit an order; its state once it is over."""
    until = time.monotonic() + seconds
    shown = ask(address, "/api/v1/orders", order)
    while shown["state"] not in ("filled", "canceled", "denied", "rejected", "expired", "failed"):
        assert time.monotonic() < until, shown
        time.sleep(0.05)
        shown = ask(address, f"/api/v1/orders/{order['order_id']}")
    return shown["state"]


def _wait(address: str, instant: str, seconds: float = 240.0) -> None:
    """Return once the market's time is past an instant."""
    until = time.monotonic() + seconds
    while ask(address, "/api/v1/status")["now"] < instant:
        assert time.monotonic() < until
        time.sleep(0.05)
