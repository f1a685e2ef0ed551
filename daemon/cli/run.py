"""`callboard run`: the daemon, waiting for LEAN or the embedded market at its bridge."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from daemon.cli import notice


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


def run(args: argparse.Namespace) -> int:
    """0: ended as asked; 1: failed; 78: what was given can't be used."""
    import trio

    from actors.runtime import CoreFailed, JournalError, TooManyRestarts
    from bridge.client import tcp_address
    from bridge.server import BridgeSettings
    from daemon.driver import SafetyFailed
    from daemon.replay.script import ScriptError
    from daemon.run import RunRequest, run_daemon
    from daemon.tokens import Tokens

    secret = os.environ.get("CALLBOARD_BRIDGE_SECRET", "").encode()
    try:
        tcp = tcp_address(args.bridge)
        api = None if args.api is None else tcp_address(args.api)
        if args.api is not None and api is None:
            raise ValueError(f"{args.api!r} is not host:port")
        if args.speed <= 0:
            raise ValueError(f"speed {args.speed:g} must be above 0")
        if tcp is not None and len(secret) < 16:
            raise ValueError("CALLBOARD_BRIDGE_SECRET must have 16 bytes or more for TCP")
        tokens = (
            None
            if api is None
            else Tokens(
                {
                    "admin": os.environ.get("CALLBOARD_AUTH_TOKEN", ""),
                    "trader": os.environ.get("CALLBOARD_TRADER_TOKEN", ""),
                    "viewer": os.environ.get("CALLBOARD_VIEWER_TOKEN", ""),
                }
            )
        )
    except ValueError as error:
        print(f"callboard run: {error}", file=sys.stderr)
        return 78
    bridge = BridgeSettings(
        unix=Path(args.bridge) if tcp is None else None, tcp=tcp, secret=secret, dead_man_seconds=args.dead_man
    )
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
