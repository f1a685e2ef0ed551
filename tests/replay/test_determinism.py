"""Same inputs, same bytes; and nothing at a time depends on data after it."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from actors.runtime import MemoryJournal, MemoryTape, Row
from actors.runtime import replay as replay_tape
from config.desk import LEAN_RULES
from daemon.desk import desk_core
from daemon.journal import journal_hash
from daemon.replay import ReplayRequest, replay

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "lean"
_SPEC = importlib.util.spec_from_file_location("conformance_traces", ROOT / "tests" / "conformance" / "traces.py")
assert _SPEC is not None
assert _SPEC.loader is not None
traces = importlib.util.module_from_spec(_SPEC)
sys.modules["conformance_traces"] = traces
_SPEC.loader.exec_module(traces)

DAY = dt.date(2015, 12, 24)
OPEN = dt.datetime(2015, 12, 24, 14, 30, tzinfo=dt.UTC)
BUSY = traces.read("random1")


def request(data: Path = DATA, seed: int | None = None) -> ReplayRequest:
    """A busy half day: 21 orders of every shape, amends and cancels."""
    return ReplayRequest(
        data=data, first=DAY, last=DAY, underlyings=("GOOG",), subscribe=(BUSY.subscribe,), cash=BUSY.cash,
        script_text=traces.script_text(BUSY), seed=seed,
    )  # fmt: skip


def rows(data: Path = DATA, **options) -> list[Row]:
    journal = MemoryJournal()
    replay(request(data), journal=journal, **options)
    return list(journal.read())


@pytest.fixture(scope="module")
def whole() -> list[Row]:
    return rows()


def test_two_runs_write_the_same_rows(whole: list[Row]) -> None:
    assert rows() == whole
    assert len(whole) > 400


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_hash_does_not_depend_on_pythons_hash_seed(hash_seed: str, whole: list[Row], tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(traces.script_text(BUSY))
    command = [
        sys.executable, "-c", "import sys; from daemon.cli import main; sys.exit(main(sys.argv[1:]))", "replay",
        "--data", str(DATA), "--underlying", "GOOG", "--subscribe", BUSY.subscribe, "--from", str(DAY),
        "--to", str(DAY),
        "--cash", str(BUSY.cash), "--script", str(script), "--json", "--quiet",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(done.stdout)["journal_hash"] == journal_hash(whole)


def test_the_tape_makes_the_same_journal_again(whole: list[Row]) -> None:
    tape = MemoryTape()
    assert rows(tape=tape) == whole
    journal = MemoryJournal()
    core = desk_core(journal, LEAN_RULES)
    core.start(dt.datetime.combine(DAY, dt.time(), dt.UTC))
    replay_tape(tape.entries, core)
    assert list(journal.read()) == whole


def test_another_order_of_reactions_ends_in_the_same_book() -> None:
    plain = replay(request())
    for seed in (1, 2):
        mixed = replay(request(seed=seed))
        assert (mixed.fills, mixed.final, mixed.orders) == (plain.fills, plain.final, plain.orders)


def test_the_future_can_be_cut_off_at_any_minute(whole: list[Row], tmp_path: Path) -> None:
    """Rows of the files, contracts first quoted later, and universe files of later mornings: all gone after the cut."""
    needed = _needed()
    for number, minute in enumerate(sorted(random.Random(7).sample(range(5, 205), 20))):
        cut = OPEN + dt.timedelta(minutes=minute)
        data = _cut(tmp_path / str(number), cut, needed)
        kept = [row for row in whole if row.at <= cut]
        assert len(kept) > minute
        assert [row for row in rows(data) if row.at <= cut] == kept


def _needed() -> set[str]:
    """Archive members of the contracts that this day subscribes, so that the copies stay small."""
    from bridge.paper.data import LeanFolder, parse_filter, select

    listed = LeanFolder(DATA).listed("GOOG", DAY)
    assert listed is not None
    return {
        f"{'call' if contract.right == 'C' else 'put'}_{int(contract.strike * 10000)}_{contract.expiry:%Y%m%d}.csv"
        for contract in select(listed, parse_filter(BUSY.subscribe), DAY)
    }


def _cut(folder: Path, cut: dt.datetime, needed: set[str]) -> Path:
    for source in DATA.rglob("*"):
        relative = source.relative_to(DATA)
        text = str(relative)
        wanted = "market-hours" in text or ("goog/20151224_" in text and "minute" in text)
        universe = "universes/goog" in text and source.stem < f"{DAY:%Y%m%d}"
        if not source.is_file() or not (wanted or universe):
            continue
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".zip":
            _cut_archive(source, target, cut, needed)
        else:
            target.symlink_to(source)
    return folder


def _cut_archive(source: Path, target: Path, cut: dt.datetime, needed: set[str]) -> None:
    midnight = dt.datetime(2015, 12, 24, 5, tzinfo=dt.UTC)
    last = int((cut - midnight).total_seconds() * 1000) - 60_000  # the bar that ends at the cut is the last
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as copy:
        for name in archive.namelist():
            if "american" in name and not any(name.endswith(end) for end in needed):
                continue
            kept = [row for row in archive.read(name).splitlines() if int(row.split(b",")[0]) <= last]
            if kept:
                copy.writestr(name, b"\n".join(kept) + b"\n")
