"""The double when live: the threads of LEAN's that call an algorithm, as its recorded live runs show them.

initialize on one thread; warm-up's end, data and the end on a second; schedules on a third, also after the end; order
events on a pool of three, those of one order in order, CANCEL_PENDING alone on the thread that cancelled. Time stands
still during a handler; a ticket runs ahead of the events.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from bridge import protocol
from tests.lean_double.engine import Engine, MakeMarket
from tests.lean_double.names import OrderEvent, OrderStatus
from tests.lean_double.reading import slice_of
from tests.lean_double.tickets import Order, OrderTicket

_POOL = 3


class LiveEngine(Engine):
    """Plays the market at one step each `pace` seconds; schedules run each second of the wall, `second` seconds long.

    `emitted` is every order event in the order in which the engine made it, `delivered` in which handlers returned.
    """

    def __init__(
        self, make_market: MakeMarket, parameters: dict[str, str], *, pace: float, second: float = 1.0
    ) -> None:
        super().__init__(make_market, parameters, live=True)
        self._pace, self._second = pace, second
        self.emitted: list[tuple[int, OrderStatus]] = []
        self.called_on: dict[str, set[str]] = {}
        self.late_schedules = 0
        self._waiting = threading.Condition()
        self._queues: dict[int, deque[tuple[OrderEvent, Order, int | None]]] = {}
        self._ready: deque[int] = deque()
        self._busy: dict[int, int] = {}
        self._caused = threading.local()
        self._step: list[protocol.Frame] = []
        self._stepped = threading.Condition()
        self._over = self._ended = False

    def live_run(self, kind: type[Any], steps: int) -> None:
        """Initialize, play so many steps, end; then let the schedules fire twice more."""
        self._on_thread("initialize", lambda: self.attach(kind))
        workers = [threading.Thread(target=self._work, name=f"orders {n}", daemon=True) for n in range(_POOL)]
        others = [
            threading.Thread(target=self._schedules, name="schedules", daemon=True),
            threading.Thread(target=self._play, args=(steps,), name="feed", daemon=True),
        ]
        for each in workers:
            each.start()
        self._on_thread("algorithm", lambda: self._algorithm(others))
        time.sleep(2.5 * self._second)
        with self._waiting:
            self._over = True
            self._waiting.notify_all()
        for each in (*workers, *others):
            each.join(10.0)

    def _on_thread(self, name: str, call: Callable[[], Any]) -> None:
        failed: list[BaseException] = []

        def run() -> None:
            try:
                call()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run, name=name)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]

    def note(self, handler: str) -> None:
        """Which thread calls this handler."""
        self.called_on.setdefault(handler, set()).add(threading.current_thread().name)

    # --- the threads ------------------------------------------------------------------------------------------

    def _algorithm(self, others: list[threading.Thread]) -> None:
        self.note("on_warmup_finished")
        self.algorithm.on_warmup_finished()
        for each in others:
            each.start()
        while True:
            with self._stepped:
                while not self._step:
                    self._stepped.wait()
                frames, self._step = self._step, []
            for frame in frames:
                if isinstance(frame, protocol.Listing):
                    self.algorithm.on_securities_changed(self.changes(frame))
            steps = [frame for frame in frames if isinstance(frame, protocol.Step)]
            if steps:
                with self.lock:
                    self._now = steps[-1].at.replace(tzinfo=None)
                    data = slice_of(self.market, self._now, bool(steps[-1].open))
                self.note("on_data")
                self.algorithm.on_data(data)
            if any(isinstance(frame, protocol.Goodbye) for frame in frames):
                self.note("on_end_of_algorithm")
                self.algorithm.on_end_of_algorithm()
                self._ended = True
                return

    def _play(self, steps: int) -> None:
        """The feed goes on whatever the algorithm does: what it missed is one slice, not many."""
        due = time.monotonic()
        for _ in range(steps):
            due += self._pace
            time.sleep(max(0.0, due - time.monotonic()))
            with self.lock:
                frames = self.market.next()
                while not any(isinstance(frame, protocol.Step | protocol.Goodbye) for frame in frames):
                    frames += self.market.next()
            self._flush()
            self._hand(frames)
            if any(isinstance(frame, protocol.Goodbye) for frame in frames):
                return
        self._hand([protocol.Goodbye(self.market.floor.now, "the run is over")])

    def _hand(self, frames: list[protocol.Frame]) -> None:
        with self._stepped:
            self._step += frames
            self._stepped.notify_all()

    def _schedules(self) -> None:
        due, ticks = time.monotonic(), 0
        while not self._over:
            due += self._second
            ticks += 1
            time.sleep(max(0.0, due - time.monotonic()))
            for rule, callback in self.algorithm.schedule.rules:
                if rule.interval is None or ticks % rule.interval.seconds:
                    continue
                self.late_schedules += self._ended
                self.note("schedule")
                callback()

    def _work(self) -> None:
        while True:
            with self._waiting:
                while not self._ready and not self._over:
                    self._waiting.wait()
                if not self._ready:
                    return
                key = self._ready.popleft()
                event, order, _ = self._queues[key].popleft()
                order.taken = True
                self._busy[key] = threading.get_ident()
            self.note("on_order_event")
            self.hand_over(event, order)
            with self._waiting:
                del self._busy[key]
                self._offer(key)

    # --- events -----------------------------------------------------------------------------------------------

    def deliver(self, event: OrderEvent, order: Order) -> None:
        """Queue it behind what is still to be told of the order, for when the engine's lock is free."""
        self.emitted.append((event.order_id, event.status))
        mine = threading.get_ident() if event.status == OrderStatus.CANCEL_PENDING else None
        with self._waiting:
            self._queues.setdefault(order.id, deque()).append((event, order, mine))
        caused: list[int] | None = getattr(self._caused, "orders", None)
        if caused is None:
            caused = self._caused.orders = []
        caused.append(order.id)

    def _flush(self) -> None:
        """Let the pool have what this thread's last engine call caused, and tell a pending cancel on this thread."""
        caused, self._caused.orders = getattr(self._caused, "orders", None) or [], []
        for key in caused:
            with self._waiting:
                self._offer(key)
                while any(owner == threading.get_ident() for _, _, owner in self._queues[key]):
                    if not self._mine(key):
                        self._waiting.wait(1.0)
                        continue
                    event, order, _ = self._queues[key].popleft()
                    order.taken = True
                    before = self._busy.get(key)
                    self._busy[key] = threading.get_ident()
                    self._waiting.release()
                    try:
                        self.note("CANCEL_PENDING")
                        self.hand_over(event, order)
                    finally:
                        self._waiting.acquire()
                        if before is None:
                            del self._busy[key]
                        self._offer(key)

    def _mine(self, key: int) -> bool:
        """Whether this thread tells the order's next event: its own cancel's, or any where it cancels an order of
        which it is telling an event just now."""
        queue, me = self._queues[key], threading.get_ident()
        return bool(queue) and (self._busy.get(key) == me or (queue[0][2] == me and key not in self._busy))

    def _offer(self, key: int) -> None:
        """To the pool, where the order's next event is for it. Under the lock."""
        queue = self._queues[key]
        if queue and queue[0][2] is None and key not in self._busy and key not in self._ready:
            self._ready.append(key)
        self._waiting.notify_all()

    def run(self, command: protocol.Command) -> protocol.CallReturned:
        """As in a backtest, but one engine for many threads, and events later."""
        self.note("call")
        with self.lock:
            returned = super().run(command)
        self._flush()
        return returned

    def wait_for_fill(self, ticket: OrderTicket) -> None:
        """A synchronous market order holds its caller until it filled, five seconds at most."""
        until = time.monotonic() + 5.0 * self._second
        while ticket.status != OrderStatus.FILLED and time.monotonic() < until:
            time.sleep(0.002)

    @property
    def now(self) -> dt.datetime:
        """Of the last slice: it stands still between."""
        return self._now
