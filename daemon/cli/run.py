"""`callboard run`: the daemon, waiting for LEAN or the embedded market at its bridge."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from daemon.cli import CONFIGURATION, json_notice, notice
from daemon.cli.config import add_settings_arguments, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge import protocol
    from config.settings import Settings
    from daemon.api import ApiSettings
    from daemon.run import RunRequest
    from daemon.tokens import Tokens


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "run",
        help="run the daemon",
        description="Reads its journal, opens the bridge, and trades until SIGTERM. TCP needs CALLBOARD_BRIDGE_SECRET.",
    )
    add_settings_arguments(parser)
    parser.add_argument("--journal", metavar="FILE", help="made where there is none (daemon.journal)")
    parser.add_argument("--bridge", metavar="ADDRESS", help="a unix socket's path, or host:port (bridge.address)")
    parser.add_argument("--clock", choices=("wall", "market"), help="whose time it is (daemon.clock)")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="how fast the market's time runs (1)")
    parser.add_argument("--risk", choices=("lean", "default"), help="whose rules judge orders (risk.rules)")
    parser.add_argument("--script", type=Path, metavar="FILE", help="lock-step: JSON lines, what is done and when")
    parser.add_argument(
        "--underlying", action="append", default=[], metavar="T", help="a stock or index that LEAN shall subscribe"
    )
    parser.add_argument(
        "--subscribe", action="append", default=[], metavar="F",
        help="a chain that LEAN shall subscribe, as 'GOOG:weeklys,strikes=-30..30,days=0..60'",
    )  # fmt: skip
    parser.add_argument("--once", action="store_true", help="end with the first session")
    parser.add_argument(
        "--api", metavar="HOST:PORT", help="serve the control API there (order_queue_api.host and .port; port 0: any)"
    )
    parser.add_argument("--json", action="store_true", help="notices for machines, a JSON object a line")
    parser.add_argument("--no-api", action="store_true", help="serve none (order_queue_api.enabled)")
    parser.add_argument("--dead-man", metavar="S", help="seconds LEAN bears without us (bridge.dead_man)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0: ended as asked; 1: failed; 78: what was given can't be used."""
    from daemon.ending import calm_signals

    with calm_signals():
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    for flag, key in _FLAGS.items():
        if getattr(args, flag) is not None:
            args.set.append(f"{key}={getattr(args, flag)}")
    try:
        settings = settings_of(args).settings
        request = _request(args, settings)
    except (ValueError, OSError) as error:
        print(f"callboard run: {error}", file=sys.stderr)
        return CONFIGURATION
    while True:
        reload = _Reload(args, settings)
        asks = msgspec.structs.replace(request, on_hangup=reload.wanted, on_stop=reload.unwanted)
        code = _run_once(asks, settings, reload)
        if reload.settings is None or code:
            return code
        settings, request = reload.settings, _request(args, reload.settings)


def _run_once(request: RunRequest, settings: Settings, reload: _Reload) -> int:
    import trio

    from actors.runtime import CoreFailed, JournalError, TooManyRestarts, UnknownKind
    from daemon.groups import SafetyFailed
    from daemon.logs import Logs
    from daemon.replay.script import ScriptError
    from daemon.run import STOP_SECONDS, run_daemon
    from daemon.systemd import arm_watchdog

    process = settings.daemon
    logs = Logs(
        Path(process.log_directory) if process.log_directory else None, level=process.log_level,
        megabytes=process.log_megabytes, kept=process.log_files_kept,
        console=sys.stderr if process.log_console == "all" else None,
    )  # fmt: skip

    def told(event: str, text: str) -> None:
        logs.notice(event, text)
        if process.log_console == "notices":
            reload.say(event, text)

    reload.told = told
    try:
        trio.run(run_daemon, request, told, None, logs.add)
    except (JournalError, CoreFailed, SafetyFailed, TooManyRestarts, UnknownKind, ScriptError, OSError) as error:
        print(f"callboard run: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        hangs = arm_watchdog(STOP_SECONDS)
        logs.close()
        if reload.settings is not None:
            hangs.cancel()
    return 0


class _Reload:
    """At SIGHUP: reads the settings again, and takes them where every change is tighter than what is in force."""

    def __init__(self, args: argparse.Namespace, before: Settings) -> None:
        self._args, self._before = args, before
        self.settings: Settings | None = None
        self.say: Callable[[str, str], None] = json_notice if args.json else notice
        self.told = self.say

    def wanted(self) -> bool:
        """Whether to end and begin anew with `settings`; what is refused is told."""
        from config.changes import changes

        try:
            after = settings_of(self._args).settings
            _request(self._args, after)
        except (ValueError, OSError) as error:
            self.told("reload refused", str(error))
            return False
        found = changes(self._before, after)
        refused = [each for each in found if each.way != "tighter"]
        for each in refused:
            self.told("reload refused", f"{each.key} from {each.before} to {each.after} is {_WAYS[each.way]}")
        if not refused:
            self.told("reload", ", ".join(f"{each.key} {each.before} -> {each.after}" for each in found) or "no change")
        if refused or not found:
            return False
        self.settings = after
        return True

    def unwanted(self) -> None:
        """Somebody asked for the end itself, perhaps since."""
        self.settings = None


_WAYS = {"looser": "looser: that needs a restart", "other": "neither tighter nor looser: that needs a restart"}

#: Bytes in a unix socket's path, as Linux has it.
_LONGEST_SOCKET = 107

#: Flags that are settings under a shorter name.
_FLAGS = {
    "journal": "daemon.journal", "bridge": "bridge.address", "clock": "daemon.clock", "risk": "risk.rules",
    "dead_man": "bridge.dead_man",
}  # fmt: skip


def _request(args: argparse.Namespace, settings: Settings) -> RunRequest:
    """What to run. Raises ValueError or OSError for what can't be."""
    from bridge.client import tcp_address
    from bridge.server import BridgeSettings
    from config.desk import desk_rules
    from daemon.run import RunRequest

    if args.speed <= 0:
        raise ValueError(f"speed {args.speed:g} must be above 0")
    wire = settings.bridge
    tcp = tcp_address(wire.address)
    secret = secret_of("CALLBOARD_BRIDGE_SECRET", wire.secret_file, "bridge_secret").encode()
    if tcp is None and (length := len(os.fsencode(wire.address))) > _LONGEST_SOCKET:
        raise ValueError(f"bridge.address {wire.address} has {length} bytes; {_LONGEST_SOCKET} is a socket's longest")
    if tcp is not None and len(secret) < 16:
        raise ValueError("CALLBOARD_BRIDGE_SECRET must have 16 bytes or more for TCP")
    served = settings.order_queue_api
    api = (served.host, served.port) if args.api is None else tcp_address(args.api)
    if api is None:
        raise ValueError(f"{args.api!r} is not host:port")
    if args.no_api or (args.api is None and not served.enabled):
        api = None
    bridge = BridgeSettings(
        unix=Path(wire.address) if tcp is None else None, tcp=tcp, secret=secret,
        dead_man_seconds=wire.dead_man.total_seconds(), handshake_seconds=wire.handshake.total_seconds(),
        silent_seconds=wire.silent.total_seconds(), subscribe=_subscribe(args, settings),
    )  # fmt: skip
    return RunRequest(
        journal=Path(settings.daemon.journal), bridge=bridge, clock=settings.daemon.clock, speed=args.speed,
        risk=settings.risk.rules, rules=desk_rules(settings), script=args.script, once=args.once, api=api,
        tokens=None if api is None else _tokens(settings.order_queue_api.auth_token_file, settings.daemon.journal),
        api_settings=_api_settings(settings),
    )  # fmt: skip


def _subscribe(args: argparse.Namespace, settings: Settings) -> protocol.Subscribe | None:
    """What LEAN shall subscribe: what the flags and the script name; None where they name nothing."""
    from actors.options.contracts import INDEX_ROOTS, Contract, parse_symbol
    from bridge import protocol
    from bridge.paper.data import parse_filter
    from config.desk import LEAN_RULES, desk_rules
    from daemon.replay.script import read_script, symbols_of

    chains = tuple(parse_filter(text) for text in args.subscribe)
    symbols: dict[str, None] = {}
    if args.script is not None:
        rules = LEAN_RULES if settings.risk.rules == "lean" else desk_rules(settings)
        for line in read_script(args.script, rules.default_time_in_force):
            symbols |= dict.fromkeys(symbols_of(line.command))
    options = [symbol for symbol in symbols if isinstance(parse_symbol(symbol), Contract)]
    named = [symbol for symbol in symbols if symbol not in options]
    roots = [INDEX_ROOTS.get(chain.root, chain.root) for chain in chains]
    written_on = [INDEX_ROOTS.get(symbol[:6].strip(), symbol[:6].strip()) for symbol in options]
    underlyings = tuple(dict.fromkeys([*args.underlying, *roots, *named, *written_on]))
    if not underlyings:
        return None
    return protocol.Subscribe(underlyings, chains, tuple(options), tuple(INDEX_ROOTS.items()))


def _api_settings(settings: Settings) -> ApiSettings:
    from daemon.api import ApiSettings

    api = settings.order_queue_api
    return ApiSettings(
        origins=frozenset(api.cors_origins), hosts=frozenset(name.lower() for name in api.hosts),
        requests_per_second=api.requests_per_second, burst=api.burst, feed=api.enable_websocket,
    )  # fmt: skip


def _tokens(file: str, journal: str) -> Tokens:
    from daemon.tokens import Tokens

    return Tokens(
        {
            "admin": secret_of("CALLBOARD_AUTH_TOKEN", file, "auth_token"),
            "trader": os.environ.get("CALLBOARD_TRADER_TOKEN", ""),
            "viewer": os.environ.get("CALLBOARD_VIEWER_TOKEN", ""),
        },
        Path(f"{journal}.tokens"),
    )


def secret_of(variable: str, file: str, credential: str) -> str:
    """A secret from the environment, else from its own file, else from systemd's credentials; '' where there is none.

    Raises OSError for a file that can't be read, ValueError for one that others may read.
    """
    if value := os.environ.get(variable, ""):
        return value
    given = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(file) if file else Path(given) / credential
    if not file and not (given and path.exists()):
        return ""
    if file and path.stat().st_mode & 0o077:
        raise ValueError(f"{path} can be read by others: chmod 600 it")
    return path.read_text().strip()
