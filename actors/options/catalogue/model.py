"""What a strategy is, as data: legs by role, constraints, views and default rules. No quotes and no contracts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

import msgspec

Kind = Literal["C", "P", "S"]
RiskClass = Literal["defined", "undefined"]
Outlook = Literal["bullish", "bearish", "neutral", "big move", "locked"]
VolatilityView = Literal["high", "low", "any"]
Pays = Literal["credit", "debit", "either"]
Spacing = Literal["any", "equal", "unequal"]

_LEG = re.compile(r"^([+-])(\d*)(?:(S)|([CP])(\d)(f?))$")


class RuleError(ValueError):
    """An exit rule that can never fire."""


class LegRole(msgspec.Struct, frozen=True):
    """One leg. `ratio` is signed (+ bought), in contracts, or in hundreds of shares for stock (`kind` S).

    `strike` is the rank of its strike among the strategy's, 1 the lowest (0 for stock); `far` is whether it expires at
    the later of the strategy's two expiries.
    """

    kind: Kind
    ratio: int
    strike: int = 0
    far: bool = False


class ExitRules(msgspec.Struct, frozen=True):
    """When to leave: (gain, fraction of original size) rungs, a stop as a gain, days to expiry to manage and to close.

    Gains are fractions of the credit or debit paid at entry; `stop_gain` None leaves `stop_max_loss`, a fraction of
    maximum loss.
    """

    ladder: tuple[tuple[Decimal, Decimal], ...]
    stop_gain: Decimal | None
    stop_max_loss: Decimal = Decimal("0.60")
    manage_days: int = 21
    close_days: int = 7


class EntryRules(msgspec.Struct, frozen=True):
    """Days to expiry that suit (lowest, target, highest) and the implied-volatility rank needed (None: any)."""

    days: tuple[int, int, int] = (30, 45, 60)
    rank_at_least: int | None = None
    rank_at_most: int | None = None


class Strategy(msgspec.Struct, frozen=True):
    """One strategy. Strike roles ascend strictly: K1 < K2 < ...; T1 < T2.

    `factory` is the name in LEAN's OptionStrategies and `arguments` its arguments after the canonical symbol, by role
    (K1.., T1, T2); both empty where LEAN has none.
    """

    key: str
    name: str
    legs: tuple[LegRole, ...]
    factory: str
    arguments: tuple[str, ...]
    spacing: Spacing
    outlook: Outlook
    volatility: VolatilityView
    risk: RiskClass
    pays: Pays
    when: str
    wrong: str

    @property
    def strikes(self) -> int:
        """How many different strikes it has."""
        return max(leg.strike for leg in self.legs)

    @property
    def expiries(self) -> int:
        """How many different expiries it has: 1 or 2."""
        return 2 if any(leg.far for leg in self.legs) else 1

    @property
    def entry(self) -> EntryRules:
        """Default entry rules: sellers of premium wait for rank 50, buyers of volatility for at most 30."""
        if self.volatility == "high":
            return EntryRules(rank_at_least=50)
        if self.volatility == "low":
            return EntryRules(rank_at_most=30)
        return EntryRules()

    @property
    def exit(self) -> ExitRules:
        """Default exit rules by what it pays: half the credit and a stop at twice it, or the debit ladder."""
        one = Decimal(1)
        if self.pays == "credit":
            return ExitRules(((Decimal("0.50"), one),), Decimal("-2.00"))
        if self.pays == "debit":
            third = Decimal("0.333")
            ladder = ((Decimal("0.50"), third), (one, third), (Decimal("2.00"), one - 2 * third))
            return ExitRules(ladder, Decimal("-0.50"))
        return ExitRules(((Decimal("0.50"), one),), None)


def check_exit(rules: ExitRules, entry: Decimal, width: Decimal | None) -> None:
    """Refuse rules that can never fire. `entry` is the net price per share (negative: credit); `width` the widest loss
    per share, None where it has no bound.

    Raises RuleError: a rung of a credit at 1.00 or more; a stop whose buy-back is at 95 % of the width or more; a
    debit's stop below -1.00.
    """
    if entry < 0:
        for gain, _ in rules.ladder:
            if gain >= 1:
                raise RuleError(f"a credit can't gain {gain}: a rung must be below 1.00 of it")
        if rules.stop_gain is not None and width is not None:
            back = -entry * (1 - rules.stop_gain)
            if back >= width * Decimal("0.95"):
                raise RuleError(
                    f"the stop buys back at {back}, at or above 95 % of the width {width}; "
                    f"use stop_max_loss {rules.stop_max_loss}"
                )
    elif entry > 0 and rules.stop_gain is not None and rules.stop_gain <= -1:
        raise RuleError(f"a debit can't lose more than itself: stop {rules.stop_gain} must be above -1.00")


def usable_exit(rules: ExitRules, entry: Decimal, width: Decimal | None) -> ExitRules:
    """The rules with a stop that could never fire replaced by the one on maximum loss. Raises RuleError for rungs."""
    try:
        check_exit(rules, entry, width)
    except RuleError:
        replaced = msgspec.structs.replace(rules, stop_gain=None)
        check_exit(replaced, entry, width)
        return replaced
    return rules


def legs_of(text: str) -> tuple[LegRole, ...]:
    """Legs from shorthand: `+C1 -2C2 +C3` (sign, ratio, right, strike rank), `f` for far expiry, `S` stock."""
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


def strategy(
    name: str,
    legs: str,
    arguments: str,
    views: tuple[Outlook, VolatilityView, RiskClass, Pays],
    when: str,
    wrong: str,
    spacing: Spacing = "any",
) -> Strategy:
    """An entry of the catalogue. With `arguments` it is LEAN's, and its factory is the name without spaces."""
    factory = name.replace(" ", "") if arguments else ""
    key = name.lower().replace(" ", "_").replace("'", "")
    return Strategy(key, name, legs_of(legs), factory, tuple(arguments.split()), spacing, *views, when, wrong)
