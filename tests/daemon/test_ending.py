"""How the process ends or begins anew: signals in any order, a failure whose stop hangs, nobody who reads its words."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.ending import Ending, end_on_signals
from tests.processes.kit import CALLBOARD, Process

_SIGNALED = """
import os, signal
from daemon.ending import calm_signals
with calm_signals():
    os.kill(os.getpid(), signal.SIGHUP)
    print("alive", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
print("never said")
"""

_HASTY = "import sys, daemon.run as run; run.STOP_SECONDS = 2.0; from daemon.cli import main; sys.exit(main())"

_FAILS = """
import sys, threading
from pathlib import Path
import trio
import daemon.run as run
from actors.messages.breaker import Halt
from bridge.server import BridgeSettings
from tests.daemon.test_stopped_actor_in_the_tree import Fragile
run.STOP_SECONDS = 0.5
folder = Path(sys.argv[1])
actor = type("FragileOf", (Fragile,), {"group": "safety", "fails": "decide"})()
request = run.RunRequest(journal=folder / "journal", bridge=BridgeSettings(unix=folder / "bridge"), more=(actor,))
def sits_in_a_lock(event, text):
    if text.startswith("callboard/core SafetyFailed"):
        threading.Event().wait()
def started(port, views):
    port.core.command("1", "operator:test", Halt(1, "first"), port.clock.now())
trio.run(run.run_daemon, request, sits_in_a_lock, None, None, started)
"""


class Manager:
    """A service manager's socket, and what it heard."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(self.address)
        self._heard: list[str] = []

    @property
    def heard(self) -> list[str]:
        """The first word of each message so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._heard.append(self._socket.recv(4096).decode().split("=")[0])
        return self._heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A settings file with a limit that `tighten` makes smaller."""
    path = tmp_path / "settings.toml"
    path.write_text('[risk]\ndaily_loss = "3 %"\n')
    return path


def tighten(settings: Path) -> None:
    settings.write_text('[risk]\ndaily_loss = "2 %"\n')


def options(folder: Path, settings: Path) -> tuple[str, ...]:
    return (
        "run", "--journal", str(folder / "journal"), "--bridge", str(folder / "bridge"), "--no-api", "--config",
        str(settings),
    )  # fmt: skip


def ready_again(daemon: Process) -> None:
    until = time.monotonic() + 30
    while daemon.said.count("ready: ") < 2:
        assert not daemon.ended, daemon.said
        assert time.monotonic() < until, daemon.said
        time.sleep(0.01)


def test_what_began_anew_outlives_the_end_before_it_and_the_service_manager_hears_of_no_end(
    tmp_path: Path, settings: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.processes.kit.CALLBOARD", (sys.executable, "-c", _HASTY))
    daemon = Process(tmp_path, "run", *options(tmp_path, settings), NOTIFY_SOCKET=manager.address)
    try:
        daemon.wait_for("ready: ")
        tighten(settings)
        daemon.signal(signal.SIGHUP)
        ready_again(daemon)
        with pytest.raises(subprocess.TimeoutExpired):
            daemon._popen.wait(2.5)  # its own watchdog has 2 s
        assert manager.heard == ["READY", "RELOADING", "READY"]
        assert daemon.stop() == 0, daemon.said
        assert manager.heard[3:] == ["STOPPING"]
    finally:
        daemon.kill()


def test_hangups_while_it_begins_anew_do_not_end_it(tmp_path: Path, settings: Path) -> None:
    daemon = Process(tmp_path, "run", *options(tmp_path, settings))
    try:
        daemon.wait_for("ready: ")
        tighten(settings)
        until = time.monotonic() + 30
        while daemon.said.count("ready: ") < 2 and not daemon.ended and time.monotonic() < until:
            daemon.signal(signal.SIGHUP)
            time.sleep(0.002)
        ready_again(daemon)
        assert daemon.stop() == 0, daemon.said
    finally:
        daemon.kill()


def test_who_asks_for_the_end_after_a_hangup_gets_the_end(tmp_path: Path, settings: Path) -> None:
    daemon = Process(tmp_path, "run", *options(tmp_path, settings))
    try:
        daemon.wait_for("ready: ")
        tighten(settings)
        daemon.signal(signal.SIGHUP)
        daemon.signal(signal.SIGTERM)
        # By the signal itself where nobody listened any more.
        assert daemon.end(20) in (0, -signal.SIGTERM), daemon.said
        assert daemon.said.count("ready: ") == 1
    finally:
        daemon.kill()


async def test_a_hangup_that_overtakes_or_follows_the_end_that_was_asked_for_begins_nothing_anew() -> None:
    """Of two signals at once the kernel may hand each to another thread: the later may be heard first."""
    heard = list[str]()

    def on_hangup() -> bool:
        heard.append("hangup")
        return True

    async with trio.open_nursery() as nursery:
        stops = partial(heard.append, "stop")
        nursery.start_soon(end_on_signals, Ending(None), stops, on_hangup, partial(heard.append, "end"))
        await wait_all_tasks_blocked()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            signal.raise_signal(number)
            await wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert heard == ["end", "stop", "end", "stop"]


def test_before_it_serves_a_hangup_does_nothing_and_an_interrupt_ends_it_without_a_word() -> None:
    ended = subprocess.run([sys.executable, "-c", _SIGNALED], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "alive\n", "")


def test_every_signal_at_once_is_one_clean_end(tmp_path: Path, settings: Path, manager: Manager) -> None:
    daemon = Process(tmp_path, "run", *options(tmp_path, settings), NOTIFY_SOCKET=manager.address)
    daemon.wait_for("ready: ")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        daemon.signal(number)
    assert daemon.end(20) in (0, -signal.SIGTERM, -signal.SIGINT), daemon.said
    assert "Traceback" not in daemon.said


def test_a_failure_whose_stop_hangs_ends_the_process_and_shows_where_it_hung(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _FAILS, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "sits_in_a_lock" in ended.stderr
    assert "most recent call first" in ended.stderr


def test_it_goes_on_when_nobody_reads_what_it_says(tmp_path: Path, settings: Path, manager: Manager) -> None:
    read, write = os.pipe()
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address}
    with subprocess.Popen([*CALLBOARD, *options(tmp_path, settings)], stderr=write, env=environment) as daemon:
        os.close(write)
        until = time.monotonic() + 30
        while not manager.heard:
            assert time.monotonic() < until
            time.sleep(0.01)
        os.close(read)
        tighten(settings)
        daemon.send_signal(signal.SIGHUP)
        while manager.heard.count("READY") < 2:
            assert daemon.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        daemon.terminate()
        assert daemon.wait(20) == 0
