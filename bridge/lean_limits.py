"""What passes at LEAN's end while nobody leads or the brokerage is in trouble, and what only reduces. Asks nobody.

Standard library and msgspec only, because it is copied into LEAN projects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridge import protocol
from bridge.lean_words import Known

#: Nobody leads; the brokerage is away; it told of an error that the daemon has not on disk yet.
UNLED, AWAY, ERROR = "daemon", "brokerage", "error"


class Limits:
    """Why only reducing orders pass, by whose word. Each is lifted apart: what one says holds when another is over."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}
        self._error = 0

    def __str__(self) -> str:
        return "; ".join(tuple(self._why.values()))

    def __bool__(self) -> bool:
        return bool(self._why)

    def set(self, whose: str, why: str) -> bool:
        """Only reducing orders pass, until this is lifted. Whether that is new."""
        new = whose not in self._why
        self._why.setdefault(whose, why)
        return new

    def lift(self, whose: str) -> None:
        """This reason is over."""
        self._why.pop(whose, None)

    def brokerage(self, severity: str, text: str, n: int) -> None:
        """What the brokerage said in event `n`. Where it is away, until it is back; at an error until the daemon has
        it on disk, whose breaker then holds what must not pass."""
        if severity == "disconnect":
            self.set(AWAY, f"brokerage disconnect: {text}")
        elif severity == "reconnect":
            self.lift(AWAY)
        elif severity == "error":
            self._why[ERROR], self._error = f"brokerage error: {text}", n

    def known(self, n: int) -> bool:
        """Whether an error waited for the daemon to have event `n`."""
        return ERROR in self._why and n >= self._error

    def acknowledged(self, n: int) -> None:
        """The daemon has all events up to `n`."""
        if self.known(n):
            self.lift(ERROR)


def reduces(
    holdings: Iterable[protocol.Holding], orders: Iterable[Known], legs: Sequence[protocol.Leg], quantity: int,
    me: Known | None = None,
) -> bool:  # fmt: skip
    """Whether every leg only closes what is held and no other working order closes already."""
    held = {holding.symbol: int(holding.quantity) for holding in holdings}
    closing: dict[str, int] = {}
    for known in orders:
        for index, leg in enumerate(known.legs) if known is not me and known.working else ():
            wanted = leg.ratio * known.quantity - known.filled.get(index, 0)
            if wanted * held.get(leg.symbol, 0) < 0:
                closing[leg.symbol] = closing.get(leg.symbol, 0) + abs(wanted)
    filled = {} if me is None else me.filled
    left = {leg.symbol: leg.ratio * quantity - filled.get(index, 0) for index, leg in enumerate(legs)}
    return all(
        not wanted
        or (wanted * held.get(symbol, 0) < 0 and abs(wanted) + closing.get(symbol, 0) <= abs(held.get(symbol, 0)))
        for symbol, wanted in left.items()
    )
