"""The deaths' table: `python tests/processes/deaths.py [PART ...]` kills, cuts and stops, and prints what came of it.

Without a part all of them, at all points; `--points N` for fewer. Exit code 1 where a row is not whole.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])

from tests.processes.inside import inside_sweep
from tests.processes.live_sweeps import live_sweep
from tests.processes.sweeps import FILLS, Ran, Row, cut_sweep, run, sweep, table

#: Parts of the table and the points of each; 0: every one there is, inside one process.
PARTS = {
    "daemon": 100, "market": 50, "both": 50, "cut": 100, "stop": 10, "edge": 0, "points": 0, "actors": 0,
    "live-daemon": 100, "live-market": 50, "live-both": 50, "live-cut": 100, "live-stop": 10,
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Print the table row by row as it comes, then whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--points", type=int, help="points a part (100, 50, 50, 100, 10)")
    parser.add_argument("--every", type=int, default=1, help="edge, points: each n-th only (1)")
    parser.add_argument("--each", type=int, default=10, help="points in one day (10)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="where the points lie (from the clock)")
    args = parser.parse_args(arguments)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="deaths") as name:
        folder = Path(name)
        calm: Ran | None = None
        for part in args.part or PARTS:
            points = args.points or PARTS[part]
            began = time.monotonic()
            if part in ("edge", "points", "actors"):
                what = "market" if part == "points" else part
                rows.append(inside_sweep(folder / part, what, args.every))  # type: ignore[arg-type]
                print(f"{rows[-1].what}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
                continue
            if part.startswith("live-"):
                rows.append(live_sweep(folder, part.removeprefix("live-"), points, args.each, args.seed))  # type: ignore[arg-type]
                print(
                    f"{rows[-1].what}: {time.monotonic() - began:.0f} s, seed {args.seed}", file=sys.stderr, flush=True
                )
                continue
            calm = run(folder / "calm", [], *FILLS) if calm is None else calm
            if part == "cut":
                rows.append(cut_sweep(folder, points, args.each, args.seed, calm, *FILLS))
            elif part == "stop":
                for victim in ("daemon", "market"):
                    rows.append(sweep(folder, victim, points, args.each, args.seed, calm, *FILLS, stop=True))  # type: ignore[arg-type]
            else:
                rows.append(sweep(folder, part, points, args.each, args.seed, calm, *FILLS))  # type: ignore[arg-type]
            print(f"{rows[-1].what}: {time.monotonic() - began:.0f} s, seed {args.seed}", file=sys.stderr, flush=True)
    print(table(rows))
    for row in rows:
        print(*row.failures, sep="\n", end="\n" if row.failures else "")
    return 1 if any(row.failures for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
