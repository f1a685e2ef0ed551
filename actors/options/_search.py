"""The choice of strikes: of all that are listed and near enough, the nearest that fit together. Bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec

from actors.options.catalogue import Strategy
from actors.options.targets import GapTarget, StrikeTarget, WidthTarget

#: Choices looked at before giving up. Tolerances as wide as a whole chain reach it; the defaults stay in the hundreds.
MOST = 100_000


class Option(msgspec.Struct, frozen=True):
    """A strike for a role: its distance from the target as a part of the tolerance, its rank among ties (smaller is
    better), and a note on it."""

    away: float
    rank: Decimal
    strike: Decimal
    note: str = ""


class Role(msgspec.Struct, frozen=True):
    """A strike role: its target, its options nearest first (none where it follows other roles), those that were passed
    over with the reason as note, all strikes listed for it, and why some of them can't be used."""

    target: StrikeTarget
    options: tuple[Option, ...]
    passed: tuple[Option, ...]
    listed: frozenset[Decimal]
    bad: Mapping[Decimal, str]

    @property
    def follows(self) -> bool:
        """Whether its strike is computed from other roles'."""
        return isinstance(self.target, WidthTarget | GapTarget)

    def option(self, strike: Decimal) -> Option | None:
        """The option of this strike."""
        return next((each for each in self.options if each.strike == strike), None)


class _Search:
    def __init__(self, strategy: Strategy, roles: Sequence[Role], width: Decimal) -> None:
        self.strategy, self.roles, self.width = strategy, roles, width
        self.free = [number for number, role in enumerate(roles) if not role.follows]
        self.best: tuple[float, tuple[Decimal, ...]] | None = None
        self.found: tuple[Decimal, ...] | None = None
        self.seen = 0
        self.why = self.unordered = ""

    def place(self, depth: int, chosen: dict[int, Decimal], cost: float, ranks: tuple[Decimal, ...]) -> None:
        if depth == len(self.free):
            self._finish(chosen, cost, ranks)
            return
        number = self.free[depth]
        below = chosen[self.free[depth - 1]] if depth else None
        for option in self.roles[number].options:
            total = round(cost + option.away, 9)
            if self.seen > MOST or (self.best is not None and total > self.best[0]):
                return
            if below is not None and (option.strike <= below or option.strike - below < self.width):
                if not self.unordered or option.strike > below:
                    self.unordered = _close(below, option.strike, self.width)
                continue
            self.seen += 1
            chosen[number] = option.strike
            self.place(depth + 1, chosen, total, (*ranks, option.rank))
            del chosen[number]

    def _finish(self, chosen: dict[int, Decimal], cost: float, ranks: tuple[Decimal, ...]) -> None:
        if self.best is not None and (cost, ranks) >= self.best:
            return
        strikes: list[Decimal] = []
        for number, role in enumerate(self.roles):
            strike = chosen[number] if number in chosen else _following(role.target, chosen)
            if strike not in role.listed or strike in role.bad:
                why = role.bad.get(strike, "is not listed for every leg that uses it")
                self.why = self.why or f"K{number + 1} {strike} {why} ({role.target})"
                return
            strikes.append(strike)
        why = _misfit(self.strategy, strikes, self.width)
        if why:
            self.why = self.why or why
            return
        self.best, self.found = (cost, ranks), tuple(strikes)


def choose(strategy: Strategy, roles: Sequence[Role], width: Decimal) -> tuple[Decimal, ...] | str:
    """Strikes, K1 first, or why there are none (what was wrong with the first choice). Strikes must rise strictly and
    by `width` dollars at least, those that follow others be listed, wings be as the strategy asks.

    Branch and bound over the free roles; refuses beyond `MOST` choices rather than answer with one not proved nearest.
    """
    search = _Search(strategy, roles, width)
    search.place(0, {}, 0.0, ())
    if search.seen > MOST:
        return f"more than {MOST} choices of strikes are within tolerance: narrow it"
    if search.found is None:
        return search.why or search.unordered or "no strikes within tolerance fit together"
    return search.found


def _following(target: StrikeTarget, chosen: Mapping[int, Decimal]) -> Decimal:
    if isinstance(target, WidthTarget):
        return chosen[target.role - 1] + target.width
    assert isinstance(target, GapTarget)
    return chosen[target.base - 1] + chosen[target.plus - 1] - chosen[target.minus - 1]


def _close(low: Decimal, high: Decimal, width: Decimal) -> str:
    if low >= high:
        return f"strikes {low}, {high} must rise strictly"
    return f"strikes {low}, {high} are less than {width} apart"


def _misfit(strategy: Strategy, strikes: Sequence[Decimal], width: Decimal) -> str:
    shown = ", ".join(map(str, strikes))
    for low, high in pairwise(strikes):
        if low >= high or high - low < width:
            return _close(low, high, width)
    if strategy.spacing != "any":
        low, high = strikes[1] - strikes[0], strikes[-1] - strikes[-2]
        if (low == high) != (strategy.spacing == "equal"):
            wanted = "equal" if strategy.spacing == "equal" else "different"
            return f"wings of {shown} are {low} and {high}; {strategy.name} needs {wanted} ones"
    return ""
