"""`callboard demo`: everything in one process tree, without account, network or keys."""

from __future__ import annotations

import argparse
import sys

from daemon.cli import CONFIGURATION, FAILED, OK, notice


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "demo",
        help="daemon, synthetic market and dashboard at once",
        description="Runs the daemon, a synthetic market at 60 times speed, the API and the dashboard on loopback, and "
        "a trader's guided orders, until Ctrl-C. Nothing is kept, nothing leaves this machine. Prints one address.",
    )
    parser.add_argument("--seconds", type=float, metavar="N", help="end by itself after so many seconds")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON at the end")
    parser.add_argument("--quiet", action="store_true", help="no guided orders")
    parser.add_argument("--verbose", action="store_true", help="say what happens")
    parser.add_argument("--port", type=int, default=8080, metavar="P", help="the dashboard's port (8080; 0: any free)")
    parser.add_argument("--seed", type=int, default=7, metavar="S", help="which market (7)")
    parser.add_argument("--speed", type=float, default=60.0, metavar="X", help="times the wall's speed (60)")
    parser.add_argument("--step", type=int, default=15, metavar="S", help="market seconds between quotes (15)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0: it ended, the broker's ledger is our book; 1: it failed, or they differ; 78: what was given can't be used."""
    import msgspec
    import trio

    from actors.runtime import CoreFailed, JournalError, TooManyRestarts
    from daemon.demo import DemoError, DemoRequest, run_demo
    from daemon.groups import SafetyFailed

    wrong = _wrong(args)
    if wrong:
        print(f"callboard demo: {wrong}", file=sys.stderr)
        return CONFIGURATION
    request = DemoRequest(
        seed=args.seed, speed=args.speed, step=args.step, port=args.port, seconds=args.seconds, quiet=args.quiet
    )

    def told(event: str, text: str) -> None:
        if args.verbose or event == "guide":
            notice(event, text)

    def shown(address: str) -> None:
        print(address, file=sys.stderr if args.json else sys.stdout, flush=True)

    try:
        summary = trio.run(run_demo, request, told, shown)
    except (JournalError, CoreFailed, SafetyFailed, TooManyRestarts, DemoError, OSError) as error:
        print(f"callboard demo: {type(error).__name__}: {error}", file=sys.stderr)
        return FAILED
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(summary), indent=2).decode())
    else:
        states = ", ".join(f"{count} {state}" for state, count in summary.orders.items()) or "no orders"
        print(f"{states}; {summary.fills} fills, {summary.positions} positions, equity {summary.equity}")
        word = {True: "equal to", False: "not equal to", None: "not compared with"}[summary.ledger_equal]
        print(f"our book is {word} the broker's ledger; {summary.restarts} restarts")
    for difference in summary.differences:
        print(f"differs: {difference}", file=sys.stderr)
    return FAILED if summary.ledger_equal is False else OK


def _wrong(args: argparse.Namespace) -> str:
    if args.seconds is not None and not 0 < args.seconds < float("inf"):
        return f"--seconds {args.seconds:g} must be above 0"
    if not 0 < args.speed < float("inf"):
        return f"--speed {args.speed:g} must be above 0"
    if args.step < 1 or 60 % args.step:
        return f"--step {args.step} must divide a minute"
    if not 0 <= args.port <= 65535:
        return f"--port {args.port} is not a port"
    return ""
