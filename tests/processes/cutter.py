"""A socket between market and daemon that can be cut."""

from __future__ import annotations

import select
import socket
import threading
from typing import Literal, NamedTuple


class Aim(NamedTuple):
    """A cut at the next order that goes to the market: before it arrives, just after, or in place of the answer."""

    frame: Literal["PlaceOrder", "AmendOrder", "CancelOrder"]
    where: Literal["before", "after", "answer"]


class Cutter(threading.Thread):
    """Stands between market and daemon, and cuts both ends each time so many more bytes have passed either way, or
    where it was aimed at."""

    def __init__(self, near: str, far: str, cuts: list[int]) -> None:
        super().__init__(daemon=True)
        self._near, self._far, self._cuts = near, far, list(cuts)
        self._aim: Aim | None = None
        self._hit = False
        self.passed = self.done = 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(near)
        self._listener.listen(8)

    def cut_after(self, count: int) -> None:
        """Cut once more, after so many bytes from now."""
        self._cuts.append(self.passed + count)

    def cut_at(self, aim: Aim) -> None:
        """Cut once more, at the next of these frames."""
        self._aim, self._hit = aim, False

    def forget_aim(self) -> bool:
        """Whether it was still waiting for its frame; it does not any more."""
        waiting, self._aim = self._aim is not None, None
        return waiting

    def run(self) -> None:
        while True:
            one, _ = self._listener.accept()
            two = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                two.connect(self._far)
                self._pass(one, two)
            except ConnectionError:
                pass  # no daemon at present: its market tries again
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
                    aim = self._aimed_at(data, to_market=ready is two)
                    if aim is not None and aim.where != "after":
                        room = 0
                    (two if ready is one else one).sendall(data[: max(0, room)])
                except OSError:
                    return
                self.passed += min(len(data), max(0, room))
                if aim is not None:
                    self._aim = None
                    self.done += 1
                    return
                if room < len(data):
                    self._cuts.pop(0)
                    self.done += 1
                    return

    def _aimed_at(self, data: bytes, *, to_market: bool) -> Aim | None:
        """The aim, where these bytes are what it waited for."""
        aim = self._aim
        if aim is None:
            return None
        if aim.where == "answer" and self._hit:
            return None if to_market else aim
        if to_market and aim.frame.encode() in data:
            self._hit = True
            return None if aim.where == "answer" else aim
        return None
