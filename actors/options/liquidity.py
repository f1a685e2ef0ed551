"""Gates on how well a contract or a combo trades, each with its value and limit. No order is sent or priced here."""

from __future__ import annotations

import math

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Limits of the gates: contracts, dollars per share, fractions, seconds."""

    open_interest: float = 100.0
    volume: float = 50.0
    leg_spread: float = 0.05
    leg_spread_of_mid: float = 0.10
    combo_spread_of_mid: float = 0.20
    combo_spread_of_width: float = 0.10
    quote_age: float = 2.0
    underlying_spread: float = 0.0005


class Gate(msgspec.Struct, frozen=True):
    """One gate: what was measured, against which limit. An unknown value (nan) never passes."""

    name: str
    value: float
    limit: float
    passed: bool


def leg_gates(
    bid: float, ask: float, open_interest: float, volume: float, age: float, limits: Limits
) -> tuple[Gate, ...]:
    """The gates of one leg. Quotes in dollars per share, `age` in seconds, nan for unknown."""
    allowed = max(limits.leg_spread, limits.leg_spread_of_mid * (bid + ask) / 2)
    return (
        Gate("bid", bid, 0.0, bid > 0),
        Gate("spread", ask - bid, allowed, 0 <= ask - bid <= allowed + 1e-9),
        Gate("open interest", open_interest, limits.open_interest, open_interest >= limits.open_interest),
        Gate("volume", volume, limits.volume, volume >= limits.volume),
        Gate("quote age", age, limits.quote_age, age <= limits.quote_age),
    )


def combo_gate(natural: float, far: float, width: float, limits: Limits) -> Gate:
    """The spread of a combo, natural minus far (signed net prices per share), within a share of its mid's magnitude or
    of its width (nan: no width), whichever allows more."""
    by_mid = limits.combo_spread_of_mid * abs(natural + far) / 2
    allowed = by_mid if math.isnan(width) else max(by_mid, limits.combo_spread_of_width * width)
    return Gate("combo spread", natural - far, allowed, 0 <= natural - far <= allowed + 1e-9)


def size_gate(displayed: float, quantity: float) -> Gate:
    """Whether the displayed size (contracts) covers the order's."""
    return Gate("displayed size", displayed, quantity, displayed >= quantity)


def underlying_gate(bid: float, ask: float, limits: Limits) -> Gate:
    """The underlying's spread as a fraction of its mid; nan where that is not above 0."""
    mid = (bid + ask) / 2
    spread = (ask - bid) / mid if mid > 0 else math.nan
    return Gate("underlying spread", spread, limits.underlying_spread, 0 <= spread <= limits.underlying_spread)
