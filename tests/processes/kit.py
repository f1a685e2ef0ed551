"""Starts the daemon and the market as the processes that users start, and looks at what they leave behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
CALLBOARD = (sys.executable, "-c", "import sys; from daemon.cli import main; sys.exit(main())")
DAY = ("--from", "2015-12-24", "--to", "2015-12-24")
CHAIN = ("--underlying", "GOOG", "--subscribe", "GOOG:weeklys,strikes=-30..30,days=0..60")


class Process:
    """One of our verbs in a process, its stderr in a file."""

    def __init__(self, folder: Path, name: str, *arguments: str, secret: str = "", **more: str) -> None:
        self._errors = folder / f"{name}.{time.monotonic_ns()}.err"
        if arguments[0] == "run" and "--api" not in arguments:
            arguments = (*arguments, "--no-api")
        environment = {**os.environ, "CALLBOARD_BRIDGE_SECRET": secret, **more}
        with self._errors.open("w") as errors:
            self._popen = subprocess.Popen([*CALLBOARD, *arguments], stderr=errors, env=environment)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._popen.pid

    @property
    def said(self) -> str:
        """What it wrote to stderr so far."""
        return self._errors.read_text()

    @property
    def connects(self) -> int:
        """How often it said that LEAN's end connected; what disconnected does not count."""
        return len(re.findall(r"\bconnected: session", self.said))

    def wait_for(self, text: str, seconds: float = 30.0) -> None:
        """Return once it has said so. Raises AssertionError with all it said otherwise."""
        until = time.monotonic() + seconds
        while text not in self.said:
            assert time.monotonic() < until, f"no {text!r} within {seconds} s, but:\n{self.said}"
            assert self._popen.poll() is None or text in self.said, f"ended without {text!r}:\n{self.said}"
            time.sleep(0.01)

    def end(self, seconds: float = 60.0) -> int:
        """Its exit code, once it ended by itself."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.said}") from None

    def stop(self, seconds: float = 10.0) -> int:
        """Ask it to end, as a service manager does."""
        self._popen.send_signal(signal.SIGTERM)
        return self.end(seconds)

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._popen.send_signal(number)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._popen.poll() is not None

    def kill(self) -> None:
        """kill -9. Nothing where it ended already."""
        self._popen.kill()
        self._popen.wait()


def orders_of(script: Path) -> Iterator[str]:
    """Symbols that a script names, for the market to have them."""
    for line in script.read_text().splitlines():
        for leg in json.loads(line).get("submit", {}).get("legs", ()):
            yield leg["symbol"]


def named(symbols: Iterator[str]) -> Sequence[str]:
    """As options of the market's verb."""
    return [word for symbol in dict.fromkeys(symbols) for word in ("--symbol", symbol)]


SCRIPT = DATA / "demo.jsonl"


def scripted_daemon(folder: Path, name: str = "run", script: Path = SCRIPT, silent: str = "60s") -> Process:
    """A daemon for one lock-step day with a script; its journal and bridge lie in the folder. Ready.

    A market that says nothing for `silent` is cut off.
    """
    daemon = Process(
        folder, name, "run", "--journal", str(folder / "journal"), "--bridge", str(folder / "bridge"), "--clock",
        "market", "--risk", "lean", "--script", str(script), "--once", "--dead-man", "1",
        CALLBOARD__BRIDGE__SILENT=silent,
    )  # fmt: skip
    daemon.wait_for("ready")
    return daemon


def scripted_market(
    folder: Path, bridge: str = "bridge", patience: int = 0, script: Path = SCRIPT, *more: str
) -> Process:
    """The market of that day, at a bridge in the folder."""
    return Process(
        folder, "market", "market", "--bridge", str(folder / bridge), "--data", str(DATA / "lean"), *CHAIN, *DAY,
        *named(orders_of(script)), "--patience", str(patience), *more,
    )  # fmt: skip
