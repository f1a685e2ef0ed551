"""`callboard run`: the daemon, waiting for LEAN or the embedded market at its bridge."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "run",
        help="run the daemon",
        description="Reads its journal, opens the bridge, and trades until SIGTERM. TCP needs CALLBOARD_BRIDGE_SECRET.",
    )
    parser.add_argument("--journal", type=Path, required=True, metavar="FILE", help="made where there is none")
    parser.add_argument("--bridge", required=True, metavar="ADDRESS", help="a unix socket's path, or host:port")
    parser.add_argument("--clock", choices=("wall", "market"), default="wall", help="whose time it is (wall)")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="how fast the market's time runs (1)")
    parser.add_argument("--risk", choices=("lean", "default"), default="default", help="whose rules judge orders")
    parser.add_argument("--script", type=Path, metavar="FILE", help="lock-step: JSON lines, what is done and when")
    parser.add_argument("--once", action="store_true", help="end with the first session")
    parser.add_argument(
        "--api", metavar="HOST:PORT", help="serve the control API there; needs CALLBOARD_AUTH_TOKEN (port 0: any)"
    )
    parser.add_argument("--dead-man", type=float, default=30.0, metavar="S", help="seconds LEAN bears without us (30)")
    parser.set_defaults(run=run)


def notice(event: str, text: str) -> None:
    """One line a notice, on stderr."""
    print(f"{event}: {text}", file=sys.stderr, flush=True)


def run(args: argparse.Namespace) -> int:
    """0: ended as asked; 1: failed; 78: what was given can't be used."""
    import trio

    from actors.runtime import CoreFailed, JournalError, TooManyRestarts
    from bridge.server import BridgeSettings
    from daemon.api import Tokens, WeakToken
    from daemon.driver import SafetyFailed
    from daemon.replay.script import ScriptError
    from daemon.run import RunRequest, run_daemon

    host, colon, port = args.bridge.rpartition(":")
    over_tcp = bool(colon) and "/" not in args.bridge
    if args.speed <= 0 or (over_tcp and not port.isdecimal()):
        print(f"callboard run: speed {args.speed} or address {args.bridge} can't be used", file=sys.stderr)
        return 78
    secret = os.environ.get("CALLBOARD_BRIDGE_SECRET", "").encode()
    if over_tcp and len(secret) < 16:
        print("callboard run: CALLBOARD_BRIDGE_SECRET must have 16 bytes or more for TCP", file=sys.stderr)
        return 78
    bridge = BridgeSettings(
        unix=None if over_tcp else Path(args.bridge), tcp=(host, int(port)) if over_tcp else None, secret=secret,
        dead_man_seconds=args.dead_man,
    )  # fmt: skip
    api, tokens = None, None
    if args.api:
        name, _, number = args.api.rpartition(":")
        if not number.isdecimal():
            print(f"callboard run: address {args.api} is not host:port", file=sys.stderr)
            return 78
        try:
            tokens = Tokens(
                {
                    "admin": os.environ.get("CALLBOARD_AUTH_TOKEN", ""),
                    "trader": os.environ.get("CALLBOARD_TRADER_TOKEN", ""),
                    "viewer": os.environ.get("CALLBOARD_VIEWER_TOKEN", ""),
                }
            )
        except WeakToken as error:
            print(f"callboard run: {error}", file=sys.stderr)
            return 78
        api = (name, int(number))
    request = RunRequest(
        journal=args.journal, bridge=bridge, clock=args.clock, speed=args.speed, risk=args.risk, script=args.script,
        once=args.once, api=api, tokens=tokens,
    )  # fmt: skip
    try:
        trio.run(run_daemon, request, notice)
    except (JournalError, CoreFailed, SafetyFailed, TooManyRestarts, ScriptError, OSError) as error:
        print(f"callboard run: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0
