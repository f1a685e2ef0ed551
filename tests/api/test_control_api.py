"""The control API as an operator uses it: a daemon and a live market as processes, real requests, real fills."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from daemon.cli.order_text import parse_order
from tests.api.kit import CONDOR, TOKENS, Desk
from tests.api.websocket import Socket
from tests.processes.kit import CALLBOARD


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.wait_for_quotes()
    yield desk
    desk.close()


def test_an_order_is_made_once_under_its_id_and_fills(desk: Desk) -> None:
    order = {"order_id": "condor-1", **CONDOR}
    made = desk.ask("POST", "/api/v1/orders?wait=final", json=order)
    assert made.status_code == 201, made.text
    assert made.json()["state"] == "filled", made.text
    assert made.json()["filled"] == [1, -1, -1, 1]
    again = desk.ask("POST", "/api/v1/orders", json=order)
    assert again.status_code == 200
    assert again.json()["order_id"] == "condor-1"
    other = desk.ask("POST", "/api/v1/orders", json={**order, "quantity": 2})
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    listed = desk.ask("GET", "/api/v1/orders").json()["orders"]
    assert [each["order_id"] for each in listed].count("condor-1") == 1
    kinds = [each["kind"] for each in desk.ask("GET", "/api/v1/orders/condor-1").json()["history"]]
    assert kinds[:4] == ["orders.OrderQueued", "orders.OrderReleased", "orders.OrderApproved", "orders.OrderSent"]
    assert kinds.count("orders.LegFilled") == 4
    (position,) = desk.ask("GET", "/api/v1/positions").json()
    assert position["holdings"][CONDOR["legs"][0]["symbol"]] == 1  # type: ignore[index]
    account = desk.ask("GET", "/api/v1/account").json()
    assert account["cash"] == account["lean"]["cash"] if isinstance(account["lean"], dict) else account["cash"]
    assert isinstance(account["cash"], str)


def test_a_resting_order_is_amended_by_version_and_canceled(desk: Desk) -> None:
    order = {"order_id": "resting", **CONDOR, "limit_price": "-9.50"}
    made = desk.ask("POST", "/api/v1/orders?wait=sent", json=order)
    assert made.status_code == 201, made.text
    stale = desk.ask("PATCH", "/api/v1/orders/resting", json={"limit_price": "-9.40"}, headers={"if-match": '"0"'})
    assert stale.status_code == 412
    until = time.monotonic() + 10
    while desk.ask("GET", "/api/v1/orders/resting").json()["state"] != "accepted" and time.monotonic() < until:
        time.sleep(0.02)
    amended = desk.ask("PATCH", "/api/v1/orders/resting", json={"limit_price": "-9.40"})
    assert amended.status_code in (200, 202), amended.text
    until = time.monotonic() + 10
    while desk.ask("GET", "/api/v1/orders/resting").json()["amend"] != "none" and time.monotonic() < until:
        time.sleep(0.02)
    assert desk.ask("GET", "/api/v1/orders/resting").json()["body"]["limit_price"] == "-9.40"
    assert desk.ask("DELETE", "/api/v1/orders/resting").status_code in (200, 202)
    until = time.monotonic() + 10
    while desk.ask("GET", "/api/v1/orders/resting").json()["state"] != "canceled" and time.monotonic() < until:
        time.sleep(0.02)
    assert desk.ask("GET", "/api/v1/orders/resting").json()["state"] == "canceled"
    assert desk.ask("DELETE", "/api/v1/orders/resting").status_code == 409


def test_a_halt_denies_entries_until_a_reset_in_two_steps(desk: Desk) -> None:
    halted = desk.ask("POST", "/api/v1/breaker/halt", "trader", json={"level": 2, "reason": "lunch"})
    assert halted.json()["level"] == 2
    assert halted.json()["level_name"] == "no-entry"
    assert (halted.json()["reason"], halted.json()["by"]) == ("lunch", "operator:trader")
    denied = desk.ask("POST", "/api/v1/orders?wait=decided", json={"order_id": "during", **CONDOR})
    assert denied.json()["state"] == "denied", denied.text
    assert "breaker" in denied.json()["reason"]
    assert desk.ask("POST", "/api/v1/breaker/reset", "trader", json={"reason": "back"}).status_code == 403
    began = desk.ask("POST", "/api/v1/breaker/reset", json={"reason": "back"})
    assert began.status_code == 202
    assert desk.ask("POST", "/api/v1/breaker/reset", json={"phrase": "please"}).status_code == 409
    assert desk.ask("POST", "/api/v1/breaker/reset", json=began.json()).json()["level"] == 0


def nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield tree
    for child in tree["children"]:
        yield from nodes(child)


def test_an_actor_is_killed_and_goes_on_with_the_same_book(desk: Desk) -> None:
    before = desk.ask("GET", "/api/v1/holdings").json()
    names = [each["name"] for each in nodes(desk.ask("GET", "/api/v1/actors").json()) if each["kind"] == "actor"]
    assert {"orders", "risk", "gateway", "positions"} <= set(names)
    for name in names:
        assert desk.ask("POST", f"/api/v1/actors/{name}/kill").json() == {"name": name, "failed": False}
    assert desk.ask("POST", "/api/v1/actors/nobody/kill").status_code == 404
    assert desk.ask("GET", "/api/v1/holdings").json() == before
    assert desk.ask("GET", "/readyz").status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"{", 400, "not JSON"),
        (b'{"order_id": "x"}', 422, "legs"),
        (b'{"order_id": "x", "legs": [], "quantity": 1}', 422, "leg"),
        (b'{"order_id": "x", "legs": [], "quantity": 1, "surprise": 1}', 422, "surprise"),
        (b'{"order_id": "x", "legs": [{"symbol": "no!", "ratio": 1}], "quantity": 1, "limit_price": "1"}', 422, "no!"),
        (b" " * 70_000, 413, "65536"),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_by_name_and_makes_nothing(desk: Desk, body: bytes, status: int, text: str) -> None:
    refused = desk.ask("POST", "/api/v1/orders", content=body)
    assert refused.status_code == status, refused.text
    assert text in refused.json()["detail"]
    assert desk.ask("GET", "/api/v1/orders/x").status_code == 404


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00" * 4096, b"GET / HTTP/9.9\r\n\r\n", b"POST /api/v1/orders HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\nx",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
    ],
)  # fmt: skip
def test_noise_ends_its_own_connection_only(desk: Desk, noise: bytes) -> None:
    host, _, port = desk.address.removeprefix("http://").rpartition(":")
    for _ in range(5):
        with socket.create_connection((host, int(port))) as raw:
            try:
                raw.sendall(noise)
                raw.settimeout(0.2)
                raw.recv(1000)
            except OSError:
                pass
    assert desk.ask("GET", "/api/v1/status").status_code == 200


def test_the_feed_tells_every_fact_once_however_often_it_is_cut(desk: Desk) -> None:
    last = desk.ask("GET", "/api/v1/status").json()["sequence"] - 1
    seen: list[int] = []
    after, epochs = 0, set()
    chooser = random.Random(3)
    while after < last:
        feed = Socket(desk.address, "/api/v1/feed", {"token": TOKENS["viewer"], "after": after})
        hello = feed.next()
        assert hello["type"] == "hello"
        epochs.add(hello["epoch"])
        for _ in range(chooser.randrange(1, 120)):
            frame = feed.next()
            if frame["type"] != "fact":
                continue
            assert frame["prev"] == after
            after = frame["sequence"]
            seen.append(after)
            if after >= last:
                break
        feed.raw.close()
    assert seen == list(range(1, after + 1))
    assert len(epochs) == 1


def test_the_feed_can_be_asked_for_subjects_and_goes_on_live(desk: Desk) -> None:
    feed = Socket(desk.address, "/api/v1/feed", {"token": TOKENS["viewer"], "subjects": ["orders"]})
    assert feed.next()["subjects"] == ["orders"]
    made = desk.ask("POST", "/api/v1/orders", json={"order_id": "fed", **CONDOR, "limit_price": "-9.80"})
    assert made.status_code == 201
    frame = feed.next()
    assert (frame["kind"], frame["stream"]) == ("orders.OrderQueued", "order/fed")
    assert frame["fact"]["body"]["limit_price"] == "-9.80"
    assert feed.next()["prev"] == frame["sequence"]
    feed.raw.close()


def test_the_feed_refuses_strangers_with_their_codes(desk: Desk) -> None:
    def code(first: object, headers: dict[str, str] | None = None) -> Any:
        return Socket(desk.address, "/api/v1/feed", first, headers).next()

    assert code({"token": "nobody's"}) == ("closed", 4401)
    assert code("not json") == ("closed", 4401)
    assert code({"token": TOKENS["viewer"]}, {"origin": "http://evil.example"}) == ("closed", 4403)
    assert code({"token": TOKENS["viewer"]}, {"origin": desk.address})["type"] == "hello"
    in_url = Socket(desk.address, f"/api/v1/feed?token={TOKENS['viewer']}", {"token": TOKENS["viewer"]})
    assert in_url.next() == ("closed", 4401)


def test_a_client_that_never_reads_costs_the_others_nothing(desk: Desk) -> None:
    stuck = [Socket(desk.address, "/api/v1/feed", {"token": TOKENS["viewer"], "after": 0}) for _ in range(5)]
    for _ in range(20):
        began = time.monotonic()
        assert desk.ask("GET", "/api/v1/status").status_code == 200
        assert time.monotonic() - began < 2
    for each in stuck:
        each.raw.close()
    assert desk.ask("GET", "/readyz").status_code == 200


def test_the_command_line_trades_halts_and_says_why_not(desk: Desk) -> None:
    def callboard(*words: str, token: str = TOKENS["admin"]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "CALLBOARD_API": desk.address, "CALLBOARD_TOKEN": token}
        return subprocess.run([*CALLBOARD, *words], env=environment, capture_output=True, text=True, timeout=60)

    line = "1 GOOG 2016-01-15 +735P -745P -755C +765C"
    first = callboard("submit", line, "--limit", "-9.90", "--id", "typed", "--wait", "decided", "--json")
    assert first.returncode == 0, first.stderr
    assert [leg["symbol"] for leg in json.loads(first.stdout)["body"]["legs"]] == [
        leg["symbol"]
        for leg in CONDOR["legs"]  # type: ignore[index, call-overload]
    ]
    assert "typed" in callboard("orders").stdout
    assert "OrderQueued" in callboard("order", "typed").stdout
    assert callboard("submit", line, "--limit", "-9.00", "--id", "typed").returncode == 6
    assert callboard("order", "nobody").returncode == 5
    assert callboard("submit", "1 GOOG tomorrow +735P", "--limit", "1").returncode == 2
    assert callboard("submit", "1 GOOG 2016-01-15 735", "--limit", "1").returncode == 2
    assert callboard("halt", "why not", token=TOKENS["viewer"]).returncode == 4
    assert callboard("status", token="nobody's").returncode == 4
    assert callboard("status", "--api", "http://127.0.0.1:9").returncode == 3
    assert "1 caution" in callboard("halt", "slow down", "--level", "1").stdout
    phrase = json.loads(callboard("breaker", "--reset", "fine", "--json").stdout)["phrase"]
    assert callboard("breaker", "--confirm", "nonsense").returncode == 6
    assert "0 normal" in callboard("breaker", "--confirm", phrase).stdout
    assert "it goes on" in callboard("kill", "positions").stdout
    assert callboard("cancel", "typed").returncode == 0


@pytest.mark.parametrize(
    ("text", "symbol", "ratio"),
    [
        ("1 SPY 2026-12-18 -2x612.5C", "SPY   261218C00612500", -2),
        ("3 spxw 2026-12-18 +6000P", "SPXW  261218P06000000", 1),
    ],
)  # fmt: skip
def test_one_line_orders_are_read_exactly(text: str, symbol: str, ratio: int) -> None:
    quantity, legs = parse_order(text)
    assert quantity == int(text[0])
    assert legs == [{"symbol": symbol, "ratio": ratio}]


def test_the_page_needs_no_token_and_lets_nothing_in_from_elsewhere(desk: Desk) -> None:
    page = httpx.get(f"{desk.address}/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert httpx.get(f"{desk.address}/?token={TOKENS['viewer']}").json()["code"] == "token_in_url"
    for path in ("/static/nothing.js", "/static/../api/app.py", "/static/..%2fapi%2fapp.py", "/static/%2e%2e/run.py"):
        assert httpx.get(desk.address + path).status_code in (401, 404), path


def test_the_market_is_shown_with_marks_and_greeks(desk: Desk) -> None:
    (goog,) = desk.ask("GET", "/api/v1/underlyings", "viewer").json()
    assert (goog["symbol"], goog["kind"], goog["contracts"]) == ("GOOG", "equity", 704)
    shown = desk.ask("GET", "/api/v1/chain/GOOG?expiry=2016-01-15", "viewer").json()
    (expiry,) = shown["expiries"]
    assert (expiry["expiry"], expiry["fixing"], expiry["contracts"]) == ("2016-01-15", "PM", len(shown["contracts"]))
    assert abs(expiry["forward"] / shown["spot"] - 1) < 0.01
    call, put = (each for each in shown["contracts"] if each["strike"] == "750")
    assert call["bid"] <= call["mark"] <= call["ask"]
    assert abs(call["delta"] - put["delta"] - 1) < 0.02
    assert call["theta"] < 0 < call["vega"]
    assert expiry["fitted"] is None
    smooth = desk.ask("GET", "/api/v1/chain/GOOG?expiry=2016-01-15&fit=true", "viewer").json()["expiries"][0]["fitted"]
    at = {point["strike"]: point["iv"] for point in smooth}
    assert abs(at["750"] / expiry["iv"] - 1) < 0.05
    assert desk.ask("GET", "/api/v1/chain/NOPE", "viewer").status_code == 404
    assert desk.ask("GET", "/api/v1/chain/GOOG?expiry=soon", "viewer").status_code == 400
    assert desk.ask("GET", "/api/v1/chain/GOOG?expiri=2016-01-15", "viewer").status_code == 400


def test_a_preview_says_what_a_fill_then_moves_to_the_cent_and_makes_nothing(desk: Desk) -> None:
    legs = {"legs": CONDOR["legs"], "quantity": 1, "limit_price": "-5.10"}
    before = desk.ask("GET", "/api/v1/account").json()
    said = desk.ask("POST", "/api/v1/orders/preview", "viewer", json=legs).json()
    assert said["sentence"].startswith("SELL 1 GOOG iron condor for a credit of at least 5.10 ($510.00), fees ")
    assert said["verdict"]["approved"], said["verdict"]
    assert [spot for spot, _ in said["vertices"]] == ["0", "735", "745", "755", "765"]
    # 510 come in, 1,000 of width are asked, fees go out: with other positions in the book it takes no more.
    assert -1000 + 510 - 10 < float(said["buying_power_effect"]) < 510
    assert said["scenario_change"].startswith("worst scenario ")
    assert desk.ask("GET", "/api/v1/orders/preview", "viewer").status_code == 404
    made = desk.ask("POST", "/api/v1/orders?wait=final", json={"order_id": "previewed", **legs}).json()
    assert made["state"] == "filled", made
    facts = desk.ask("GET", "/api/v1/facts?stream=order/previewed&kind=orders.LegFilled").json()["facts"]
    moved = sum(-each["fact"]["quantity"] * float(each["fact"]["price"]) * 100 for each in facts)
    fees = sum(float(each["fact"]["fee"]) for each in facts)
    assert fees == float(said["fees"])
    after = desk.ask("GET", "/api/v1/account").json()
    assert round(float(after["cash"]) - float(before["cash"]), 2) == round(moved - fees, 2)
    assert moved >= -float(said["cash"])
    naked = {"legs": [{"symbol": "GOOG  160115C00755000", "ratio": -1}], "quantity": 1}
    denied = desk.ask("POST", "/api/v1/orders/preview", "viewer", json=naked).json()
    assert (denied["maximum_loss"], denied["verdict"]["approved"]) == ("unlimited", False)
    assert "maximum_loss" in [reason["control"] for reason in denied["verdict"]["reasons"]]


def test_a_position_is_shown_explained_and_closed_once_under_its_key(desk: Desk) -> None:
    made = {"order_id": "to-close", **CONDOR, "limit_price": "-5.00"}
    assert desk.ask("POST", "/api/v1/orders?wait=final", json=made).json()["state"] == "filled"
    shown = desk.ask("GET", "/api/v1/positions/to-close", "viewer").json()
    assert (shown["strategy"], shown["units"], shown["underlying"]) == ("Iron Condor", 1, "GOOG")
    assert float(shown["profit_mark"]) == round(float(shown["cash"]) + float(shown["mark_value"]), 2)
    assert float(shown["profit_natural"]) <= float(shown["profit_mark"])
    assert abs(float(shown["maximum_profit"]) + float(shown["maximum_loss"]) - 1000) < 0.01
    told = desk.ask("GET", "/api/v1/positions/to-close/explain", "viewer").json()
    assert {rule["rule"] for rule in told["rules"]} == {"daily_loss", "expiry"}
    assert "stop" in told["absent"]
    close = {"order_id": "closing", "price": "natural"}
    assert desk.ask("POST", "/api/v1/positions/to-close/close", "viewer", json=close).status_code == 403
    closed = desk.ask("POST", "/api/v1/positions/to-close/close", json=close)
    assert (closed.status_code, closed.json()["order_id"]) == (201, "closing"), closed.text
    again = desk.ask("POST", "/api/v1/positions/to-close/close", json=close)
    assert (again.status_code, again.json()["order_id"]) == (200, "closing")
    assert again.json()["body"] == closed.json()["body"]
    # The market may have moved on from what filled then: whatever is left is closed at any price below the width.
    desk.ask("DELETE", "/api/v1/orders/closing")
    until = time.monotonic() + 20
    while desk.ask("GET", "/api/v1/orders/closing").json()["state"] not in ("filled", "canceled"):
        assert time.monotonic() < until
        time.sleep(0.02)
    if desk.ask("GET", "/api/v1/positions/to-close").status_code == 200:
        rest = {"order_id": "closing-2", "limit_price": "9.90"}
        assert desk.ask("POST", "/api/v1/positions/to-close/close?wait=final", json=rest).json()["state"] == "filled"
    assert desk.ask("GET", "/api/v1/positions/to-close").json()["detail"] == "position 'to-close' is closed"


def test_at_reduce_only_a_spread_is_closed_by_its_short_legs_first(desk: Desk) -> None:
    made = {"order_id": "apart", **CONDOR, "limit_price": "-5.00"}
    assert desk.ask("POST", "/api/v1/orders?wait=final", json=made).json()["state"] == "filled"
    desk.ask("POST", "/api/v1/breaker/halt", json={"level": 3, "reason": "out, but never naked"})
    states = []
    for legs, limit in (("long", "-0.05"), ("all", "9.90"), ("short", "99.00"), ("long", "-0.05")):
        close = {"order_id": f"apart-{len(states)}", "limit_price": limit, "legs": legs}
        answer = desk.ask("POST", "/api/v1/positions/apart/close?wait=final", json=close)
        states.append((legs, answer.json()["state"], answer.json()["reducing"]))
    assert states == [
        ("long", "denied", False), ("all", "denied", False), ("short", "filled", True), ("long", "filled", True),
    ]  # fmt: skip
    assert desk.ask("GET", "/api/v1/positions/apart").status_code == 404
    began = desk.ask("POST", "/api/v1/breaker/reset", json={"reason": "out"})
    assert desk.ask("POST", "/api/v1/breaker/reset", json=began.json()).json()["level"] == 0


def test_state_frames_carry_all_then_only_what_changed(desk: Desk) -> None:
    first = {"token": TOKENS["viewer"], "subjects": None, "states": ["status", "account", "chain:GOOG:2016-01-15", "x"]}
    feed = Socket(desk.address, "/api/v1/feed", first)
    hello = feed.next()
    assert hello["states"] == ["status", "account", "chain:GOOG:2016-01-15"]
    assert hello["refused"][0]["topic"] == "x"
    kept: dict[str, Any] = {}
    rows: dict[str, Any] = {}
    seen: dict[str, int] = {}
    changed: list[int] = []
    while seen.get("chain:GOOG:2016-01-15", 0) < 4:
        frame = feed.next()
        assert frame["type"] == "state", frame
        assert frame["full"] == (frame["topic"] not in seen)
        seen[frame["topic"]] = seen.get(frame["topic"], 0) + 1
        if "value" in frame:
            kept[frame["topic"]] = frame["value"]
        if "rows" in frame:
            rows |= {row[frame["key"]]: row for row in frame["rows"]}
            changed.append(len(frame["rows"]))
    assert kept["status"]["truth"] == "PAPER"
    assert changed[0] == len(rows) >= max(changed[1:])
    feed.say({"type": "subscribe", "states": ["positions"]})
    answer = feed.next()
    while answer["type"] == "state":
        answer = feed.next()
    assert (answer["type"], answer["states"], answer["subjects"]) == ("subscribed", ["positions"], None)
    frame = feed.next()
    assert (frame["topic"], frame["key"], frame["full"]) == ("positions", "position_id", True)
    feed.say({"type": "heartbeat", "sequence": 1})
    beat = feed.next()
    while beat["type"] == "state":
        beat = feed.next()
    assert beat["behind"] == beat["sequence"] - 1
    assert beat["feed_age_seconds"] is not None
    feed.say("rubbish")
    feed.raw.close()


def test_the_account_names_its_worst_scenario(desk: Desk) -> None:
    account = desk.ask("GET", "/api/v1/account").json()
    held = desk.ask("GET", "/api/v1/holdings").json()
    if held:
        assert float(account["worst_scenario"]) < 0
        assert account["worst_scenario_name"].startswith("spot ")
    else:
        assert (account["worst_scenario"], account["worst_scenario_name"]) == ("0.00", "nothing is held")
