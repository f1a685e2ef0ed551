"""A connection that misbehaves at given rates, seeded: what a bad network or broker does to what the market tells.

Only what is told is touched, never the broker: its ledger stays the truth.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

import msgspec

from bridge import protocol
from bridge.client import BridgeGone, Connection

_NAMES = ("duplicate", "delay", "reorder", "drop", "disconnect", "silence", "lie")


class FaultsError(ValueError):
    """Rates that can't be used; the message says which and why."""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Chance of each fault a frame of events, 0 to 1.

    duplicate: told twice; delay: told after the next; reorder: its events the other way round; drop: never told;
    disconnect: the socket closes instead; silence: after an order was accepted nothing is told until the socket
    closes; lie: the account beside it is a hundred dollars and one contract off.
    """

    duplicate: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    drop: float = 0.0
    disconnect: float = 0.0
    silence: float = 0.0
    lie: float = 0.0
    seed: int = 1

    @classmethod
    def parse(cls, text: str) -> Faults:
        """From 'duplicate=0.1,drop=0.05,seed=7'. Raises FaultsError."""
        values: dict[str, float] = {}
        for part in filter(None, text.split(",")):
            name, equals, value = part.partition("=")
            if name not in (*_NAMES, "seed") or not equals:
                raise FaultsError(f"{part!r} is not one of {', '.join(_NAMES)}, seed with =VALUE")
            try:
                values[name] = float(value)
            except ValueError:
                raise FaultsError(f"{name}: {value!r} is not a number") from None
            if name != "seed" and not 0 <= values[name] <= 1:
                raise FaultsError(f"{name}: {value} is not between 0 and 1")
        seed = int(values.pop("seed", 1))
        return cls(seed=seed, **values)


class FaultyConnection(Connection):
    """A connection that commits these faults; `chooser` outlives it, so that a new one goes on where it stopped."""

    def __init__(self, address: str, secret: bytes, faults: Faults, chooser: random.Random) -> None:
        self._faults, self._chooser = faults, chooser
        self._late: protocol.Frame | None = None
        self._silent = False
        self._greeted = False
        super().__init__(address, secret)

    def send(self, frame: protocol.Frame) -> None:
        """As a connection's, with faults once the handshake is over."""
        if not isinstance(frame, protocol.Step | protocol.Events) or not self._greeted:
            self._greeted |= isinstance(frame, protocol.Listing)
            if not self._silent:
                super().send(frame)
            return
        if self._silent or self._hit("drop"):
            return
        if self._hit("disconnect"):
            self.close()
            raise BridgeGone("a fault closed the connection")
        accepted = any(isinstance(each, protocol.OrderEvent) and each.status == "submitted" for each in frame.events)
        if accepted and self._hit("silence"):
            self._silent = True
        if self._hit("lie") and frame.account is not None:
            frame = msgspec.structs.replace(frame, account=_off(frame.account))
        if len(frame.events) > 1 and self._hit("reorder"):
            frame = msgspec.structs.replace(frame, events=frame.events[::-1])
        late, self._late = self._late, None
        if late is None and self._hit("delay"):
            self._late = frame
            return
        super().send(frame)
        if late is not None:
            super().send(late)
        if self._hit("duplicate"):
            super().send(frame)

    def receive(self, timeout: float | None = None) -> protocol.ToLean | None:
        """As a connection's; a silent one ends once somebody asks it for more than it said."""
        frame = super().receive(timeout)
        if self._silent and frame is None and self._chooser.random() < 0.2:
            self.close()
            raise BridgeGone("a fault kept silent, then closed the connection")
        return frame

    def _hit(self, name: str) -> bool:
        rate: float = getattr(self._faults, name)
        return bool(rate) and self._chooser.random() < rate


def faulty(address: str, secret: bytes, faults: Faults) -> Callable[[], Connection]:
    """Makes connections that commit these faults, one after another."""
    chooser = random.Random(faults.seed)
    return lambda: FaultyConnection(address, secret, faults, chooser)


def _off(account: protocol.Account) -> protocol.Account:
    holdings = tuple(msgspec.structs.replace(held, quantity=held.quantity + 1) for held in account.holdings[:1])
    return msgspec.structs.replace(
        account, cash=account.cash + Decimal(100), holdings=(*holdings, *account.holdings[1:])
    )  # fmt: skip
