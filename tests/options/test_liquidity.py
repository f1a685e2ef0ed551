"""Gates: each measures one thing against one limit, and what is unknown never passes."""

from __future__ import annotations

import math

import pytest

from actors.options.liquidity import (
    Limits,
    combo_gate,
    leg_gates,
    limits_of,
    open_gate,
    size_gate,
    underlying_gate,
)

NAN = math.nan


def failed(*values: float) -> list[str]:
    return [gate.name for gate in leg_gates(*values, Limits()) if not gate.passed]  # type: ignore[arg-type]


def test_a_leg_that_trades_well_passes() -> None:
    assert failed(1.0, 1.05, 500, 80, 0.5) == []


def test_each_gate_of_a_leg_fails_alone() -> None:
    assert failed(0.0, 0.05, 500, 80, 0.5) == ["bid"]
    assert failed(1.0, 1.12, 500, 80, 0.5) == ["spread"]
    assert failed(1.05, 1.0, 500, 80, 0.5) == ["spread"]
    assert failed(1.0, 1.05, 99, 80, 0.5) == ["open interest"]
    assert failed(1.0, 1.05, 500, 49, 0.5) == ["volume"]
    assert failed(1.0, 1.05, 500, 80, 2.1) == ["quote age"]


def test_the_unknown_never_passes() -> None:
    assert failed(NAN, NAN, NAN, NAN, NAN) == ["bid", "spread", "open interest", "volume", "quote age"]
    assert not combo_gate(NAN, -1.0, 5.0, Limits()).passed
    assert not size_gate(NAN, 1).passed
    assert not underlying_gate(NAN, 100.0, Limits()).passed
    assert not open_gate(NAN, Limits()).passed
    assert "unknown" in str(size_gate(NAN, 1))


def test_a_combos_spread_is_within_a_share_of_its_mid_or_its_width() -> None:
    assert not combo_gate(-0.5, -1.5, NAN, Limits()).passed
    assert combo_gate(-0.5, -1.0, 5.0, Limits()).passed
    assert not combo_gate(-1.0, -0.5, 5.0, Limits()).passed
    assert combo_gate(-0.9, -1.1, NAN, Limits()).limit == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("root", "interest", "seconds"), [("SPY", 500, 600), ("SPXW", 500, 600), ("XSP", 500, 600), ("GOOG", 100, 900)]
)
def test_indexes_and_their_funds_need_more_open_interest_and_may_be_entered_sooner(
    root: str, interest: float, seconds: float
) -> None:
    assert (limits_of(root).open_interest, limits_of(root).since_open) == (interest, seconds)
    assert not open_gate(seconds - 1, limits_of(root)).passed
    assert open_gate(seconds, limits_of(root)).passed


def test_size_and_underlying() -> None:
    assert size_gate(10, 10).passed
    assert not size_gate(9, 10).passed
    assert underlying_gate(100.0, 100.05, Limits()).passed
    assert not underlying_gate(100.0, 100.06, Limits()).passed
    assert not underlying_gate(100.05, 100.0, Limits()).passed
    assert not underlying_gate(0.0, 0.0, Limits()).passed
