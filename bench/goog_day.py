"""A day of 704 GOOG contracts through the whole system, IV and greeks of each every minute, beside LEAN's figures."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import numpy as np

from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from actors.runtime import MemoryJournal
from bridge.paper import Market
from bridge.paper.data import Feed, LeanFolder, MarketHours, parse_filter
from config.desk import LEAN_RULES
from daemon.desk import desk_core
from daemon.replay import LockStep
from daemon.replay.report import ReportFold

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data" / "lean"
DAY = dt.date(2015, 12, 24)
CHAIN = "GOOG:weeklys,strikes=-30..30,days=0..60"
#: Measured with LEAN of 2026-08 on a 2-core machine, the same day and contracts copied into tuples each minute: seconds
#: of the run and of the whole process, without greeks and with implied volatility and delta of every contract.
LEAN = {"without greeks": (3.1, 8.3), "with IV and delta": (92.8, 98.0)}


def whole_process() -> float:
    """Seconds of `callboard replay` from start to exit."""
    code = "import sys; from daemon.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [
        sys.executable, "-c", code, "replay", "--data", str(DATA), "--underlying", "GOOG", "--from", str(DAY), "--to",
        str(DAY), "--subscribe", CHAIN, "--quiet",
    ]  # fmt: skip
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - began


def run() -> tuple[float, int, int, float]:
    """Seconds of the run in process, steps, contracts, and the share of contract minutes with an implied volatility."""
    hours = MarketHours.load(DATA)
    began = time.perf_counter()
    feed = Feed(LeanFolder(DATA), hours, DAY, DAY, underlyings=("GOOG",), chains=(parse_filter(CHAIN),))
    market = Market(feed, hours, cash=Decimal(100000), margin=lean_margin_used, initial=lean_initial_margin)
    fold = ReportFold()
    core = desk_core(MemoryJournal(), LEAN_RULES, on_record=fold.add)
    core.start(dt.datetime.combine(DAY, dt.time(), dt.UTC))
    play = LockStep(market, core, (), fold)
    found: list[int] = []
    contracts = 0

    def look(at: dt.datetime, steps: int) -> None:
        nonlocal contracts
        assert core.market is not None
        chain = core.market.derived("chain")
        contracts = max(contracts, chain.volatility.size)
        if core.market.base.open:
            known = np.isfinite(chain.volatility)
            assert np.isfinite(chain.greeks.delta[known]).all()
            found.append(int(known.sum()))

    play.run(look)
    took = time.perf_counter() - began
    return took, play.steps, contracts, sum(found) / (contracts * len(found))


def main() -> None:
    runs = sorted(run() for _ in range(3))
    took, steps, contracts, share = runs[1]
    process = sorted(whole_process() for _ in range(3))[1]
    print(f"{'':<40} {'run, s':>8} {'process, s':>11}")
    for name, (seconds, whole) in LEAN.items():
        print(f"{'lean, ' + name:<40} {seconds:>8.1f} {whole:>11.1f}")
    print(f"{'callboard, with IV and all greeks':<40} {took:>8.2f} {process:>11.2f}")
    print(f"{steps} steps, {contracts} contracts; {100 * share:.0f} % of contract minutes had an implied volatility")
    print(f"whole process: {process / 8.3:.2f} of lean's without greeks (8.3 s)")
    print(f"               {process / 3.1:.2f} of lean's run alone (3.1 s)")


if __name__ == "__main__":
    main()
