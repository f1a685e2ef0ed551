"""A stop ends: with clients that never read, in time; where something hangs, with every stack on stderr."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import trio
import trio.testing

from actors.runtime import Status
from daemon.serve import WebServer
from tests.api.kit import TOKENS
from tests.processes.kit import Process

_HANGS = """
import threading, time
from daemon.systemd import arm_watchdog
def sits_in_a_lock():
    threading.Event().wait()
threading.Thread(target=sits_in_a_lock, daemon=True).start()
arm_watchdog(0.2)
time.sleep(60)
"""


def test_a_stop_that_hangs_ends_the_process_and_shows_where_it_hung() -> None:
    ended = subprocess.run([sys.executable, "-c", _HANGS], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert "sits_in_a_lock" in ended.stderr
    assert ended.stderr.count("most recent call first") >= 2


def test_clients_that_never_read_do_not_hold_the_end_up(tmp_path: Path) -> None:
    daemon = Process(
        tmp_path, "run", "run", "--journal", str(tmp_path / "journal"), "--bridge", str(tmp_path / "bridge"), "--api",
        "127.0.0.1:0", CALLBOARD_AUTH_TOKEN=TOKENS["admin"],
    )  # fmt: skip
    daemon.wait_for("api: ")
    host, _, port = daemon.said.split("api: http://")[1].split()[0].partition(":")
    token = f"authorization: Bearer {TOKENS['admin']}\r\n\r\n"
    asks = f"GET /api/v1/facts HTTP/1.1\r\nhost: {host}\r\n{token}".encode()
    upgrade = (
        f"GET /feed HTTP/1.1\r\nhost: {host}\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        f"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{token}"
    ).encode()
    with contextlib.ExitStack() as stack:
        for sent in (asks * 200, upgrade, b"GET / HT") * 3:
            client = stack.enter_context(socket.create_connection((host, int(port))))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(sent)
        bridge = stack.enter_context(socket.socket(socket.AF_UNIX))
        bridge.connect(str(tmp_path / "bridge"))
        time.sleep(0.2)
        os.kill(daemon.pid, signal.SIGTERM)
        # Its own watchdog would make it 1 after 5 s.
        assert daemon.end(20) == 0, daemon.said
    assert "Traceback" not in daemon.said


async def test_a_send_that_waits_for_its_peer_ends_with_the_grace() -> None:
    blocked = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        blocked.set()
        while True:
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})

    web, status = WebServer(app, "127.0.0.1", 0, lambda event, text: None, grace=0.1, send_seconds=30), Status()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(web.run, status)
        await status.wait_started()
        client = await trio.open_tcp_stream("127.0.0.1", web.port)
        await client.send_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        await blocked.wait()
        await trio.testing.wait_all_tasks_blocked(0.1)
        with trio.fail_after(15):
            status.stopping.set()
            while web.connections:
                await trio.sleep(0.01)
    await client.aclose()
