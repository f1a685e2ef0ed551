"""`callboard replay`: a LEAN data folder or a seed through the whole system in lock-step, with a report."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from pathlib import Path

import msgspec

from daemon.cli.data import add_data, add_fills, fills_of, source_of


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "replay",
        help="play a LEAN data folder or a seed through the whole system in lock-step",
        description="Plays option data through orders, risk, gateway and positions in lock-step, and reports "
        "what was booked. The same inputs give the same journal, byte for byte.",
    )
    add_data(parser)
    add_fills(parser)
    parser.add_argument("--risk", choices=("lean", "default"), default="lean", help="whose rules judge orders (lean)")
    parser.add_argument("--script", type=Path, metavar="FILE", help="JSON lines: what is done and when")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="keep the journal there; it must not exist")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report there, and a page beside it")
    parser.add_argument("--json", action="store_true", help="print the report to standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the replay. 0: it ended and the book is LEAN's; 1: it failed or the books differ; 2: bad input."""
    from actors.runtime import JournalError
    from daemon.replay import ReplayError, ReplayRequest, page, replay

    try:
        source, fills = source_of(args), fills_of(args)
    except ValueError as error:
        print(f"callboard replay: {error}", file=sys.stderr)
        return 2
    request = ReplayRequest(
        **msgspec.structs.asdict(source),
        cash=args.cash,
        risk=args.risk,
        script=args.script,
        journal=args.journal,
        fills=fills,
    )
    shown = -1.0

    def progress(at: dt.datetime, steps: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= 0.5:
            shown = now
            print(f"\r{at:%Y-%m-%d %H:%M}Z  {steps} steps", end="", file=sys.stderr, flush=True)

    watched = not args.quiet and sys.stderr.isatty()
    try:
        report = replay(request, progress if watched else None)
    except (ReplayError, JournalError, ValueError, OSError) as error:
        print(f"callboard replay: {error}", file=sys.stderr)
        return 2
    finally:
        if watched:
            print(file=sys.stderr)
    body = msgspec.json.format(msgspec.json.encode(report), indent=2)
    if args.report is not None:
        args.report.write_bytes(body + b"\n")
        names = ", ".join(args.underlying) or f"synthetic {args.synthetic}"
        title = f"{names} {source.first} to {source.last}"
        args.report.with_suffix(".html").write_text(page(report, title))
    if args.json:
        sys.stdout.write(body.decode() + "\n")
    else:
        states = ", ".join(f"{len(rows)} {state}" for state, rows in sorted(report.orders.items())) or "no orders"
        print(f"{report.steps} steps in {report.seconds:.2f} s; {states}; {len(report.fills)} fills")
        print(f"cash {report.final.cash}, value {report.final.value}, fees {report.final.fees}")
        for note in report.notes:
            if note.startswith(("no data", "fills")):
                print(f"note: {note}")
        for difference in report.final.differences:
            print(f"differs from lean: {difference}")
        print(f"journal hash {report.journal_hash}")
    return 0 if report.final.agrees else 1
