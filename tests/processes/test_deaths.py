"""The daemon killed (kill -9) and the socket cut at many points, in lock-step: the book is the undisturbed run's."""

from __future__ import annotations

import random
import select
import socket
import sqlite3
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

from actors.messages.book import BOOK_FACTS, Book, fold_book
from actors.messages.order_state import OrderTable, fold
from actors.messages.orders import OrderFact
from actors.runtime import Core
from config.desk import LEAN_RULES
from daemon.desk import desk_core
from daemon.journal import SqliteJournal, verify
from tests.processes.kit import scripted_daemon, scripted_market


def seq(journal: Path) -> int:
    """The last fact on disk, as another process sees it."""
    if not journal.exists():
        return 0
    connection = sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute("select coalesce(max(seq), 0) from fact").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def outcome(path: Path) -> dict[str, object]:
    """Cash, holdings, every order's end and what was sent, folded from the journal alone."""
    assert verify(path).problem is None
    book, table, sent = Book(), OrderTable(), list[tuple[str, int]]()
    with SqliteJournal(path, live=False) as journal:
        core: Core = desk_core(journal, LEAN_RULES)
        for recorded in map(core.decode, journal.read()):
            fact = recorded.fact
            if isinstance(fact, OrderFact):
                fold(table, recorded)
            if isinstance(fact, BOOK_FACTS):
                fold_book(book, recorded)
            if type(fact).__name__ == "OrderSent":
                sent.append((fact.order_id, fact.attempt))
    assert len(set(sent)) == len(sent), "an attempt was sent twice"
    orders = {each.order_id: (each.state, tuple(each.filled)) for each in table.orders.values()}
    return {"cash": book.cash, "holdings": dict(book.holdings), "orders": orders, "fees": book.fees}


def run(folder: Path, kills: list[int]) -> dict[str, object]:
    """A day in lock-step; the daemon is killed when its journal reaches each of these facts, and started anew."""
    journal = folder / "journal"
    daemon = scripted_daemon(folder)
    market = scripted_market(folder, patience=30)
    try:
        for point in sorted(kills):
            until = time.monotonic() + 30
            while seq(journal) < point and time.monotonic() < until and "stopped: callboard/core" not in daemon.said:
                time.sleep(0.001)
            daemon.kill()
            daemon = scripted_daemon(folder)
        assert market.end() == 0, market.said
        # Killed after its last word, it comes back to a market that has gone home.
        served = "connected:" in daemon.said
        assert (daemon.end() if served else daemon.stop()) == 0, daemon.said
    finally:
        daemon.kill()
        market.kill()
    return outcome(journal)


class Cutter(threading.Thread):
    """Stands between market and daemon, and cuts both ends each time so many more bytes have passed either way."""

    def __init__(self, near: str, far: str, cuts: list[int]) -> None:
        super().__init__(daemon=True)
        self._near, self._far, self._cuts = near, far, list(cuts)
        self.passed = self.done = 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(near)
        self._listener.listen(8)

    def run(self) -> None:
        while True:
            one, _ = self._listener.accept()
            two = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            two.connect(self._far)
            self._pass(one, two)
            one.close()
            two.close()

    def _pass(self, one: socket.socket, two: socket.socket) -> None:
        while True:
            for ready in select.select([one, two], [], [])[0]:
                try:
                    data = ready.recv(4096)
                    room = self._cuts[0] - self.passed if self._cuts else len(data)
                    if not data:
                        return
                    (two if ready is one else one).sendall(data[: max(0, room)])
                except OSError:
                    return
                self.passed += min(len(data), max(0, room))
                if room < len(data):
                    self._cuts.pop(0)
                    self.done += 1
                    return


def run_cut(folder: Path, cuts: list[int]) -> tuple[dict[str, object], Cutter]:
    """A day in lock-step over a socket that is cut after so many bytes."""
    daemon = scripted_daemon(folder)
    cutter = Cutter(str(folder / "near"), str(folder / "bridge"), cuts)
    cutter.start()
    market = scripted_market(folder, "near", patience=30)
    try:
        assert market.end() == 0, market.said
        assert daemon.end() == 0, daemon.said
    finally:
        daemon.kill()
        market.kill()
    return outcome(folder / "journal"), cutter


def cut_sweep(folder: Path, points: int, rounds: int, seed: int) -> None:
    (folder / "calm").mkdir()
    calm, cutter = run_cut(folder / "calm", [])
    chooser = random.Random(seed)
    for number in range(rounds):
        cuts = sorted(chooser.sample(range(10, int(cutter.passed * 0.95)), points))
        place = folder / f"round{number}"
        place.mkdir()
        book, cut = run_cut(place, cuts)
        assert cut.done == points
        assert book == calm, f"seed {seed}, cuts at {cuts}"


def test_the_socket_is_cut_at_twenty_points_and_the_book_is_the_same(tmp_path: Path) -> None:
    cut_sweep(tmp_path, points=10, rounds=2, seed=5)


@pytest.mark.long
def test_the_socket_is_cut_at_two_hundred_points_and_the_book_is_the_same(tmp_path: Path) -> None:
    cut_sweep(tmp_path, points=10, rounds=20, seed=11)


def sweep(folder: Path, points: int, rounds: int, seed: int) -> None:
    (folder / "calm").mkdir()
    calm = run(folder / "calm", [])
    last = seq(folder / "calm" / "journal")
    assert isinstance(calm["cash"], Decimal)
    assert len(calm["orders"]) >= 4  # type: ignore[arg-type]
    chooser = random.Random(seed)
    for number in range(rounds):
        kills = sorted(chooser.sample(range(2, int(last * 0.9)), points))
        place = folder / f"round{number}"
        place.mkdir()
        assert run(place, kills) == calm, f"seed {seed}, kills at {kills}"


def test_the_daemon_dies_at_six_points_of_its_journal_and_the_book_is_the_same(tmp_path: Path) -> None:
    sweep(tmp_path, points=3, rounds=2, seed=1)


@pytest.mark.long
def test_the_daemon_dies_at_a_hundred_points_of_its_journal_and_the_book_is_the_same(tmp_path: Path) -> None:
    sweep(tmp_path, points=5, rounds=20, seed=7)
