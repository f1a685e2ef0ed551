"""What LEAN's end promises: each attempt once, each event once and numbered, in order, with its order's name.

Standard library and msgspec only, because it is copied into LEAN projects. No socket and nothing of LEAN's: what must
be asked of LEAN goes through `Lean`. It decides nothing but what the dead-man's and the reduce-only rule demand.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bridge import protocol
from bridge.client import EventLog
from bridge.lean_limits import Limits, reduces
from bridge.lean_orders import Orders, amend_of, take_event
from bridge.lean_words import Answer, Heard, Known, Lean, marked, unmarked, words_of


class LeanEnd:
    """One session of LEAN's. Thread-safe: events may be heard on any thread at any time, commands run one at a time.

    `on_event` is called after each numbered event, under the lock: it may only note that there is one.
    """

    def __init__(
        self, lean: Lean, session: str, mode: protocol.Mode, brokerage: str, on_event: Callable[[], None] | None = None
    ) -> None:
        self.session, self.brokerage = session, brokerage
        self.mode: protocol.Mode = mode
        self.log = EventLog()
        self.on_event = on_event
        #: Why only reducing orders pass.
        self.limits = Limits()
        self.inbox: deque[Any] = deque()
        self._lean = lean
        self._lock = threading.RLock()
        self._commands = threading.Lock()
        self._orders = Orders()
        self._transfers: set[str] = set()
        self._calling: tuple[str, int] | None = None
        self._held: list[Heard] = []
        self._closed = False
        self._touched = False
        self._account: protocol.Account | None = None

    # --- what it tells ----------------------------------------------------------------------------------------

    def hello(self, at: dt.datetime, fresh: bool) -> protocol.Hello:
        """The handshake, with what works and what was asked. What came on an earlier connection and was not run yet
        never will be: the promise that a denial rests on."""
        with self._commands, self._lock:
            self.inbox.clear()
            orders = tuple(
                protocol.OpenOrder(
                    known.order_id, known.legs, known.quantity,
                    tuple(known.filled.get(index, 0) for index in range(len(known.legs))), known.type,
                    known.limit_price, known.tag, known.lean_ids, known.broker_ids,
                )
                for known in self._orders.all()
                if known.working
            )  # fmt: skip
            account = self._account or self._lean.account(self.log.last)
            return protocol.Hello(
                protocol.VERSION, self.session, self.mode, self.brokerage, fresh, at, account, orders,
                tuple(self._orders.asked.items()), self.log.last,
            )  # fmt: skip

    def account_if_touched(self) -> protocol.Account | None:
        """The account where fills or cash moved it since the last call; on a thread of LEAN's."""
        with self._lock:
            if not self._touched:
                return None
            self._touched = False
            return self.account()

    def account(self) -> protocol.Account:
        """The account as it is now; on a thread of LEAN's."""
        with self._lock:
            self._account = self._lean.account(self.log.last)
            return self._account

    def last_account(self) -> protocol.Account | None:
        """The account as it was last read, on any thread."""
        return self._account

    def adopt(self, read: Callable[[], Sequence[Known]]) -> None:
        """Orders that LEAN had from the broker when it started. What is told meanwhile waits until they are known."""
        with self._lock:
            for known in read():
                self._orders.register(known)

    def event(self, kind: type[Any], *fields: Any) -> None:
        """Number and keep an event that is no order's: everything after `n` and `at`."""
        with self._lock:
            self._touched |= kind in (protocol.CashMoved, protocol.DividendPaid)
            self._keep(kind(self.log.last + 1, self._lean.now(), *fields))

    def brokerage_said(self, severity: str, code: str, text: str) -> None:
        """What the brokerage says, which may mean that only reducing orders pass."""
        with self._lock:
            # First what holds: the daemon may have the event on disk before this thread runs on.
            self.limits.brokerage(severity, text, self.log.last + 1)
            self.event(protocol.Notice, severity, code, text, "brokerage")

    def acknowledged(self, n: int) -> None:
        """Every event up to `n` is on the daemon's disk. When live this takes its turn among the commands: what was
        sent before it must still find what held then."""
        self.log.acknowledge(n)
        if self.mode == "live" and self.limits.known(n):
            self.inbox.append(protocol.Ack(n))
        else:
            self.limits.acknowledged(n)

    def _keep(self, event: protocol.Event) -> None:
        self.log.add((event,))
        if self.on_event is not None:
            self.on_event()

    # --- what LEAN says ---------------------------------------------------------------------------------------

    def hear(self, heard: Heard) -> None:
        """An order event. While a call runs, one whose order is not known yet waits for the call's return."""
        with self._lock:
            if self._calling is not None and not self._orders.has(heard.lean_id):
                self._held.append(heard)
                return
            self._tell(heard)

    def _tell(self, heard: Heard) -> None:
        known = self._orders.of(heard)
        tag, order_id, leg, generation = heard.tag, "", -1, 0
        kind: Any = heard.own or ("margin_call" if tag == "Margin Call" else "external")
        if known is not None and known.order_id:
            kind, order_id = ("exercise", known.order_id) if known.exercise else ("order", known.order_id)
            marked_id, rest = unmarked(tag)
            tag = rest if marked_id == order_id else tag
        if known is not None and not known.exercise:
            index, generation = take_event(known, heard)
            leg = index if known.order_id else -1
        execution = f"{self.session}:{heard.lean_id}:{heard.event_id}" if heard.fill_quantity else ""
        if heard.fill_quantity:
            self._touched = True
            self._orders.count_batch(heard, known)
        self._keep(
            protocol.OrderEvent(
                self.log.last + 1, heard.at, kind, order_id, leg, heard.symbol, heard.status,  # type: ignore[arg-type]
                heard.fill_price, heard.fill_quantity, heard.quantity, heard.fee, execution, heard.message, tag,
                heard.lean_id, heard.event_id, self._orders.batch, heard.broker_ids,
                "" if known is None else known.type, None if known is None else known.limit_price,
                heard.in_the_money, heard.settlement, generation,
            )
        )  # fmt: skip

    # --- what it is asked -------------------------------------------------------------------------------------

    def drain(self) -> list[protocol.StoredObject]:
        """Run what waits in the inbox, unless another thread is at it. On a thread of LEAN's."""
        answers: list[protocol.StoredObject] = []
        while self.inbox and not self._closed and self._commands.acquire(blocking=False):
            try:
                while self.inbox and not self._closed:
                    answer = self._run(self.inbox.popleft())
                    answers += [] if answer is None else [answer]
            finally:
                self._commands.release()
        return answers

    def close(self) -> None:
        """No command runs from now on; waits for one that does. What nobody could be told of must not happen."""
        with self._commands:
            self._closed = True
            self.inbox.clear()

    def run(self, commands: Sequence[Any]) -> None:
        """Run these one after another; waits for a command that runs."""
        with self._commands:
            for command in commands:
                self._run(command)

    def _run(self, command: Any) -> protocol.StoredObject | None:
        match command:
            case protocol.PlaceOrder():
                self._place(command)
            case protocol.AmendOrder():
                self._amend(command)
            case protocol.CancelOrder():
                self._cancel(command)
            case protocol.Exercise():
                self._exercise(command)
            case protocol.QueryOrder():
                self._query(command)
            case protocol.Ack(n=n):
                self.limits.acknowledged(n)
            case _:
                return self._other(command)
        return None

    def _other(self, command: Any) -> protocol.StoredObject | None:
        if isinstance(command, protocol.MoveCash) and command.transfer_id:
            if command.transfer_id in self._transfers:
                return None  # told again after a lost connection
            self._transfers.add(command.transfer_id)
        try:
            answer = self._lean.other(command)
        except Exception as error:
            self.event(protocol.Notice, "error", type(command).__name__, words_of(error))
            return None
        if isinstance(command, protocol.MoveCash):
            self.event(protocol.CashMoved, command.amount, command.reason, command.transfer_id)
        return answer

    def _place(self, frame: protocol.PlaceOrder) -> None:
        with self._lock:
            known = self._orders.get(frame.order_id)
            if known is not None and known.attempt == frame.attempt:
                # A denial would promise that LEAN was never asked.
                text = "this attempt was made before"
                self._returned(frame, known.shown != "invalid", known.shown, known.lean_ids, text)
                return
            if known is not None and known.shown != "invalid":
                text = f"order {frame.order_id} is {known.shown} here: another attempt would make it twice"
                self._returned(frame, False, "denied", (), text, denied=True)
                return
            if self._attempted(frame, frame.order_id):
                return
            if self.limits and not self._reduces(frame.legs, frame.quantity):
                # A rejection, not a denial: what is denied may be sent again, and would be, for ever.
                text = f"only reducing orders pass: {self.limits}"
                self._returned(frame, False, "invalid", (-10,) * len(frame.legs), text)
                return
        made = Known(
            frame.order_id, frame.attempt, frame.legs, frame.quantity, frame.type, frame.combo, frame.sell_group,
            frame.limit_price, frame.tag, (), frame.leg_limits,
        )  # fmt: skip
        self._call(frame, made, lambda: self._lean.place(frame, marked(frame.order_id, frame.tag)))

    def _exercise(self, frame: protocol.Exercise) -> None:
        with self._lock:
            if self._attempted(frame, frame.exercise_id):
                return
        legs = (protocol.Leg(frame.symbol, -1),)
        made = Known(
            frame.exercise_id, frame.attempt, legs, frame.quantity, "market", False, False, None, frame.tag, (),
            exercise=True,
        )  # fmt: skip
        self._call(frame, made, lambda: self._lean.exercise(frame, marked(frame.exercise_id, frame.tag)))

    def _call(self, frame: Any, made: Known, call: Callable[[], Answer]) -> None:
        """Call LEAN for a new order. Its events are told once its ids are known, and before what it returned."""
        with self._lock:
            self._calling = (made.order_id, made.attempt)
        raised, answer = "", Answer((), False)
        try:
            answer = call()
        except Exception as error:
            raised, answer = type(error).__name__, Answer((), False, words_of(error))
        with self._lock:
            self._calling = None
            made.lean_ids = answer.lean_ids
            if raised and not made.exercise:
                self._orders.thrown(made)
            if any(lean_id > 0 for lean_id in made.lean_ids):
                self._orders.register(made)
            held, self._held = self._held, []
            for heard in held:
                self._tell(heard)
            shown = "filled" if made.exercise and answer.ok else made.shown
            stands = raised and any(lean_id > 0 for lean_id in made.lean_ids)
            ok = (answer.ok or bool(stands)) and shown != "invalid"
            status = shown if ok or shown == "invalid" else "raised" if raised else "invalid"
            ids = made.lean_ids if stands else answer.lean_ids
            self._returned(frame, ok, status, ids, answer.message, raised=raised)

    def _amend(self, frame: protocol.AmendOrder) -> None:
        with self._lock:
            known = self._known(frame)
            if known is None:
                return
            if frame.generation <= known.amended:
                text = "this amend was taken before"
                self._returned(frame, True, "update_submitted", known.lean_ids[:1], text)
                return
            # For good, also where LEAN refuses: its answer is told, and what comes again must not happen after that.
            known.amended = frame.generation
            quantity = known.quantity if frame.quantity is None else frame.quantity
            if self.limits and not self._reduces(known.legs, quantity, known):
                known.refused.add(frame.generation)
                text = f"only reducing orders pass: {self.limits}"
                self._returned(frame, False, known.shown, known.lean_ids[:1], text)
                return
            asked = known.lean_ids if frame.leg_limits is not None else known.lean_ids[:1]
            for lean_id in asked:
                known.updating.setdefault(lean_id, []).append(frame.generation)
        tag = None if frame.tag is None else marked(frame.order_id, frame.tag)
        answer = self._answered(lambda: self._lean.amend(known, frame, tag))
        with self._lock:
            if answer.ok:
                known.quantity = known.quantity if frame.quantity is None else frame.quantity
                known.limit_price = known.limit_price if frame.limit_price is None else frame.limit_price
                known.leg_limits = known.leg_limits if frame.leg_limits is None else frame.leg_limits
                known.tag = known.tag if frame.tag is None else frame.tag
            else:
                known.refused.add(frame.generation)
                for lean_id in asked:
                    if frame.generation in known.updating.get(lean_id, ()):
                        known.updating[lean_id].remove(frame.generation)
            status = "update_submitted" if answer.ok else known.shown
            self._returned(frame, answer.ok, status, known.lean_ids[:1], answer.message)

    def _cancel(self, frame: protocol.CancelOrder) -> None:
        with self._lock:
            known = self._known(frame)
        if known is None:
            return
        tag = marked(frame.order_id, frame.tag) if frame.tag else ""
        answer = self._answered(lambda: self._lean.cancel(known, tag))
        with self._lock:
            status = "cancel_pending" if answer.ok else known.shown
            self._returned(frame, answer.ok, status, known.lean_ids[:1], answer.message)

    def _known(self, frame: protocol.AmendOrder | protocol.CancelOrder) -> Known | None:
        known = self._orders.get(frame.order_id)
        if known is None or known.exercise or (known.attempt and frame.attempt > known.attempt):
            text = "Error: UnableToFindOrder - no such order"
            self._returned(frame, False, "invalid", (), text, known=False)
            return None
        if known.attempt and 0 < frame.attempt < known.attempt:
            text = f"attempt {frame.attempt} is over: attempt {known.attempt} of order {frame.order_id} is here now"
            self._returned(frame, False, "invalid", (), text)
            return None
        return known

    @staticmethod
    def _answered(call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except Exception as error:
            return Answer((), False, f"{type(error).__name__}: {words_of(error)}")

    def _query(self, frame: protocol.QueryOrder) -> None:
        with self._lock:
            known = self._orders.get(frame.order_id)
            if known is not None and known.attempt in (0, frame.attempt):
                amend, text = amend_of(known, frame.generation)
                self._returned(frame, True, known.shown, known.lean_ids, text, amend=amend)
                return
            untried = self._orders.attempt(frame.order_id, frame.attempt)
            self._returned(frame, False, "", (), "not known here", denied=untried, known=False)

    def _attempted(self, frame: protocol.PlaceOrder | protocol.Exercise, id: str) -> bool:
        """Note an attempt before LEAN is called; one not above the highest seen for its id is denied, for good."""
        if self._orders.attempt(id, frame.attempt):
            return False
        text = f"attempt {frame.attempt} is not above {self._orders.asked.get(id, 0)}"
        self._returned(frame, False, "denied", (), text, denied=True)
        return True

    def _returned(
        self, frame: Any, ok: bool, status: str, ids: tuple[int, ...], message: str, *, raised: str = "",
        denied: bool = False, known: bool = True, amend: str = "",
    ) -> None:  # fmt: skip
        order_id = frame.exercise_id if isinstance(frame, protocol.Exercise) else frame.order_id
        self.event(
            protocol.CallReturned, _CALLS[type(frame)], order_id, getattr(frame, "attempt", 0), ok, status, ids,
            message, raised, denied, known, getattr(frame, "generation", 0), amend,
        )  # fmt: skip

    # --- nobody leads -----------------------------------------------------------------------------------------

    def cancel_entries(self) -> int:
        """Cancel what works and does not only close what is held, by the account as it was last read. How many LEAN
        took; what it did not take is asked again the next time. On a thread of LEAN's."""
        taken = 0
        with self._commands:
            with self._lock:
                entries = [
                    known
                    for known in self._orders.all()
                    if known.working and not known.leaving and not self._reduces(known.legs, known.quantity, known)
                ]
            for known in entries:
                known.leaving = self._answered(lambda each=known: self._lean.cancel(each, "")).ok
                taken += known.leaving
        return taken

    def _reduces(self, legs: Sequence[protocol.Leg], quantity: int, me: Known | None = None) -> bool:
        holdings = () if self._account is None else self._account.holdings
        return reduces(holdings, self._orders.all(), legs, quantity, me)


_CALLS: Mapping[type[Any], str] = {
    protocol.PlaceOrder: "place",
    protocol.AmendOrder: "amend",
    protocol.CancelOrder: "cancel",
    protocol.Exercise: "exercise",
    protocol.QueryOrder: "query",
}
