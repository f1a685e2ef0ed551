"""`callboard journal`: verify, tail, export or hash a journal file. Never writes."""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser("journal", help="verify, tail, export or hash a journal file")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("verify", "check every row; names the first bad one and the last good one"),
        ("tail", "the last facts"),
        ("export", "all facts as JSON lines"),
        ("hash", "the hash of what happened, without host and wall time"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("file", type=Path)
        action.add_argument("--json", action="store_true", help="for machines")
        if name in ("tail", "export"):
            action.add_argument("-n", "--lines", type=int, default=20 if name == "tail" else 0, help="at most so many")
            action.add_argument("--after", type=int, default=0, metavar="SEQ", help="only facts after this sequence")
        action.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0: fine; 1: unreadable; 64: verify found damage."""
    from actors.runtime import JournalError
    from daemon.desk import KINDS
    from daemon.journal import export, file_hash, verify

    try:
        match args.action:
            case "verify":
                verdict = verify(args.file)
                if args.json:
                    print(json.dumps({f: getattr(verdict, f) for f in verdict.__struct_fields__}))
                elif verdict.problem is None:
                    print(f"whole: {verdict.rows} facts, chain {verdict.chain}")
                else:
                    print(f"damaged: {verdict.problem}; whole up to {verdict.anchor}, chain {verdict.chain}")
                return 0 if verdict.problem is None else 64
            case "hash":
                found = file_hash(args.file)
                print(json.dumps({"journal_hash": found}) if args.json else found)
            case "export" | "tail":
                lines = export(args.file, KINDS, args.after)
                if args.action == "tail":
                    lines = iter(deque(lines, maxlen=max(0, args.lines)))
                for number, line in enumerate(lines, start=1):
                    sys.stdout.write(line.decode())
                    if args.lines and number >= args.lines:
                        break
    except JournalError as error:
        print(f"callboard journal: {error}", file=sys.stderr)
        return 1
    return 0
