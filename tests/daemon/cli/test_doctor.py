"""The doctor tells a foreign package of one of our names."""

from __future__ import annotations

from pathlib import Path

from daemon.cli.doctor import PACKAGES, foreign_packages


def _packages(home: Path, *names: str) -> str:
    for name in names:
        (home / name).mkdir(parents=True)
        (home / name / "__init__.py").write_text("")
    return str(home)


def test_foreign_package_ahead_is_named(tmp_path: Path) -> None:
    ours = _packages(tmp_path / "ours", *PACKAGES)
    other = _packages(tmp_path / "other", "config")
    assert foreign_packages(Path(ours), [ours, other]) == {}
    assert foreign_packages(Path(ours), [other, ours]) == {"config": f"{other}/config"}
