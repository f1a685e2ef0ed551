"""Which actors, guards and derivations make the desk: one list, used by replay, daemon and tests alike."""

from __future__ import annotations

from typing import Any

from actors.breaker import Breaker
from actors.gateway import Gateway
from actors.guards import HaltGuard, OrderTableGuard
from actors.messages import breaker, exercises, lean, orders, positions
from actors.messages.book import BOOK_FACTS
from actors.orders import Orders
from actors.performance import Performance
from actors.positions import Positions
from actors.risk import Risk
from actors.runtime import ActorFailed, ActorResumed, Core, CoreActor, Ended, Fact, FactSkipped, Journal, Started
from actors.volatility import DERIVATIONS, Volatility
from config.calendar import Sessions
from config.desk import DeskRules

#: Kinds that nobody folds but everybody may read.
_TOLD: tuple[type[Fact], ...] = (
    exercises.ExerciseRequested, exercises.ExerciseReturned, exercises.ExerciseSent, exercises.ExerciseSettled,
    exercises.ExerciseUnknown, lean.AccountSeen, lean.Anomaly, lean.CashWanted, lean.EventSeen, lean.EventUnreadable,
    lean.Reconciled, lean.SessionClosed, lean.SessionOpened, orders.AllCanceled, orders.AmendWanted,
    orders.CancelWanted, orders.OrderWanted, positions.LotsCrossed, positions.PositionAssigned,
    positions.PositionBroken, positions.PositionMended, positions.PositionUnwinding, positions.PositionWaiting,
    positions.VolatilityObserved,
)  # fmt: skip


#: Every kind of fact that a journal of the desk may hold, by name.
KINDS: dict[str, type[Fact]] = {
    kind.KIND: kind
    for kind in (
        *orders.ORDER_FACTS, *BOOK_FACTS, *_TOLD, positions.PositionOpened, positions.PositionClosed,
        positions.EquityMarked, breaker.BreakerRaised, breaker.BreakerReset, breaker.ResetStarted, ActorFailed,
        ActorResumed, Ended, FactSkipped, Started,
    )
}  # fmt: skip


def desk_core(
    journal: Journal,
    rules: DeskRules,
    sessions: Sessions | None = None,
    *,
    more: tuple[CoreActor[Any], ...] = (),
    **options: Any,
) -> Core:
    """A core with the whole desk over a journal, not yet started. `more` actors come last; `options` go to Core."""
    actors = (
        Orders(rules, sessions), Risk(rules, sessions), Gateway(rules, sessions), Breaker(rules), Positions(rules),
        Volatility(sessions), Performance(), *more,
    )  # fmt: skip
    return Core(actors, journal, guards=(OrderTableGuard(), HaltGuard()), derives=DERIVATIONS, kinds=_TOLD, **options)
