"""The bridge among strangers: noise, bad frames, wrong versions, second peers and silence cost nobody else anything."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import random
import resource
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import trio

from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from actors.runtime import MarketClock, MemoryJournal, Status
from bridge import protocol
from bridge._wire import Quiet
from bridge.client import Connection
from bridge.paper import Market
from bridge.paper.data import Feed, LeanFolder, MarketHours
from bridge.paper.process import LiveMarket
from bridge.server import BridgeServer, BridgeSettings
from config.desk import LEAN_RULES
from daemon.desk import desk_core
from daemon.port import BridgePort
from tests.bridge import hostile

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)
SECRET = b"sixteen bytes or more"


def hello(session: str = "1", version: int = protocol.VERSION) -> protocol.Hello:
    zero = Decimal(0)
    account = protocol.Account(Decimal(100000), zero, Decimal(100000), zero, Decimal(100000), zero, ())
    return protocol.Hello(version, session, "live", "paper", True, AT, account, (), (), 0)


@asynccontextmanager
async def bridge(path: Path, **settings: object) -> AsyncIterator[tuple[BridgeServer, BridgePort, list[str]]]:
    notices: list[str] = []
    journal = MemoryJournal()
    core = desk_core(journal, LEAN_RULES)
    port = BridgePort(core, journal, MarketClock(AT), (), lambda event, text: None)
    core.start(AT)
    chosen: dict[str, object] = {"unix": path / "bridge", "handshake_seconds": 0.3, **settings}
    server = BridgeServer(port, BridgeSettings(**chosen), lambda event, text: notices.append(f"{event} {text}"))  # type: ignore[arg-type]
    statuses = Status(), Status()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(port.run, statuses[0])
        nursery.start_soon(server.run, statuses[1])
        await statuses[1].wait_started()
        yield server, port, notices
        nursery.cancel_scope.cancel()


def goog_market() -> Market:
    """The embedded market over a real day; nothing of it matters here but that it is slow."""
    data = Path(__file__).parents[1] / "data" / "lean"
    hours = MarketHours.load(data)
    day = AT.date()
    feed = Feed(LeanFolder(data), hours, day, day, underlyings=("GOOG",))
    return Market(feed, hours, cash=Decimal(100000), margin=lean_margin_used, initial=lean_initial_margin)


async def received(stream: trio.SocketStream) -> protocol.ToLean | None:
    data = bytearray()
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        more = await stream.receive_some()
        if not more:
            return None
        data += more
    return protocol.decode_to_lean(bytes(data[4:]))


async def shake(path: Path, frame: protocol.Hello) -> tuple[trio.SocketStream, protocol.ToLean | None]:
    stream = await trio.open_unix_socket(str(path / "bridge"))
    await stream.send_all(protocol.encode(frame))
    return stream, await received(stream)


async def serves_on(path: Path, server: BridgeServer, session: str) -> None:
    """A proper peer still gets in and out."""
    stream, answer = await shake(path, hello(session))
    assert isinstance(answer, protocol.Welcome)
    await stream.send_all(protocol.encode(protocol.Goodbye(AT, "done")))
    while server.peer is not None:
        await trio.sleep(0.01)
    await stream.aclose()


def noises() -> list[bytes]:
    chooser = random.Random(1)
    noise = [chooser.randbytes(chooser.randrange(1, 3000)) for _ in range(40)]
    whole = protocol.encode(hello())
    cut = [whole[:at] for at in range(0, len(whole), 7)]
    changed = [whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :] for at in range(4, len(whole), 11)]
    huge = (protocol.MAX_FRAME + 1).to_bytes(4, "big")
    return [*noise, *cut, *changed, huge + b"x" * 100, b"\xff" * 64, b"", b"\x00\x00\x00\x00"]


async def test_noise_of_every_kind_is_closed_and_the_next_peer_is_served(tmp_path: Path) -> None:
    async with bridge(tmp_path, most_strangers=1000) as (server, port, notices):
        for noise in noises():
            stream = await trio.open_unix_socket(str(tmp_path / "bridge"))
            try:
                await stream.send_all(noise)
                await stream.send_eof()
                with trio.fail_after(5):
                    while await stream.receive_some():
                        pass
            except trio.BrokenResourceError:
                pass
            await stream.aclose()
            while server.peer is not None:  # a changed byte may still be a proper hello
                await trio.sleep(0.005)
        await serves_on(tmp_path, server, "after the noise")
        assert any("above the limit" in notice for notice in notices)
        assert not port.core.failed()


async def test_a_second_peer_another_version_and_another_first_frame_are_refused_with_the_reason(
    tmp_path: Path,
) -> None:
    async with bridge(tmp_path) as (server, _, _):
        first, welcome = await shake(tmp_path, hello("first"))
        assert isinstance(welcome, protocol.Welcome)
        _, second = await shake(tmp_path, hello("second"))
        assert second == protocol.Refused("session first is connected already", retry=True)
        _, other = await shake(tmp_path, hello(version=99))
        assert other == protocol.Refused(f"version 99 is not spoken here, {protocol.VERSION} is")
        stream = await trio.open_unix_socket(str(tmp_path / "bridge"))
        await stream.send_all(protocol.encode(protocol.Heartbeat(AT)))
        assert await received(stream) == protocol.Refused("expected Hello, got Heartbeat")
        assert server.peer == "first"
        await first.aclose()


@pytest.mark.parametrize("again", [0, 1])
async def test_another_life_under_an_old_session_s_name_is_refused(tmp_path: Path, again: int) -> None:
    async with bridge(tmp_path) as (server, _, _):
        stream, welcome = await shake(tmp_path, hello("first"))
        assert isinstance(welcome, protocol.Welcome)
        event = protocol.Notice(1, AT, "information", "", "one event")
        await stream.send_all(protocol.encode(protocol.Events((event,), None)))
        assert await received(stream) == protocol.Ack(1)
        await stream.aclose()
        while server.peer is not None:
            await trio.sleep(0.01)
        _, answer = await shake(tmp_path, msgspec.structs.replace(hello("first"), last_event=again))
        if again:
            assert answer == protocol.Welcome(protocol.VERSION, 1, 30.0)
        else:
            assert isinstance(answer, protocol.Refused)
            assert "told 1 events here, and now knows of 0" in answer.reason


async def test_who_says_nothing_is_refused_after_its_time_and_too_many_at_once(tmp_path: Path) -> None:
    async with bridge(tmp_path, most_strangers=4) as (server, _, notices):
        silent = [await trio.open_unix_socket(str(tmp_path / "bridge")) for _ in range(4)]
        await trio.sleep(0.05)
        crowd = await trio.open_unix_socket(str(tmp_path / "bridge"))
        assert await crowd.receive_some() == b""
        assert await received(silent[0]) == protocol.Refused("no handshake within 0.3 s")
        await serves_on(tmp_path, server, "after the crowd")
        assert sum("no handshake" in notice for notice in notices) == 1


def test_the_same_of_the_same_peer_is_said_once_a_minute_and_counted() -> None:
    quiet = Quiet()
    assert quiet.told("refused", "1.2.3.4:1000", "a frame of 9 bytes", 0.0) == "1.2.3.4:1000: a frame of 9 bytes"
    for number in range(500):
        assert quiet.told("refused", f"1.2.3.4:{number}", f"a frame of {number} bytes", 1.0) is None
    assert quiet.told("refused", "5.6.7.8:1000", "a frame of 9 bytes", 1.0) is not None
    said = quiet.told("refused", "1.2.3.4:7", "a frame of 9 bytes", 61.0)
    assert said == "1.2.3.4:7: a frame of 9 bytes (500 more like it since the last word)"
    for number in range(10_000):
        quiet.told("refused", f"10.0.{number // 256}.{number % 256}:1", "nothing", 61.0)
    assert len(quiet._said) <= 256


async def test_a_heartbeat_tells_the_desk_that_the_feed_is_alive(tmp_path: Path) -> None:
    async with bridge(tmp_path) as (_, port, _):
        stream, _ = await shake(tmp_path, hello())
        later = AT + dt.timedelta(seconds=20)
        await stream.send_all(protocol.encode(protocol.Heartbeat(later, ("GOOG",))))
        with trio.fail_after(5):
            while port.core.market is None:
                await trio.sleep(0.005)
        assert port.core.market.base.alive == {"GOOG": later}
        assert port.clock.now() == later
        await stream.aclose()


async def test_who_says_nothing_for_long_is_cut_and_a_slow_market_that_beats_is_not(tmp_path: Path) -> None:
    async with bridge(tmp_path, silent_seconds=0.4) as (server, _, notices):
        silent, _ = await shake(tmp_path, hello("silent"))
        assert await received(silent) is None
        assert any("nothing came for 0.4 s" in notice for notice in notices)
        address = str(tmp_path / "bridge")
        live = LiveMarket(
            goog_market(), lambda: Connection(address), 20.0, lambda event, text: None, heartbeat_seconds=0.1
        )
        await trio.to_thread.run_sync(threading.Thread(target=live.run, daemon=True).start)
        with trio.fail_after(5):
            while server.peer is None:
                await trio.sleep(0.01)
        before = len(notices)
        await trio.sleep(1.2)
        assert server.peer is not None
        assert len(notices) == before


async def test_a_gap_in_the_events_closes_and_what_was_recorded_is_told_once(tmp_path: Path) -> None:
    def notice(n: int) -> protocol.Notice:
        return protocol.Notice(n, AT, "information", "", f"number {n}")

    async with bridge(tmp_path) as (server, port, notices):
        stream, _ = await shake(tmp_path, hello())
        await stream.send_all(protocol.encode(protocol.Events((notice(1), notice(2)))))
        assert await received(stream) == protocol.Ack(2)
        await stream.send_all(protocol.encode(protocol.Events((notice(2), notice(3)))))
        assert await received(stream) == protocol.Ack(3)
        await stream.send_all(protocol.encode(protocol.Events((notice(5),))))
        assert await received(stream) is None
        assert any("event 5 does not follow 3" in text for text in notices)
        while server.peer is not None:
            await trio.sleep(0.01)
        again, welcome = await shake(tmp_path, msgspec.structs.replace(hello(), last_event=5))
        assert isinstance(welcome, protocol.Welcome)
        assert welcome.acknowledged == 3
        assert port.core.state("gateway").seen == 3
        await again.aclose()


@pytest.mark.parametrize(("secret", "served"), [(SECRET, True), (b"another one of sixteen", False), (b"", False)])
async def test_over_tcp_only_who_proves_the_secret_is_served(tmp_path: Path, secret: bytes, served: bool) -> None:
    async with bridge(tmp_path, unix=None, tcp=("127.0.0.1", 0), secret=SECRET) as (server, _, _):
        assert server.tcp_port is not None
        stream = await trio.open_tcp_stream("127.0.0.1", server.tcp_port)
        challenge = await received(stream)
        assert isinstance(challenge, protocol.Challenge)
        proof = protocol.Proof(hmac.new(secret, challenge.nonce, hashlib.sha256).digest())
        await stream.send_all(protocol.encode(proof) + protocol.encode(hello()))
        answer = await received(stream)
        expected = protocol.Welcome if served else protocol.Refused
        assert isinstance(answer, expected)


async def test_a_thousand_who_come_and_go_leave_no_memory_and_no_descriptors(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async with bridge(tmp_path, most_strangers=2000) as (server, _, _):
        before, memory = descriptors(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(1000):
            stream = await trio.open_unix_socket(str(tmp_path / "bridge"))
            await stream.send_all(bytes(number % 50))
            await stream.aclose()
        await trio.sleep(0.5)
        await serves_on(tmp_path, server, "after a thousand")
        assert descriptors() <= before + 5
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < memory + 20_000


async def test_a_peer_that_leaves_without_a_word_is_told_to_the_desk_each_time(tmp_path: Path) -> None:
    async with bridge(tmp_path) as (server, port, _):
        for number in range(20):
            stream, welcome = await shake(tmp_path, hello(f"s{number}"))
            assert isinstance(welcome, protocol.Welcome)
            assert port.core.state("gateway").connected
            await stream.aclose()
            while port.core.state("gateway").connected:
                await trio.sleep(0.002)
            assert server.peer is None


async def test_who_asks_what_to_subscribe_is_told_before_there_is_an_account_and_never_a_peer(tmp_path: Path) -> None:
    wanted = protocol.Subscribe(("GOOG",), (), (), (("SPXW", "SPX"),))
    async with bridge(tmp_path, subscribe=wanted) as (server, _, _):
        stream = await trio.open_unix_socket(str(tmp_path / "bridge"))
        await stream.send_all(protocol.encode(protocol.AskSubscribe(protocol.VERSION)))
        assert await received(stream) == wanted
        assert await stream.receive_some() == b""
        assert server.peer is None
        stream = await trio.open_unix_socket(str(tmp_path / "bridge"))
        await stream.send_all(protocol.encode(protocol.AskSubscribe(99)))
        assert isinstance(await received(stream), protocol.Refused)


def test_a_daemon_among_hostile_peers_serves_on_with_memory_flat_and_few_words(tmp_path: Path) -> None:
    rows = hostile.attack(tmp_path, 0.02)
    assert [row.kind for row in rows] == list(hostile.KINDS)
    assert all(row.served for row in rows)
    assert 1 <= sum(row.notices for row in rows) <= 40
    assert rows[-1].kilobytes - rows[0].kilobytes < 20_000
