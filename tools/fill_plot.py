"""Draw docs/fills.svg: a belief that learns the embedded market's truth from 5,000 simulated attempts.

    python tools/fill_plot.py [SEED]

Prints parameters beside their intervals, the scores, and the share of 95 % intervals that hold the truth over 20 seeds.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from actors.options.fills import (
    PARAMETERS,
    Attempt,
    Belief,
    Calibration,
    Conditions,
    FillTruth,
    Prior,
    believe,
    calibrate,
    fill_probability,
    forecasts,
    intervals,
    learn,
    log_hazard,
    probability,
    simulate,
)

_COUNT, _HORIZON, _WANDER = 5000, 60.0, 0.15
_SHOWN = (0, 50, 500, 5000)
_COLOURS = ("#bbbbbb", "#e6a23c", "#4c9be8", "#1a5fb4")
_NOON = Conditions(0.5, 5.0, 1.0, 180.0, 210.0)
_START = dt.datetime(2026, 1, 5, 15, tzinfo=dt.UTC)


def attempts_of(truth: FillTruth, seed: int) -> list[Attempt]:
    """5,000 attempts, one each 90 seconds."""
    generator = np.random.default_rng(seed)
    return [simulate(truth, generator, _START + dt.timedelta(seconds=90 * each)) for each in range(_COUNT)]


def play(truth: FillTruth, seed: int) -> tuple[dict[int, Belief], Calibration]:
    """Beliefs after some counts, and the score of forecasts each made before its attempt."""
    belief, chances = believe(Prior(half_life_days=1e6)), list[float]()
    shown, attempts = {0: belief}, attempts_of(truth, seed)
    for number, attempt in enumerate(attempts, 1):
        chances.append(fill_probability(belief, attempt.exposures[0].conditions, _HORIZON, wander=_WANDER).mean)
        belief = learn(belief, attempt)
        if number in _SHOWN:
            shown[number] = belief
    return shown, calibrate(forecasts(chances, attempts, _HORIZON))


def coverage(truth: FillTruth, seeds: Sequence[int]) -> dict[str, int]:
    """In how many seeds each parameter's 95 % interval holds the truth."""
    held = dict.fromkeys(PARAMETERS, 0)
    for seed in seeds:
        belief = believe(Prior(half_life_days=1e6))
        for attempt in attempts_of(truth, seed):
            belief = learn(belief, attempt)
        for each, value in zip(intervals(belief), truth.values, strict=True):
            held[each.name] += each.low <= value <= each.high
    return held


class Panel:
    """One chart of 300 x 220 at (left, top), x and y each over a range."""

    def __init__(self, left: float, top: float, title: str, across: str, up: str, xs: tuple[float, float]) -> None:
        self.left, self.top, self.xs = left, top, xs
        self.parts = [
            f'<rect x="{left}" y="{top}" width="300" height="220" fill="none" stroke="#999"/>',
            f'<text x="{left}" y="{top - 10}" font-weight="bold">{title}</text>',
            f'<text x="{left + 150}" y="{top + 250}" text-anchor="middle">{across}</text>',
            f'<text transform="translate({left - 34},{top + 110}) rotate(-90)" text-anchor="middle">{up}</text>',
        ]
        for share in (0, 0.25, 0.5, 0.75, 1):
            x = left + 300 * share
            self.parts.append(f'<text x="{x}" y="{top + 234}" text-anchor="middle">{_number(xs, share)}</text>')

    def up(self) -> None:
        """Label the vertical axis from 0 to 1."""
        for share in (0, 0.5, 1):
            y = self.top + 220 - 220 * share
            self.parts.append(f'<text x="{self.left - 6}" y="{y + 4}" text-anchor="end">{share:g}</text>')

    def at(self, x: float, y: float) -> str:
        """Pixel coordinates of a point, y in [0, 1]."""
        low, high = self.xs
        return f"{self.left + 300 * (x - low) / (high - low):.1f},{self.top + 220 * (1 - y):.1f}"

    def line(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """A polyline."""
        self.parts.append(f'<polyline fill="none" {style} points="{" ".join(self.at(*each) for each in points)}"/>')

    def band(self, low: Sequence[tuple[float, float]], high: Sequence[tuple[float, float]], colour: str) -> None:
        """What lies between two lines."""
        points = " ".join(self.at(*each) for each in [*low, *reversed(high)])
        self.parts.append(f'<polygon fill="{colour}" fill-opacity="0.2" points="{points}"/>')

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        """A disc."""
        cx, cy = self.at(x, y).split(",")
        self.parts.append(f'<circle cx="{cx}" cy="{cy}" r="{radius:.1f}" fill="{colour}"/>')

    def text(self, x: float, y: float, words: str, colour: str = "#222", anchor: str = "start") -> None:
        """Words at a point."""
        px, py = self.at(x, y).split(",")
        self.parts.append(f'<text x="{px}" y="{py}" fill="{colour}" text-anchor="{anchor}">{words}</text>')


def _number(xs: tuple[float, float], share: float) -> str:
    return f"{xs[0] + (xs[1] - xs[0]) * share:g}"


def chances_panel(truth: FillTruth, shown: dict[int, Belief]) -> Panel:
    """Chance within a minute by aggressiveness: truth and beliefs."""
    panel = Panel(60, 40, "Chance of a fill within 60 s, still market", "aggressiveness: far 0, natural 1", "", (0, 1))
    panel.up()
    places = [each / 40 for each in range(41)]
    for (count, belief), colour in zip(shown.items(), _COLOURS, strict=True):
        row = [
            fill_probability(belief, msgspec.structs.replace(_NOON, aggressiveness=each), _HORIZON) for each in places
        ]
        panel.band(
            [(a, each.low) for a, each in zip(places, row, strict=True)],
            [(a, each.high) for a, each in zip(places, row, strict=True)],
            colour,
        )
        panel.line([(a, each.mean) for a, each in zip(places, row, strict=True)], f'stroke="{colour}" stroke-width="2"')
        panel.text(0.02, 0.94 - 0.08 * _SHOWN.index(count), f"after {count} attempts", colour)
    true = [
        probability(log_hazard(truth, msgspec.structs.replace(_NOON, aggressiveness=each)), _HORIZON) for each in places
    ]
    panel.line(list(zip(places, true, strict=True)), 'stroke="#c01c28" stroke-width="2" stroke-dasharray="2 6"')
    panel.text(0.02, 0.94 - 0.08 * len(_SHOWN), "the market's truth", "#c01c28")
    return panel


def reliability_panel(score: Calibration) -> Panel:
    """Chance told beforehand against the share that filled."""
    panel = Panel(440, 40, "Told beforehand, and what came of it", "chance told", "share filled", (0, 1))
    panel.up()
    panel.line([(0, 0), (1, 1)], 'stroke="#999" stroke-dasharray="3 3"')
    panel.line([(each.chance, each.filled) for each in score.curve], 'stroke="#1a5fb4"')
    most = max(each.weight for each in score.curve)
    for each in score.curve:
        panel.dot(each.chance, each.filled, 2 + 6 * (each.weight / most) ** 0.5, "#1a5fb4")
    panel.text(0.03, 0.94, f"Brier {score.brier:.4f}, base rate's {score.base:.4f}")
    panel.text(0.03, 0.86, f"skill {score.skill:.2f}, {score.count} forecasts")
    return panel


def parameters_panel(truth: FillTruth, belief: Belief) -> Panel:
    """Each parameter's 95 % interval, as its distance from the truth."""
    panel = Panel(900, 40, "95 % intervals, less the truth, after 5,000", "distance from the truth", "", (-0.8, 0.8))
    panel.line([(0, 0), (0, 1)], 'stroke="#c01c28" stroke-dasharray="5 3"')
    for number, (each, value) in enumerate(zip(intervals(belief), truth.values, strict=True)):
        y = 0.93 - number * 0.14
        panel.line([(each.low - value, y), (each.high - value, y)], 'stroke="#1a5fb4" stroke-width="3"')
        panel.dot(each.mean - value, y, 4, "#1a5fb4")
        panel.text(-0.83, y - 0.015, each.name, anchor="end")
    return panel


def main(seed: int) -> None:
    """Play, draw, print."""
    truth = FillTruth()
    shown, score = play(truth, seed)
    belief = shown[_COUNT]
    print(f"seed {seed}: {_COUNT} attempts, {belief.fills} filled")
    for each, value in zip(intervals(belief), truth.values, strict=True):
        mark = "" if each.low <= value <= each.high else "  outside"
        print(f"{each.name:15} truth {value:6.2f}  told {each.mean:6.2f}  [{each.low:6.2f}, {each.high:6.2f}]{mark}")
    print(f"brier {score.brier:.4f}, base rate's {score.base:.4f}, skill {score.skill:.3f}")
    panels = (chances_panel(truth, shown), reliability_panel(score), parameters_panel(truth, belief))
    drawing = "\n".join(part for panel in panels for part in panel.parts)
    Path("docs/fills.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="1230" height="310" font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{drawing}\n</svg>\n'
    )
    held = coverage(truth, range(1, 21))
    total = sum(held.values())
    print("95 % intervals that hold the truth, of 20 seeds:", ", ".join(f"{k} {v}" for k, v in held.items()))
    print(f"together {total} of {20 * len(held)}: {total / (20 * len(held)):.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
