"""The embedded market behind the socket, as a process of its own: lock-step, or live at a speed. One thread."""

from __future__ import annotations

import time
from collections.abc import Callable

from bridge import protocol
from bridge.client import BridgeGone, BridgeRefused, Connection, EventLog
from bridge.paper.market import Market

#: Seconds between tries to reach a daemon that is not there.
_RETRY = 0.2
#: Seconds between looks at whether somebody asked us to stop.
_LOOK = 0.25
#: Seconds that a daemon may take to read what comes before the goodbye.
_PARTING = 3.0

Notice = Callable[[str, str], None]


def play_lock_step(market: Market, connect: Callable[[], Connection], patience: float = 0.0) -> None:
    """Play a run to its end, waiting for the daemon at every step.

    A daemon that goes away is waited for so many seconds (0: not at all), then told all it may have missed, and the
    run goes on at the same instant. Raises BridgeGone where it stays away, BridgeRefused where it will not have us.
    """
    log = EventLog()
    connection, _ = _again(market, connect, patience)
    try:
        # What must be told before the market may go on.
        frames = market.everything(()) if market.resumed else market.next()
        _keep(log, frames)
        while True:
            try:
                for frame in frames:
                    connection.send(frame)
                    if isinstance(frame, protocol.Goodbye):
                        # It may have died before it read this: only its word that all is on disk ends the run.
                        if not isinstance(connection.receive(), protocol.Ack):
                            raise BridgeGone("expected Ack after Goodbye")
                        return
                    if isinstance(frame, protocol.Step | protocol.Events):
                        _rounds(market, connection, log)
                frames = market.next()
                _keep(log, frames)
            except BridgeGone:
                connection.close()
                ends = [frame for frame in frames if isinstance(frame, protocol.Goodbye)]
                connection, acknowledged = _again(market, connect, patience)
                frames = [*market.everything(log.since(acknowledged)), *ends]
    finally:
        connection.close()


def _keep(log: EventLog, frames: list[protocol.Frame]) -> None:
    for frame in frames:
        if isinstance(frame, protocol.Step | protocol.Events):
            log.add(frame.events)


def _again(market: Market, connect: Callable[[], Connection], patience: float) -> tuple[Connection, int]:
    until = time.monotonic() + patience
    hello = market.hello()
    while True:
        connection: Connection | None = None
        try:
            connection = connect()
            return connection, connection.shake_hands(hello).acknowledged
        except (BridgeGone, BridgeRefused) as error:
            if connection is not None:
                connection.close()
            if (isinstance(error, BridgeRefused) and not error.retry) or time.monotonic() >= until:
                raise
            time.sleep(_RETRY / 4)


def _rounds(market: Market, connection: Connection, log: EventLog) -> None:
    while True:
        match connection.receive():
            case protocol.Done(more=False):
                return
            case protocol.Done() as done:
                settle = market.settle(done)
                log.add(settle.events)
                connection.send(settle)
            case protocol.Ack(n=n):
                log.acknowledge(n)
            case protocol.Subscribe():
                pass  # what this market plays was settled when it was made
            case other:
                raise BridgeGone(f"expected Done, got {type(other).__name__}")


class LiveMarket:
    """Plays a market at `speed` times the wall's time, whether or not a daemon is connected.

    Time begins with the first connection. Without a daemon for the dead-man's time that it asked for, working orders
    that add risk are cancelled. Events are kept until the daemon has them on disk. Between steps a heartbeat is sent
    every `heartbeat_seconds`, so that a slow market is not taken for a dead one.
    """

    def __init__(
        self,
        market: Market,
        connect: Callable[[], Connection],
        speed: float,
        notice: Notice,
        *,
        step_seconds: float = 60.0,
        heartbeat_seconds: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed {speed} must be above 0")
        self._market = market
        self._connect = connect
        self._pace = step_seconds / speed
        self._notice = notice
        self._monotonic = monotonic
        self._log = EventLog()
        self._connection: Connection | None = None
        self._dead_man = 30.0
        self._gone_since: float | None = None
        self._heard = 0.0
        self._tried = -1.0
        self._heartbeat = heartbeat_seconds
        self._beat_due = 0.0
        self._over = False
        self._asked_to_stop = ""

    def stop(self, reason: str) -> None:
        """End after the present step: say goodbye and return from `run`. From a signal handler, too."""
        self._asked_to_stop = reason

    def run(self) -> None:
        """Play to the end of the data, or until stopped. Raises BridgeRefused where the daemon will not have us."""
        while self._connection is None and not self._asked_to_stop:
            self._try_connecting()
            if self._connection is None:
                time.sleep(_RETRY)
        due = self._monotonic()
        while not self._over and not self._asked_to_stop:
            self._step()
            # What could not be played in time is not caught up with: the market is then slower than it should be.
            due = max(due + self._pace, self._monotonic())
            while not self._asked_to_stop and not self._over:
                left = due - self._monotonic()
                # Whoever is behind still takes what waits: a fast market must not be a deaf one.
                if not self._serve(max(0.0, min(left, _LOOK))) and left <= 0:
                    break
        if not self._over and self._connection is not None:
            for frame in self._market.end(self._asked_to_stop):
                if isinstance(frame, protocol.Events):
                    self._log.add(frame.events)
                self._send(frame)
        if self._connection is not None:
            self._part(self._connection)

    def _part(self, connection: Connection) -> None:
        """Close once the daemon has read the goodbye and closed its end: closing first would cut off what it reads."""
        until = self._monotonic() + _PARTING
        try:
            while (left := until - self._monotonic()) > 0:
                connection.receive(left)
        except BridgeGone:
            pass
        finally:
            connection.close()

    def _step(self) -> None:
        for frame in self._market.next():
            if isinstance(frame, protocol.Step | protocol.Events):
                self._log.add(frame.events)
            self._over |= isinstance(frame, protocol.Goodbye)
            self._send(frame)

    def _serve(self, seconds: float) -> bool:
        """Run a command that comes within this time; without a daemon, look for one. Whether more may wait."""
        if self._connection is None:
            now = self._monotonic()
            if self._gone_since is not None and now - self._gone_since >= self._dead_man:
                self._gone_since = None
                cancelled = self._market.dead_man()
                self._notice("dead man", f"no daemon for {self._dead_man:g} s: {cancelled} working entries cancelled")
            if now - self._tried < _RETRY:
                time.sleep(min(seconds, _RETRY))
                return False
            self._tried = now
            self._try_connecting()
            return False
        now = self._monotonic()
        if now - self._heard >= self._dead_man:
            self._lose(BridgeGone(f"the daemon said nothing for {self._dead_man:g} s"))
            self._gone_since = self._heard
            return False
        if now >= self._beat_due:
            self._beat_due = now + min(self._heartbeat, self._dead_man / 4)
            self._send(self._market.heartbeat())
        if self._connection is None:
            return False
        try:
            frame = self._connection.receive(min(seconds, self._heartbeat))
        except BridgeGone as error:
            self._lose(error)
            return False
        if frame is not None:
            self._heard = self._monotonic()
        match frame:
            case None:
                return False
            case protocol.Subscribe():
                pass
            case protocol.Ack(n=n):
                self._log.acknowledge(n)
            case (
                protocol.PlaceOrder() | protocol.AmendOrder() | protocol.CancelOrder() | protocol.Exercise()
                | protocol.QueryOrder() | protocol.MoveCash() | protocol.Plot() | protocol.Quit()
            ):  # fmt: skip
                settle = self._market.settle(protocol.Done((frame,), True))
                self._log.add(settle.events)
                self._send(protocol.Events(settle.events, settle.account))
            case _:
                self._lose(BridgeGone(f"unexpected {type(frame).__name__}"))
        return True

    def _send(self, frame: protocol.Frame) -> None:
        if self._connection is None:
            return
        try:
            self._connection.send(frame)
        except BridgeGone as error:
            self._lose(error)

    def _lose(self, error: BridgeGone) -> None:
        assert self._connection is not None
        self._connection.close()
        self._connection, self._gone_since = None, self._monotonic()
        self._notice("disconnected", str(error))

    def _try_connecting(self) -> None:
        connection: Connection | None = None
        try:
            connection = self._connect()
            # One thread plays and waits: a daemon that accepts and says nothing must not hold up the dead-man's rule.
            welcome = connection.shake_hands(self._market.hello("live"), max(1.0, self._dead_man / 3))
            self._dead_man, self._gone_since = welcome.dead_man_seconds, None
            self._heard = self._monotonic()
            self._log.acknowledge(welcome.acknowledged)
            self._connection, connection = connection, None
            self._notice("connected", f"events up to {welcome.acknowledged} are on the daemon's disk")
            # What it knows of the market may be gone: all of it again, then what happened meanwhile.
            for frame in self._market.everything(self._log.since(welcome.acknowledged)):
                self._send(frame)
        except BridgeGone:
            pass
        except BridgeRefused as refused:
            # An old connection of ours may not be closed over there yet.
            if not refused.retry:
                raise
        finally:
            if connection is not None:
                connection.close()
