"""The feed's deliveries a second to 1, 10 and 100 clients, and with one that never reads, beside plain Hypercorn.

Plain Hypercorn is its own `serve` with a handler that sends the same frames, made once, from a queue a client. Server
and clients are processes of their own on the same machine. One run, both ways in turn; the ratio is what to read.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import trio

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

TOKEN = "viewer-0123456789-abcdefghij"
AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)
UPGRADE = (
    b"GET /feed HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
)
MARK = b'"type":"fact"'


def facts(count: int) -> tuple[Any, Any, list[Any]]:
    """A core, its journal, and so many facts about to happen."""
    from actors.messages.lean import LeanNotice
    from actors.runtime import MemoryJournal, Recorded
    from config.desk import DeskRules
    from daemon.desk import desk_core

    recorded: list[Recorded] = []
    journal = MemoryJournal()
    core = desk_core(journal, DeskRules(), on_record=recorded.append)
    core.start(AT)
    for number in range(count):
        core.tell(LeanNotice(number + 1, "information", "GOOG", f"news {number} " + "x" * 60), AT)
    return core, journal, recorded


async def serve_ours(count: int) -> None:
    """Our feed behind our server. Facts begin when a line comes on stdin."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    from actors.runtime import Status
    from daemon.feed import Feed
    from daemon.serve import WebServer
    from daemon.tokens import Tokens

    core, journal, recorded = facts(count)
    feed = Feed(journal, core.decode, Tokens({"viewer": TOKEN}), after=recorded[0].seq)
    server = WebServer(Starlette(routes=[WebSocketRoute("/feed", feed.serve)]), "127.0.0.1", 0, lambda *said: None)
    async with trio.open_nursery() as nursery:
        status = Status()
        nursery.start_soon(server.run, status)
        await status.wait_started()
        await started(server.port)
        for each in recorded[1:]:
            feed.add(each)
            if not each.seq % 20:
                await trio.lowlevel.checkpoint()
        await trio.sleep_forever()


async def serve_plain(count: int) -> None:
    """Hypercorn as it is shipped, with a handler as one writes it."""
    from hypercorn.config import Config
    from hypercorn.trio import serve
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket

    from daemon.feed import _Told

    _, _, recorded = facts(count)
    queues: dict[int, trio.MemorySendChannel[str]] = {}

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        send, receive = trio.open_memory_channel[str](10**9)
        queues[id(websocket)] = send
        await websocket.send_text("{}")
        async for text in receive:
            await websocket.send_text(text)

    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = config.accesslog = None
    async with trio.open_nursery() as nursery:
        app: Any = Starlette(routes=[WebSocketRoute("/feed", handler)])
        (address,) = await nursery.start(partial(serve, app, config))
        await started(int(address.rpartition(":")[2]))
        for each in recorded[1:]:
            text = _Told(each).text(each.seq - 1)
            for queue in queues.values():
                queue.send_nowait(text)
            if not each.seq % 20:
                await trio.lowlevel.checkpoint()
        await trio.sleep_forever()


async def started(port: int) -> None:
    """Say where we are, and wait for the word to begin."""
    print(port, flush=True)
    await trio.to_thread.run_sync(sys.stdin.readline)


async def join(port: int) -> trio.SocketStream:
    """A client that is greeted."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(UPGRADE)
    await stream.receive_some(4096)
    payload = json.dumps({"token": TOKEN}).encode()
    await stream.send_all(bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload)
    await stream.receive_some(4096)
    return stream


async def count_facts(stream: trio.SocketStream, count: int) -> None:
    """Read until so many frames have come."""
    seen, tail = 0, b""
    while seen < count:
        data = await stream.receive_some(262_144)
        assert data, f"cut after {seen} of {count}"
        whole = tail + bytes(data)
        seen += whole.count(MARK)
        tail = whole[-len(MARK) + 1 :]


async def measure(way: str, clients: int, count: int, stalled: bool) -> float:
    """Deliveries a second."""
    command = [sys.executable, __file__, "--serve", way, "--facts", str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(await trio.to_thread.run_sync(process.stdout.readline))
        streams = [await join(port) for _ in range(clients)]
        if stalled:
            await join(port)
        began = time.perf_counter()
        process.stdin.write("go\n")
        process.stdin.flush()
        with trio.fail_after(300):
            async with trio.open_nursery() as nursery:
                for stream in streams:
                    nursery.start_soon(count_facts, stream, count)
        return clients * count / (time.perf_counter() - began)
    finally:
        process.kill()
        process.wait()


async def main(deliveries: int) -> None:
    """The table."""
    print(f"{'clients':>16} {'ours /s':>10} {'plain /s':>10} {'ours/plain':>11}")
    for clients, stalled in ((1, False), (10, False), (100, False), (10, True), (100, True)):
        count = min(4500, max(200, deliveries // clients))
        rates = {way: await measure(way, clients, count, stalled) for way in ("ours", "plain")}
        label = f"{clients}{' + 1 stalled' if stalled else ''}"
        print(f"{label:>16} {rates['ours']:>10,.0f} {rates['plain']:>10,.0f} {rates['ours'] / rates['plain']:>11.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", choices=("ours", "plain"))
    parser.add_argument("--facts", type=int, default=1000)
    parser.add_argument("--deliveries", type=int, default=40_000, help="about so many for each row")
    args = parser.parse_args()
    if args.serve is not None:
        trio.run({"ours": serve_ours, "plain": serve_plain}[args.serve], args.facts)
    else:
        trio.run(main, args.deliveries)
