"""Gates on how well a contract or a combo trades, each with its value and limit. No order is sent or priced here."""

from __future__ import annotations

import math

import msgspec

from actors.options.contracts import INDEX_ROOTS

#: Funds on broad indexes, whose options trade far more than a single stock's.
INDEX_FUNDS = frozenset({"SPY", "QQQ", "IWM", "DIA"})


class Limits(msgspec.Struct, frozen=True):
    """Limits of the gates: contracts, dollars per share, fractions, seconds. Source: the desk's starting values, to be
    tuned a class; `limits_of` has those that differ."""

    open_interest: float = 100.0
    volume: float = 50.0
    leg_spread: float = 0.05
    leg_spread_of_mid: float = 0.10
    combo_spread_of_mid: float = 0.20
    combo_spread_of_width: float = 0.10
    quote_age: float = 2.0
    underlying_spread: float = 0.0005
    since_open: float = 600.0


def limits_of(root: str) -> Limits:
    """The starting limits of a class: index options and funds on broad indexes need 500 contracts of open interest and
    may be entered from 10 minutes after the open, as the desk's day has it; all others 100 and 15 minutes."""
    if root in INDEX_FUNDS or root in INDEX_ROOTS:
        return Limits(open_interest=500.0, since_open=600.0)
    return Limits(since_open=900.0)


class Gate(msgspec.Struct, frozen=True):
    """One gate: what was measured, against which limit. An unknown value (nan) never passes."""

    name: str
    value: float
    limit: float
    passed: bool

    def __str__(self) -> str:
        verdict = "ok" if self.passed else "not met"
        value = "unknown" if math.isnan(self.value) else f"{self.value:.6g}"
        return f"{self.name} {value}, limit {self.limit:.6g}: {verdict}"


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


def open_gate(since_open: float, limits: Limits) -> Gate:
    """Whether the first minutes after the class's open are over; `since_open` in seconds, nan for unknown."""
    return Gate("seconds since open", since_open, limits.since_open, since_open >= limits.since_open)
