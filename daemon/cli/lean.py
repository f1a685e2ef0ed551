"""`callboard lean`: writes the project that LEAN runs, and starts lean-cli on it."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from config.calendar import NEW_YORK
from daemon.cli import CONFIGURATION, FAILED, OK, notice

#: Seconds that LEAN may take to end after SIGINT.
_STOP_SECONDS = 120.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser("lean", help="write LEAN's project, run it with lean-cli")
    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    export = verbs.add_parser("export", help="write a project that LEAN runs", description="Writes a LEAN project.")
    export.add_argument("folder", type=Path, metavar="DIR")
    export.add_argument(
        "--bridge", default="callboard.sock", metavar="ADDRESS", help="the daemon's, as LEAN reaches it"
    )
    export.add_argument(
        "--from", dest="first", type=dt.date.fromisoformat, metavar="DATE", help="a backtest's first day"
    )
    export.add_argument("--to", dest="last", type=dt.date.fromisoformat, metavar="DATE", help="its last")
    export.add_argument("--cash", type=float, default=100000.0, metavar="DOLLARS", help="a backtest's (100000)")
    export.add_argument("--resolution", choices=("minute", "second", "tick"), default="minute")
    export.add_argument("--brokerage-model", default="", metavar="NAME", help="LEAN's, e.g. CHARLES_SCHWAB")
    export.add_argument(
        "--patience", type=float, default=60.0, metavar="S", help="how long a backtest waits for us (60)"
    )
    export.set_defaults(run=_export)
    for name, text in (("backtest", "run it over past data"), ("live", "run it at a broker")):
        verb = verbs.add_parser(name, help=text, description=f"Wraps lean-cli: {text}.")
        verb.add_argument("folder", type=Path, metavar="DIR", help="what `lean export` wrote")
        verb.add_argument("rest", nargs="*", metavar="-- ...", help="more for lean-cli, after DIR --")
        if name == "live":
            verb.add_argument(
                "--restart-at", default="08:15", metavar="HH:MM",
                help="New York: start LEAN anew, so that it reads the broker before each open; 'never' (08:15)",
            )  # fmt: skip
        verb.set_defaults(run=_run)


def _export(args: argparse.Namespace) -> int:
    from daemon.lean_project import Project, export

    project = Project(
        bridge=args.bridge, first=args.first, last=args.last, cash=args.cash, resolution=args.resolution,
        brokerage_model=args.brokerage_model, patience=args.patience,
    )  # fmt: skip
    try:
        written = export(args.folder, project)
    except OSError as error:
        print(f"callboard lean export: {error}", file=sys.stderr)
        return CONFIGURATION
    for path in written:
        print(path)
    return OK


def _run(args: argparse.Namespace) -> int:
    wrong = missing(args.folder)
    if wrong:
        for each in wrong:
            print(f"callboard lean {args.what}: {each}", file=sys.stderr)
        return CONFIGURATION
    docker = json.loads((args.folder / "lean-cli.json").read_text())
    secret = os.environ.get("CALLBOARD_BRIDGE_SECRET")
    if secret:
        docker["environment"]["CALLBOARD_BRIDGE_SECRET"] = secret
    verb = ("backtest",) if args.what == "backtest" else ("live", "deploy")
    command = ["lean", *verb, str(args.folder), "--extra-docker-config", json.dumps(docker), *args.rest]
    if args.what == "backtest":
        return OK if subprocess.call(command) == 0 else FAILED
    try:
        return live(command, None if args.restart_at == "never" else dt.time.fromisoformat(args.restart_at))
    except ValueError as error:
        print(f"callboard lean live: --restart-at: {error}", file=sys.stderr)
        return CONFIGURATION


def missing(folder: Path) -> list[str]:
    """What keeps lean-cli from running this project, in words."""
    wrong: list[str] = []
    if not (folder / "lean-cli.json").exists():
        wrong.append(f"{folder} holds no project of ours: callboard lean export {folder}")
    if shutil.which("lean") is None:
        wrong.append("lean-cli is missing: pip install lean, in an environment of its own, then lean init")
    if shutil.which("docker") is None:
        wrong.append("docker is missing: lean-cli runs LEAN in it (or use run-lean-from-source.sh)")
    return wrong


def live(command: Sequence[str], restart_at: dt.time | None) -> int:
    """Run LEAN, and anew at this time of New York each day. Ends as LEAN does when it ends by itself; at SIGTERM and
    SIGINT it ends LEAN as an operator would."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    while True:
        process = subprocess.Popen(command)
        try:
            wait = None if restart_at is None else seconds_until(restart_at, dt.datetime.now(dt.UTC))
            return OK if process.wait(wait) == 0 else FAILED
        except subprocess.TimeoutExpired:
            notice("restart", f"LEAN starts anew, as each day at {restart_at} New York")
        except KeyboardInterrupt:
            _stop(process)
            return OK
        _stop(process)


def seconds_until(at: dt.time, now: dt.datetime) -> float:
    """From now to the next such time of New York."""
    local = now.astimezone(NEW_YORK)
    due = local.replace(hour=at.hour, minute=at.minute, second=at.second, microsecond=0)
    if due <= local:
        due += dt.timedelta(days=1)
    return (due.astimezone(dt.UTC) - now).total_seconds()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """As an operator would: it says goodbye, and its orders stay where they are."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
