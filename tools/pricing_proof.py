"""Proves actors.options.pricing: prints its largest differences from QuantLib, vollib and finite differences on a grid.

The grid: deep in and out of the money, one minute to two years, 0 to 300 % volatility, negative to high rates, both
sides. A test holds the limits that are given here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import QuantLib as ql
from vollib.black_scholes_merton import black_scholes_merton
from vollib.black_scholes_merton.greeks import analytical

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from actors.options.pricing import (  # noqa: E402
    black76,
    black76_curvature,
    black76_greeks,
    forward_from_parity,
    implied_volatility,
)

SPOT = 100.0
STRIKES = (10.0, 40.0, 70.0, 90.0, 97.0, 99.9, 100.0, 100.1, 103.0, 110.0, 140.0, 250.0, 1000.0)
TIMES = (1 / 525600, 1 / 365, 7 / 365, 0.25, 1.0, 2.0)
LEVELS = (0.0, 0.01, 0.1, 0.3, 1.0, 3.0)
RATES = (-0.02, 0.0, 0.05)
DIVIDEND = 0.01
FIRST = ("price", "delta", "gamma", "vega", "theta", "rho")
SECOND = ("vanna", "volga", "charm", "veta", "vera", "speed", "zomma", "color")
#: The largest difference that is let pass, over 1 + the oracle's own size. Finite differences have errors of their own.
LIMITS = {"quantlib": 1e-9, "vollib": 1e-9, "finite differences": 2e-6, "iv round trip": 1e-8}

#: What LEAN priced with at 10:00: the close of the last trade bar (the chain's own spot is 747.09), and the primary
#: credit rate of 2015-12-17, read as continuously compounded.
LEAN_SPOT, LEAN_RATE = 746.89, 0.01


class Row(NamedTuple):
    """The worst of one measure against one oracle: absolute, over 1 + the oracle's size, at how many points, and where
    (strike, years, volatility, rate, call)."""

    oracle: str
    measure: str
    absolute: float
    relative: float
    points: int
    where: tuple[float, ...]


def grid() -> dict[str, np.ndarray]:
    """Every combination as flat arrays: strike, time, level, rate, call, forward, factor."""
    axes = np.meshgrid(STRIKES, TIMES, LEVELS, RATES, (0.0, 1.0), indexing="ij")
    strike, time, level, rate, call = (axis.ravel() for axis in axes)
    return {
        "strike": strike, "time": time, "level": level, "rate": rate, "call": call > 0,
        "forward": SPOT * np.exp((rate - DIVIDEND) * time), "factor": np.exp(-rate * time),
    }  # fmt: skip


def ours(points: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Price and every greek at the points, against spot, in the desk's units per share."""
    arguments = [points[name] for name in ("forward", "strike", "time", "level", "factor", "call")]
    first = black76_greeks(*arguments, spot=SPOT)
    second = black76_curvature(*arguments, spot=SPOT)
    return {name: getattr(first, name) for name in FIRST} | {name: getattr(second, name) for name in SECOND}


def quantlib(points: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same by QuantLib's BlackCalculator, NaN for what it does not give."""
    found = {name: np.full(points["strike"].shape, np.nan) for name in (*FIRST, "vanna", "volga")}
    for i, (strike, time, level, factor, call, forward) in enumerate(
        zip(*(points[name] for name in ("strike", "time", "level", "factor", "call", "forward")), strict=True)
    ):
        side = ql.Option.Call if call else ql.Option.Put
        time = float(time)
        calculator = ql.BlackCalculator(
            ql.PlainVanillaPayoff(side, float(strike)), float(forward), float(level) * time**0.5, float(factor)
        )
        found["price"][i] = calculator.value()
        if level == 0 or strike == forward:
            # At no volatility QuantLib's greeks are of its own rounding (standard deviation 0 is bumped).
            continue
        found["delta"][i] = calculator.delta(SPOT)
        found["gamma"][i] = calculator.gamma(SPOT)
        found["vega"][i] = calculator.vega(time) / 100
        found["theta"][i] = calculator.theta(SPOT, time) / 365
        found["rho"][i] = calculator.rho(time) / 100
        found["vanna"][i] = calculator.vanna(SPOT, time) / 100
        # QuantLib 1.44 leaves a factor of the root of time out of volga; finite differences say so too.
        found["volga"][i] = calculator.volga(time) * time**0.5 / 10000
    return found


def vollib(points: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same by vollib (Jaeckel's price, closed-form greeks); it has no value at no volatility."""
    found = {name: np.full(points["strike"].shape, np.nan) for name in FIRST}
    for i, (strike, time, level, rate, call) in enumerate(
        zip(*(points[name] for name in ("strike", "time", "level", "rate", "call")), strict=True)
    ):
        if level == 0:
            continue
        flag = "c" if call else "p"
        market = (SPOT, float(strike), float(time), float(rate), float(level), DIVIDEND)
        found["price"][i] = black_scholes_merton(flag, *market)
        for name in FIRST[1:]:
            found[name][i] = getattr(analytical, name)(flag, *market)
    return found


def differences(points: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every greek by central differences of the one below it, each in steps of its own scale, with Richardson's
    extrapolation. Where there is no volatility there is no derivative at the kink, and none is given."""
    strike, time, level, rate, call = (points[name] for name in ("strike", "time", "level", "rate", "call"))

    def at(spot: Any, sigma: Any, left: Any, short: Any) -> Any:
        forward, factor = spot * np.exp((short - DIVIDEND) * left), np.exp(-short * left)
        return black76_greeks(forward, strike, left, sigma, factor, call, spot=spot)

    base = (np.full(strike.shape, SPOT), level, time, rate)
    deviation = np.maximum(level, 1e-9) * np.sqrt(time)
    steps = (np.minimum(0.02 * deviation, 0.02) * SPOT, 0.02 * level, 0.01 * time, np.full(strike.shape, 1e-4))

    def slope(name: str, axis: int) -> np.ndarray:
        def central(width: float) -> np.ndarray:
            moved = []
            for sign in (1, -1):
                market = list(base)
                market[axis] = base[axis] + sign * width * steps[axis]
                moved.append(getattr(at(*market), name))
            with np.errstate(divide="ignore", invalid="ignore"):
                return (moved[0] - moved[1]) / (2 * width * steps[axis])

        return (4 * central(0.5) - central(1.0)) / 3

    found = {
        "delta": slope("price", 0), "gamma": slope("delta", 0), "vega": slope("price", 1) / 100,
        "theta": -slope("price", 2) / 365, "rho": slope("price", 3) / 100, "vanna": slope("delta", 1) / 100,
        "volga": slope("vega", 1) / 100, "charm": -slope("delta", 2) / 365, "veta": -slope("vega", 2) / 365,
        "vera": slope("rho", 1) / 100, "speed": slope("gamma", 0), "zomma": slope("gamma", 1) / 100,
        "color": -slope("gamma", 2) / 365,
    }  # fmt: skip
    return {name: np.where(level > 0, values, np.nan) for name, values in found.items()}


def worst(
    oracle: str, mine: dict[str, np.ndarray], theirs: dict[str, np.ndarray], points: dict[str, np.ndarray]
) -> list[Row]:
    """The worst point of each measure that the oracle gives."""
    rows: list[Row] = []
    for name, values in theirs.items():
        known = np.isfinite(values)
        gap = np.where(known, np.abs(mine[name] - values), 0.0)
        relative = gap / (1.0 + np.abs(np.where(known, values, 0.0)))
        place = int(np.argmax(relative))
        where = tuple(float(points[key][place]) for key in ("strike", "time", "level", "rate", "call"))
        rows.append(Row(oracle, name, float(gap.max()), float(relative[place]), int(known.sum()), where))
    return rows


class RoundTrip(NamedTuple):
    """Volatilities put in and got back: points, how many came back, how many had a tick of value but did not, how many
    had less but did; the worst error where vega allows 1e-8, the number of such points, and the worst where it does
    not, over what the price's own rounding explains."""

    points: int
    returned: int
    lost: int
    invented: int
    error: float
    allowed: int
    excess: float


def round_trip(points: dict[str, np.ndarray], tick: float = 1e-9) -> RoundTrip:
    """Prices of the grid inverted. Vega allows 1e-8 where the price's rounding (4 units in the last place) moves the
    volatility by less."""
    arguments = [points[name] for name in ("forward", "strike", "time", "level", "factor", "call")]
    greeks = black76_greeks(*arguments, spot=SPOT)
    price = greeks.price
    found = implied_volatility(
        price, points["forward"], points["strike"], points["time"], points["factor"], points["call"], tick=tick
    )
    sign = np.where(points["call"], 1.0, -1.0)
    intrinsic = points["factor"] * np.maximum(sign * (points["forward"] - points["strike"]), 0.0)
    ripe = (price - intrinsic >= 1.01 * tick) & (points["level"] > 0)
    empty = price - intrinsic < 0.99 * tick
    back = np.isfinite(found)
    # The price is of cancelling terms: what is rounded off is in units of its largest.
    largest = np.maximum(points["factor"] * np.maximum(points["forward"], points["strike"]), price)
    with np.errstate(divide="ignore"):
        rounding = 4 * np.finfo(np.float64).eps * largest / (100 * greeks.vega)
    error = np.where(back, np.abs(found - points["level"]), 0.0)
    allowed = back & (rounding < 1e-8)
    rest = back & ~allowed
    excess = float((error[rest] / rounding[rest]).max()) if rest.any() else 0.0
    return RoundTrip(
        price.size, int(back.sum()), int((ripe & ~back).sum()), int((empty & back).sum()),
        float(error[allowed].max()), int(allowed.sum()), excess,
    )  # fmt: skip


def lean_rows() -> list[dict[str, float | str]]:
    """LEAN's recorded greeks of GOOG, 2015-12-24 10:00, beside ours at the same instant's mids: one row a contract.

    Ours: European, forward by parity, no rate, volatility of each middle. `same_` values are our formulas at LEAN's own
    volatility and spot, greeks without a rate and the price with LEAN's: what is left is method and unit, not input.
    """
    data = json.loads((ROOT / "tests/data/lean-traces/greeks.json").read_text())
    contracts, spot = data["contracts"], data["spot"]
    strikes = np.array([int(row["symbol"][13:]) / 1000 for row in contracts])
    call = np.array([row["symbol"][12] == "C" for row in contracts])
    expiries = [row["symbol"][6:12] for row in contracts]
    middle = np.array([0.5 * (row["bid"] + row["ask"]) for row in contracts])
    found: list[dict[str, float | str]] = []
    for expiry in sorted(set(expiries)):
        rows = [i for i, value in enumerate(expiries) if value == expiry]
        days = (np.datetime64(f"20{expiry[:2]}-{expiry[2:4]}-{expiry[4:]}") - np.datetime64("2015-12-24")).astype(int)
        # From 10:00 to the close at 16:00 New York on expiry.
        time = (float(days) + 0.25) / 365
        pairs = {
            float(strikes[i]): (middle[i], middle[j]) for i in rows for j in rows
            if call[i] and not call[j] and strikes[i] == strikes[j]
        }  # fmt: skip
        forward = forward_from_parity(
            np.array(sorted(pairs)), np.array([pairs[k][0] for k in sorted(pairs)]),
            np.array([pairs[k][1] for k in sorted(pairs)]), 1.0,
        )  # fmt: skip
        volatility = implied_volatility(middle[rows], forward, strikes[rows], time, 1.0, call[rows])
        mine = black76_greeks(forward, strikes[rows], time, volatility, 1.0, call[rows], spot=spot)
        lean_iv = np.array([contracts[i]["iv"] for i in rows])
        same = black76_greeks(LEAN_SPOT, strikes[rows], time, lean_iv, 1.0, call[rows], spot=LEAN_SPOT)
        grown, factor = LEAN_SPOT * np.exp(LEAN_RATE * time), np.exp(-LEAN_RATE * time)
        price = black76(grown, strikes[rows], time, lean_iv, factor, call[rows])
        for place, i in enumerate(rows):
            row: dict[str, float | str] = {"symbol": contracts[i]["symbol"], "time": time, "forward": forward}
            for name in ("delta", "gamma", "vega", "theta", "rho"):
                row[f"lean_{name}"] = contracts[i][name]
                row[f"our_{name}"] = float(getattr(mine, name)[place])
                row[f"same_{name}"] = float(getattr(same, name)[place])
            row |= {"lean_iv": contracts[i]["iv"], "our_iv": float(volatility[place]), "middle": float(middle[i])}
            row |= {"lean_price": contracts[i]["theoretical"], "same_price": float(price[place])}
            found.append(row)
    return found


def prove() -> tuple[list[Row], RoundTrip]:
    """All differences and the round trip on the grid."""
    points = grid()
    mine = ours(points)
    rows: list[Row] = []
    for name, oracle in (("quantlib", quantlib), ("vollib", vollib), ("finite differences", differences)):
        rows += worst(name, mine, oracle(points), points)
    return rows, round_trip(points)


def lean_table() -> str:
    """LEAN's greeks beside ours as a page of the docs: a row a contract, LEAN / ours in each cell."""
    lines = [
        "# LEAN's greeks beside ours",
        "",
        "Written by `tools/pricing_proof.py --lean`. GOOG, 2015-12-24 10:00, the 78 contracts of a recorded LEAN run.",
        "Each cell is LEAN's value / ours, ours from each contract's own middle and the forward by parity, without a",
        "rate. Per share: vega a point, theta a calendar day (LEAN's over 365), rho per 1 %. `theoretical` is LEAN's",
        "price / our formula at LEAN's volatility, spot 746.89 and rate 1 %. Why they differ:",
        "[pricing](pricing.md#leans-greeks).",
        "",
        "| contract | volatility, % | delta | gamma | vega | theta | rho | theoretical |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in lean_rows():
        theta = float(row["lean_theta"]) / 365
        name = " ".join(str(row["symbol"]).split())
        levels = f"{100 * float(row['lean_iv']):.2f} / {100 * float(row['our_iv']):.2f}"
        lines.append(
            f"| {name} | {levels} "
            f"| {row['lean_delta']:.4f} / {row['our_delta']:.4f} | {row['lean_gamma']:.5f} / {row['our_gamma']:.5f} "
            f"| {row['lean_vega']:.4f} / {row['our_vega']:.4f} | {theta:.4f} / {row['our_theta']:.4f} "
            f"| {row['lean_rho']:.4f} / {row['our_rho']:.4f} | {row['lean_price']:.4f} / {row['same_price']:.4f} |"
        )
    return "\n".join(lines) + "\n"


def lean_summary() -> list[str]:
    """The largest and the usual difference of each of LEAN's greeks: from ours at our own inputs, and at LEAN's."""
    rows = lean_rows()

    def column(name: str) -> np.ndarray:
        return np.array([float(row[name]) for row in rows])

    found = [f"{'LEAN against':<12} {'ours, median':>13} {'largest':>9} {'at its inputs, median':>23} {'largest':>9}"]
    for name in ("iv", "delta", "gamma", "vega", "theta", "rho", "price"):
        theirs = column(f"lean_{name}") / (365 if name == "theta" else 1)
        cells: list[float] = []
        for kind in ("our", "same"):
            if f"{kind}_{name}" not in rows[0]:
                cells += [np.nan, np.nan]
                continue
            gap = np.abs(theirs - column(f"{kind}_{name}"))
            cells += [float(np.median(gap)), float(gap.max())]
        found.append(f"{name:<12} {cells[0]:>13.2g} {cells[1]:>9.2g} {cells[2]:>23.2g} {cells[3]:>9.2g}")
    return found


def main() -> None:
    """Print the tables; with --lean only the page of LEAN's greeks."""
    if "--lean" in sys.argv[1:]:
        print(lean_table(), end="")
        return
    rows, trip = prove()
    points = grid()
    print(
        f"{points['strike'].size} points: strikes {STRIKES[0]:g} to {STRIKES[-1]:g} on {SPOT:g}, 1 minute to "
        f"{TIMES[-1]:g} years, volatility 0 to 300 %, rates {RATES[0]:.0%} to {RATES[-1]:.0%}, yield {DIVIDEND:.0%}"
    )
    print(f"{'against':<20} {'measure':<8} {'points':>6} {'absolute':>10} {'of 1+size':>10}  worst at K, T, vol, rate")
    for row in rows:
        strike, time, level, rate, call = row.where
        side = "call" if call else "put"
        print(
            f"{row.oracle:<20} {row.measure:<8} {row.points:>6} {row.absolute:>10.1e} {row.relative:>10.1e}"
            f"  {strike:g} {side}, {time * 365:.4g} d, {level:.0%}, {rate:.0%}"
        )
    print(
        f"iv round trip: {trip.returned} of {trip.points} returned, {trip.lost} lost, {trip.invented} invented; "
        f"worst error {trip.error:.1e} at the {trip.allowed} points whose vega allows 1e-8; elsewhere at most "
        f"{trip.excess:.2f} of what 4 units in the price's last place explain"
    )
    print("\n".join(lean_summary()))


if __name__ == "__main__":
    main()
