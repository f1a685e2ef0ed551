"""From a strategy and targets to listed contracts, or to reasons why not. Never a silent neighbour."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.options.catalogue import CATALOGUE, LegRole, Strategy
from actors.options.contracts import Contract
from actors.options.payoff import Leg

Floats = NDArray[np.float64]


class ChainSnapshot(msgspec.Struct, frozen=True, eq=False):
    """One underlying's chain at one moment, arrays parallel to `contracts`.

    Quotes are dollars per share, nan where missing; `delta` per share, signed, from a fitted smile; `open_interest` and
    `volume` in contracts. None where the whole array is unknown.
    """

    underlying: str
    spot: Decimal
    date: dt.date
    contracts: tuple[Contract, ...]
    bid: Floats
    ask: Floats
    delta: Floats | None = None
    implied_volatility: Floats | None = None
    open_interest: Floats | None = None
    volume: Floats | None = None


class FixedStrike(msgspec.Struct, frozen=True, tag=True):
    """Exactly this strike."""

    strike: Decimal


class DeltaTarget(msgspec.Struct, frozen=True, tag=True):
    """The strike whose delta's magnitude is nearest, within `tolerance`."""

    delta: float
    tolerance: float = 0.05


class OffsetTarget(msgspec.Struct, frozen=True, tag=True):
    """The strike nearest to spot + `offset` dollars, within `tolerance` dollars."""

    offset: Decimal
    tolerance: Decimal


class WidthTarget(msgspec.Struct, frozen=True, tag=True):
    """Exactly `width` dollars (signed) from another role's strike; that role has no width of its own."""

    role: int
    width: Decimal


StrikeTarget = FixedStrike | DeltaTarget | OffsetTarget | WidthTarget


class ExpiryTarget(msgspec.Struct, frozen=True):
    """An expiry by calendar days (lowest, target, highest); a `preferred` date inside the window comes first."""

    days: tuple[int, int, int]
    preferred: tuple[dt.date, ...] = ()


class Targets(msgspec.Struct, frozen=True):
    """A target for each strike role (K1 first) and each expiry (near first)."""

    strikes: tuple[StrikeTarget, ...]
    expiries: tuple[dt.date | ExpiryTarget, ...]


class Candidate(msgspec.Struct, frozen=True):
    """Legs of one unit, in the strategy's order (stock in shares), and how each strike and expiry was chosen."""

    legs: tuple[Leg, ...]
    reasons: tuple[str, ...]


class Refusal(msgspec.Struct, frozen=True):
    """Why there are no legs, in words."""

    reasons: tuple[str, ...]


class _Refused(Exception):
    pass


def resolve(strategy: Strategy, chain: ChainSnapshot, targets: Targets) -> Candidate | Refusal:
    """One unit of the strategy on this chain. Adjusted contracts are never chosen.

    Strikes must be listed for every leg that uses them, distinct, ascending by role, and spaced as the strategy asks.
    Ties go to the strike farther out of the money where the role is sold, else nearer the money.
    """
    try:
        return _resolve(strategy, chain, targets)
    except _Refused as refused:
        return Refusal((str(refused),))


def resolve_factory(factory: str, arguments: Sequence[Decimal | dt.date], chain: ChainSnapshot) -> Candidate | Refusal:
    """As LEAN's factory of that name would, its arguments in LEAN's order after the canonical symbol."""
    strategy = next((each for each in CATALOGUE if each.factory and each.factory == factory), None)
    if strategy is None:
        return Refusal((f"LEAN has no strategy factory {factory!r}",))
    if len(arguments) != len(strategy.arguments):
        wanted = ", ".join(strategy.arguments)
        return Refusal((f"{factory} takes {len(strategy.arguments)} arguments ({wanted}), not {len(arguments)}",))
    strikes: dict[str, Decimal] = {}
    expiries: dict[str, dt.date] = {}
    for role, value in zip(strategy.arguments, arguments, strict=True):
        if role.startswith("K") and isinstance(value, Decimal):
            strikes[role] = value
        elif role.startswith("T") and isinstance(value, dt.date):
            expiries[role] = value
        else:
            return Refusal((f"argument {role} of {factory} can't be {value!r}",))
    fixed = tuple(FixedStrike(strikes[role]) for role in sorted(strikes))
    return resolve(strategy, chain, Targets(fixed, tuple(expiries[role] for role in sorted(expiries))))


def _resolve(strategy: Strategy, chain: ChainSnapshot, targets: Targets) -> Candidate:
    if len(targets.strikes) != strategy.strikes or len(targets.expiries) != strategy.expiries:
        raise _Refused(
            f"{strategy.name} has {strategy.strikes} strikes and {strategy.expiries} expiries, "
            f"not {len(targets.strikes)} and {len(targets.expiries)}"
        )
    listed = {
        contract: index
        for index, contract in enumerate(chain.contracts)
        if contract.multiplier == 100 and contract.underlying == chain.underlying
    }
    reasons: list[str] = []
    expiries = _expiries(chain, listed, targets, reasons)
    available = [_available(strategy, role, expiries, listed) for role in range(1, strategy.strikes + 1)]
    chosen: dict[int, Decimal] = {}
    for role, target in enumerate(targets.strikes, 1):
        if not isinstance(target, WidthTarget):
            chosen[role] = _choose(strategy, role, targets, available, chain, listed, expiries)
            reasons.append(f"K{role} {chosen[role]}: {_words(target)}")
    for role, target in enumerate(targets.strikes, 1):
        if isinstance(target, WidthTarget):
            if target.role not in chosen or isinstance(targets.strikes[target.role - 1], WidthTarget):
                raise _Refused(f"K{role} is a width from K{target.role}, which has no strike of its own")
            strike = chosen[target.role] + target.width
            if strike not in available[role - 1]:
                raise _Refused(f"K{role} {strike} is not listed for every leg that uses it")
            chosen[role] = strike
            reasons.append(f"K{role} {strike}: {_words(target)}")
    strikes = [chosen[role] for role in range(1, strategy.strikes + 1)]
    _check(strategy, strikes)
    legs: list[Leg] = []
    for leg in strategy.legs:
        if leg.kind == "S":
            legs.append(Leg(chain.underlying, leg.ratio * 100))
        else:
            legs.append(Leg(_contract(leg, strikes[leg.strike - 1], expiries, listed).symbol, leg.ratio))
    return Candidate(tuple(legs), tuple(reasons))


def _check(strategy: Strategy, strikes: Sequence[Decimal]) -> None:
    shown = ", ".join(map(str, strikes))
    if any(low >= high for low, high in pairwise(strikes)):
        raise _Refused(f"strikes {shown} must rise strictly")
    if strategy.spacing != "any":
        low, high = strikes[1] - strikes[0], strikes[-1] - strikes[-2]
        if (low == high) != (strategy.spacing == "equal"):
            wanted = "equal" if strategy.spacing == "equal" else "different"
            raise _Refused(f"wings of {shown} are {low} and {high}; {strategy.name} needs {wanted} ones")


def _expiries(chain: ChainSnapshot, listed: dict[Contract, int], targets: Targets, reasons: list[str]) -> list[dt.date]:
    dates = sorted(dict.fromkeys(contract.expiry for contract in listed))
    found: list[dt.date] = []
    for number, target in enumerate(targets.expiries, 1):
        if isinstance(target, ExpiryTarget):
            low, aim, high = target.days
            inside = [date for date in dates if low <= (date - chain.date).days <= high]
            inside = [date for date in inside if date in target.preferred] or inside
            if not inside:
                raise _Refused(f"T{number}: no expiry between {low} and {high} days")
            date = min(inside, key=lambda each: (abs((each - chain.date).days - aim), each))
            reasons.append(f"T{number} {date}: {(date - chain.date).days} days, nearest to {aim}")
        else:
            if target not in dates:
                raise _Refused(f"T{number} {target} is not listed")
            date = target
            reasons.append(f"T{number} {date}: as given")
        found.append(date)
    if len(found) == 2 and found[0] >= found[1]:
        raise _Refused(f"T1 {found[0]} must be before T2 {found[1]}")
    return found


def _contract(leg: LegRole, strike: Decimal, expiries: Sequence[dt.date], listed: dict[Contract, int]) -> Contract:
    expiry = expiries[1] if leg.far else expiries[0]
    found = [
        contract
        for contract in listed
        if contract.right == leg.kind and contract.strike == strike and contract.expiry == expiry
    ]
    if not found:
        raise _Refused(f"{leg.kind} {strike} {expiry} is not listed")
    if len(found) > 1:
        roots = ", ".join(sorted(contract.root for contract in found))
        raise _Refused(f"{leg.kind} {strike} {expiry} is listed under several roots: {roots}")
    return found[0]


def _available(
    strategy: Strategy, role: int, expiries: Sequence[dt.date], listed: dict[Contract, int]
) -> dict[Decimal, None]:
    """Strikes listed for every leg that uses this role, ascending."""
    wanted = [(leg.kind, expiries[1] if leg.far else expiries[0]) for leg in strategy.legs if leg.strike == role]
    places = {(contract.right, contract.expiry, contract.strike) for contract in listed}
    strikes = sorted(dict.fromkeys(contract.strike for contract in listed))
    return dict.fromkeys(
        strike for strike in strikes if all((right, expiry, strike) in places for right, expiry in wanted)
    )


def _choose(
    strategy: Strategy,
    role: int,
    targets: Targets,
    available: Sequence[dict[Decimal, None]],
    chain: ChainSnapshot,
    listed: dict[Contract, int],
    expiries: Sequence[dt.date],
) -> Decimal:
    target = targets.strikes[role - 1]
    leg = next(each for each in strategy.legs if each.strike == role)
    fits = [
        strike
        for strike in available[role - 1]
        if all(
            strike + other.width in available[place]
            for place, other in enumerate(targets.strikes)
            if isinstance(other, WidthTarget) and other.role == role
        )
    ]
    if isinstance(target, FixedStrike):
        if target.strike not in available[role - 1]:
            raise _Refused(f"K{role} {target.strike} is not listed for every leg that uses it")
        return target.strike
    out = 1 if leg.kind == "C" else -1
    toward = -out if leg.ratio < 0 else out
    best: tuple[float, Decimal] | None = None
    strike_found: Decimal | None = None
    for strike in fits:
        if isinstance(target, DeltaTarget):
            if chain.delta is None:
                raise _Refused(f"K{role} needs deltas, and this chain has none")
            delta = float(chain.delta[listed[_contract(leg, strike, expiries, listed)]])
            if not np.isfinite(delta):
                continue
            away, limit = round(abs(abs(delta) - target.delta), 9), target.tolerance
        elif isinstance(target, OffsetTarget):
            away, limit = float(abs(strike - chain.spot - target.offset)), float(target.tolerance)
        else:
            continue
        if away <= limit + 1e-12 and (best is None or (away, toward * strike) < best):
            best, strike_found = (away, toward * strike), strike
    if strike_found is None:
        raise _Refused(f"K{role}: no listed strike fits {_words(target)}")
    return strike_found


def _words(target: StrikeTarget) -> str:
    if isinstance(target, FixedStrike):
        return f"strike {target.strike} as given"
    if isinstance(target, DeltaTarget):
        return f"delta {target.delta} within {target.tolerance}"
    if isinstance(target, OffsetTarget):
        return f"spot {target.offset:+} within {target.tolerance}"
    return f"{target.width:+} from K{target.role}"
