"""`callboard config`: show, check, schema and diff of settings. It changes none."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from daemon.cli import CHECK_FAILED, CONFIGURATION, OK

Subparsers = Any


def add_parser(subparsers: Subparsers) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "config",
        help="show, check and compare settings",
        description="Settings come from the shipped file, a file of yours (TOML or JSON), CALLBOARD__SECTION__KEY "
        "variables and --set, the later over the earlier.",
    )
    verbs = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = verbs.add_parser("show", help="the settings in force, and where each came from")
    add_settings_arguments(show)
    show.add_argument("--changed", action="store_true", help="only what is not as shipped")
    show.add_argument("--json", action="store_true", help="for machines")
    check = verbs.add_parser("check", help="whether a file can be used; 78 where not")
    check.add_argument("file", type=Path)
    check.add_argument("--json", action="store_true", help="for machines")
    verbs.add_parser("schema", help="JSON Schema of a settings file, for editors")
    diff = verbs.add_parser("diff", help="what a changed file would do; 64 where a running daemon may not take it")
    diff.add_argument("before", type=Path, help="the file in force, or '-' for the shipped settings")
    diff.add_argument("after", type=Path, help="the file to be")
    diff.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(run=run)


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """The options by which any verb takes settings."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", default=None, help="settings, .toml or .json (CALLBOARD_CONFIG)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="one setting; may be repeated"
    )


def settings_of(args: argparse.Namespace) -> Any:
    """What these arguments and the environment ask for. Raises config.loading.SettingsError."""
    from config.loading import load_settings

    named = os.environ.get("CALLBOARD_CONFIG", "")
    file = args.config if args.config is not None else (Path(named) if named else None)
    return load_settings(file, os.environ, args.set)


def run(args: argparse.Namespace) -> int:
    """0; 64 where a check fails; 78 where settings can't be used."""
    from config.loading import SettingsError

    try:
        return {"show": _show, "check": _check, "schema": _schema, "diff": _diff}[args.action](args)
    except SettingsError as error:
        print(f"callboard config {args.action}: {error}", file=sys.stderr)
        return CONFIGURATION


def _show(args: argparse.Namespace) -> int:
    from config.loading import dump

    loaded = settings_of(args)
    values = dump(loaded.settings)
    if args.changed:
        values = {
            section: kept
            for section, keys in values.items()
            if (kept := {key: value for key, value in keys.items() if loaded.sources[f"{section}.{key}"] != "shipped"})
        }
    if args.json:
        print(json.dumps({"settings": values, "sources": loaded.sources}))
        return OK
    for section, keys in values.items():
        print(f"[{section}]")
        for key, value in keys.items():
            source = loaded.sources[f"{section}.{key}"]
            print(f"{key} = {json.dumps(value)}" + ("" if source == "shipped" else f"  # {source}"))
        print()
    return OK


def _check(args: argparse.Namespace) -> int:
    from config.loading import load_settings

    loaded = load_settings(args.file, os.environ)
    count = sum(source == str(args.file) for source in loaded.sources.values())
    if args.json:
        print(json.dumps({"file": str(args.file), "sets": count, "keys": len(loaded.sources)}))
    else:
        print(f"{args.file} can be used: it sets {count} of {len(loaded.sources)} keys")
    return OK


def _schema(args: argparse.Namespace) -> int:
    from config.changes import schema

    print(json.dumps(schema(), indent=2))
    return OK


def _diff(args: argparse.Namespace) -> int:
    from config.changes import changes
    from config.loading import load_settings

    before = load_settings(None if str(args.before) == "-" else args.before, os.environ).settings
    found = changes(before, load_settings(args.after, os.environ).settings)
    if args.json:
        print(json.dumps([{"key": c.key, "before": c.before, "after": c.after, "way": c.way} for c in found]))
    else:
        for each in found:
            print(f"{each.way:8} {each.key}: {json.dumps(each.before)} -> {json.dumps(each.after)}")
        if not found:
            print("nothing differs")
    refused = [each.key for each in found if each.way != "tighter"]
    if refused:
        print(f"a running daemon takes only what is tighter; restart it for {', '.join(refused)}", file=sys.stderr)
    return CHECK_FAILED if refused else OK
