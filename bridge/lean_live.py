"""LEAN's end on the wire when live: two threads of its own, which never touch LEAN.

Standard library and msgspec only, because it is copied into LEAN projects.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable

from bridge import protocol
from bridge.client import BridgeGone, BridgeRefused, Connection
from bridge.lean_end import LeanEnd
from bridge.lean_link import ANSWER, RETRY, Connect
from bridge.lean_quotes import QuoteTable

#: Seconds until the next try after a refusal that a retry won't change.
_REFUSED = 5.0
#: Seconds between looks at whether the daemon fell silent.
_LOOK = 1.0


class Live:
    """A live connection, kept by two threads of its own: one receives, one sends. Whoever has something to send only
    notes it. `on_work` is never called from here: what arrives lies in the end's inbox until LEAN's next callback."""

    def __init__(self, end: LeanEnd, quotes: QuoteTable, connect: Connect, notice: Callable[[str], None]) -> None:
        self._end, self._quotes, self._connect, self._notice = end, quotes, connect, notice
        end.on_event = self.wake
        self._wake = threading.Condition()
        self._stopped = False
        self._goodbye: protocol.Goodbye | None = None
        self._goodbye_sent = threading.Event()
        self._connection: Connection | None = None
        self._sent = self._number = 0
        self._account: protocol.Account | None = None
        self._at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        self._step = self._full = self._beat = False
        self._open: tuple[str, ...] = ()
        self._stale: tuple[str, ...] = ()
        self._stored: list[protocol.StoredObject] = []
        self._dead_man = 30.0
        #: Nobody is missed before the start: until then LEAN reads the broker, however long that takes.
        self._gone_since: float | None = None
        #: Since when the daemon owes an answer to a heartbeat.
        self._owed_since: float | None = None
        self._fresh = True
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._receiving, self._sending)]

    def start(self, at: dt.datetime) -> None:
        """Begin, and go on until `goodbye`."""
        self._at, self._gone_since = at, time.monotonic()
        for thread in self._threads:
            thread.start()

    @property
    def connected(self) -> bool:
        """Whether a daemon leads now."""
        return self._connection is not None

    def step(
        self, at: dt.datetime, open_now: tuple[str, ...], stale: tuple[str, ...], account: protocol.Account | None
    ) -> None:
        """The market moved, but for what is stale."""
        with self._wake:
            self._at, self._open, self._stale, self._step = at, open_now, stale, True
            self._account = account or self._account
            self._wake.notify_all()

    def beat(
        self, at: dt.datetime, open_now: tuple[str, ...], stale: tuple[str, ...], account: protocol.Account | None
    ) -> None:
        """Alive, and the feed too for what is open and not stale."""
        with self._wake:
            self._at, self._open, self._stale, self._beat = max(at, self._at), open_now, stale, True
            self._account = account or self._account
            self._wake.notify_all()

    def stored(self, answers: list[protocol.StoredObject]) -> None:
        """Answers of the Object Store's."""
        with self._wake:
            self._stored += answers
            self._wake.notify_all()

    def wake(self) -> None:
        """There is an event to send."""
        with self._wake:
            self._wake.notify_all()

    def dead_man(self) -> float:
        """Seconds without a daemon where that is the dead-man's time or longer, else 0."""
        with self._wake:
            since = self._gone_since
        gone = 0.0 if since is None else time.monotonic() - since
        return gone if gone >= self._dead_man else 0.0

    def goodbye(self, at: dt.datetime, reason: str, account: protocol.Account | None, seconds: float = 5.0) -> None:
        """End on purpose; waits so long for the word to be out."""
        with self._wake:
            self._goodbye = protocol.Goodbye(at, reason, account)
            self._wake.notify_all()
        if self._connection is not None:
            self._goodbye_sent.wait(seconds)
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        self._lose(self._connection)

    # --- its threads ------------------------------------------------------------------------------------------

    def _receiving(self) -> None:
        while not self._stopped:
            connection: Connection | None = None
            try:
                connection = self._connect()
                self._greet(connection)
                while not self._stopped:
                    self._arrived(connection.receive(min(_LOOK, self._dead_man / 4)))
            except BridgeRefused as refused:
                if not refused.retry:
                    self._notice(f"the daemon refused us: {refused}")
                self._pause(RETRY if refused.retry else _REFUSED)
            except Exception as error:  # whatever it was, only a new connection helps
                if self._connection is not None and not self._stopped:
                    self._notice(f"the daemon is gone: {error}")
                self._pause(RETRY)
            finally:
                if connection is not None:
                    connection.close()
                    self._lose(connection)

    def _greet(self, connection: Connection) -> None:
        # Not on a thread of LEAN's: while it is waited for, LEAN goes on and the dead-man's time runs.
        welcome = connection.shake_hands(self._end.hello(self._at, self._fresh), ANSWER)
        self._end.acknowledged(welcome.acknowledged)
        with self._wake:
            self._fresh = False
            self._dead_man, self._gone_since, self._owed_since = welcome.dead_man_seconds, None, None
            self._sent, self._full, self._connection = welcome.acknowledged, True, connection
            self._wake.notify_all()
        self._notice(f"connected: events up to {welcome.acknowledged} are on the daemon's disk")

    def _arrived(self, frame: protocol.ToLean | None) -> None:
        with self._wake:
            owed = self._owed_since
            if frame is not None:
                self._owed_since = None
        match frame:
            case None:
                if owed is not None and time.monotonic() - owed >= self._dead_man:
                    raise BridgeGone(f"the daemon said nothing for {self._dead_man:g} s")
            case protocol.Ack(n=n):
                self._end.acknowledged(n)
            case protocol.Done() | protocol.Challenge() | protocol.Welcome() | protocol.Refused():
                raise BridgeGone(f"unexpected {type(frame).__name__} in a live session")
            case _:
                self._end.inbox.append(frame)

    def _sending(self) -> None:
        while True:
            with self._wake:
                while not self._stopped and not (self._connection is not None and self._pending()):
                    self._wake.wait()
                if self._stopped:
                    return
                connection, frames = self._connection, self._frames()
            assert connection is not None
            try:
                for frame in frames:
                    connection.send(frame)
                    if isinstance(frame, protocol.Goodbye):
                        self._goodbye_sent.set()
            except Exception as error:  # whatever it was, this thread goes on: nobody else sends
                if not isinstance(error, BridgeGone):
                    self._notice(f"nothing could be sent: {error}")
                connection.close()  # the receiving thread hears of it
                self._lose(connection)

    def _pending(self) -> bool:
        return bool(
            self._full or self._step or self._beat or self._stored or self._goodbye
            or self._account is not None or self._end.log.last > self._sent
        )  # fmt: skip

    def _frames(self) -> list[protocol.Frame]:
        frames: list[protocol.Frame] = list(self._stored)
        self._stored = []
        events = self._end.log.since(self._sent)
        # Numbers only rise, so what is newer than `events` stays for the next time.
        self._sent = events[-1].n if events else self._sent
        account, self._account = self._account, None
        if self._full or self._step:
            if not self._full:
                listing, quotes = self._quotes.take(self._at)
            else:
                listing, quotes = self._quotes.everything(self._at)
                account = account or self._end.last_account()
            self._number += 1
            frames += [] if listing is None else [listing]
            frames.append(
                protocol.Step(
                    self._number, self._at, 0, self._full, events, account, quotes, self._open, self._stale
                )
            )  # fmt: skip
        else:
            if events or account is not None:
                frames.append(protocol.Events(events, account))
            if self._beat:
                alive = tuple(symbol for symbol in self._open if symbol not in self._stale)
                frames.append(protocol.Heartbeat(self._at, alive))
                self._owed_since = self._owed_since or time.monotonic()
        self._full = self._step = self._beat = False
        if self._goodbye is not None:
            frames.append(self._goodbye)
            self._goodbye = None
        return frames

    def _lose(self, lost: Connection | None) -> None:
        """This connection is over; another one that was made meanwhile is not."""
        with self._wake:
            if lost is None or lost is not self._connection:
                return
            self._connection = None
            # One that fell silent is gone since it owes an answer.
            self._gone_since, self._owed_since = self._owed_since or time.monotonic(), None
        lost.close()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._wake:
            while not self._stopped and (left := until - time.monotonic()) > 0:
                self._wake.wait(left)
