"""The drawing of a worked example: profit and loss at expiry through exact vertices, and today's curve. SVG only."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from tools._strategy_example import Example

WIDTH, HEIGHT = 680, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 18, 30, 58
Point = tuple[float, float]

_STYLE = """
  .paper { fill: #ffffff } .ink { fill: #1f2328 } .quiet { fill: #59636e } .grid { stroke: #d8dee4 }
  .zero { stroke: #8b949e } .spot { stroke: #59636e } .line { stroke: #0a58ca } .now { stroke: #8250df }
  .gain { fill: #2da44e; fill-opacity: .14 } .loss { fill: #cf222e; fill-opacity: .12 } .dot { fill: #0a58ca }
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .ink { fill: #e6edf3 } .quiet { fill: #9198a1 } .grid { stroke: #262c36 }
    .zero { stroke: #6e7681 } .spot { stroke: #9198a1 } .line { stroke: #58a6ff } .now { stroke: #bc8cff }
    .gain { fill: #3fb950; fill-opacity: .18 } .loss { fill: #f85149; fill-opacity: .18 } .dot { fill: #58a6ff }
  }
"""


def drawing(each: Example) -> str:
    """The SVG text. Prices left to right, dollars a unit upwards; legible at 320 px wide, in light and dark."""
    low, high = _span(each)
    ended, today = _ended(each, low, high), _today(each, low, high)
    bottom, top, step = _scale([y for _, y in ended] + [y for _, y in today])

    def x(spot: float) -> float:
        return LEFT + (spot - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(dollars: float) -> float:
        return TOP + (top - dollars) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    when = "at T1, estimate" if each.estimate else "at expiry"
    title = f"{each.strategy.name}: profit and loss of one unit {when}, and today"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
    ]
    for number in range(round((top - bottom) / step) + 1):
        level = bottom + number * step
        kind = "zero" if abs(level) < step / 1000 else "grid"
        out.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>')
        out.append(
            f'<text class="quiet" x="{LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end">{_dollars(level)}</text>'
        )
    out += _areas(ended, x, y)
    spot = float(each.spot)
    out.append(
        f'<line class="spot" x1="{x(spot):.1f}" x2="{x(spot):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" '
        'stroke-dasharray="2 4"/>'
    )
    out.append(_path(today, x, y, 'class="now" stroke-width="1.5" stroke-dasharray="6 4" fill="none"'))
    out.append(_path(ended, x, y, 'class="line" stroke-width="2.5" fill="none" stroke-linejoin="round"'))
    out += _strikes(each, x)
    for even in each.break_evens:
        if low < even < high:
            out.append(f'<circle class="dot" cx="{x(float(even)):.1f}" cy="{y(0):.1f}" r="4"/>')
    out += _legend(when)
    out.append("</svg>")
    return "\n".join(out) + "\n"


def _span(each: Example) -> tuple[float, float]:
    """Prices to draw: every strike, the spot and every near break-even, with room at both sides."""
    spot = float(each.spot)
    inner = [spot, *(float(strike) for strike in each.strikes)]
    inner += [float(even) for even in each.break_evens if 0.6 * spot < even < 1.5 * spot]
    room = max(0.35 * (max(inner) - min(inner)), 0.08 * spot)
    return max(1.0, min(inner) - room), max(inner) + room


def _ended(each: Example, low: float, high: float) -> list[Point]:
    if each.shape is not None:
        exact = each.shape.vertices(Decimal(repr(low)), Decimal(repr(high)), each.cash)
        return [(float(spot), float(dollars)) for spot, dollars in exact]
    return _curve(each, low, high, each.model.nearest)


def _today(each: Example, low: float, high: float) -> list[Point]:
    return _curve(each, low, high, 0.0)


def _curve(each: Example, low: float, high: float, after: float) -> list[Point]:
    spots = np.unique(np.concatenate((np.linspace(low, high, 121), [float(strike) for strike in each.strikes])))
    values = each.model.value(spots, after) + float(each.cash)
    return list(zip(spots.tolist(), values.tolist(), strict=True))


def _scale(values: Sequence[float]) -> tuple[float, float, float]:
    low, high = min(*values, 0.0), max(*values, 0.0)
    rough = max(high - low, 1.0) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _areas(points: Sequence[Point], x, y) -> list[str]:  # type: ignore[no-untyped-def]
    """Shade between the line and zero: gain above, loss below."""
    found: list[str] = []
    whole: list[Point] = [points[0]]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if y0 * y1 < 0:
            whole.append((x0 + (x1 - x0) * y0 / (y0 - y1), 0.0))
        whole.append((x1, y1))
    for kind, sign in (("gain", 1), ("loss", -1)):
        shape = [(at, dollars if dollars * sign > 0 else 0.0) for at, dollars in whole]
        path = [(whole[0][0], 0.0), *shape, (whole[-1][0], 0.0)]
        corners = " ".join(f"{x(at):.1f},{y(dollars):.1f}" for at, dollars in path)
        found.append(f'<polygon class="{kind}" points="{corners}"/>')
    return found


def _path(points: Sequence[Point], x, y, style: str) -> str:  # type: ignore[no-untyped-def]
    return f'<polyline {style} points="{" ".join(f"{x(at):.1f},{y(dollars):.1f}" for at, dollars in points)}"/>'


def _strikes(each: Example, x) -> list[str]:  # type: ignore[no-untyped-def]
    """Strikes below the drawing, labels moved down a row where they would touch the one before."""
    found: list[str] = []
    base, last = HEIGHT - BOTTOM, [-1e9, -1e9]
    for number, strike in enumerate(each.strikes, 1):
        at = x(float(strike))
        row = 0 if at - last[0] > 66 else 1
        last[row] = at
        found.append(f'<line class="zero" x1="{at:.1f}" x2="{at:.1f}" y1="{base}" y2="{base + 6}"/>')
        label = f"K{number} {strike.normalize():f}"
        found.append(f'<text class="ink" x="{at:.1f}" y="{base + 20 + 15 * row}" text-anchor="middle">{label}</text>')
    spot = x(float(each.spot))
    found.append(f'<text class="quiet" x="{spot:.1f}" y="{HEIGHT - 6}" text-anchor="middle">spot {each.spot}</text>')
    return found


def _legend(when: str) -> list[str]:
    return [
        f'<line class="line" x1="{LEFT}" x2="{LEFT + 22}" y1="15" y2="15" stroke-width="2.5"/>',
        f'<text class="ink" x="{LEFT + 28}" y="19">{when}</text>',
        f'<line class="now" x1="{LEFT + 150}" x2="{LEFT + 172}" y1="15" y2="15" stroke-width="1.5" '
        'stroke-dasharray="6 4"/>',
        f'<text class="ink" x="{LEFT + 178}" y="19">today, by the smile</text>',
        f'<text class="quiet" x="{WIDTH - RIGHT}" y="19" text-anchor="end">dollars, one unit</text>',
    ]


def _dollars(level: float) -> str:
    rounded = round(level)
    return f"{rounded:,}" if abs(level - rounded) < 1e-9 else f"{level:,.1f}"
