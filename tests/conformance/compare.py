"""Replays recorded runs of LEAN from order body to journal and compares what was booked. Prints a table when run."""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from traces import DATA, NAMES, Fill, Trace, money, read, script_text  # noqa: E402

from actors.messages.lean import AccountSeen  # noqa: E402
from actors.runtime import MemoryJournal  # noqa: E402
from daemon.replay import ReplayRequest, Report, replay  # noqa: E402

#: Why a row that LEAN answered otherwise is equal all the same: we refuse it before LEAN could.
REFUSED_BY_US = {
    "an order with this id is over": "is filled already",
    "a second cancel": "is being canceled already",
}
#: Where LEAN's own margin differs from run to run, several strategies being open at once.
SEVERAL_OPEN = ("assignment", "random1", "shapes")


class Row(msgspec.Struct):
    """One line of the table."""

    trace: str
    what: str
    rows: int
    equal: int
    reason: str = ""

    @property
    def different(self) -> int:
        """Rows that are not equal."""
        return self.rows - self.equal


class Result(msgspec.Struct):
    """A compared trace: its lines, and each difference in words."""

    rows: list[Row]
    differences: list[str]
    report: Report


def compare(name: str, seed: int | None = None) -> Result:
    """Replay one trace under LEAN's rules and compare every fill, refusal, margin and the end."""
    trace = read(name)
    margins: dict[str, Decimal] = {}

    def watch(at: dt.datetime, account: AccountSeen) -> None:
        margins[at.isoformat().replace("+00:00", "Z")] = account.account.margin_used

    request = ReplayRequest(
        data=DATA, first=dt.date.fromisoformat(trace.first), last=dt.date.fromisoformat(trace.last),
        underlyings=(trace.underlying,), subscribe=(trace.subscribe,) if trace.subscribe else (), cash=trace.cash,
        script_text=script_text(trace), seed=seed,
    )  # fmt: skip
    journal = MemoryJournal()
    report = replay(request, journal=journal, on_account=watch)
    rows, differences = list[Row](), list[str]()
    _fills(trace, report, rows, differences)
    _final(trace, report, rows, differences)
    _margins(trace, margins, rows, differences)
    _refusals(trace, report, rows, differences)
    rows += [Row(name, f"{each.call} can't be said", 0, 0, each.reason) for each in trace.unsayable]
    return Result(rows, differences, report)


def _fills(trace: Trace, report: Report, rows: list[Row], differences: list[str]) -> None:
    ours = [Fill(row.at, row.symbol, row.quantity, row.price, row.fee, row.cash) for row in report.fills]
    equal = 0
    for index in range(max(len(ours), len(trace.fills))):
        mine = ours[index] if index < len(ours) else None
        theirs = trace.fills[index] if index < len(trace.fills) else None
        if mine == theirs:
            equal += 1
        else:
            differences.append(f"{trace.name} fill {index}: ours {mine}, lean {theirs}")
    rows.append(Row(trace.name, "fills", max(len(ours), len(trace.fills)), equal))


def _final(trace: Trace, report: Report, rows: list[Row], differences: list[str]) -> None:
    if trace.final is None:
        return
    pairs: list[tuple[str, object, object]] = [
        ("cash", report.final.cash, money(trace.final["cash"])),
        (
            "value",
            None if report.final.value is None else money(str(report.final.value)),
            money(trace.final["value"]),
        ),
        ("agrees with the embedded market", report.final.agrees, True),
    ]
    held = {row.symbol: (row.quantity, round(row.average, 4), row.price) for row in report.final.holdings}
    theirs = {
        row["symbol"]: (int(row["quantity"]), round(money(row["average"]), 4), money(row["price"]))
        for row in trace.final["holdings"]
    }
    for symbol in sorted({**held, **theirs}):
        pairs.append((f"holding {symbol}", held.get(symbol), theirs.get(symbol)))
    if trace.name not in SEVERAL_OPEN and "margin_used" in trace.final:
        used = report.final.margin_used
        pairs.append(("margin used", None if used is None else money(str(used)), money(trace.final["margin_used"])))
    bad = [f"{trace.name} final {what}: ours {mine}, lean {lean}" for what, mine, lean in pairs if mine != lean]
    differences += bad
    rows.append(Row(trace.name, "final cash, value, holdings", len(pairs), len(pairs) - len(bad)))


def _margins(trace: Trace, margins: dict[str, Decimal], rows: list[Row], differences: list[str]) -> None:
    if not trace.margins:
        return
    bad = [
        f"{trace.name} margin of {each.strategy}: ours {margins.get(each.at)}, lean {each.margin_used}"
        for each in trace.margins
        if each.at not in margins or abs(margins[each.at] - each.margin_used) > Decimal("0.0001")
    ]
    differences += bad
    rows.append(Row(trace.name, "margin, one strategy open", len(trace.margins), len(trace.margins) - len(bad)))


def _refusals(trace: Trace, report: Report, rows: list[Row], differences: list[str]) -> None:
    """Every refusal of LEAN's must be a refusal of the same call: LEAN's own, or ours before it with a reason."""
    by_lean = [(row.at, row.order_id) for row in report.refusals if row.by == "lean"]
    by_us = {(row.at, row.order_id): row.reason for row in report.refusals if row.by == "callboard"}
    equal = 0
    for refused in trace.refused:
        key = (refused.at, refused.order_id)
        if key in by_lean:
            by_lean.remove(key)
            equal += 1
        elif key in by_us:
            rows.append(Row(trace.name, f"{refused.order_id} refused before lean could", 1, 1, by_us[key]))
        else:
            differences.append(f"{trace.name}: lean refused {refused}, we did not")
            rows.append(Row(trace.name, f"{refused.order_id} not refused", 1, 0))
    if trace.refused:
        counted = sum(1 for row in rows if "refused before lean could" in row.what or "not refused" in row.what)
        rows.append(Row(trace.name, "refusals by lean", len(trace.refused) - counted, equal))
    for at, order_id in by_lean:
        differences.append(f"{trace.name}: {order_id} at {at} was refused by the embedded market, and not by lean")


def main() -> int:
    """Compare every trace and print the table; 1 where anything differs."""
    different = 0
    print(f"{'trace':<16} {'what':<44} {'rows':>5} {'equal':>6} {'different':>9}  reason")
    for name in NAMES:
        result = compare(name)
        for row in result.rows:
            print(f"{row.trace:<16} {row.what:<44} {row.rows:>5} {row.equal:>6} {row.different:>9}  {row.reason}")
            different += row.different
        for difference in result.differences:
            print(f"  {difference}")
    print(f"{'all':<16} {'':<44} {'':>5} {'':>6} {different:>9}")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
