"""A WebSocket client for tests, blocking, over wsproto."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, RejectConnection, Request, TextMessage
from wsproto.utilities import LocalProtocolError


class Socket:
    """One connection; `next` gives frames as objects, and ('closed', code) at the end."""

    def __init__(self, address: str, path: str, first: object, headers: dict[str, str] | None = None) -> None:
        host, _, port = address.removeprefix("http://").rpartition(":")
        self.raw = socket.create_connection((host, int(port)), 10)
        self._wire = WSConnection(ConnectionType.CLIENT)
        extra = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        self.raw.sendall(self._wire.send(Request(f"{host}:{port}", path, extra_headers=extra)))
        self._events: list[Any] = []
        self._text = ""
        event = self._event()
        if isinstance(event, RejectConnection):
            raise ConnectionError(str(event.status_code))
        assert isinstance(event, AcceptConnection), event
        self.say(first)

    def say(self, frame: object) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        with suppress(LocalProtocolError):  # a goodbye is here already, and `next` tells of it
            self.raw.sendall(self._wire.send(TextMessage(text)))

    def next(self) -> Any:
        while True:
            event = self._event()
            if isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    text, self._text = self._text, ""
                    return json.loads(text)
            elif isinstance(event, CloseConnection):
                return "closed", event.code
            elif isinstance(event, Ping):
                with suppress(LocalProtocolError):  # a goodbye came with it
                    self.raw.sendall(self._wire.send(event.response()))

    def _event(self) -> Any:
        while not self._events:
            data = self.raw.recv(65536)
            if not data:
                return CloseConnection(1006)
            self._wire.receive_data(data)
            self._events += list(self._wire.events())
        return self._events.pop(0)
