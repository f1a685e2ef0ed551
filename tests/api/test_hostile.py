"""What strangers and broken clients do to the door: each costs its own connection, and the daemon serves on."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from actors.messages.lean import LeanNotice
from daemon.feed_client import FeedClient
from tests.api.house import house, serving
from tests.api.kit import TOKENS, Desk
from tests.api.websocket import Socket

UPGRADE = (
    b"GET /api/v1/feed HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
)
GET = b"GET /api/v1/status HTTP/1.1\r\nhost: 127.0.0.1\r\n"
POST = b"POST /api/v1/orders HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer " + TOKENS["admin"].encode() + b"\r\n"
NOISE = random.Random(225).randbytes(65536)


def frame(opcode: int, payload: bytes, *, final: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """A WebSocket frame as a client sends it, or should not."""
    head = bytes(((0x80 if final else 0) | reserved << 4 | opcode,))
    size = len(payload)
    mask = 0x80 if masked else 0
    if size < 126:
        head += bytes((mask | size,))
    elif size < 65536:
        head += bytes((mask | 126,)) + struct.pack(">H", size)
    else:
        head += bytes((mask | 127,)) + struct.pack(">Q", size)
    return head + (bytes(4) if masked else b"") + payload


def bomb() -> bytes:
    """A compressed frame of a few kB that is 32 MB of zeros."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (squeeze.compress(bytes(32 * 2**20)) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


HOSTILE = {
    "zeros": bytes(4096),
    "noise": NOISE,
    "no such version": b"GET / HTTP/9.9\r\n\r\n",
    "no request line": b"\r\n\r\n\r\nGET\r\n\r\n",
    "a body that never comes": POST + b"content-length: 99999999\r\n\r\n",
    "a negative length": POST + b"content-length: -1\r\n\r\n{}",
    "two lengths": POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
    "length and chunks": POST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "chunks of rubbish": POST + b"transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    "20,000 headers": GET + b"a: b\r\n" * 20_000 + b"\r\n",
    "a header of 1 MB": GET + b"a: " + b"b" * 2**20 + b"\r\n\r\n",
    "a path that is no text": b"GET /\xff\xfe\x00 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    "a header that is no text": GET + b"authorization: Bearer \xff\xfe\r\n\r\n",
    "no host": b"GET /api/v1/status HTTP/1.1\r\n\r\n",
    "h2 in the clear and rubbish": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + NOISE[:2000],
    "an upgrade to h2 and rubbish": (
        GET + b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: !!!\r\n\r\n" + NOISE[:500]
    ),
    "100 requests at once": (GET + b"\r\n") * 100,
    "a byte after the upgrade": UPGRADE + b"\r\nx",
    "64 kB of noise after the upgrade": UPGRADE + b"\r\n" + NOISE,
    "an upgrade without a key": UPGRADE.replace(b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"") + b"\r\n",
    "an unmasked frame": UPGRADE + b"\r\n" + frame(1, b"{}", masked=False),
    "text that is no text": UPGRADE + b"\r\n" + frame(1, b"\xff\xfe\xfd"),
    "bytes": UPGRADE + b"\r\n" + frame(2, b"\x00" * 100),
    "an unknown opcode": UPGRADE + b"\r\n" + frame(11, b""),
    "reserved bits": UPGRADE + b"\r\n" + frame(1, b"{}", reserved=7),
    "a long ping": UPGRADE + b"\r\n" + frame(9, b"p" * 1000),
    "1,000 pings": UPGRADE + b"\r\n" + frame(9, b"p") * 1000,
    "a message too long": UPGRADE + b"\r\n" + frame(1, b"a" * 200_000),
    "a message without an end": (
        UPGRADE + b"\r\n" + frame(1, b"a" * 1000, final=False) + frame(0, b"a", final=False) * 1000
    ),
    "a frame of 2^62 bytes": UPGRADE + b"\r\n" + b"\x81\xff" + struct.pack(">Q", 2**62) + bytes(64),
    "a bad close code": UPGRADE + b"\r\n" + frame(8, struct.pack(">H", 1005)),
    "a half close frame": UPGRADE + b"\r\n" + frame(8, b"\x03"),
    "32 MB in 32 kB": UPGRADE + b"sec-websocket-extensions: permessage-deflate\r\n\r\n" + frame(1, bomb(), reserved=4),
    "nested JSON": UPGRADE + b"\r\n" + frame(1, b"[" * 60_000),
}  # fmt: skip


def assail(port: int, data: bytes, end: str) -> None:
    """Send it, and leave as `end` says: at once by a reset, softly, or after a moment of listening."""
    with socket.create_connection(("127.0.0.1", port)) as raw, contextlib.suppress(OSError):
        raw.settimeout(0.3)
        with contextlib.suppress(OSError):
            raw.sendall(data)
        if end == "reset":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif end == "half":
            raw.shutdown(socket.SHUT_WR)
            raw.recv(1000)
        else:
            raw.recv(1000)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    desk = Desk(folder, "order_queue_api.requests_per_second=100000", "order_queue_api.burst=100000", speed=60)
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def fresh(desk: Desk) -> int:
    """Descriptors of a daemon that served once and serves nobody."""
    desk.ask("GET", "/api/v1/status")
    time.sleep(0.2)
    return memory_and_descriptors(desk)[1]


def memory_and_descriptors(desk: Desk) -> tuple[float, int]:
    """Megabytes resident and descriptors open, of the daemon's process."""
    folder = Path(f"/proc/{desk.daemon.pid}")
    pages = int((folder / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir(folder / "fd"))


def settled(desk: Desk, descriptors: int, seconds: float = 10.0) -> tuple[float, int]:
    """As above, once the descriptors are what they were, or the time is over."""
    until = time.monotonic() + seconds
    while (now := memory_and_descriptors(desk))[1] > descriptors and time.monotonic() < until:
        time.sleep(0.05)
    return now


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_ends_its_own_connection_only(desk: Desk, fresh: int, name: str) -> None:
    port = int(desk.address.rpartition(":")[2])
    for end in ("listen", "half", "reset"):
        assail(port, HOSTILE[name], end)
    assert desk.ask("GET", "/api/v1/status").status_code == 200
    assert desk.ask("GET", "/readyz").status_code == 200


def test_after_all_of_it_memory_and_descriptors_are_flat(desk: Desk, fresh: int) -> None:
    port = int(desk.address.rpartition(":")[2])
    before = settled(desk, fresh)
    for data in HOSTILE.values():
        for _ in range(3):
            assail(port, data, "reset")
    after = settled(desk, fresh)
    print(f"memory {before[0]:.1f} -> {after[0]:.1f} MB, descriptors {before[1]} -> {after[1]}")
    assert before[1] == after[1] == fresh
    assert after[0] < before[0] + 60
    assert "fault" not in desk.daemon.said


def come_and_go(desk: Desk, clients: int, at_once: int) -> None:
    """Clients of the feed that join, hear a little, and leave: some say goodbye, some hang up, some reset."""
    chooser = random.Random(clients)
    for _ in range(0, clients, at_once):
        sockets = []
        for _ in range(at_once):
            first = {"token": TOKENS["viewer"], "states": ["status", "account"]}
            sockets.append(Socket(desk.address, "/api/v1/feed", first))
        for client in sockets:
            assert client.next()["type"] == "hello"
            if chooser.random() < 0.3:
                client.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.raw.close()


def others_delay(desk: Desk, while_this: Callable[[], None]) -> list[float]:
    """Seconds from a fact's reply over HTTP to its frame in a well-behaved client's feed, while this happens."""
    feed = Socket(desk.address, "/api/v1/feed", {"token": TOKENS["viewer"], "subjects": ["breaker"]})
    assert feed.next()["type"] == "hello"
    busy = threading.Thread(target=while_this)
    busy.start()
    delays: list[float] = []
    while busy.is_alive() or len(delays) < 5:
        time.sleep(0.02)
        desk.ask("POST", "/api/v1/breaker/halt", json={"level": 1, "reason": "to be heard of"})
        answered = time.monotonic()
        while feed.next()["type"] != "fact":
            pass
        delays.append(max(0.0, time.monotonic() - answered))
    busy.join()
    feed.raw.close()
    return sorted(delays)


def crowd(desk: Desk, fresh: int, clients: int) -> None:
    desk.ask("GET", "/api/v1/status")
    come_and_go(desk, 50, 50)
    before = settled(desk, fresh)
    delays = others_delay(desk, lambda: come_and_go(desk, clients, 50))
    after = settled(desk, before[1])
    print(
        f"{clients} clients came and went: memory {before[0]:.1f} -> {after[0]:.1f} MB, descriptors {before[1]} -> "
        f"{after[1]}; a fact reached another client {delays[len(delays) // 2] * 1000:.1f} ms after its reply "
        f"(median of {len(delays)}), {delays[-1] * 1000:.1f} ms at worst"
    )
    assert after[1] <= before[1]
    assert after[0] < before[0] + 20


def test_clients_that_come_and_go_leave_nothing_behind(desk: Desk, fresh: int) -> None:
    crowd(desk, fresh, 100)


@pytest.mark.long
def test_a_thousand_clients_that_come_and_go_leave_nothing_behind(desk: Desk, fresh: int) -> None:
    crowd(desk, fresh, 1000)


async def test_a_head_that_comes_a_byte_at_a_time_is_cut_and_others_are_served() -> None:
    async with house() as served, serving(served, quiet_seconds=0.6) as server:
        cut = 0

        async def dawdle() -> None:
            nonlocal cut
            stream = await trio.open_tcp_stream("127.0.0.1", server.port)
            try:
                for byte in GET * 100:
                    await stream.send_all(bytes((byte,)))
                    await trio.sleep(0.05)
            except trio.BrokenResourceError:
                cut += 1
            finally:
                await trio.aclose_forcefully(stream)

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(dawdle)
                await trio.sleep(0.2)
                client = FeedClient(f"http://127.0.0.1:{server.port}", TOKENS["viewer"])
                assert (await anext(client.frames()))["type"] == "hello"
        assert cut == 100


async def test_where_all_places_are_taken_the_quiet_make_room() -> None:
    async with house() as served, serving(served, most_connections=20) as server:
        idle = [await trio.open_tcp_stream("127.0.0.1", server.port) for _ in range(60)]
        for _ in range(5):
            client = FeedClient(f"http://127.0.0.1:{server.port}", TOKENS["viewer"])
            with trio.fail_after(10):
                assert (await anext(client.frames()))["type"] == "hello"
        assert server.connections <= 20
        for stream in idle:
            await trio.aclose_forcefully(stream)


async def test_a_client_that_never_reads_is_cut_and_costs_the_others_nothing() -> None:
    async with house() as served, serving(served, send_seconds=0.5) as server:
        stuck = await trio.open_tcp_stream("127.0.0.1", server.port)
        stuck.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        hello = b'{"token": "%s", "after": 0}' % TOKENS["viewer"].encode()
        await stuck.send_all(UPGRADE + b"\r\n")
        assert b" 101 " in await stuck.receive_some(500)
        await stuck.send_all(frame(1, hello))
        good = FeedClient(f"http://127.0.0.1:{server.port}", TOKENS["viewer"])
        frames = good.facts()
        with trio.fail_after(60):
            while served.feed.clients < 1:
                await trio.sleep(0.01)
            sent = 0
            async with trio.open_nursery() as nursery:

                async def follow() -> None:
                    async for fact in frames:
                        if fact["fact"].get("text", "").endswith("the last"):
                            break

                nursery.start_soon(follow)
                while served.feed.clients < 2:
                    await trio.sleep(0.01)
                while served.feed.clients > 1:
                    sent += 50
                    await served.driver.tell(
                        [LeanNotice(sent + each, "information", "", "x" * 2000) for each in range(50)]
                    )
                    await trio.sleep(0.001)
                await served.driver.tell([LeanNotice(sent + 100, "information", "", "the last")])
        print(f"cut after {sent} facts; the other client has them all")
        await frames.aclose()
        await trio.aclose_forcefully(stuck)
