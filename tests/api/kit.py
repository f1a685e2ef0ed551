"""A whole desk for tests of the API: a daemon and a live market as processes, and requests with a role's token."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx

from tests.processes.kit import CHAIN, DATA, DAY, Process

TOKENS = {
    "admin": "admin-0123456789-abcdefghij", "trader": "trader-0123456789-abcdefghij",
    "viewer": "viewer-0123456789-abcdefghij",
}  # fmt: skip
CONDOR = {
    "legs": [
        {"symbol": "GOOG  160115P00735000", "ratio": 1}, {"symbol": "GOOG  160115P00745000", "ratio": -1},
        {"symbol": "GOOG  160115C00755000", "ratio": -1}, {"symbol": "GOOG  160115C00765000", "ratio": 1},
    ],
    "quantity": 1, "limit_price": "-5.50",
}  # fmt: skip


class Desk:
    """A daemon and a live market as processes; `more` are settings of the daemon as key=value."""

    def __init__(self, folder: Path, *more: str, speed: int = 120) -> None:
        self.folder = folder
        bridge = str(folder / "bridge")
        verb = (
            "run", "--journal", str(folder / "journal"), "--bridge", bridge, "--clock", "market", "--speed", str(speed),
            "--api", "127.0.0.1:0", *(word for each in more for word in ("--set", each)),
        )  # fmt: skip
        self.daemon = Process(
            folder, "run", *verb, CALLBOARD_AUTH_TOKEN=TOKENS["admin"], CALLBOARD_TRADER_TOKEN=TOKENS["trader"],
            CALLBOARD_VIEWER_TOKEN=TOKENS["viewer"],
        )  # fmt: skip
        self.daemon.wait_for("api: ")
        self.address = self.daemon.said.split("api: ")[1].split()[0]
        data = ("--data", str(DATA / "lean"))
        self.market = Process(
            folder, "market", "market", "--bridge", bridge, *data, *CHAIN, *DAY, "--speed", str(speed)
        )
        self.daemon.wait_for("connected: session")

    def ask(self, method: str, path: str, role: str = "admin", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {TOKENS[role]}", **more.pop("headers", {})}
        return httpx.request(method, f"{self.address}{path}", headers=headers, timeout=20, **more)

    def wait_for_quotes(self) -> None:
        """Entries are denied before the first quotes are there."""
        until = time.monotonic() + 20
        while self.ask("GET", "/api/v1/account").json()["value"] is None and time.monotonic() < until:
            time.sleep(0.05)

    def close(self) -> None:
        self.daemon.kill()
        self.market.kill()
