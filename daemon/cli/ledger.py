"""`callboard ledger`: what the embedded market's broker wrote down. Never writes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "ledger",
        help="read the ledger of an embedded market",
        description="Orders, executions, holdings and cash as the broker has them, also while the market runs.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="every record as a JSON line, oldest first")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0: shown; 1: not readable."""
    import msgspec

    from bridge.paper import Books, LedgerError, read_ledger

    try:
        records = list(read_ledger(args.file))
    except LedgerError as error:
        print(f"callboard ledger: {error}", file=sys.stderr)
        return 1
    if args.json:
        for record in records:
            print(json.dumps(msgspec.to_builtins(record)))
        return 0
    print(Books.of(records).statement())
    return 0
