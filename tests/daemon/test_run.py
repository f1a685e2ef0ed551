"""What `callboard run` makes of its options, where that is more than handing them on."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.server import BridgeSettings
from config.desk import LEAN_RULES, DeskRules
from daemon.run import RunRequest, rules_of


@pytest.mark.parametrize(("risk", "rules"), [("lean", LEAN_RULES), ("default", DeskRules())])
def test_deadlines_for_answers_are_stretched_by_the_markets_speed_whoever_judges_orders(
    risk: str, rules: DeskRules
) -> None:
    request = RunRequest(journal=Path("journal"), bridge=BridgeSettings(), risk=risk, speed=60.0)  # type: ignore[arg-type]
    stretched = rules_of(request)
    assert stretched.outcome_seconds == rules.outcome_seconds * 60
    assert stretched.reconcile_seconds == rules.reconcile_seconds * 60
    assert stretched.approval_lapse_seconds == rules.approval_lapse_seconds * 60
