"""Exercise, assignment and expiry as LEAN's default models do them. Pure; the market books what comes out."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec

from actors.options.contracts import Contract

#: LEAN's simulation assigns short contracts that are at least this far in the money, as a fraction of the strike ...
_DEEP = 0.05
#: ... American ones this many days before expiry, European ones on the day itself.
_DAYS = 4


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of closing contracts: cash per share beside the price, shares delivered (signed), LEAN's words."""

    settlement: Decimal
    shares: int
    in_the_money: bool
    message: str


def assigned_early(contract: Contract, spot: float, today: dt.date) -> bool:
    """Whether LEAN's default assignment model takes a short contract now."""
    if not spot:
        return False
    days = (contract.expiry - today).days
    if days > (_DAYS if contract.style == "american" else 0):
        return False
    strike = float(contract.strike)
    intrinsic = spot - strike if contract.right == "C" else strike - spot
    return intrinsic / strike >= _DEEP


def settle_expired(contract: Contract, quantity: int, spot: Decimal, *, assigned: bool) -> Outcome:
    """What `quantity` closing contracts (negative: long ones end) bring at this price of the underlying."""
    sign = 1 if contract.right == "C" else -1
    intrinsic = max(Decimal(0), sign * (spot - contract.strike))
    if intrinsic == 0:
        return Outcome(Decimal(0), 0, False, f"OTM. Underlying: {spot}")
    word = "Assigned" if assigned else "Automatic Exercise"
    message = f"{word}. Underlying: {spot}"
    if contract.settlement == "cash":
        return Outcome(intrinsic, 0, True, message)
    # A long call brings shares, a long put takes them away; short contracts the other way round.
    return Outcome(Decimal(0), -quantity * sign * contract.multiplier, True, message)
