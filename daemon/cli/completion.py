"""`callboard completion SHELL` and `callboard version`: what a shell and a bug report need."""

from __future__ import annotations

import argparse
import json
import platform
from typing import Any

from daemon.cli import OK

Subparsers = Any
_SHELLS = ("bash", "zsh", "tcsh")


def add_parser(subparsers: Subparsers) -> None:
    """Register both verbs."""
    completion = subparsers.add_parser(
        "completion",
        help="a script that completes this command in your shell",
        description="Prints it: source <(callboard completion bash), or write it where your shell looks.",
    )
    completion.add_argument("shell", choices=_SHELLS)
    completion.set_defaults(run=_completion)
    version = subparsers.add_parser("version", help="versions of callboard, Python and what it stands on")
    version.add_argument("--json", action="store_true", help="for machines")
    version.set_defaults(run=_version)


def _completion(args: argparse.Namespace) -> int:
    import shtab

    from daemon.cli import build_parser

    print(shtab.complete(build_parser(), args.shell))
    return OK


def _version(args: argparse.Namespace) -> int:
    from importlib.metadata import version

    from bridge import protocol

    names = ("trio", "msgspec", "starlette", "hypercorn", "numpy", "scipy")
    found = {
        "callboard": version("callboard"), "wire": str(protocol.VERSION), "python": platform.python_version(),
        **{name: version(name) for name in names},
    }  # fmt: skip
    print(json.dumps(found) if args.json else "\n".join(f"{name} {each}" for name, each in found.items()))
    return OK
