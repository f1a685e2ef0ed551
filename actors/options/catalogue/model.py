"""What a strategy is, as data: legs by role, constraints, views, default targets. No quotes and no contracts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

import msgspec

from actors.options.catalogue.rules import (
    EntryRules,
    ExitRules,
    Pays,
    RiskClass,
    default_exit,
    is_even,
    usable_exit,
)
from actors.options.payoff import Amount

Kind = Literal["C", "P", "S"]
Outlook = Literal["bullish", "bearish", "neutral", "big move", "locked"]
VolatilityView = Literal["high", "low", "any"]
Spacing = Literal["any", "equal", "unequal"]
#: What must hold of the price for the name to be right: nothing; a net debit below the width of its two strikes (a
#: rally, or a crash for puts, can't lose); a credit that covers the spread on one side.
Condition = Literal["none", "debit below width", "credit covers calls", "credit covers puts"]
Days = tuple[int, int, int]

_LEG = re.compile(r"^([+-])(\d*)(?:(S)|([CP])(\d)(f?))$")
_DELTA = re.compile(r"^(\d\d)d$")
_GAP = re.compile(r"^K(\d)\+K(\d)-K(\d)$")

#: Calendar days to last trade that suit (lowest, target, highest): one expiry; the near and far one of two; years out.
ONE: Days = (30, 45, 60)
NEAR: Days = (20, 30, 45)
FAR: Days = (45, 60, 90)
YEARS: Days = (180, 365, 760)


class LegRole(msgspec.Struct, frozen=True):
    """One leg. `ratio` is signed (+ bought), in contracts, or in hundreds of shares for stock (`kind` S).

    `strike` is the rank of its strike among the strategy's, 1 the lowest (0 for stock); `far` is whether it expires at
    the later of the strategy's two expiries.
    """

    kind: Kind
    ratio: int
    strike: int = 0
    far: bool = False

    @property
    def words(self) -> str:
        """The leg in words: `sell 2 calls K2`, `buy 1 put K1 at T2`, `buy 100 shares`."""
        verb, size = ("buy" if self.ratio > 0 else "sell"), abs(self.ratio)
        if self.kind == "S":
            return f"{verb} {size * 100} shares"
        right = "call" if self.kind == "C" else "put"
        return f"{verb} {size} {right}{'s' if size > 1 else ''} K{self.strike}{' at T2' if self.far else ''}"


class Pick(msgspec.Struct, frozen=True):
    """Where a strike goes unless told otherwise: at the delta of this magnitude (0 to 1), or, where `delta` is None, at
    K_base + K_plus - K_minus (`gap`, ranks of roles)."""

    delta: float | None
    gap: tuple[int, int, int] | None = None


class Strategy(msgspec.Struct, frozen=True):
    """One strategy. Strike roles ascend strictly: K1 < K2 < ...; T1 < T2.

    `factory` is the name in LEAN's OptionStrategies and `arguments` its arguments after the canonical symbol, by role
    (K1.., T1, T2); both empty where LEAN has none. `picks` is one default target a strike role, K1 first; `days` one
    window of calendar days an expiry, near first. `family` is the key of the entry it is a variant of, itself else.
    """

    key: str
    name: str
    legs: tuple[LegRole, ...]
    factory: str
    arguments: tuple[str, ...]
    outlook: Outlook
    volatility: VolatilityView
    pays: Pays
    when: str
    wrong: str
    picks: tuple[Pick, ...]
    days: tuple[Days, ...]
    spacing: Spacing
    condition: Condition
    aliases: tuple[str, ...]
    family: str

    @property
    def strikes(self) -> int:
        """How many different strikes it has."""
        return max(leg.strike for leg in self.legs)

    @property
    def expiries(self) -> int:
        """How many different expiries it has: 1 or 2."""
        return 2 if any(leg.far for leg in self.legs) else 1

    @property
    def risk(self) -> RiskClass:
        """Undefined where a short option is left uncovered, by the slopes at both ends of all legs together and of what
        is left after T1; a short put counts even though a stock can't fall below 0. Source: the desk's limits."""
        parts = [self.legs] if self.expiries == 1 else [self.legs, tuple(g for g in self.legs if g.far or not g.strike)]
        return "undefined" if any(_uncovered(part) for part in parts) else "defined"

    @property
    def constraints(self) -> tuple[str, ...]:
        """What LEAN and the resolver ask of strikes, expiries and price, in words; empty for a single strike."""
        found: list[str] = []
        if self.strikes > 1:
            found.append(" < ".join(f"K{role}" for role in range(1, self.strikes + 1)))
        if self.expiries > 1:
            found.append("T1 < T2")
        if self.spacing != "any":
            sign = "=" if self.spacing == "equal" else "is not"
            found.append(f"K2 - K1 {sign} K{self.strikes} - K{self.strikes - 1}")
        if self.condition == "debit below width":
            found.append("net debit < K2 - K1")
        elif self.condition == "credit covers calls":
            found.append("net credit >= K3 - K2")
        elif self.condition == "credit covers puts":
            found.append("net credit >= K2 - K1")
        return tuple(found)

    @property
    def entry(self) -> EntryRules:
        """Default entry rules: sellers of premium wait for rank 50 and stay out of earnings, buyers of volatility wait
        for at most 30."""
        if self.volatility == "high":
            return EntryRules(self.days, rank_at_least=50, through_earnings=False)
        if self.volatility == "low":
            return EntryRules(self.days, rank_at_most=30)
        return EntryRules(self.days)

    @property
    def stock(self) -> bool:
        """Whether it holds shares."""
        return any(leg.kind == "S" for leg in self.legs)

    @property
    def exit(self) -> ExitRules:
        """Default exit rules by what it usually pays; `exit_at` says which hold once the price is known."""
        return default_exit(self.pays, self.risk, stock=self.stock, locked=self.outlook == "locked")

    def exit_at(self, entry: Decimal, maximum_loss: Amount, maximum_profit: Amount) -> ExitRules:
        """The exit rules that hold at this entry: by what was really paid or received, every rule able to fire.

        `entry` is the net price per share (negative: credit); `maximum_loss` and `maximum_profit` are dollars per share
        of one unit, the entry included. About even money (below 5 % of the maximum loss) the rules are those of
        strategies that cost nothing.
        """
        if self.stock or self.outlook == "locked":
            return self.exit
        pays = "either" if is_even(entry, maximum_loss) else "credit" if entry < 0 else "debit"
        return usable_exit(default_exit(pays, self.risk), entry, maximum_loss, maximum_profit)


def _uncovered(legs: tuple[LegRole, ...]) -> bool:
    shares = sum(leg.ratio for leg in legs if leg.kind == "S")
    above = shares + sum(leg.ratio for leg in legs if leg.kind == "C")
    below = shares - sum(leg.ratio for leg in legs if leg.kind == "P")
    return above < 0 or below > max(shares, 0)


def legs_of(text: str) -> tuple[LegRole, ...]:
    """Legs from shorthand: `+C1 -2C2 +C3` (sign, ratio, right, strike rank), `f` for far expiry, `S` stock. Raises
    ValueError for a word that is not one."""
    legs: list[LegRole] = []
    for word in text.split():
        found = _LEG.match(word)
        if found is None:
            raise ValueError(f"leg {word!r} is not like '-2C1', '+P2f' or '+S'")
        ratio = int(found[2] or 1) * (1 if found[1] == "+" else -1)
        if found[3]:
            legs.append(LegRole("S", ratio))
        else:
            legs.append(LegRole("C" if found[4] == "C" else "P", ratio, int(found[5]), bool(found[6])))
    return tuple(legs)


def _picks_of(text: str) -> tuple[Pick, ...]:
    """Picks from shorthand, K1 first: `30d` is 30 delta, `K2+K2-K1` as far beyond K2 as K1 is below. Raises ValueError
    for a word that is neither."""
    picks: list[Pick] = []
    for word in text.split():
        if (delta := _DELTA.match(word)) is not None:
            picks.append(Pick(int(delta[1]) / 100))
        elif (gap := _GAP.match(word)) is not None:
            picks.append(Pick(None, (int(gap[1]), int(gap[2]), int(gap[3]))))
        else:
            raise ValueError(f"pick {word!r} is not like '30d' or 'K2+K2-K1'")
    return tuple(picks)


def strategy(
    name: str, legs: str, arguments: str, views: tuple[Outlook, VolatilityView, Pays], picks: str, when: str, wrong:
    str, *, spacing: Spacing = "any", condition: Condition = "none", days: tuple[Days, ...] = (),
    aliases: tuple[str, ...] = (), family: str = "",
) -> Strategy:  # fmt: skip
    """An entry of the catalogue. With `arguments` it is LEAN's, and its factory is the name without spaces. Raises
    ValueError for bad shorthand, or where picks or days do not fit the legs."""
    factory = name.replace(" ", "") if arguments else ""
    key = key_of(name)
    roles = legs_of(legs)
    two = any(leg.far for leg in roles)
    made = Strategy(
        key, name, roles, factory, tuple(arguments.split()), *views, when, wrong, _picks_of(picks),
        days or ((NEAR, FAR) if two else (ONE,)), spacing, condition, aliases, family or key,
    )  # fmt: skip
    if len(made.picks) != made.strikes or len(made.days) != made.expiries:
        raise ValueError(f"{name} needs {made.strikes} picks and {made.expiries} windows of days")
    return made


def key_of(name: str) -> str:
    """A name as a key: lower case, underscores, no apostrophes."""
    return name.lower().replace(" ", "_").replace("-", "_").replace("'", "")
