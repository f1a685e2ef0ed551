"""A desk that really runs, and Debian's Chromium to look at it. Nothing is skipped where it is missing: tests fail."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.processes.kit import Process

TOKEN = "admin-0123456789-abcdefghij"
SIZES = {"desktop": (1280, 800), "phone": (375, 812)}
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Desk:
    """Daemon and synthetic market as processes; the daemon may be killed and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.daemon = self._run()
        bridge = str(folder / "bridge")
        self.market = Process(
            folder, "market", "market", "--bridge", bridge, "--synthetic", "7", "--underlying", "ACME",
            "--subscribe", "ACME:weeklys,strikes=-14..14,days=0..35", "--speed", "60", "--step", "15",
        )  # fmt: skip
        self.daemon.wait_for("connected: session", 60.0)

    def _run(self) -> Process:
        daemon = Process(
            self.folder, "run", "run", "--journal", str(self.folder / "journal"), "--bridge",
            str(self.folder / "bridge"), "--clock", "market", "--speed", "60", "--api", f"127.0.0.1:{self.port}",
            "--set", "risk.legs_fill_apart=false", CALLBOARD_AUTH_TOKEN=TOKEN,
        )  # fmt: skip
        daemon.wait_for("api: ", 60.0)
        return daemon

    def kill(self) -> None:
        """kill -9 of the daemon."""
        self.daemon.kill()

    def start_again(self) -> None:
        """The same daemon, from its journal."""
        self.daemon = self._run()
        self.daemon.wait_for("connected: session", 60.0)

    def get(self, path: str) -> Any:
        """One look past the page."""
        answer = httpx.get(f"{self.address}/api/v1{path}", headers={"authorization": f"Bearer {TOKEN}"}, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: object) -> Any:
        """One command past the page."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        answer = httpx.post(f"{self.address}/api/v1{path}", json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def hold_condor(self) -> None:
        """An iron condor of the first listed expiry, sold past the page: a test may run alone, or first."""
        quoted: list[dict[str, Any]] = []
        for _ in range(600):
            chain = self.get("/chain/ACME") if self.get("/status")["connected"] else {"contracts": []}
            quoted = [each for each in chain["contracts"] if each["bid"] and each["ask"] and each["delta"] is not None]
            if quoted:
                break
            time.sleep(0.1)
        expiry = min(each["expiry"] for each in quoted)
        legs, natural = list[dict[str, object]](), 0.0
        for right, delta in (("P", -0.3), ("C", 0.3)):
            side = [each for each in quoted if each["expiry"] == expiry and each["right"] == right]
            side.sort(key=lambda each: float(each["strike"]), reverse=right == "P")
            short = min(range(len(side) - 1), key=lambda place: abs(side[place]["delta"] - delta))
            legs += [{"symbol": side[short]["symbol"], "ratio": -1}, {"symbol": side[short + 1]["symbol"], "ratio": 1}]
            natural += side[short + 1]["ask"] - side[short]["bid"]
        name, limit = f"condor-{time.monotonic_ns()}", f"{natural:.2f}"
        body = {"order_id": name, "legs": legs, "quantity": 1, "limit_price": limit}
        answer = self.post("/orders?wait=final", body)
        assert answer["state"] == "filled", (answer["state"], answer.get("reasons"), answer)

    def close(self) -> None:
        self.daemon.kill()
        self.market.kill()


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    yield desk
    desk.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(_FLAGS))
        yield chromium
        chromium.close()


class Watched:
    """A page, and every error that it told its console."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("console", self._told)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _told(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def open(self, desk: Desk, token: str = TOKEN) -> Page:
        """Go there as the address that the daemon prints does."""
        self.page.goto(f"{desk.address}/#token={token}")
        return self.page

    def fits(self) -> bool:
        """Whether nothing has to be scrolled sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.fixture(params=SIZES, ids=str)
def watched(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Watched]:
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark")
    context.set_default_timeout(60_000)
    expect.set_options(timeout=30_000)
    yield Watched(context.new_page())
    context.close()
