"""`callboard service`: the systemd unit that runs the daemon, printed, installed and checked."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAME = "callboard.service"

_UNIT = """\
[Unit]
Description=Callboard options-trading daemon
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
WatchdogSec=30
NotifyAccess=main
ExecStart={program} run --journal %S/callboard/journal --bridge %t/callboard/bridge.sock --api 127.0.0.1:8080
ExecReload=/bin/kill -HUP $MAINPID
EnvironmentFile=/etc/callboard/environment
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=78
TimeoutStartSec=120
TimeoutStopSec=10
KillMode=mixed
OOMPolicy=stop
LimitNOFILE=4096

DynamicUser=yes
StateDirectory=callboard
StateDirectoryMode=0700
RuntimeDirectory=callboard
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
ProcSubset=pid
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
CapabilityBoundingSet=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
IPAddressDeny=any
IPAddressAllow=localhost

[Install]
WantedBy=multi-user.target
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser("service", help="the systemd unit: show, check or install it")
    parser.add_argument("action", choices=("show", "check", "install"))
    parser.add_argument(
        "--directory", type=Path, default=Path("/etc/systemd/system"), metavar="DIR",
        help="where to install it (/etc/systemd/system)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(run=run)


def unit(program: Path) -> str:
    """The unit's text for this program; homes stay readable only where it, or its Python, lies in one."""
    needed = (program, Path(sys.executable).resolve(), Path(sys.prefix).resolve())
    inside = any(path.is_relative_to(home) for path in needed for home in ("/home", "/root"))
    return _UNIT.format(program=_quoted(str(program)), home="read-only" if inside else "yes")


def _quoted(text: str) -> str:
    """The first word of ExecStart, in which no variable is looked for. Quotes in a path systemd does not take."""
    text = text.replace("%", "%%")
    return f'"{text}"' if " " in text else text


def run(args: argparse.Namespace) -> int:
    """0: done; 1: can't be written, or not be run by its path; 64: systemd-analyze found fault with it, or is not there
    to be asked for a check."""
    program = Path(sys.argv[0]).resolve()
    if args.action == "install" and not os.access(program, os.X_OK):
        print(f"callboard service: {program} can't be run by a service: call callboard by its name", file=sys.stderr)
        return 1
    text = unit(program)
    if args.action == "show":
        print(json.dumps({"unit": text}) if args.json else text, end="\n" if args.json else "")
        return 0
    if args.action == "install":
        try:
            (args.directory / NAME).write_text(text)
        except OSError as error:
            print(f"callboard service: {error}", file=sys.stderr)
            return 1
        print(
            f"wrote {args.directory / NAME}; put CALLBOARD_AUTH_TOKEN=... into /etc/callboard/environment (mode 0600)"
        )
        if shutil.which("systemd-analyze") is None:
            print("callboard service: systemd-analyze is not here, the unit was not checked", file=sys.stderr)
            return 0
    return _check(text, args.json)


def _check(text: str, machine: bool) -> int:
    if shutil.which("systemd-analyze") is None:
        print("callboard service: systemd-analyze is not here, the unit was not checked", file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        path.write_text(text)
        verify = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
        sys.stderr.write(verify.stderr)
        security = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", str(path)], capture_output=True, text=True, check=False
        )
        said = security.stdout.strip().splitlines()[-1] if security.stdout.strip() else security.stderr.strip()
        print(json.dumps({"verified": verify.returncode == 0, "exposure": said}) if machine else said)
    return 0 if verify.returncode == 0 else 64
