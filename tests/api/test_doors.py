"""Who may ask what: every route's role, tokens made and revoked, and what is refused at the door with its message."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any, cast

import pytest

from daemon.api.app import endpoints
from daemon.api.routing import table
from daemon.tokens import RANK, Tokens, WeakToken
from tests.api.house import house
from tests.api.kit import CONDOR, TOKENS

#: Every route that there is, from the table that the server itself is made of: a new one can't be forgotten.
ROUTES = table(endpoints(cast(Any, None)))
ORDER = {"order_id": "o", **CONDOR}


async def test_every_route_asks_for_its_role_and_no_less() -> None:
    async with house(requests_per_second=1e6, burst=10**6) as served:
        refused = 0
        for method, path, least in ROUTES:
            path = re.sub(r"{\w+}", "none", path)
            if least is None:
                assert (await served.ask(method, path, None)).status_code in (200, 503)
                continue
            nobody = await served.ask(method, path, None)
            assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthorized"), path
            assert nobody.headers["www-authenticate"] == "Bearer"
            wrong = await served.ask(method, path, TOKENS["admin"][:-1] + "k")
            assert (wrong.status_code, wrong.json()["detail"]) == (401, "an unknown token: a known one is needed"), path
            for role, rank in RANK.items():
                answer = await served.ask(method, path, role, content=b"{}" if method in ("POST", "PATCH") else None)
                assert (answer.status_code == 403) == (rank < RANK[least]), (method, path, role, answer.text)
                if answer.status_code == 403:
                    refused += 1
                    words = f"needs the role {least}, this token is a {role}'s"
                    assert words in answer.json()["detail"]
        print(f"{len(ROUTES)} routes, {refused} refusals for a missing role")
        assert {least for _, _, least in ROUTES} == {None, "viewer", "trader", "admin"}
        assert served.notices == []


def test_the_route_table_is_all_that_changes_anything() -> None:
    changing = {(method, path): least for method, path, least in ROUTES if method != "GET"}
    assert changing.pop(("POST", "/api/v1/orders/preview")) == "viewer"
    assert None not in changing.values()
    assert "viewer" not in changing.values()


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("changeme", "8 characters"), ("a" * 40, "1 different"), ("short-but-varied-1234", "21 characters"),
        ("CallboardDefaultPassword", "well-known words"), ("change-me_change.me-CHANGEME", "well-known words"),
    ],
)  # fmt: skip
def test_a_default_or_weak_token_starts_no_daemon(token: str, words: str) -> None:
    with pytest.raises(WeakToken, match=words):
        Tokens({"admin": token})
    with pytest.raises(WeakToken, match="no token is set"):
        Tokens({})


async def test_tokens_are_made_shown_once_kept_hashed_and_revoked_at_once(tmp_path: Path) -> None:
    file = tmp_path / "journal.tokens"
    async with house(file) as served:
        made = await served.ask("POST", "/api/v1/tokens", json={"name": "screen", "role": "viewer"})
        assert made.status_code == 201, made.text
        token = made.json()["token"]
        assert token.startswith("cb_")
        assert (await served.ask("GET", "/api/v1/status", token)).status_code == 200
        assert (await served.ask("POST", "/api/v1/breaker/halt", token, json={})).status_code == 403
        listed = await served.ask("GET", "/api/v1/tokens")
        assert [each["name"] for each in listed.json()] == ["admin", "screen", "trader", "viewer"]
        assert token not in listed.text
        assert token not in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert Tokens({"admin": TOKENS["admin"]}, file).role(token) == "viewer"
        again = await served.ask("POST", "/api/v1/tokens", json={"name": "screen", "role": "admin"})
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        weak = await served.ask("POST", "/api/v1/tokens", json={"name": "mine", "role": "viewer", "token": "changeme"})
        assert (weak.status_code, "24 and 10 are the least" in weak.json()["detail"]) == (422, True)
        assert (await served.ask("DELETE", "/api/v1/tokens/viewer")).status_code == 409
        assert (await served.ask("DELETE", "/api/v1/tokens/nobody")).status_code == 404
        assert (await served.ask("DELETE", "/api/v1/tokens/screen")).status_code == 200
        assert (await served.ask("GET", "/api/v1/status", token)).status_code == 401
        assert json.loads(file.read_text()) == []


async def test_the_journal_names_whose_token_it_was(tmp_path: Path) -> None:
    async with house(tmp_path / "tokens") as served:
        made = await served.ask("POST", "/api/v1/tokens", json={"name": "jo", "role": "trader"})
        halted = await served.ask(
            "POST", "/api/v1/breaker/halt", made.json()["token"], json={"level": 1, "reason": "x"}
        )
        assert halted.json()["by"] == "operator:jo"


def test_a_token_file_that_others_may_read_or_that_is_none_starts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("[]")
    file.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        Tokens(TOKENS, file)
    file.chmod(0o600)
    file.write_text('[{"name": "x"}]')
    with pytest.raises(ValueError, match="is not a file of tokens"):
        Tokens(TOKENS, file)


@pytest.mark.parametrize("name", ["token", "access_token", "Authorization", "api_key"])
async def test_a_token_in_a_url_is_refused_even_where_it_is_right(name: str) -> None:
    async with house() as served:
        for path in ("/api/v1/status", "/healthz", "/", "/api/v1/nothing"):
            refused = await served.ask("GET", f"{path}?{name}={TOKENS['admin']}")
            assert (refused.status_code, refused.json()["code"]) == (400, "token_in_url")
            assert "send it as a bearer token" in refused.json()["detail"]


async def test_a_foreign_origin_or_host_is_refused_and_a_configured_one_is_let_in() -> None:
    async with house() as served:
        foreign = await served.ask("GET", "/api/v1/status", headers={"origin": "http://evil.example"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign_origin")
        assert "http://evil.example" in foreign.json()["detail"]
        own = await served.ask("GET", "/api/v1/status", headers={"origin": "http://127.0.0.1"})
        assert own.status_code == 200
        assert "access-control-allow-origin" not in own.headers
        rebound = await served.ask("GET", "/api/v1/status", headers={"host": "evil.example"})
        assert (rebound.status_code, rebound.json()["code"]) == (400, "unknown_host")
    settings = {"origins": frozenset(("https://desk.example",)), "hosts": frozenset(("desk.lan",))}
    async with house(**settings) as served:
        page = await served.ask("GET", "/api/v1/status", headers={"origin": "https://desk.example"})
        assert page.headers["access-control-allow-origin"] == "https://desk.example"
        asked = {"origin": "https://desk.example", "access-control-request-method": "PATCH",
                 "access-control-request-headers": "if-match, authorization"}  # fmt: skip
        allowed = await served.ask("OPTIONS", "/api/v1/orders/x", None, headers=asked)
        assert allowed.status_code == 200
        assert "PATCH" in allowed.headers["access-control-allow-methods"]
        assert (await served.ask("GET", "/api/v1/status", headers={"host": "desk.lan:8080"})).status_code == 200


async def test_a_token_that_asks_too_much_waits_and_its_ways_out_stay_open() -> None:
    async with house(requests_per_second=0.5, burst=5) as served:
        statuses = [(await served.ask("GET", "/api/v1/status", "trader")).status_code for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        limited = await served.ask("POST", "/api/v1/orders", "trader", json=ORDER)
        assert (limited.status_code, limited.json()["code"]) == (429, "too_many_requests")
        assert 1 <= int(limited.headers["retry-after"]) <= 3
        assert (await served.ask("GET", "/api/v1/status", "viewer")).status_code == 200
        halted = await served.ask("POST", "/api/v1/breaker/halt", "trader", json={"level": 3, "reason": "out"})
        assert halted.status_code == 200
        assert (await served.ask("DELETE", "/api/v1/orders", "trader")).status_code == 202
        assert (
            await served.ask("POST", "/api/v1/positions/x/close", "trader", json={"order_id": "c"})
        ).status_code == 404


async def test_every_answer_carries_the_headers_of_care_and_every_error_is_a_problem() -> None:
    async with house() as served:
        for method, path in (("GET", "/api/v1/status"), ("GET", "/nowhere"), ("PUT", "/api/v1/orders"), ("GET", "/")):
            answer = await served.ask(method, path)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["x-frame-options"] == "DENY"
            assert "cache-control" in answer.headers
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["status"] == answer.status_code
        wrong = await served.ask("PUT", "/api/v1/orders")
        assert (wrong.status_code, set(wrong.headers["allow"].split(", "))) == (405, {"DELETE", "GET", "HEAD", "POST"})
        form = await served.ask("POST", "/api/v1/orders", content=b"a=b", headers={"content-type": "text/plain"})
        assert (form.status_code, form.json()["code"]) == (415, "unsupported_media_type")


async def test_what_did_not_change_is_not_sent_again() -> None:
    async with house() as served:
        for path in ("/api/v1/breaker", "/api/v1/holdings"):
            first = await served.ask("GET", path)
            again = await served.ask("GET", path, headers={"if-none-match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        await served.ask("POST", "/api/v1/orders", json=ORDER)
        order = await served.ask("GET", "/api/v1/orders/o")
        assert (
            await served.ask("GET", "/api/v1/orders/o", headers={"if-none-match": order.headers["etag"]})
        ).status_code == 304
        stale = await served.ask("DELETE", "/api/v1/orders/o", headers={"if-match": '"99"'})
        assert (stale.status_code, stale.json()["code"]) == (412, "changed")
        matched = await served.ask("DELETE", "/api/v1/orders/o", headers={"if-match": order.headers["etag"]})
        assert (matched.status_code, matched.json()["state"]) == (200, "canceled")


@pytest.mark.parametrize("feed", [True, False])
async def test_without_the_feed_nobody_is_let_into_it_and_the_rest_is_served(feed: bool) -> None:
    async with house(feed=feed) as served:
        told: list[str] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"} if not told else {"type": "websocket.disconnect", "code": 1001}

        async def send(message: Any) -> None:
            told.append(message["type"])

        scope = {
            "type": "websocket", "path": "/api/v1/feed", "query_string": b"", "scheme": "ws", "subprotocols": [],
            "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {TOKENS['viewer']}".encode())],
        }  # fmt: skip
        await served.app(scope, receive, send)
        assert told[0] == ("websocket.accept" if feed else "websocket.close")
        assert (await served.ask("GET", "/api/v1/status", "viewer")).status_code == 200
