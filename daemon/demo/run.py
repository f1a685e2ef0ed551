"""The demo's process tree: the daemon in this process, the synthetic market in another, a real socket between them."""

from __future__ import annotations

import datetime as dt
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import trio

from actors.messages.lean import AccountFill, SessionOpened
from actors.messages.orders import LegFilled, OrderDenied
from actors.runtime import Recorded, Status, first_cause
from bridge.paper import Books, read_ledger
from bridge.server import BridgeSettings
from config.calendar import ExchangeSessions
from daemon.demo.guide import Guide
from daemon.demo.summary import Summary, compare, orders_by_state
from daemon.port import BridgePort
from daemon.run import RunRequest, run_daemon
from daemon.systemd import arm_watchdog
from daemon.tokens import Tokens
from daemon.views import Views

Notice = Callable[[str, str], None]

#: Contracts that are played: enough for a trader's screen, few enough for a fraction of a core.
CHAINS = (
    "SPX:weeklys,strikes=-12..12,days=14..60", "SPXW:weeklys,strikes=-12..12,days=0..14",
    "ACME:weeklys,strikes=-10..10,days=0..45", "NOVA:weeklys,strikes=-10..10,days=0..45",
)  # fmt: skip
#: Seconds that the market, then the daemon, may take to end before they are ended.
_MARKET_ENDS, _DAEMON_ENDS = 3.5, 5.0
#: Seconds that the market may take to come.
_MARKET_COMES = 60.0
#: A market that ends so many times, each within so many seconds of its start, is not started again.
_MOST_FAILURES, _STAYS_UP = 5, 60.0


class DemoError(Exception):
    """The demo can't go on; the message says why."""


class DemoRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to show; the fields are the verb's options. `seconds` count from the market's coming;
    without them it goes on until it is stopped."""

    seed: int = 7
    speed: float = 60.0
    step: int = 15
    port: int = 8080
    seconds: float | None = None
    quiet: bool = False
    first: dt.date = dt.date(2026, 1, 5)
    cash: str = "250000"


class _Demo:
    def __init__(self, request: DemoRequest, folder: Path, notice: Notice, shown: Callable[[str], None]) -> None:
        self.request = request
        self.folder = folder
        self.notice = notice
        self.shown = shown
        self.token = secrets.token_urlsafe(32)
        self.status = Status()
        self.address = ""
        self.port: BridgePort | None = None
        self.views: Views | None = None
        self.serving = trio.Event()
        self.ended = trio.Event()
        self.over = trio.Event()
        self.market_from: dt.datetime | None = None
        self.fills = 0
        self.restarts = 0
        self.stopping = False
        self.goodbye = False
        self.failure: DemoError | None = None

    # --- the daemon -------------------------------------------------------------------------------------------

    async def daemon(self) -> None:
        """Run it until it is told to stop; what ends it otherwise ends the demo."""
        request = RunRequest(
            journal=self.folder / "journal", bridge=BridgeSettings(unix=self.folder / "bridge"), clock="market",
            speed=self.request.speed, api=("127.0.0.1", self.request.port), tokens=Tokens({"admin": self.token}),
            signals=False,
        )  # fmt: skip
        try:
            await run_daemon(request, self._told, self.status, self._fact, self._started)
        finally:
            self.ended.set()
            self.over.set()

    def _started(self, port: BridgePort, views: Views) -> None:
        self.port, self.views = port, views

    def _told(self, event: str, text: str) -> None:
        if event == "api":
            self.address = text
            self.serving.set()
        if event == "disconnected":
            self.goodbye = text.endswith("goodbye")
        if event == "backing off":
            self.restarts += 1
        self.notice(event, text)

    def _fact(self, recorded: Recorded) -> None:
        fact = recorded.fact
        if isinstance(fact, SessionOpened) and self.market_from is None:
            self.market_from = recorded.at
        if isinstance(fact, LegFilled | AccountFill):
            self.fills += 1
        if isinstance(fact, OrderDenied):
            self.notice("guide", f"{fact.order_id} denied: {'; '.join(reason.message for reason in fact.reasons)}")

    # --- the market -------------------------------------------------------------------------------------------

    async def market(self) -> None:
        """Keep a market running; one that ends unasked is started again, but not one that can't stay up."""
        failures = 0
        while not self.stopping:
            began = time.monotonic()
            code = await self._market_once()
            if self.stopping:
                return
            failures = failures + 1 if time.monotonic() - began < _STAYS_UP else 1
            self.notice("market", f"ended with {code}")
            if failures == _MOST_FAILURES:
                self.failure = DemoError(f"the market ended {failures} times; the last words: {self._last_words()}")
                self.over.set()
                return
            self.restarts += 1
            await trio.sleep(0.2 * failures)

    def _last_words(self) -> str:
        lines = (self.folder / "market.err").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "none"

    async def _market_once(self) -> int:
        request = self.request
        command = [
            sys.executable, "-c", "import sys; from daemon.cli import main; sys.exit(main())", "market", "--bridge",
            str(self.folder / "bridge"), "--synthetic", str(request.seed), "--from", request.first.isoformat(), "--to",
            "2045-12-29", "--speed", str(request.speed), "--step", str(request.step), "--cash", request.cash, "--tied",
            "--ledger", str(self.folder / "ledger"),
            *(word for ticker in ("SPX", "ACME", "NOVA") for word in ("--underlying", ticker)),
            *(word for chain in CHAINS for word in ("--subscribe", chain)),
        ]  # fmt: skip
        with (self.folder / "market.err").open("ab") as errors:
            # A session of its own: Ctrl-C reaches us alone, and we end it in order. Its stdin closes if we are killed.
            process = await trio.lowlevel.open_process(
                command, stdin=subprocess.PIPE, stdout=errors, stderr=errors, start_new_session=True
            )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._end_market, process)
                code = await process.wait()
                nursery.cancel_scope.cancel()
            return code
        finally:
            if process.poll() is None:
                process.kill()

    async def _end_market(self, process: trio.Process) -> None:
        await self.over.wait()
        self.stopping = True
        process.terminate()
        with trio.move_on_after(_MARKET_ENDS):
            await process.wait()
            return
        process.kill()

    # --- the whole --------------------------------------------------------------------------------------------

    async def run(self) -> Summary:
        began = time.monotonic()
        sessions = ExchangeSessions()
        async with trio.open_nursery() as everything:
            everything.start_soon(self._signals)
            everything.start_soon(self.daemon)
            await self.serving.wait()
            self.shown(f"{self.address}/#token={self.token}")
            assert self.port is not None
            assert self.views is not None
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.market)
                if not self.request.quiet:
                    nursery.start_soon(Guide(self.port, self.views, sessions, self.notice).run)
                await self._show()
                self.stopping = True
                self.over.set()
                with trio.move_on_after(_MARKET_ENDS + 1.0):
                    while self.views.connected:
                        await trio.sleep(0.02)
                if not self.ended.is_set():
                    with trio.move_on_after(2.0):
                        await self.port.quiet()
                nursery.cancel_scope.cancel()
            summary = self._summary(time.monotonic() - began)
            arm_watchdog(_DAEMON_ENDS)
            self.status.stopping.set()
            await self.ended.wait()
            everything.cancel_scope.cancel()
        if self.failure is not None:
            raise self.failure
        return summary

    async def _show(self) -> None:
        """Until somebody stops it, or its seconds since the market came are over."""
        with trio.move_on_after(_MARKET_COMES):
            while self.market_from is None and not self.over.is_set():
                await trio.sleep(0.02)
        if self.market_from is None and not self.over.is_set():
            self.failure = DemoError(f"the market did not come within {_MARKET_COMES:g} s")
            return
        with trio.move_on_after(float("inf") if self.request.seconds is None else self.request.seconds):
            await self.over.wait()

    async def _signals(self) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                self.over.set()

    def _summary(self, seconds: float) -> Summary:
        views, port = self.views, self.port
        assert views is not None
        assert port is not None
        market = port.core.market
        book = views.book
        # The broker's own file, after it said goodbye: only then may the two be compared.
        differences = compare(book, Books.of(read_ledger(self.folder / "ledger"))) if self.goodbye else ()
        return Summary(
            seed=self.request.seed, speed=self.request.speed, seconds=round(seconds, 1),
            market_from=self.market_from, market_to=port.clock.now(), views=0 if market is None else market.number,
            facts=views.seq, orders=orders_by_state(views), fills=self.fills,
            positions=len(book.positions), closed_positions=len(book.closed), cash=book.cash, fees=book.fees,
            realised=book.realised, equity=None if views.equity is None else views.equity.value,
            restarts=self.restarts, ledger_equal=not differences if self.goodbye else None, differences=differences,
        )  # fmt: skip


async def run_demo(request: DemoRequest, notice: Notice, shown: Callable[[str], None]) -> Summary:
    """Run a demo to its end, which SIGINT, SIGTERM or its seconds bring; `shown` is given the one address.

    Everything it writes is gone afterwards. Raises DemoError, also for a port that is taken, or what ends a daemon.
    """
    _check_port(request.port)
    with tempfile.TemporaryDirectory(prefix="callboard-demo-") as folder:
        try:
            return await _Demo(request, Path(folder), notice, shown).run()
        except ExceptionGroup as group:
            raise first_cause(group) from group


def _check_port(port: int) -> None:
    """Raise DemoError where somebody else listens there: said before anything is started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(f"127.0.0.1:{port} can't be bound: {error.strerror}; name another --port") from error
