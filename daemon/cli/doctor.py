"""`callboard doctor`: whether this installation would import its own packages."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("actors", "algorithm", "bridge", "config", "daemon")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser("doctor", help="look for foreign packages that hide ours")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(run=run)


def foreign_packages(home: Path, path: Sequence[str] | None = None) -> dict[str, str]:
    """Packages of ours that an import would not take from `home`, with the place found (or `not found`)."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        # Without a path the whole import system is asked, editable installs included.
        spec = find_spec(name) if path is None else PathFinder.find_spec(name, list(path))
        places = [] if spec is None else list(spec.submodule_search_locations or [spec.origin or ""])
        if not any(Path(place).resolve() == (home / name).resolve() for place in places):
            found[name] = places[0] if places else "not found"
    return found


def run(args: argparse.Namespace) -> int:
    """0: every package is ours; 64: one is hidden or missing."""
    home = Path(__file__).resolve().parents[2]
    foreign = foreign_packages(home)
    if args.json:
        print(json.dumps({"home": str(home), "foreign": foreign}))
        return 64 if foreign else 0
    for name, place in foreign.items():
        print(f"{name}: expected {home / name}, an import finds {place}")
    if not foreign:
        print(f"packages come from {home}")
    return 64 if foreign else 0
