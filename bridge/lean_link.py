"""LEAN's end on the wire in a backtest, in lock-step, and the first question of either kind of run. Not the live end.

Standard library and msgspec only, because it is copied into LEAN projects.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

from bridge import protocol
from bridge.client import BridgeGone, BridgeRefused, Connection
from bridge.lean_end import LeanEnd
from bridge.lean_quotes import QuoteTable

#: Seconds between tries to reach a daemon that is not there.
RETRY = 0.2
#: Seconds that a daemon may take for its first answer.
ANSWER = 30.0
#: Rounds of commands that one step admits.
ROUNDS = 1000

Connect = Callable[[], Connection]


def ask_subscribe(connect: Connect, patience: float) -> protocol.Subscribe:
    """What the daemon wants subscribed, waiting so many seconds for one. Raises BridgeGone or BridgeRefused."""
    until = time.monotonic() + patience
    while True:
        connection: Connection | None = None
        try:
            connection = connect()
            connection.send(protocol.AskSubscribe(protocol.VERSION))
            # A daemon that accepts and says nothing may be one that starts: it is asked again while there is time.
            wait = min(ANSWER, max(1.0, until - time.monotonic()))
            answer = connection.receive(wait)
            if isinstance(answer, protocol.Subscribe):
                return answer
            if answer is None:
                raise BridgeGone(f"the daemon said nothing for {wait:.1f} s")
            if isinstance(answer, protocol.Refused):
                raise BridgeRefused(answer.reason, answer.retry)
            raise BridgeGone(f"expected Subscribe, got {type(answer).__name__}")
        except (BridgeGone, BridgeRefused) as error:
            if (isinstance(error, BridgeRefused) and not error.retry) or time.monotonic() >= until:
                raise
            time.sleep(RETRY)
        finally:
            if connection is not None:
                connection.close()


class LockStep:
    """A backtest's connection: each step waits for the daemon's word that nothing is left to do at its instant.

    A daemon that goes away is waited for `patience` seconds, then told all it may have missed, and the run goes on at
    the same instant. Raises BridgeGone where it stays away, BridgeRefused where it will not have us.
    """

    def __init__(
        self, end: LeanEnd, quotes: QuoteTable, connect: Connect, patience: float,
        on_subscribe: Callable[[protocol.Subscribe], None],
    ) -> None:  # fmt: skip
        self._end, self._quotes, self._connect, self._patience = end, quotes, connect, patience
        self._subscribe = on_subscribe
        self._connection: Connection | None = None
        self._sent = self._number = self._rounds = 0
        self._at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        self._open: tuple[str, ...] = ()
        #: Whether the daemon is being answered now: events then wait for the answer.
        self.busy = False

    def start(self, at: dt.datetime) -> None:
        """Say hello."""
        self._at = at
        self._acknowledged(self._again(fresh=True))

    def step(self, at: dt.datetime, open_now: tuple[str, ...]) -> None:
        """A moment of the market, and what the daemon wants done at it."""
        self._at, self._open = at, open_now
        self._number += 1
        self._rounds = ROUNDS
        listing, quotes = self._quotes.take(at)
        account = self._end.account_if_touched()
        step = protocol.Step(
            self._number, at, ROUNDS, self._number == 1, self._unsent(), account, quotes, open_now
        )  # fmt: skip
        self._play([step] if listing is None else [listing, step])

    def told(self) -> None:
        """Events came between two steps: the daemon may want something done about them at once."""
        self._play([protocol.Events(self._unsent(), self._end.account_if_touched())])

    def goodbye(self, at: dt.datetime, reason: str) -> None:
        """The run is over; returns when the daemon has all on disk."""
        frames: list[protocol.Frame] = []
        if self._end.log.last > self._sent:
            frames.append(protocol.Events(self._unsent(), self._end.account_if_touched()))
        self._play([*frames, protocol.Goodbye(at, reason, self._end.account())])
        self.close()

    def close(self) -> None:
        """Close without a word."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _unsent(self) -> tuple[protocol.Event, ...]:
        events = self._end.log.since(self._sent)
        self._sent = self._end.log.last
        return events

    def _play(self, frames: list[protocol.Frame]) -> None:
        self.busy = True
        try:
            while True:
                try:
                    for frame in frames:
                        self._exchange(frame)
                    return
                except BridgeGone:
                    self.close()
                    acknowledged = self._again(fresh=False)
                    ends = [frame for frame in frames if isinstance(frame, protocol.Goodbye)]
                    frames = [*self._everything(acknowledged), *ends]
        finally:
            self.busy = False

    def _exchange(self, frame: protocol.Frame) -> None:
        connection = self._connection
        if connection is None:
            raise BridgeGone("not connected")
        connection.send(frame)
        if isinstance(frame, protocol.Goodbye):
            while not isinstance(answer := connection.receive(30.0), protocol.Ack):
                if not isinstance(answer, protocol.Subscribe):
                    raise BridgeGone("expected Ack after Goodbye")
        elif not isinstance(frame, protocol.Listing):
            self._answer(connection)

    def _answer(self, connection: Connection) -> None:
        while True:
            match connection.receive():
                case protocol.Done(more=False):
                    return
                case protocol.Done(commands=commands):
                    self._rounds -= 1
                    self._end.run(commands)
                    events, account = self._unsent(), self._end.account_if_touched()
                    connection.send(protocol.Settle(self._number, self._at, self._rounds, events, account))
                case protocol.Ack(n=n):
                    self._end.acknowledged(n)
                case protocol.Subscribe() as wanted:
                    self._subscribe(wanted)
                case other:
                    raise BridgeGone(f"expected Done, got {type(other).__name__}")

    def _again(self, fresh: bool) -> int:
        """Connect and say hello, as often as patience allows."""
        until = time.monotonic() + self._patience
        hello = self._end.hello(self._at, fresh)
        while True:
            connection: Connection | None = None
            try:
                connection = self._connect()
                acknowledged = connection.shake_hands(hello, ANSWER).acknowledged
                self._connection = connection
                return acknowledged
            except (BridgeGone, BridgeRefused) as error:
                if connection is not None:
                    connection.close()
                if (isinstance(error, BridgeRefused) and not error.retry) or time.monotonic() >= until:
                    raise
                time.sleep(RETRY / 4)

    def _acknowledged(self, n: int) -> None:
        self._end.acknowledged(n)
        self._sent = max(self._sent, n)

    def _everything(self, acknowledged: int) -> list[protocol.Frame]:
        self._acknowledged(acknowledged)
        listing, quotes = self._quotes.everything(self._at)
        events = self._end.log.since(acknowledged)
        self._sent = self._end.log.last
        account = self._end.account()
        step = protocol.Step(self._number, self._at, self._rounds, True, events, account, quotes, self._open)
        return [listing, step]
