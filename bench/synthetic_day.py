"""How fast a session of the synthetic market is made, by minute and by 15 seconds, and beside reading it from files.

No wall-clock promise: ratios, and contracts times steps a second, on whatever machine this runs.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bridge.paper.bars import Instant
from bridge.paper.data import Feed, LeanFolder, MarketHours, parse_filter
from bridge.paper.synthetic import Exchange, SyntheticFeed, export

DAY = dt.date(2026, 1, 5)
TICKERS = ("SPX", "ACME", "NOVA")
CHAINS = tuple(
    parse_filter(text)
    for text in (
        "SPX:weeklys,strikes=-12..12,days=14..60", "SPXW:weeklys,strikes=-12..12,days=0..14",
        "ACME:weeklys,strikes=-10..10,days=0..45", "NOVA:weeklys,strikes=-10..10,days=0..45",
    )
)  # fmt: skip


def played(instants: Iterable[Instant]) -> tuple[float, int, int, float]:
    """Seconds, contracts, updates, and the longest wait for one instant, of a run."""
    began = last = time.perf_counter()
    contracts = updates = 0
    longest = 0.0
    for instant in instants:
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        contracts += len(instant.listed)
        updates += len(instant.updates)
    return time.perf_counter() - began, contracts, updates, longest


def main() -> None:
    """Print the table."""
    began = time.perf_counter()
    exchange = Exchange(7)
    exchange.path.session(DAY)
    print(f"path from its beginning to {DAY}: {time.perf_counter() - began:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        began = time.perf_counter()
        export(exchange, data, DAY, DAY, CHAINS)
        print(f"export of the day: {time.perf_counter() - began:.2f} s")
        runs = {
            "made, a minute": SyntheticFeed(exchange, DAY, DAY, underlyings=TICKERS, chains=CHAINS),
            "made, 15 seconds": SyntheticFeed(exchange, DAY, DAY, underlyings=TICKERS, chains=CHAINS, step=15),
            "read, a minute": Feed(
                LeanFolder(data), MarketHours.load(data), DAY, DAY, underlyings=TICKERS, chains=CHAINS
            ),
        }
        for name, run in runs.items():
            seconds, contracts, updates, longest = played(run)
            print(
                f"{name:18} {contracts} securities, {updates} updates in {seconds:.2f} s: "
                f"{updates / seconds:,.0f} a second, longest wait {1000 * longest:.0f} ms"
            )


if __name__ == "__main__":
    main()
