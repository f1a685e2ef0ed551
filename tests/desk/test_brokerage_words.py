"""What the brokerage says: an error that would end LEAN's run puts the desk to reduce-only, until an operator says."""

from __future__ import annotations

import datetime as dt

from actors.messages.breaker import REDUCE_ONLY, ConfirmReset, StartReset
from actors.messages.lean import LeanNotice
from bridge import protocol, translate
from tests.desk.kit import CALLS, Desk

AT = dt.datetime(2015, 12, 24, 15, tzinfo=dt.UTC)


def say(desk: Desk, severity: str, source: str = "brokerage") -> None:
    desk.n += 1
    notice = protocol.Notice(desk.n, AT, severity, "42", "no permission", source)  # type: ignore[arg-type]
    word = translate.event(notice)
    assert isinstance(word, LeanNotice)
    desk.core.tell(word, desk.now)


def test_an_error_of_the_brokerages_is_reduce_only_until_the_reset_and_cancels_entries() -> None:
    desk = Desk()
    desk.submit("works", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    desk.accept("works")
    desk.sent()
    say(desk, "error")
    breaker = desk.core.state("breaker")
    assert (breaker.level, breaker.reason) == (REDUCE_ONLY, "brokerage error: 42 no permission")
    assert desk.order("works").state == "pending_cancel"
    say(desk, "reconnect")
    assert desk.core.state("breaker").level == REDUCE_ONLY
    desk.command(StartReset("the permission is there"))
    desk.command(ConfirmReset(desk.core.state("breaker").phrase))
    assert desk.core.state("breaker").level == 0
    desk.submit("new", (CALLS[1], 1), (CALLS[2], -1), limit="4.00")
    assert "new" in [word.order_id for word in desk.sent() if hasattr(word, "body")]


def test_an_absence_a_warning_and_what_our_own_end_says_leave_the_breaker() -> None:
    desk = Desk()
    for severity in ("information", "warning", "disconnect", "reconnect", "action_required"):
        say(desk, severity)
    say(desk, "error", source="")
    assert desk.core.state("breaker").level == 0
    assert desk.core.state("gateway").seen == desk.n
