"""A socket between market and daemon that can be cut."""

from __future__ import annotations

import select
import socket
import threading


class Cutter(threading.Thread):
    """Stands between market and daemon, and cuts both ends each time so many more bytes have passed either way."""

    def __init__(self, near: str, far: str, cuts: list[int]) -> None:
        super().__init__(daemon=True)
        self._near, self._far, self._cuts = near, far, list(cuts)
        self.passed = self.done = 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(near)
        self._listener.listen(8)

    def cut_after(self, count: int) -> None:
        """Cut once more, after so many bytes from now."""
        self._cuts.append(self.passed + count)

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
