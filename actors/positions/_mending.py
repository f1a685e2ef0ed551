"""The rule for legs that filled unequally: complete within the collar, else unwind; one order at a time; else say so.

Pure. Records and their fold are in _ledger and _broken, prices in _prices.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from actors.messages.book import Book, Position
from actors.messages.breaker import HARD_STOP, NO_ENTRY
from actors.messages.common import Evidence
from actors.messages.order_state import Order
from actors.messages.orders import CancelWanted, LegFilled, OrderBody, OrderWanted
from actors.messages.positions import (
    MendPosition,
)
from actors.options.reducing import is_reducing
from actors.positions._broken import Broken, Quantities, broken
from actors.positions._facts import declared, mended, unwinds, waits
from actors.positions._ledger import PRINCIPAL, Ledger
from actors.positions._prices import MOST_TRIES, Portion, Unpriced, completing, portion, unwinding
from actors.runtime import Issued, Refusal, Write
from config.desk import DeskRules

Writes = tuple[Write, ...]


class Mending:
    """The rule over a ledger and the book, at one instant."""

    def __init__(self, ledger: Ledger, book: Book, rules: DeskRules, now: dt.datetime, market: Any) -> None:
        self._ledger = ledger
        self._book = book
        self._rules = rules
        self._now = now
        self._market = market

    # --- when -------------------------------------------------------------------------------------------------

    def after(self, order_id: str, fact: object) -> Writes:
        """An order filled or ended: what it leaves, and what it means for what is being mended."""
        order = self._ledger.table.orders[order_id]
        own = self._ledger.owned(order_id)
        if own is None:
            position_id = self._book.owner.get(order_id, order.body.position_id)
            return (*self._left(order, position_id), *self._look_at(position_id))
        if own.phase == "mended":
            again = isinstance(fact, LegFilled) and not own.equal and own.position_id in self._book.positions
            return (self._declared(own),) if again else ()
        return self._look(own)

    def again(self) -> Writes:
        """A new view, or the account changed: whatever can go on goes on."""
        writes: list[Write] = []
        for record in self._ledger.records.values():
            if record.phase != "mended":
                writes += self._look(record)
        return tuple(writes)

    def step(self, order_id: str) -> Writes:
        """Our own word that it is to be mended."""
        return self._look(self._ledger.records[order_id])

    def overdue(self, order_id: str) -> Writes:
        """Its deadline is here."""
        record = self._ledger.records[order_id]
        if not record.active:
            return ()
        if record.phase == "complete" and not record.stopped_by:
            text = f"not completed within {self._rules.mend_seconds:g} s"
            return (*self._stop(record, text), self._unwind(record, text))
        return self._look(record)

    def reset(self) -> Writes:
        """The operator reset the breaker: what waited for that is taken back."""
        return tuple(
            self._unwind(record, "the breaker was reset")
            for record in self._ledger.records.values()
            if record.phase == "waiting" and record.resumes == "reset"
        )

    def hand(self, position_id: str) -> Writes:
        """Somebody else wants an order on this position: ours gives way."""
        writes: list[Write] = []
        for record in self._ledger.of(position_id):
            writes += self._stop(record, "another order is wanted on the position")
        return tuple(writes)

    def obey(self, issued: Issued, command: MendPosition) -> Writes:
        """An operator's word. Raises Refusal."""
        if not command.reason:
            raise Refusal("invalid", "mending by an operator's word needs a reason")
        found = [record for record in self._ledger.of(command.position_id) if record.phase != "mended"]
        if not found:
            raise Refusal("conflict", f"position {command.position_id!r} is not broken")
        writes: list[Write] = []
        for record in found[: None if command.way == "keep" else 1]:
            if command.way == "keep":
                writes += self._stop(record, "kept as it is")
                writes.append(mended(record, "kept", issued.principal))
            elif command.way == "complete":
                writes.append(self._declared(record))
            else:
                writes += self._stop(record, "unwound by an operator's word")
                writes.append(self._unwind(record, f"{issued.principal}: {command.reason}", issued.principal))
        return tuple(writes)

    # --- what -------------------------------------------------------------------------------------------------

    def _left(self, order: Order, position_id: str) -> Writes:
        """An order that ended with its legs unequal leaves a record, where the position still has them so."""
        position = self._book.positions.get(position_id)
        if not order.terminal or len(order.body.legs) < 2 or not order.apart or position is None:
            return ()
        paid = self._ledger.paid[order.order_id]
        found = broken(order, position_id, position, paid, self._now)
        return () if found.equal else (self._declared(found),)

    def _look_at(self, position_id: str) -> Writes:
        writes: list[Write] = []
        for record in self._ledger.of(position_id):
            if record.phase != "mended":
                writes += self._look(record)
        return tuple(writes)

    def _look(self, record: Broken) -> Writes:
        """Equal again, waiting, or the next step."""
        position = self._book.positions.get(record.position_id)
        if position is None or record.equal or (record.phase != "complete" and not record.taken_back(position)):
            how = {"order": "filled late", "hand": "by hand", "account": "delivered"}.get(record.by)
            if how is None:
                how = "completed" if record.phase == "complete" else "unwound"
            return (*self._stop(record, "it is mended"), mended(record, how))
        if record.phase == "waiting":
            return self._goes_on(record, position)
        rules, ledger = self._rules, self._ledger
        first = next(iter(ledger.of(record.position_id))) is record
        quiet = record.quiet_until is not None and self._now < record.quiet_until
        if not record.active or not first or quiet or not ledger.connected:
            return ()
        if self._busy(record):
            return self._held_up(record)
        if record.stopped_by:
            text = f"order {record.order} was canceled by {record.stopped_by}"
            return (waits(record, text, resumes="reset"),)
        if position.delivered:
            return (waits(record, "assigned or exercised: its plan is suspended"),)
        if ledger.level >= HARD_STOP:
            return (waits(record, "the breaker is at hard stop", resumes="reset"),)
        if record.phase == "complete":
            return self._complete(record, position.holdings)
        if record.tries >= MOST_TRIES:
            return (waits(record, f"not taken back in {MOST_TRIES} tries", resumes="reset"),)
        paced = record.tried_at is not None and record.tries > 0
        if paced and self._now - record.tried_at < dt.timedelta(seconds=rules.mend_step_seconds):  # type: ignore[operator]
            return ()
        return self._take_back(record, position.holdings)

    def _held_up(self, record: Broken) -> Writes:
        """An order works on the position, or may: one of ours that is more than what is needed by now is stopped, and
        past the deadline it is said that it is waited for."""
        position, live = self._book.positions[record.position_id], self._live(record.order)
        needed = record.missing(position) if record.phase == "complete" else record.taken_back(position)
        too_much = live is not None and any(
            abs(live.open_quantity(index)) > abs(needed.get(leg.symbol, 0)) for index, leg in enumerate(live.body.legs)
        )
        if too_much and (stop := self._stop(record, "more than is needed by now")):
            return stop
        if self._now < record.deadline:
            return ()
        for order in self._working(record):
            if order.state == "unknown":
                return (waits(record, f"order {order.order_id} is unknown", order.order_id),)
            if order.order_id != record.order:
                return (waits(record, f"order {order.order_id} works on the position", order.order_id),)
        return ()

    def _goes_on(self, record: Broken, position: Position) -> Writes:
        """One that waits: taken back as soon as what it waits for is there."""
        ledger = self._ledger
        if record.waits_for:
            order = ledger.table.orders[record.waits_for]
            return (self._unwind(record, f"order {order.order_id} is {order.state}"),) if order.terminal else ()
        if record.resumes != "quotes" or not ledger.connected or ledger.level >= HARD_STOP or self._busy(record):
            return ()
        part = self._reducing_part(position.holdings, record.taken_back(position))
        if part is None or isinstance(unwinding(record, part, self._market, self._now, self._rules), Unpriced):
            return ()
        return (self._unwind(record, "it can be priced again"),)

    def _complete(self, record: Broken, holdings: Mapping[str, int]) -> Writes:
        missing = record.missing(self._book.positions[record.position_id])
        if not missing:
            return (self._unwind(record, "nothing that is missing can be had"),)
        if record.tries:
            order = self._ledger.table.orders[record.order]
            return (self._unwind(record, f"order {record.order} is {order.state}: {order.reason}".rstrip(": ")),)
        part = portion(missing)
        reducing = self._reduces(holdings, part.quantities)
        if self._ledger.level >= NO_ENTRY and not reducing:
            return (self._unwind(record, f"the breaker is at {self._ledger.level}: completing adds risk"),)
        limit = completing(record, part, missing, self._market, self._now, self._rules, reducing=reducing)
        if isinstance(limit, Unpriced):
            return (self._unwind(record, limit.reason),) if limit.final or self._now >= record.deadline else ()
        left = (record.deadline - self._now).total_seconds()
        if left <= 0:
            return (self._unwind(record, f"not completed within {self._rules.mend_seconds:g} s"),)
        return self._want(record, part, limit, left, "completes")

    def _take_back(self, record: Broken, holdings: Mapping[str, int]) -> Writes:
        wanted = record.taken_back(self._book.positions[record.position_id])
        part = self._reducing_part(holdings, wanted)
        if part is None:
            names = ", ".join(symbol.strip() for symbol in wanted)
            return (waits(record, f"taking back {names} would uncover what it covers", resumes="reset"),)
        limit = unwinding(record, part, self._market, self._now, self._rules)
        if isinstance(limit, Unpriced):
            resumes = "" if limit.final else "quotes"
            late = limit.final or self._now >= record.deadline
            return (waits(record, limit.reason, resumes=resumes),) if late else ()
        return self._want(record, part, limit, self._rules.mend_step_seconds, "takes back")

    def _reducing_part(self, holdings: Mapping[str, int], wanted: Quantities) -> Portion | None:
        """What goes first, if it only reduces; else the first of its legs that does, alone."""
        first = portion(wanted).quantities
        for part in (first, *({symbol: quantity} for symbol, quantity in first.items())):
            if self._reduces(holdings, part):
                return portion(part)
        return None

    def _reduces(self, holdings: Mapping[str, int], quantities: Quantities) -> bool:
        return is_reducing(holdings, quantities, legs_fill_apart=self._rules.legs_fill_apart).reducing

    def _want(self, record: Broken, part: Portion, limit: Any, seconds: float, what: str) -> Writes:
        number = record.count + 1
        while (order_id := f"{record.order_id}.mend{number}") in self._ledger.table.orders:
            number += 1
        symbols = tuple(leg.symbol for leg in part.legs)
        evidence = Evidence(0) if self._market is None else self._market.base.evidence(symbols)
        body = OrderBody(
            part.legs, part.quantity, "limit", limit, ttl_seconds=seconds, position_id=record.position_id,
            tag=f"{what} {record.order_id}"[:100],
        )  # fmt: skip
        campaign = self._book.positions[record.position_id].campaign_id
        return (Write(PRINCIPAL, OrderWanted(order_id, body, PRINCIPAL, evidence, campaign)),)

    # --- parts ------------------------------------------------------------------------------------------------

    def _live(self, order_id: str) -> Order | None:
        order = self._ledger.table.get(order_id)
        return None if order is None or order.terminal else order

    def _busy(self, record: Broken) -> bool:
        """Whether an order works on the position, or waits to: ours or another's. One at a time."""
        pending = record.order and record.order not in self._ledger.table.orders and self._ledger.level < HARD_STOP
        return bool(pending) or bool(self._working(record))

    def _working(self, record: Broken) -> list[Order]:
        """Live orders on the position."""
        owner, position_id = self._book.owner, record.position_id
        return [
            order for order in self._ledger.table.live.values()
            if position_id in (order.body.position_id, owner.get(order.order_id))
        ]  # fmt: skip

    def _stop(self, record: Broken, reason: str) -> Writes:
        live = self._live(record.order)
        if live is None or live.cancel_wanted or live.state == "unknown" or record.stopped:
            return ()
        return (Write(PRINCIPAL, CancelWanted(record.order, PRINCIPAL, reason)),)

    def _deadline(self) -> dt.datetime:
        return self._now + dt.timedelta(seconds=self._rules.mend_seconds)

    def _declared(self, record: Broken) -> Write:
        return declared(record, self._book.positions.get(record.position_id), self._deadline())

    def _unwind(self, record: Broken, reason: str, principal: str = "") -> Write:
        return unwinds(record, reason, self._deadline(), principal)
