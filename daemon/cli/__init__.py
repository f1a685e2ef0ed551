"""The `callboard` command: verbs live in modules of their own and are imported only when named."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import sys
from collections.abc import Sequence

OK, FAILED, USAGE, UNREACHABLE, REFUSED, NOT_FOUND, CONFLICT, UNKNOWN = range(8)
CHECK_FAILED = 64
CONFIGURATION = 78

MODULES = {
    "demo": "demo", "run": "run", "market": "market", "lean": "lean", "ledger": "ledger", "replay": "replay",
    **dict.fromkeys(
        ("status", "account", "holdings", "positions", "explain", "chain", "facts", "reconcile"), "looking"
    ),
    **dict.fromkeys(
        ("submit", "preview", "orders", "order", "amend", "cancel", "close", "exercise"), "trading"
    ),
    "watch": "watch",
    **dict.fromkeys(("halt", "breaker", "actors", "skip", "kill", "mend", "token"), "control"),
    "journal": "journal", "config": "config", "service": "service", "doctor": "doctor", "version": "completion",
    "completion": "completion",
}  # fmt: skip
"""Verbs in the order of the help, and the module in this package that each lives in."""

_EPILOG = """exit codes:
  0 ok   1 failed   2 usage   3 unreachable   4 refused   5 not found
  6 conflict   7 outcome unknown   64 check failed   78 configuration"""


def notice(event: str, text: str) -> None:
    """One line a notice, on stderr, to whoever still reads it: a daemon does not end for a closed terminal."""
    with contextlib.suppress(OSError, ValueError):
        print(f"{event}: {text}", file=sys.stderr, flush=True)


def json_notice(event: str, text: str) -> None:
    """The same for machines: one JSON object a line."""
    with contextlib.suppress(OSError, ValueError):
        print(json.dumps({"event": event, "text": text}), file=sys.stderr, flush=True)


def build_parser(verbs: Sequence[str] = tuple(MODULES)) -> argparse.ArgumentParser:
    """The parser with the given verbs; imports their modules."""
    parser = argparse.ArgumentParser(
        prog="callboard",
        description="An options-trading daemon beside QuantConnect LEAN.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB")
    for module in dict.fromkeys(MODULES[verb] for verb in verbs):
        importlib.import_module(f"{__name__}.{module}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; argparse leaves with 2 on wrong usage."""
    given = list(sys.argv[1:] if argv is None else argv)
    named = (given[0],) if given and given[0] in MODULES else tuple(MODULES)
    parser = build_parser(named)
    args = parser.parse_args(given)
    if args.version:
        from importlib.metadata import version

        print(f"callboard {version('callboard')}")
        return OK
    if args.verb is None:
        parser.print_help()
        return USAGE
    return args.run(args)
