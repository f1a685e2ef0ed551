"""An exercise that a session took with it when it died: unknown, never asked again, ended by proof alone. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from actors.gateway._state import STREAM, GatewayState
from actors.messages.common import Origin
from actors.messages.comparison import compare
from actors.messages.exercises import ExerciseSettled, ExerciseUnknown
from actors.messages.lean import AccountFill, Anomaly, SessionOpened
from actors.runtime import Write
from config.calendar import NEW_YORK, Sessions


def after_a_dead_session(
    state: GatewayState, opened: SessionOpened, now: dt.datetime, column_from: dt.time, sessions: Sessions | None
) -> Iterator[Write]:
    """What a new session proves of exercises, once what was missed is booked. Where the broker's own book, read after
    the night that would have processed the exercise, is ours, and nobody booked one: it was not exercised."""
    origin = Origin(opened.number, 0)
    for exercise_id, each in state.exercises.items():
        if each.phase != "lost":
            continue
        if each.executed:
            yield _settled(exercise_id, "exercised", "its executions are booked", origin)
            continue
        text = "lean began a new session before it answered the exercise: the account tells what came of it"
        yield Write(STREAM, Anomaly(origin, exercise_id, text))
        yield Write("orders", ExerciseUnknown(exercise_id, text, origin))
    if not opened.fresh_from_broker or compare(state.book, opened.account):
        return
    for exercise_id, each in state.exercises.items():
        if each.phase == "asked" or each.executed or each.blurred:
            continue
        night = _session_of(each.asked_at, sessions) + dt.timedelta(days=1)
        if now >= dt.datetime.combine(night, column_from, NEW_YORK):
            text = f"the broker's book of {now.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York has no trace of it"
            yield _settled(exercise_id, "not_exercised", text, origin)


def _session_of(asked: dt.datetime, sessions: Sessions | None) -> dt.date:
    """The session in whose night an exercise is processed: what is asked after a close waits for the next one."""
    day = asked.astimezone(NEW_YORK).date()
    if sessions is None or (sessions.is_session(day) and asked <= sessions.close(day)):
        return day
    return sessions.next(day)


def proved(state: GatewayState, fact: AccountFill) -> Iterator[Write]:
    """An execution of an exercise that was unknown."""
    each = state.exercises.get(fact.exercise_id)
    if each is not None and each.phase == "unknown":
        yield _settled(fact.exercise_id, "exercised", "its executions came", fact.origin)


def _settled(exercise_id: str, outcome: str, text: str, origin: Origin) -> Write:
    return Write("orders", ExerciseSettled(exercise_id, outcome, text, origin))  # type: ignore[arg-type]
