"""Attacks a running daemon's bridge in every way we know, and looks whether it serves on. Prints a table when run."""

from __future__ import annotations

import datetime as dt
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import msgspec

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from bridge import protocol
from bridge.client import BridgeRefused, Connection

SECRET = b"a secret of enough bytes"
AT = dt.datetime(2026, 1, 2, 15, tzinfo=dt.UTC)
KINDS: dict[str, int] = {
    "random bytes": 2000, "truncated frames": 2000, "huge lengths": 2000, "wrong secret": 1000,
    "wrong version": 500, "another first frame": 500, "slow, a byte a second": 15, "connects": 5000,
}  # fmt: skip
"""What is done, and how often in a whole run."""


class Row(msgspec.Struct):
    """One kind of attack: how often, whether a proper peer was served during or right after it and how fast, the
    daemon's memory and descriptors then, and how many notices it made of it."""

    kind: str
    times: int
    served: bool
    milliseconds: float
    kilobytes: int
    descriptors: int
    notices: int


def _hello(session: str, version: int = protocol.VERSION) -> protocol.Hello:
    zero, cash = Decimal(0), Decimal(100000)
    account = protocol.Account(cash, zero, cash, zero, cash, zero, ())
    return protocol.Hello(version, session, "live", "paper", True, AT, account, (), (), 0)


def _serves(address: str, session: str) -> float:
    """Milliseconds until a proper peer is in; it leaves again."""
    began = time.perf_counter()
    for _ in range(100):
        try:
            connection = Connection(address, SECRET)
            connection.shake_hands(_hello(session))
            break
        except BridgeRefused as refused:  # too many strangers just now, or an old peer on its way out
            if not refused.retry:
                raise
            time.sleep(0.05)
    else:
        raise AssertionError("no proper peer got in")
    taken = (time.perf_counter() - began) * 1000
    connection.send(protocol.Goodbye(AT, "done"))
    connection.close()
    return taken


def _throw(port: int, data: bytes) -> None:
    """Connect, send, go."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5.0) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        peer.settimeout(0.2)
        while peer.recv(4096):
            pass


def _attacks(port: int, chooser: random.Random) -> dict[str, Callable[[], None]]:
    whole = protocol.encode(_hello("never"))
    address = f"127.0.0.1:{port}"

    def wrong_secret() -> None:
        with suppress(OSError, BridgeRefused):
            connection = Connection(address, chooser.randbytes(24))
            with suppress(BridgeRefused):
                connection.shake_hands(_hello("never"))
            connection.close()

    def wrong(frame: protocol.Frame) -> Callable[[], None]:
        def run() -> None:
            connection = Connection(address, SECRET)
            with suppress(OSError):
                connection.send(frame)
                connection.receive(1.0)
            connection.close()

        return run

    return {
        "random bytes": lambda: _throw(port, chooser.randbytes(chooser.randrange(1, 4000))),
        "truncated frames": lambda: _throw(port, whole[: chooser.randrange(1, len(whole))]),
        "huge lengths": lambda: _throw(port, chooser.randrange(protocol.MAX_FRAME + 1, 2**32).to_bytes(4, "big") * 9),
        "wrong secret": wrong_secret,
        "wrong version": wrong(_hello("never", 99)),
        "another first frame": wrong(protocol.Heartbeat(AT)),
        "connects": lambda: _throw(port, b""),
    }


def attack(folder: Path, share: float) -> list[Row]:
    """Start a daemon, attack it with this share of a whole run, and end it. Raises AssertionError where it dies."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    errors = folder / "daemon.err"
    command = (
        sys.executable, "-c", "import sys; from daemon.cli import main; sys.exit(main())", "run", "--journal",
        str(folder / "journal"), "--bridge", f"127.0.0.1:{port}", "--clock", "market", "--risk", "lean", "--no-api",
    )  # fmt: skip
    environment = {**os.environ, "CALLBOARD_BRIDGE_SECRET": SECRET.decode()}
    with errors.open("w") as stream:
        daemon = subprocess.Popen(command, stderr=stream, env=environment, cwd=Path(__file__).parents[2])
    try:
        until = time.monotonic() + 60
        while "ready" not in errors.read_text():
            assert daemon.poll() is None, errors.read_text()
            assert time.monotonic() < until, errors.read_text()
            time.sleep(0.02)
        _serves(f"127.0.0.1:{port}", "first")
        rows: list[Row] = []
        attacks = _attacks(port, random.Random(1))
        for kind, whole in KINDS.items():
            before = errors.read_text().count("\n")
            times = max(3, int(whole * share))
            slow: list[socket.socket] = []
            if kind in attacks:
                for _ in range(times):
                    attacks[kind]()
            else:
                slow = [socket.create_connection(("127.0.0.1", port), 5.0) for _ in range(times)]
                for _ in range(3):
                    for peer in slow:
                        with suppress(OSError):
                            peer.sendall(b"\x00")
                    time.sleep(1.0)
            taken = _serves(f"127.0.0.1:{port}", f"after {kind}")
            if slow:
                time.sleep(3.0)  # until their time to say hello is over
                for peer in slow:
                    peer.close()
            status = dict(line.split(":", 1) for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines())
            rows.append(
                Row(
                    kind, times, daemon.poll() is None, taken, int(status["VmRSS"].split()[0]),
                    len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())), errors.read_text().count("\n") - before,
                )
            )  # fmt: skip
        return rows
    finally:
        daemon.terminate()
        daemon.wait(20.0)


def main() -> int:
    """A whole run, as a table."""
    with tempfile.TemporaryDirectory() as folder:
        rows = attack(Path(folder), 1.0)
    print(f"{'attack':<24}{'times':>7}{'served':>8}{'ms':>8}{'RSS kB':>9}{'fds':>5}{'notices':>9}")
    for row in rows:
        print(
            f"{row.kind:<24}{row.times:>7}{'yes' if row.served else 'NO':>8}{row.milliseconds:>8.1f}"
            f"{row.kilobytes:>9}{row.descriptors:>5}{row.notices:>9}"
        )
    return 0 if all(row.served for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
