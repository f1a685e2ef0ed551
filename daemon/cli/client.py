"""What all verbs that talk to a running daemon share: the request, exit codes, tables. Standard library only."""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from daemon.cli import CONFLICT, FAILED, NOT_FOUND, OK, REFUSED, UNKNOWN, UNREACHABLE, USAGE
from daemon.cli.order_text import OrderTextError

Subparsers = Any
DEFAULT_API = "http://127.0.0.1:8080"

_CODES = {
    400: USAGE, 401: REFUSED, 403: REFUSED, 404: NOT_FOUND, 409: CONFLICT, 412: CONFLICT, 422: REFUSED, 429: REFUSED,
    503: REFUSED,
}  # fmt: skip


class Verb(NamedTuple):
    """A verb: its help and arguments, what it asks of the daemon, how people read the answer, and its exit code."""

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    call: Callable[[argparse.Namespace], Any]
    show: Callable[[Any, argparse.Namespace], str]
    code: Callable[[Any], int] = lambda found: OK


class Answered(Exception):
    """The daemon refused, or could not be reached: the exit code and the words for people."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def register(subparsers: Subparsers, verbs: Sequence[Verb]) -> None:
    """Give each verb a parser of its own."""
    for verb in verbs:
        parser = subparsers.add_parser(
            verb.name, help=verb.help, description=verb.help[0].upper() + verb.help[1:] + "."
        )
        add_client_arguments(parser)
        verb.configure(parser)
        parser.set_defaults(run=lambda args, verb=verb: _run(verb, args))


def add_client_arguments(parser: argparse.ArgumentParser) -> None:
    """Which daemon, for how long, and in which form."""
    parser.add_argument("--api", metavar="URL", help=f"the daemon (CALLBOARD_API, else {DEFAULT_API})")
    parser.add_argument("--timeout", type=float, default=15.0, metavar="S", help="seconds to wait (15)")
    parser.add_argument("--json", action="store_true", help="for machines")


def nothing(parser: argparse.ArgumentParser) -> None:
    """For verbs without arguments of their own."""


def _run(verb: Verb, args: argparse.Namespace) -> int:
    try:
        found = verb.call(args)
    except OrderTextError as error:
        print(f"callboard {verb.name}: {error}", file=sys.stderr)
        return USAGE
    except Answered as answered:
        print(f"callboard {verb.name}: {answered}", file=sys.stderr)
        return answered.code
    print(json.dumps(found) if args.json else verb.show(found, args))
    return verb.code(found)


def address_of(args: argparse.Namespace) -> str:
    """The daemon's address without a slash at its end."""
    return (args.api or os.environ.get("CALLBOARD_API", "") or DEFAULT_API).rstrip("/")


def token() -> str:
    """The token that this shell has; '' where none."""
    return os.environ.get("CALLBOARD_TOKEN") or os.environ.get("CALLBOARD_AUTH_TOKEN", "")


def ask(
    args: argparse.Namespace, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> Any:
    """One request below /api/v1; what was answered, None for an empty answer. Raises Answered."""
    address = address_of(args)
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/api/v1{path}", data, dict(headers or {}), method=method)
    request.add_header("authorization", f"Bearer {token()}")
    if data is not None:
        request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=args.timeout) as response:
            content = response.read()
            return json.loads(content) if content else None
    except urllib.error.HTTPError as error:
        try:
            said = json.load(error)
        except ValueError:
            said = {"code": "", "detail": error.reason}
        code = UNKNOWN if said.get("code") == "outcome_unknown" else _CODES.get(error.code, FAILED)
        raise Answered(code, f"{said.get('detail', '')}{_hint(error.code)}") from None
    except TimeoutError:
        raise Answered(
            UNKNOWN,
            f"{address} did not answer in {args.timeout:g} s: whether it was taken is not known; "
            "ask again with the same id",
        ) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise Answered(
            UNREACHABLE, f"no daemon at {address}: {reason}; start one with `callboard run --api`, or name it by --api"
        ) from None
    except ValueError as error:
        raise Answered(FAILED, f"{address} answered what is no JSON: {error}") from None


def _hint(status: int) -> str:
    if status == 401:
        return "; set CALLBOARD_TOKEN to a token of this daemon"
    if status == 403:
        return "; this needs a token of a higher role"
    return "; wait a moment" if status == 429 else ""


def quoted(text: str) -> str:
    """A path's part."""
    return urllib.parse.quote(text, safe="")


def query(pairs: Iterable[tuple[str, object]]) -> str:
    """'?a=1&b=2' of the pairs that have a value."""
    kept = [(name, value) for name, value in pairs if value not in (None, "", False)]
    return "?" + urllib.parse.urlencode(
        [(name, str(value).lower() if value is True else value) for name, value in kept]
    )


# --- for people -------------------------------------------------------------------------------------------------

Cell = Callable[[Any], Any]


def table(rows: Sequence[Any], columns: Sequence[tuple[str, Cell]], none: str) -> str:
    """Rows as aligned text, numbers to the right; `none` where there are none. What is not known is a dash."""
    if not rows:
        return none
    cells = [[known(cell(row)) for _, cell in columns] for row in rows]
    widths = [max(len(name), *(len(line[place]) for line in cells)) for place, (name, _) in enumerate(columns)]
    right = [
        all(_numeric(line[place]) for line in cells) and any(line[place] != "-" for line in cells)
        for place in range(len(columns))
    ]

    def line(words: Sequence[str]) -> str:
        return "  ".join(
            word.rjust(width) if flush else word.ljust(width)
            for word, width, flush in zip(words, widths, right, strict=True)
        ).rstrip()

    return "\n".join([line([name for name, _ in columns]), *(line(each) for each in cells)])


def pairs(found: Iterable[tuple[str, Any]]) -> str:
    """Names and values, one a line, values aligned."""
    lines = [(name, known(value)) for name, value in found]
    width = max((len(name) for name, _ in lines), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in lines)


def known(value: Any) -> str:
    """A value in words; what is not known is a dash, never a zero."""
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:.0f}"
    return ", ".join(map(known, value)) if isinstance(value, list | tuple) else str(value)


def instant(text: str | None) -> str:
    """A UTC time as 2015-12-24 15:04:05."""
    return "-" if text is None else text[:19].replace("T", " ")


def percent(value: float | None) -> str:
    """A fraction as a percentage."""
    return "-" if value is None else f"{value * 100:.0f}%"


def _numeric(text: str) -> bool:
    return text == "-" or (text[:1] in "+-0123456789." and not any(mark in text for mark in " :"))
