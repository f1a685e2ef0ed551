"""The wheel ships what runs, and nothing else of the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("actors", "bridge", "algorithm", "config", "daemon")


def test_the_wheel_ships_every_package_that_runs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    # A copy: what an earlier build left in the checkout would be packed again.
    command = [
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(tmp_path),
        str(source),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert set(PACKAGES) <= tops
    assert not {"tests", "docs", "bench", "tools"} & tops
    for module in (
        "actors/runtime/_core.py",
        "bridge/protocol.py",
        "bridge/paper/data/feed.py",
        "daemon/cli/replay.py",
    ):
        assert module in names
    shipped = {
        str(path.relative_to(ROOT))
        for top in PACKAGES
        for path in (ROOT / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert not shipped - set(names), "a file of a package is not in the wheel"
