"""LEAN's end of the wire: what a connection that is not made leaves behind."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from bridge.client import BridgeGone, Connection


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_where_nobody_listens_no_socket_stays_open(tmp_path: Path) -> None:
    before = descriptors()
    with pytest.raises(BridgeGone) as caught:
        Connection(str(tmp_path / "nobody"))
    # Whoever keeps the error keeps its frames, and what they hold.
    assert descriptors() == before
    assert "nobody" in str(caught.value)


def test_where_no_challenge_comes_no_socket_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up() -> None:
            peer, _ = listener.accept()
            peer.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        before = descriptors()
        with pytest.raises(BridgeGone) as caught:
            Connection(f"127.0.0.1:{port}", b"a secret of many bytes")
        thread.join()
        assert descriptors() == before
        assert caught.value is not None
