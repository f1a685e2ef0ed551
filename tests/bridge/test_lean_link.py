"""LEAN's end of a live connection: a daemon that falls silent is gone, no wait is LEAN's, an old loss is no new one."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge import protocol
from bridge.client import BridgeGone, Connection
from bridge.lean_end import LeanEnd
from bridge.lean_link import ask_subscribe
from bridge.lean_live import Live
from bridge.lean_quotes import QuoteTable

AT = dt.datetime(2026, 1, 2, 15, tzinfo=dt.UTC)
WELCOME = protocol.Welcome(protocol.VERSION, 0, 0.4)


class Lean:
    """The edge: an account and a clock, nothing else is asked here."""

    def now(self) -> dt.datetime:
        return AT

    def account(self, seen: int) -> protocol.Account:
        cash, zero = Decimal(100000), Decimal(0)
        return protocol.Account(cash, zero, cash, zero, cash, zero, (), seen)


class Daemon:
    """The other end of a unix socket, played by hand: says what `answer` gives for each frame."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self.answer: Callable[[Any], protocol.Frame | None] = lambda frame: None
        self.frames: list[Any] = []
        self.reads = threading.Event()
        self.reads.set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.address)
        self._listener.listen(8)
        threading.Thread(target=self._accepting, daemon=True).start()

    def _accepting(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._serving, args=(peer,), daemon=True).start()

    def _serving(self, peer: socket.socket) -> None:
        buffer = protocol.FrameBuffer()
        with suppress(OSError), peer:
            while True:
                self.reads.wait()
                if not (data := peer.recv(65536)):
                    return
                buffer.add(data)
                while (body := buffer.take()) is not None:
                    frame = protocol.decode_to_daemon(body)
                    self.frames.append(frame)
                    if (said := self.answer(frame)) is not None:
                        peer.sendall(protocol.encode(said))

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "bridge")
    yield daemon
    daemon.close()


@pytest.fixture
def live(daemon: Daemon) -> Iterator[Live]:
    end = LeanEnd(Lean(), "s", "live", "paper")  # type: ignore[arg-type]
    live = Live(end, QuoteTable(), partial(Connection, daemon.address), lambda text: None)
    yield live
    live.goodbye(AT, "over", end.account(), seconds=0.0)


def until(true: Callable[[], Any], each: Callable[[], None] = lambda: None) -> None:
    """Wait for it, doing something each time; half a minute is for machines that are busy."""
    for _ in range(3000):
        if true():
            return
        each()
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_a_daemon_that_owes_an_answer_for_the_dead_man_s_time_is_gone_since_then(daemon: Daemon, live: Live) -> None:
    answers = {protocol.Hello: WELCOME, protocol.Heartbeat: protocol.Ack(0)}
    daemon.answer = lambda frame: answers.get(type(frame))
    live.start(AT)
    until(lambda: live.connected)
    until(lambda: sum(isinstance(frame, protocol.Heartbeat) for frame in daemon.frames) > 3, lambda: beat(live))
    assert live.connected
    answers.clear()  # it hangs: its socket still takes what comes
    until(lambda: live.dead_man(), lambda: beat(live))
    assert not live.connected
    answers[protocol.Hello] = WELCOME
    until(lambda: live.connected)
    assert live.dead_man() == 0.0


def beat(live: Live) -> None:
    live.beat(AT, (), (), None)


def test_the_dead_man_s_time_begins_when_lean_s_end_does(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    # LEAN reads the broker between the two, and its first tick may come before the daemon's welcome.
    begins = time.monotonic() + 3600.0
    monkeypatch.setattr("bridge.lean_live.time.monotonic", lambda: begins)
    assert live.dead_man() == 0.0
    live.start(AT)
    assert live.dead_man() == 0.0
    monkeypatch.setattr("bridge.lean_live.time.monotonic", lambda: begins + 31.0)
    assert live.dead_man() == 31.0


def test_without_heartbeats_of_ours_a_silent_daemon_owes_nothing(daemon: Daemon, live: Live) -> None:
    daemon.answer = lambda frame: WELCOME if isinstance(frame, protocol.Hello) else None
    live.start(AT)
    until(lambda: live.connected)
    connection = live._connection
    time.sleep(3 * WELCOME.dead_man_seconds)
    assert live._connection is connection


def test_the_loss_of_an_old_connection_does_not_end_the_one_made_since(daemon: Daemon, live: Live) -> None:
    daemon.answer = lambda frame: WELCOME if isinstance(frame, protocol.Hello) else None
    live.start(AT)
    until(lambda: live.connected)
    old = live._connection
    assert old is not None
    old.close()
    until(lambda: live._connection not in (None, old))
    new = live._connection
    live._lose(old)  # the sending thread hears of it late
    assert live._connection is new


def test_what_can_not_be_sent_does_not_end_the_thread_that_sends(daemon: Daemon, live: Live) -> None:
    daemon.answer = lambda frame: WELCOME if isinstance(frame, protocol.Hello) else None
    live.start(AT)
    until(lambda: live.connected)
    live.stored([protocol.StoredObject("notes", True, bytes(protocol.MAX_FRAME + 1))])
    until(lambda: sum(isinstance(frame, protocol.Hello) for frame in daemon.frames) == 2)
    before = len(daemon.frames)
    until(lambda: any(isinstance(frame, protocol.Heartbeat) for frame in daemon.frames[before:]), lambda: beat(live))


def test_heartbeats_and_steps_say_what_is_stale(daemon: Daemon, live: Live) -> None:
    daemon.answer = lambda frame: WELCOME if isinstance(frame, protocol.Hello) else None
    live.start(AT)
    until(lambda: live.connected)
    live.step(AT, ("GOOG", "SPX"), ("SPX",), None)
    until(lambda: any(isinstance(frame, protocol.Step) and frame.stale for frame in daemon.frames))
    live.beat(AT, ("GOOG", "SPX"), ("GOOG",), None)
    until(lambda: any(isinstance(frame, protocol.Heartbeat) for frame in daemon.frames))
    step = next(frame for frame in daemon.frames if isinstance(frame, protocol.Step) and frame.stale)
    assert (step.open, step.stale) == (("GOOG", "SPX"), ("SPX",))
    assert next(frame for frame in daemon.frames if isinstance(frame, protocol.Heartbeat)).alive == ("SPX",)


def test_a_daemon_that_accepts_and_says_nothing_is_told_from_one_that_answers_wrong(daemon: Daemon) -> None:
    connect = partial(Connection, daemon.address)
    with pytest.raises(BridgeGone, match=r"the daemon said nothing for 1\.0 s"):
        ask_subscribe(connect, 0.5)
    connection = connect()
    with pytest.raises(BridgeGone, match=r"no welcome within 0\.1 s"):
        connection.shake_hands(LeanEnd(Lean(), "s", "live", "paper").hello(AT, True), 0.1)  # type: ignore[arg-type]
    connection.close()


def test_a_wait_to_receive_does_not_shorten_a_send_to_a_daemon_that_reads_late(daemon: Daemon) -> None:
    connection = Connection(daemon.address, timeout=30.0)
    daemon.reads.clear()
    received, done = [0], threading.Event()

    def receive() -> None:
        while not done.is_set():
            assert connection.receive(0.001) is None
            received[0] += 1

    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()

    def late() -> None:
        until(lambda: received[0] > 200)
        daemon.reads.set()

    reader = threading.Thread(target=late, daemon=True)
    reader.start()
    big = protocol.StoredObject("key", True, b"x" * 8_000_000)
    connection.send(big)
    until(lambda: daemon.frames == [big])
    done.set()
    receiver.join()
    reader.join()
    connection.close()
