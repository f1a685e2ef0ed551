"""Writes the strategy guide, `docs/strategies`, from the catalogue and the sample data: `make docs`. No network.

`python -m tools.strategy_guide [FOLDER]`. The same input gives the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from actors.options.catalogue import CATALOGUE, LEAN, OTHERS, VARIANTS, Strategy
from tools._strategy_drawing import drawing
from tools._strategy_example import example
from tools._strategy_page import page
from tools.goog_chain import ROOT

GUIDE = ROOT / "docs" / "strategies"
_OUTLOOKS = ("bullish", "bearish", "neutral", "big move", "locked")
_VIEWS = ("high", "low", "any")


def pages() -> dict[str, str]:
    """Every file of the guide by its path in the folder."""
    made = {"README.md": index()}
    for strategy in CATALOGUE:
        shown = example(strategy)
        made[f"{strategy.key}.md"] = page(shown)
        made[f"drawings/{strategy.key}.svg"] = drawing(shown)
    return made


def index() -> str:
    """The index: by outlook and volatility view, then the whole list with what each is also called."""
    lines = [
        "# Strategies",
        "",
        f"{len(CATALOGUE)} strategies: the {len(LEAN)} that LEAN's factory makes, {len(OTHERS)} others, and "
        f"{len(VARIANTS)} variants of both. Each page has the legs, what they are worth at expiry, when to use it, "
        "default rules for entry and exit, margin, what can go wrong, and a worked example with the real quotes of "
        "GOOG on 2015-12-24, 10:00 New York. Drawings are exact at expiry; where legs expire apart they are estimates, "
        "and say so.",
        "",
        "Signs: `+` buys, `-` sells; K1 < K2 < ... are strikes, T1 < T2 expiries; a net price is positive when paid. "
        "Risk is *undefined* where a short option is uncovered.",
        "",
        "## By outlook and volatility",
        "",
        "| Outlook | Sells rich volatility | Buys cheap volatility | Either |",
        "|---|---|---|---|",
    ]
    for outlook in _OUTLOOKS:
        cells = [
            ", ".join(_link(each) for each in CATALOGUE if (each.outlook, each.volatility) == (outlook, view))
            for view in _VIEWS
        ]
        lines.append(f"| **{outlook}** | {' | '.join(cells)} |")
    for title, group in (("LEAN's", LEAN), ("Others", OTHERS), ("Variants", VARIANTS)):
        lines += [
            "",
            f"## {title}",
            "",
            "| Strategy | Legs | Risk | Usually | Also called |",
            "|---|---|---|---|---|",
        ]
        for each in group:
            legs = "; ".join(leg.words for leg in each.legs)
            lines.append(f"| {_link(each)} | {legs} | {each.risk} | {each.pays} | {', '.join(each.aliases)} |")
    return "\n".join([*lines, "", "Made by `make docs`; not advice."]) + "\n"


def _link(strategy: Strategy) -> str:
    return f"[{strategy.name}]({strategy.key}.md)"


def main(folder: Path = GUIDE) -> int:
    """Write the guide, and take away pages of strategies that are no more."""
    made = pages()
    (folder / "drawings").mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.md"), *folder.glob("drawings/*.svg")):
        if str(old.relative_to(folder)) not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(CATALOGUE)} strategy pages, as many drawings and an index in {folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*(Path(each) for each in sys.argv[1:2])))
