"""The fill model's speed: attempts folded, chances and best prices told a second; the whole fit beside the fold."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal

import numpy as np

from actors.options.fills import (
    Conditions,
    FillTruth,
    Prior,
    Quoted,
    believe,
    best_gain,
    fill_probability,
    fit,
    learn,
    simulate,
)

_START = dt.datetime(2026, 1, 5, 15, tzinfo=dt.UTC)
_NOON = Conditions(0.5, 20.0, 1.0, 180.0, 210.0)


def main() -> None:
    """Measure and print."""
    generator, prior = np.random.default_rng(1), Prior()
    attempts = [simulate(FillTruth(), generator, _START + dt.timedelta(seconds=90 * each)) for each in range(2000)]
    exposures = sum(len(each.exposures) for each in attempts)
    start = time.perf_counter()
    belief = believe(prior)
    for attempt in attempts:
        belief = learn(belief, attempt)
    folded = time.perf_counter() - start
    start = time.perf_counter()
    fit(prior, attempts)
    fitted = time.perf_counter() - start
    print(f"fold: {len(attempts) / folded:,.0f} attempts/s of {exposures / len(attempts):.1f} exposures each")
    print(
        f"fit:  {fitted * 1000:.0f} ms for all {len(attempts)} at once; folding takes {folded / fitted:.0f} times that"
    )
    quoted = Quoted(Decimal("1.00"), Decimal("1.20"), Decimal("0.01"), _NOON, 0.15)
    for name, count, call in (
        ("chance, still market", 2000, lambda: fill_probability(belief, _NOON, 60)),
        ("chance, wandering market", 1000, lambda: fill_probability(belief, _NOON, 60, wander=0.15)),
        ("best price of 21, wandering", 300, lambda: best_gain(belief, quoted, 60, 0.02)),
    ):
        start = time.perf_counter()
        for _ in range(count):
            call()
        print(f"{name}: {count / (time.perf_counter() - start):,.0f}/s")


if __name__ == "__main__":
    main()
