"""The breaker: one level for the whole desk. Anything may raise it; only a two-step reset lowers it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec

from actors.messages.breaker import (
    LEVELS,
    BreakerRaised,
    BreakerReset,
    ConfirmReset,
    Halt,
    ResetStarted,
    StartReset,
)
from actors.messages.positions import EquityMarked
from actors.runtime import CoreActor, Decision, Issued, Recorded, Refusal, Write
from config.desk import DeskRules

STREAM = "breaker"


class BreakerState(msgspec.Struct):
    """The level since the last reset, why, and the phrase that an open reset waits for."""

    level: int = 0
    reason: str = ""
    phrase: str = ""
    resets: int = 0


class Breaker(CoreActor[BreakerState]):
    """Folds every raise to the highest level since the last reset; raises it on the day's loss."""

    name = "breaker"
    group = "safety"
    commands = (Halt, StartReset, ConfirmReset)
    folds = (BreakerRaised, BreakerReset, ResetStarted)
    reacts = (EquityMarked,)

    def __init__(self, rules: DeskRules) -> None:
        self._rules = rules

    def initial(self) -> BreakerState:
        return BreakerState()

    def evolve(self, state: BreakerState, recorded: Recorded) -> BreakerState:
        match recorded.fact:
            case BreakerRaised(level=level, reason=reason):
                if level > state.level:
                    state.level, state.reason = level, reason
                state.phrase = ""
            case ResetStarted(phrase=phrase):
                state.phrase = phrase
                state.resets += 1
            case BreakerReset():
                state.level, state.reason, state.phrase = 0, "", ""
        return state

    def decide(self, state: BreakerState, message: Any, now: dt.datetime, market: Any) -> Decision:
        match message:
            case Issued(command=Halt(level=level, reason=reason), principal=principal):
                if not 1 <= level <= 5:
                    raise Refusal("invalid", f"breaker level {level} is outside 1 to 5")
                if not reason:
                    raise Refusal("invalid", "a halt needs a reason")
                return Decision((Write(STREAM, BreakerRaised(level, reason, principal)),))
            case Issued(command=StartReset(reason=reason), principal=principal):
                if state.level == 0:
                    raise Refusal("conflict", "the breaker is at 0 already")
                if not reason:
                    raise Refusal("invalid", "a reset needs a reason")
                phrase = f"reset {LEVELS[state.level]} {state.resets + 1}"
                return Decision((Write(STREAM, ResetStarted(phrase, reason, principal)),))
            case Issued(command=ConfirmReset(phrase=phrase), principal=principal):
                if not state.phrase:
                    raise Refusal("conflict", "no reset is under way; start one first")
                if phrase != state.phrase:
                    raise Refusal("conflict", f"the phrase is {state.phrase!r}, not {phrase!r}")
                return Decision((Write(STREAM, BreakerReset(principal, state.reason)),))
            case Recorded(fact=EquityMarked() as equity) if self._rules.automatic_breaker:
                return self._daily_loss(state, equity)
        return Decision()

    def _daily_loss(self, state: BreakerState, equity: EquityMarked) -> Decision:
        rules = self._rules
        start = equity.value - equity.day_result
        limit = start * rules.daily_loss_fraction
        if start <= 0 or -equity.day_result < limit:
            return Decision()
        # A loss that mostly comes from flagged marks asks for caution, not for a flatten on a bad quote.
        level = 1 if equity.flagged > 0.40 else rules.daily_loss_level
        if level <= state.level:
            return Decision()
        lost = (-equity.day_result).quantize(Decimal("0.01"))
        reason = f"day's loss {lost} is at or above the limit {limit.quantize(Decimal('0.01'))}"
        return Decision((Write(STREAM, BreakerRaised(level, reason, "breaker")),))
