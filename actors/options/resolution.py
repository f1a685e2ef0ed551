"""From a strategy and targets to listed contracts, or to reasons why not. Never a silent neighbour.

What is wanted is in `targets`, what is listed in `chain`, the choice of strikes in `_search`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec

from actors.options import _search
from actors.options.catalogue import CATALOGUE, FACTORY_ALIASES, Strategy
from actors.options.chain import ChainSnapshot, Series
from actors.options.liquidity import (
    Gate,
    Limits,
    combo_gate,
    leg_gates,
    open_gate,
    size_gate,
    underlying_gate,
)
from actors.options.payoff import Leg
from actors.options.settlement import Sessions, days_to_last_trade, monthly_expiry, settlement_session
from actors.options.targets import (
    DeltaTarget,
    ExpiryTarget,
    FixedStrike,
    GapTarget,
    OffsetTarget,
    StrikeTarget,
    Targets,
    WidthTarget,
)

_NAN = float("nan")


class Candidate(msgspec.Struct, frozen=True):
    """Legs of one unit, in the strategy's order (stock in shares), how each strike and expiry was chosen, the net price
    per share of one unit that fills now (`natural`, pay asks and hit bids; positive paid) and its mirror (`far`), nan
    where a quote is missing, and the gates that were asked, all passed."""

    strategy: Strategy
    legs: tuple[Leg, ...]
    reasons: tuple[str, ...]
    natural: float
    far: float
    gates: tuple[Gate, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """Why there are no legs, in words."""

    reasons: tuple[str, ...]


class _Refused(Exception):
    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons


def resolve(
    strategy: Strategy, chain: ChainSnapshot, targets: Targets, *, sessions: Sessions | None = None,
    limits: Limits | None = None, quantity: int = 1, held: Mapping[str, int] | None = None,
) -> Candidate | Refusal:  # fmt: skip
    """One unit of the strategy on this chain. Adjusted contracts are never chosen.

    Strikes are listed for every leg that uses them, distinct, ascending by role, and spaced as the strategy asks. Of
    all such choices within tolerance the one whose distances, each as a part of its tolerance, add up to least; ties
    go to the strike farther out of the money where the role is sold, else nearer the money, K1 first.

    `sessions` are needed for an ExpiryTarget: days count to last trade. With `limits`, the open, the underlying, each
    leg, the combo and the displayed size for `quantity` units must pass their gates. `held` is the account's net
    holdings and working orders by symbol: a leg opposite to them is a leg conflict. Strikes that fail a leg's gate or
    conflict are passed over, which the reasons say; a condition on the price is asked at the middle.
    """
    try:
        return _resolve(strategy, chain, targets, sessions, limits, quantity, held or {})
    except _Refused as refused:
        return Refusal(refused.reasons)


def resolve_factory(factory: str, arguments: Sequence[Decimal | dt.date], chain: ChainSnapshot) -> Candidate | Refusal:
    """As LEAN's factory of that name would, its arguments in LEAN's order after the canonical symbol."""
    asked = FACTORY_ALIASES.get(factory, factory)
    strategy = next((each for each in CATALOGUE if each.factory and each.factory == asked), None)
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


def _resolve(
    strategy: Strategy, chain: ChainSnapshot, targets: Targets, sessions: Sessions | None, limits: Limits | None,
    quantity: int, held: Mapping[str, int],
) -> Candidate:  # fmt: skip
    if len(targets.strikes) != strategy.strikes or len(targets.expiries) != strategy.expiries:
        raise _Refused(
            f"{strategy.name} has {strategy.strikes} strikes and {strategy.expiries} expiries, "
            f"not {len(targets.strikes)} and {len(targets.expiries)}"
        )
    gates = list[Gate]() if limits is None else _market_gates(chain, limits)
    reasons = [f"{chain.adjusted} adjusted contracts left out"] if chain.adjusted else []
    series = _series(chain, targets, sessions, reasons)
    roles = [_role(strategy, number, chain, targets, series, limits, held) for number in range(1, strategy.strikes + 1)]
    strikes = _search.choose(strategy, roles, targets.minimum_width)
    if isinstance(strikes, str):
        raise _Refused(strikes)
    for number, (role, target) in enumerate(zip(roles, targets.strikes, strict=True), 1):
        chosen = role.option(strikes[number - 1])
        reasons.append(f"K{number} {strikes[number - 1]}: {target}{chosen.note if chosen else ''}")
        nearer = [each for each in role.passed if chosen is not None and each.away <= chosen.away]
        reasons += [f"K{number}: {each.strike} passed over: {each.note}" for each in nearer]
    legs: list[Leg] = []
    rows: list[tuple[int, int]] = []
    for leg in strategy.legs:
        if leg.kind == "S":
            legs.append(Leg(chain.underlying, leg.ratio * 100))
        else:
            row = chain.table[series[leg.far], leg.kind][strikes[leg.strike - 1]]
            legs.append(Leg(chain.contracts[row].symbol, leg.ratio))
            rows.append((row, leg.ratio))
    natural, far = _prices(strategy, chain, rows)
    _condition(strategy, strikes, (natural + far) / 2)
    if limits is not None:
        gates += _combo_gates(strategy, chain, rows, strikes, natural, far, quantity, limits)
    failed = [str(gate) for gate in gates if not gate.passed]
    if failed:
        raise _Refused(*failed)
    return Candidate(strategy, tuple(legs), tuple(reasons), natural, far, tuple(gates))


# --- expiries -------------------------------------------------------------------------------------------------------


def _series(
    chain: ChainSnapshot, targets: Targets, sessions: Sessions | None, reasons: list[str]
) -> tuple[Series, Series]:
    """The near and the far series (the same one where there is one)."""
    listed = [each for each in chain.series if targets.root in (None, each.root)]
    found: list[Series] = []
    for number, target in enumerate(targets.expiries, 1):
        if isinstance(target, ExpiryTarget):
            expiry, why = _nearest(listed, target, chain, sessions, number)
        else:
            expiry, why = target, "as given"
        matches = [each for each in listed if each.expiry == expiry]
        if not matches:
            raise _Refused(f"T{number} {expiry} is not listed")
        if len(matches) > 1:
            roots = ", ".join(each.root for each in matches)
            raise _Refused(f"T{number} {expiry} is listed under several roots: {roots}; name one")
        found.append(matches[0])
        reasons.append(f"T{number} {expiry}: {why}")
    if len(found) == 2 and found[0].expiry >= found[1].expiry:
        raise _Refused(f"T1 {found[0].expiry} must be before T2 {found[1].expiry}")
    return found[0], found[-1]


def _nearest(
    listed: Sequence[Series], target: ExpiryTarget, chain: ChainSnapshot, sessions: Sessions | None, number: int
) -> tuple[dt.date, str]:
    if sessions is None:
        raise _Refused(f"T{number} by days needs a calendar: they count to last trade")
    low, aim, high = target.days
    inside: list[tuple[bool, bool, int, Series, int]] = []
    for each in listed:
        row = next(iter((chain.table.get((each, "C")) or chain.table[each, "P"]).values()))
        contract = chain.contracts[row]
        days = days_to_last_trade(contract, chain.date, sessions)
        if low <= days <= high:
            standard = settlement_session(contract, sessions) == monthly_expiry(
                each.expiry.year, each.expiry.month, sessions
            )
            rank = (each.expiry not in target.preferred, target.monthly and not standard)
            inside.append((*rank, abs(days - aim), each, days))
    if not inside:
        raise _Refused(f"T{number}: no expiry between {low} and {high} days to last trade")
    other, weekly, _, best, days = min(inside)
    kind = "" if other and not target.monthly else "preferred, " if not other else "" if weekly else "monthly, "
    return best.expiry, f"{kind}{days} days to last trade, nearest to {aim}"


# --- strikes --------------------------------------------------------------------------------------------------------


def _role(
    strategy: Strategy, number: int, chain: ChainSnapshot, targets: Targets, series: tuple[Series, Series],
    limits: Limits | None, held: Mapping[str, int],
) -> _search.Role:  # fmt: skip
    legs = [leg for leg in strategy.legs if leg.strike == number]
    columns = [chain.table.get((series[leg.far], leg.kind), {}) for leg in legs]
    listed = [strike for strike in columns[0] if all(strike in column for column in columns[1:])]
    target = targets.strikes[number - 1]
    if isinstance(target, WidthTarget | GapTarget):
        sources = (target.role,) if isinstance(target, WidthTarget) else (target.base, target.plus, target.minus)
        for source in sources:
            if not 1 <= source <= len(targets.strikes) or isinstance(
                targets.strikes[source - 1], WidthTarget | GapTarget
            ):
                raise _Refused(f"K{number} follows K{source}, which has no strike of its own")
        options: list[_search.Option] = []
        wanted = listed
    else:
        if isinstance(target, FixedStrike) and target.strike not in listed:
            raise _Refused(f"K{number} {target.strike} is not listed for every leg that uses it")
        first = legs[0]
        toward = (-1 if first.ratio < 0 else 1) * (1 if first.kind == "C" else -1)
        options = _options(number, target, chain, listed, columns[0], toward)
        wanted = [option.strike for option in options]
    bad: dict[Decimal, str] = {}
    for strike in wanted if limits is not None or held else ():
        for leg, column in zip(legs, columns, strict=True):
            why = _bad(chain, column[strike], leg.ratio, limits, held)
            if why:
                bad[strike] = why
                break
    kept = [option for option in options if option.strike not in bad]
    passed = [msgspec.structs.replace(each, note=bad[each.strike]) for each in options if each.strike in bad]
    if not isinstance(target, WidthTarget | GapTarget) and not kept:
        why = [f"K{number} {each.strike}: {each.note}" for each in passed]
        raise _Refused(f"K{number}: no listed strike fits {target}", *why)
    return _search.Role(target, tuple(kept), tuple(passed), frozenset(listed), bad)


def _options(
    number: int, target: StrikeTarget, chain: ChainSnapshot, listed: Sequence[Decimal], column: Mapping[Decimal, int],
    toward: int,
) -> list[_search.Option]:  # fmt: skip
    """Strikes within tolerance, nearest first, ties by rank."""
    found: list[_search.Option] = []
    if isinstance(target, DeltaTarget):
        if chain.delta is None:
            raise _Refused(f"K{number} needs deltas, and this chain has none")
        limit = target.tolerance
        for strike in listed:
            delta = float(chain.delta[column[strike]])
            away = round(abs(abs(delta) - target.delta), 9)
            if away <= limit + 1e-12:
                found.append(
                    _search.Option(away / limit if limit else 0.0, toward * strike, strike, f", is {delta:.3f}")
                )
        if not found and not any(math.isfinite(float(chain.delta[column[strike]])) for strike in listed):
            raise _Refused(f"K{number} needs deltas, and its expiry has none: no smile fits its quotes")
    elif isinstance(target, OffsetTarget):
        for strike in listed:
            gap = abs(strike - chain.spot - target.offset)
            if gap <= target.tolerance:
                part = float(gap / target.tolerance) if target.tolerance else 0.0
                found.append(_search.Option(round(part, 9), toward * strike, strike))
    elif isinstance(target, FixedStrike):
        found.append(_search.Option(0.0, toward * target.strike, target.strike))
    return sorted(found, key=lambda each: (each.away, each.rank))


def _bad(chain: ChainSnapshot, row: int, ratio: int, limits: Limits | None, held: Mapping[str, int]) -> str:
    """Why this contract can't be this leg; empty where it can."""
    symbol = chain.contracts[row].symbol
    if held.get(symbol, 0) * ratio < 0:
        return f"leg conflict: {symbol} is held or working at {held[symbol]:+}"
    if limits is None:
        return ""
    open_interest, volume, age = (_at(each, row) for each in (chain.open_interest, chain.volume, chain.age))
    gates = leg_gates(float(chain.bid[row]), float(chain.ask[row]), open_interest, volume, age, limits)
    return "; ".join(str(gate) for gate in gates if not gate.passed)


def _at(values: object, row: int) -> float:
    return _NAN if values is None else float(values[row])  # type: ignore[index]


# --- prices and gates of the whole ------------------------------------------------------------------------------------


def _prices(strategy: Strategy, chain: ChainSnapshot, rows: Sequence[tuple[int, int]]) -> tuple[float, float]:
    shares = sum(leg.ratio for leg in strategy.legs if leg.kind == "S")
    pairs = [(float(chain.bid[row]), float(chain.ask[row]), ratio) for row, ratio in rows]
    if shares:
        pairs.append((chain.spot_bid, chain.spot_ask, shares))
    natural = sum(ratio * (ask if ratio > 0 else bid) for bid, ask, ratio in pairs)
    return round(natural, 9), round(sum(ratio * (bid if ratio > 0 else ask) for bid, ask, ratio in pairs), 9)


def _condition(strategy: Strategy, strikes: Sequence[Decimal], middle: float) -> None:
    if strategy.condition == "none" or math.isnan(middle):
        return
    if strategy.condition == "debit below width":
        width = float(strikes[1] - strikes[0])
        if not 0 < middle < width:
            raise _Refused(f"{strategy.name} needs a net debit below the width {width:g}; the middle is {middle:.2f}")
        return
    low, high = (2, 1) if strategy.condition == "credit covers calls" else (1, 0)
    width = float(strikes[low] - strikes[high])
    if -middle < width:
        raise _Refused(f"{strategy.name} needs a net credit of at least {width:g}; the middle is {middle:.2f}")


def _market_gates(chain: ChainSnapshot, limits: Limits) -> list[Gate]:
    return [open_gate(chain.since_open, limits), underlying_gate(chain.spot_bid, chain.spot_ask, limits)]


def _combo_gates(
    strategy: Strategy, chain: ChainSnapshot, rows: Sequence[tuple[int, int]], strikes: Sequence[Decimal],
    natural: float, far: float, quantity: int, limits: Limits,
) -> list[Gate]:  # fmt: skip
    width = float(max(high - low for low, high in pairwise(strikes))) if len(strikes) > 1 else _NAN
    gates = [] if len(rows) < 2 else [combo_gate(natural, far, _NAN if strategy.risk == "undefined" else width, limits)]
    smallest = min(
        (_at(chain.ask_size if ratio > 0 else chain.bid_size, row) / abs(ratio) for row, ratio in rows),
        key=lambda size: (not math.isnan(size), size),
    )
    return [*gates, size_gate(smallest, quantity)]
