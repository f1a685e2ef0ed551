"""Default entry and exit rules, and which of them can never fire. Rules only: nothing here watches a position."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Literal

import msgspec

from actors.options.payoff import UNLIMITED, Amount

RiskClass = Literal["defined", "undefined"]
Pays = Literal["credit", "debit", "either"]
#: What gains are fractions of: the credit or debit at entry; the net premium of the option legs (beside stock); the
#: maximum loss; or the initial requirement, for what costs about nothing and has no meaningful maximum loss.
Basis = Literal["entry", "premium", "maximum loss", "requirement"]

_ONE = Decimal(1)
#: The stop where none on the entry price can fire, as a part of the maximum loss.
_STOP = Decimal("0.60")
#: A stop whose buy-back, or a rung whose gain, is from here on of what is possible at all is taken for unreachable.
REACHABLE = Decimal("0.95")
#: What takes the place of rungs that can't be reached, as a part of the largest gain.
_INSTEAD = Decimal("0.80")
#: Below this part of the maximum loss a net price is even money.
EVEN = Decimal("0.05")


class RuleError(ValueError):
    """An exit rule that can never fire."""


class EntryRules(msgspec.Struct, frozen=True):
    """Calendar days to last trade that suit (lowest, target, highest; near expiry first), the implied-volatility rank
    needed (0 to 100, None: any), and whether it may be held through earnings."""

    days: tuple[tuple[int, int, int], ...]
    rank_at_least: int | None = None
    rank_at_most: int | None = None
    through_earnings: bool = True


class ExitRules(msgspec.Struct, frozen=True):
    """When to leave: (gain, fraction of original size) rungs, a stop as a gain (negative), days to last trade at which
    to manage and to close (None: held to expiry).

    Gains are fractions of `basis`. `stop_gain` None leaves `stop_max_loss`, a fraction of maximum loss; that is None
    too where the loss has no bound, or where the strategy is locked.
    """

    ladder: tuple[tuple[Decimal, Decimal], ...]
    stop_gain: Decimal | None
    stop_max_loss: Decimal | None = _STOP
    basis: Basis = "entry"
    manage_days: int | None = 21
    close_days: int | None = 7


def default_exit(pays: Pays, risk: RiskClass, *, stock: bool = False, locked: bool = False) -> ExitRules:
    """Half the credit and a stop at twice it; the debit's ladder and a stop at half of it; about even money: half of
    the maximum loss, or of the requirement where the loss is undefined.

    Beside stock a credit's rules look at the premium, and bought protection has neither rung nor stop: it is managed
    by days. What is locked is held to expiry. Source: the desk's rules for marks, stops and targets.
    """
    maximum = _STOP if risk == "defined" else None
    half = ((Decimal("0.50"), _ONE),)
    if locked:
        return ExitRules((), None, None, manage_days=None, close_days=None)
    if stock:
        return ExitRules(half, Decimal("-2.00"), None, "premium") if pays == "credit" else ExitRules((), None, None)
    if pays == "credit":
        return ExitRules(half, Decimal("-2.00"), maximum)
    if pays == "debit":
        third = Decimal("0.333")
        ladder = ((Decimal("0.50"), third), (_ONE, third), (Decimal("2.00"), _ONE - 2 * third))
        return ExitRules(ladder, Decimal("-0.50"), maximum)
    if risk == "defined":
        return ExitRules(half, None, maximum, "maximum loss")
    return ExitRules(half, Decimal("-0.50"), None, "requirement")


def is_even(entry: Decimal, maximum_loss: Amount) -> bool:
    """Whether a net price per share is even money: 0, or below 5 % of the maximum loss per share."""
    return entry == 0 or (isinstance(maximum_loss, Decimal) and abs(entry) < EVEN * maximum_loss)


def check_exit(rules: ExitRules, entry: Decimal, width: Amount | None, maximum_profit: Amount = UNLIMITED) -> None:
    """Refuse rules that can never fire. `entry` is the net price per share (negative: credit); `width` the most that
    buying back can cost per share (UNLIMITED or None: no bound); `maximum_profit` dollars per share.

    Raises RuleError: a rung of a credit at 1.00 or more; a stop of a credit whose buy-back is at 95 % of the width or
    more; a rung of a debit above 95 % of what it can gain; a debit's stop at -1.00 or below where that is its maximum
    loss (`width` None); a stop without any basis.
    """
    if rules.basis != "entry":
        return
    if entry < 0:
        for gain, _ in rules.ladder:
            if gain >= 1:
                raise RuleError(f"a credit can't gain {gain}: a rung must be below 1.00 of it")
        if rules.stop_gain is not None and isinstance(width, Decimal):
            back = -entry * (1 - rules.stop_gain)
            if back >= width * REACHABLE:
                raise RuleError(
                    f"the stop buys back at {back}, at or above 95 % of the width {width}; "
                    f"use stop_max_loss {rules.stop_max_loss}"
                )
    elif entry > 0:
        if rules.stop_gain is not None and rules.stop_gain <= -1:
            raise RuleError(f"a debit can't lose more than itself: stop {rules.stop_gain} must be above -1.00")
        if isinstance(maximum_profit, Decimal):
            for gain, _ in rules.ladder:
                if gain * entry > maximum_profit * REACHABLE:
                    raise RuleError(
                        f"a debit of {entry} that gains at most {maximum_profit} can't reach the rung {gain}"
                    )


def usable_exit(
    rules: ExitRules, entry: Decimal, maximum_loss: Amount | None, maximum_profit: Amount = UNLIMITED
) -> ExitRules:
    """The rules with what could never fire replaced: a credit's stop by the one on maximum loss, a debit's rungs beyond
    reach by one at 80 % of the largest gain. Raises RuleError for a credit's rung at 1.00 or more.

    `maximum_loss` and `maximum_profit` are dollars per share with the entry included (None and UNLIMITED: no bound).
    """
    if rules.basis != "entry":
        return rules
    width = maximum_loss - entry if isinstance(maximum_loss, Decimal) else maximum_loss
    if entry > 0 and isinstance(maximum_profit, Decimal):
        rules = msgspec.structs.replace(rules, ladder=_reachable(rules.ladder, maximum_profit / entry))
    try:
        check_exit(rules, entry, width, maximum_profit)
    except RuleError:
        limit = rules.stop_max_loss or (_STOP if isinstance(maximum_loss, Decimal) else None)
        replaced = msgspec.structs.replace(rules, stop_gain=None, stop_max_loss=limit)
        check_exit(replaced, entry, width, maximum_profit)
        return replaced
    return rules


def _reachable(ladder: tuple[tuple[Decimal, Decimal], ...], most: Decimal) -> tuple[tuple[Decimal, Decimal], ...]:
    kept = [(gain, part) for gain, part in ladder if gain <= most * REACHABLE]
    rest = sum((part for gain, part in ladder if gain > most * REACHABLE), Decimal(0))
    if not rest or most <= 0:
        return tuple(kept)
    gain = (most * _INSTEAD).quantize(Decimal("0.01"), ROUND_FLOOR)
    if kept and kept[-1][0] >= gain:
        return (*kept[:-1], (kept[-1][0], kept[-1][1] + rest))
    return (*kept, (gain, rest)) if gain > 0 else tuple(kept)
