"""What a failing reaction, fold, guard or word stops, and what goes on."""

from __future__ import annotations

import pytest

from actors.runtime import (
    ActorFailed,
    GuardRefused,
    Refusal,
    SkipFact,
)
from tests.runtime.bank import NOW, Ping, Pinged, Transfer, bank, kinds, pay


def test_a_failing_reaction_stops_its_actor_and_nothing_is_skipped() -> None:
    failures: list[tuple[str, str]] = []
    core = bank(on_failure=lambda actor, group, error: failures.append((actor, group)))
    pay(core, "a", 5)
    pay(core, "b", 66)
    pay(core, "c", 7)
    assert failures == [("clerk", "safety")]
    (stopped,) = (row for row in core._journal.read() if row.kind == ActorFailed.KIND)
    failed = core.decode(stopped).fact
    assert isinstance(failed, ActorFailed)
    assert core.state("ledger").accounts == {"anna": -5, "bert": 5}
    with pytest.raises(Refusal, match="did not stop"):
        core.command("s0", "operator", SkipFact("clerk", failed.seq + 1, "looked at it"), NOW)
    with pytest.raises(Refusal, match="reason"):
        core.command("s1", "operator", SkipFact("clerk", failed.seq, ""), NOW)
    core.command("s2", "operator", SkipFact("clerk", failed.seq, "looked at it"), NOW)
    assert core.failed() == {}
    assert core.state("ledger").accounts == {"anna": -12, "bert": 12}
    assert "FactSkipped" in kinds(core)


def test_a_fold_that_breaks_stops_its_own_actor_and_not_the_appender() -> None:
    core = bank()
    pay(core, "a", 99)
    assert kinds(core)[-2:] == ["Moved", "ActorFailed"]
    assert core.failed() == {"ledger": core.seq - 1}
    pay(core, "b", 5)
    assert core.state("clerk").open


def test_a_word_that_can_not_be_decided_is_kept_raw() -> None:
    core = bank()
    core.tell(Ping("rubbish"), NOW)
    core.tell(Ping("hello"), NOW)
    assert core.failed() == {}
    texts = [core.decode(row).fact for row in core._journal.read() if row.kind == Pinged.KIND]
    assert texts == [Pinged("unreadable: rubbish"), Pinged("hello")]
    with pytest.raises(TypeError):
        core.tell("nobody takes a text", NOW)


def test_guard_refused_is_a_programming_error_of_a_reaction_too() -> None:
    core = bank()
    core.command("a", "test", Transfer("anna", "anna", 5), NOW)
    assert "clerk" in core.failed()
    assert GuardRefused.__name__ in core.decode(list(core._journal.read())[-1]).fact.error  # type: ignore[attr-defined]
