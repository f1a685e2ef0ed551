"""The orders that LEAN's end knows: which of LEAN's ids is whose, what was attempted, what its events say. Asks nobody.

Standard library and msgspec only, because it is copied into LEAN projects. Not thread-safe: its owner has the lock.
"""

from __future__ import annotations

import datetime as dt

from bridge.lean_words import Heard, Known, unmarked


class Orders:
    """Orders of ours and of others, by our id and by LEAN's."""

    def __init__(self) -> None:
        #: By id, the highest attempt that was asked for.
        self.asked: dict[str, int] = {}
        #: What is the same for all events that LEAN applied at once.
        self.batch = 0
        self._by_id: dict[str, Known] = {}
        self._by_lean_id: dict[int, Known] = {}
        self._thrown: dict[str, Known] = {}
        self._together: tuple[int, dt.datetime, set[int]] | None = None

    def get(self, order_id: str) -> Known | None:
        """The order of ours by its id."""
        return self._by_id.get(order_id)

    def has(self, lean_id: int) -> bool:
        """Whether an id of LEAN's is known."""
        return lean_id in self._by_lean_id

    def all(self) -> list[Known]:
        """Each order once."""
        return list({id(known): known for known in self._by_lean_id.values()}.values())

    def register(self, known: Known) -> None:
        """From here on its ids are known."""
        if known.order_id:
            self._by_id[known.order_id] = known
        self._by_lean_id |= {lean_id: known for lean_id in known.lean_ids if lean_id > 0}

    def thrown(self, known: Known) -> None:
        """LEAN threw at its placing. It may have it nevertheless: then its tag says so."""
        known.lean_ids = (-10,) * len(known.legs)
        self._thrown[known.order_id] = known

    def attempt(self, id: str, attempt: int) -> bool:
        """Note an attempt before LEAN is called for it. Whether it may be: only above the highest seen."""
        if attempt <= self.asked.get(id, 0):
            return False
        self.asked[id] = attempt
        return True

    def of(self, heard: Heard) -> Known | None:
        """Whose order an event is."""
        known = self._by_lean_id.get(heard.lean_id)
        if known is not None:
            return known
        known = self._thrown.get(unmarked(heard.tag)[0])
        for index, leg in enumerate(() if known is None else known.legs):
            if known is not None and leg.symbol == heard.symbol and known.lean_ids[index] <= 0:
                known.lean_ids = (*known.lean_ids[:index], heard.lean_id, *known.lean_ids[index + 1 :])
                self.register(known)
                return known
        return None

    def count_batch(self, heard: Heard, known: Known | None) -> None:
        """LEAN books the legs of one group, and an exercise with its shares, at once; anything else is alone."""
        if known is not None and self._together is not None:
            group, at, seen = self._together
            mine = known.exercise or heard.lean_id not in seen
            if group == known.lean_ids[0] and at == heard.at and mine:
                seen.add(heard.lean_id)
                return
        self.batch += 1
        self._together = None if known is None else (known.lean_ids[0], heard.at, {heard.lean_id})


def take_event(known: Known, heard: Heard) -> tuple[int, int]:
    """What an event changes of its order: (index of its leg, the amend's generation where it confirms one)."""
    index = known.lean_ids.index(heard.lean_id)
    if heard.status not in ("cancel_pending", "update_submitted") or index not in known.told:
        known.told[index] = heard.status
    known.filled[index] = known.filled.get(index, 0) + heard.fill_quantity
    known.broker_ids = heard.broker_ids or known.broker_ids
    known.leaving &= heard.status not in ("submitted", "update_submitted")
    return index, _confirmed(known, heard.lean_id) if heard.status == "update_submitted" else 0


def _confirmed(known: Known, lean_id: int) -> int:
    """The amend that an update of LEAN's confirms: the oldest that this leg was asked for. LEAN may tell of legs that
    were not asked: they say nothing newer than the last one did."""
    waiting = known.updating.get(lean_id)
    if waiting:
        known.confirmed = max(known.confirmed, waiting.pop(0))
    return known.confirmed


def amend_of(known: Known, generation: int) -> tuple[str, str]:
    """What is known of an amend, and in words. One that never came is never taken from now on; of an order that an
    earlier session amended nothing is known."""
    if not generation:
        return "", ""
    if generation in known.refused:
        return "refused", "lean refused the amend"
    if generation <= known.confirmed:
        return "stands", ""
    if generation <= known.amended:
        return ("pending", "lean has not answered the amend") if known.working else ("refused", "the order is over")
    if not known.attempt:
        return "", "an earlier session may have amended it"
    known.amended = generation
    known.refused.add(generation)
    return "never", "the amend never came here"
