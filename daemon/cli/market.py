"""`callboard market`: the embedded market as a process, over a LEAN data folder or a seed."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from daemon.cli import json_notice, notice
from daemon.cli.data import add_data, add_fills, fills_of, source_of


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "market",
        help="run the embedded market beside a daemon",
        description="Plays option data behind the bridge: in lock-step, or live at a speed whether or not a daemon "
        "is there. TCP needs CALLBOARD_BRIDGE_SECRET.",
    )
    parser.add_argument("--bridge", metavar="ADDRESS", help="where the daemon's bridge is")
    add_data(parser)
    add_fills(parser)
    parser.add_argument("--symbol", action="append", default=[], metavar="S", help="one contract; may be repeated")
    parser.add_argument(
        "--speed", type=float, default=0.0, metavar="X", help="live, so many times the wall's time; 0: lock-step"
    )
    parser.add_argument(
        "--patience", type=float, default=0.0, metavar="S", help="lock-step: seconds to wait for a daemon that died (0)"
    )
    parser.add_argument("--tied", action="store_true", help="live: end when standard input closes, as its owner died")
    parser.add_argument(
        "--export", type=Path, metavar="DIR", help="play nothing: write the seed's dates there as a LEAN data folder"
    )
    parser.add_argument(
        "--ledger", type=Path, metavar="FILE",
        help="the broker's memory on disk: orders, executions, cash outlive this process (see 'callboard ledger')",
    )  # fmt: skip
    parser.add_argument(
        "--faults", metavar="F",
        help="live: what is told goes wrong at these rates, e.g. 'duplicate=0.1,drop=0.05,seed=7' (duplicate, delay, "
        "reorder, drop, disconnect, silence, lie)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="notices for machines, a JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0: the run is over; 1: failed; 3: no daemon; 4: the daemon refused us."""
    from actors.options.lean_margin import lean_initial_margin, lean_margin_used
    from bridge.client import BridgeGone, BridgeRefused, Connection
    from bridge.paper import Ledger, LedgerError, Market
    from bridge.paper.faults import Faults, FaultsError, faulty
    from bridge.paper.process import LiveMarket, play_lock_step
    from daemon.source import SourceError

    if not (0 <= args.speed < float("inf")) or not (0 <= args.patience < float("inf")):
        print(f"callboard market: speed {args.speed} and patience {args.patience} must be 0 or more", file=sys.stderr)
        return 2
    if args.export is not None:
        return _export(args)
    if args.bridge is None:
        print("callboard market: --bridge is needed to play", file=sys.stderr)
        return 2
    try:
        faults = None if args.faults is None else Faults.parse(args.faults)
    except FaultsError as error:
        print(f"callboard market: --faults: {error}", file=sys.stderr)
        return 2
    if faults is not None and args.speed == 0:
        print("callboard market: --faults are for a live market: give a --speed", file=sys.stderr)
        return 2
    secret = os.environ.get("CALLBOARD_BRIDGE_SECRET", "").encode()
    try:
        fills = fills_of(args)
        feed, hours = source_of(args, endless=args.speed > 0).open(args.symbol)
    except SourceError as error:
        print(f"callboard market: {error}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"callboard market: {error}", file=sys.stderr)
        return 1
    session = "" if args.speed == 0 else uuid.uuid4().hex[:12]
    try:
        ledger = None if args.ledger is None else Ledger(args.ledger)
        market = Market(
            feed, hours, cash=args.cash, margin=lean_margin_used, initial=lean_initial_margin, session=session,
            ledger=ledger, fills=fills.model(),
        )  # fmt: skip
    except LedgerError as error:
        print(f"callboard market: {error}", file=sys.stderr)
        return 1
    say = json_notice if args.json else notice
    if market.resumed:
        say("resumed", f"session {market.session.name}, {len(market.broker.working)} orders work")
    say("market", fills.words())

    def connect() -> Connection:
        return Connection(args.bridge, secret)

    if faults is not None:
        connect = faulty(args.bridge, secret, faults)

    try:
        if args.speed == 0:
            play_lock_step(market, connect, args.patience)
        else:
            live = LiveMarket(market, connect, args.speed, say, step_seconds=args.step)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda number, _: live.stop(signal.Signals(number).name))
            if args.tied:
                threading.Thread(target=_end_with_stdin, args=(live.stop,), daemon=True).start()
            live.run()
    except BridgeRefused as error:
        print(f"callboard market: the daemon refused: {error}", file=sys.stderr)
        return 4
    except BridgeGone as error:
        print(f"callboard market: {error}", file=sys.stderr)
        return 3
    except LedgerError as error:
        print(f"callboard market: {error}", file=sys.stderr)
        return 1
    return 0


def _end_with_stdin(stop: Callable[[str], None]) -> None:
    while os.read(0, 4096):
        pass
    stop("standard input closed")


def _export(args: argparse.Namespace) -> int:
    from bridge.paper.data import parse_filter
    from bridge.paper.synthetic import Exchange, SyntheticError, export
    from daemon.source import SourceError

    if args.synthetic is None:
        print("callboard market: --export writes a synthetic market: name its seed with --synthetic", file=sys.stderr)
        return 2

    def progress(date: dt.date, contracts: int) -> None:
        (json_notice if args.json else notice)("exported", f"{date}, {contracts} contracts")

    try:
        source = source_of(args)
        chains = tuple(parse_filter(text) for text in args.subscribe)
        count = export(Exchange(args.synthetic), args.export, source.first, source.last, chains, args.symbol, progress)
    except (SourceError, SyntheticError, FileExistsError) as error:
        print(f"callboard market: {error}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"callboard market: {error}", file=sys.stderr)
        return 1
    print(f"{count} sessions of seed {args.synthetic} in {args.export}")
    return 0
