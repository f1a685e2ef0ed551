"""The verbs that talk to a running daemon over its control API. Standard library only; they decide nothing."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from daemon.cli import CONFLICT, FAILED, NOT_FOUND, OK, REFUSED, UNKNOWN, UNREACHABLE, USAGE

Subparsers = Any
_LEG = re.compile(r"^([+-])(?:(\d+)x)?(\d+(?:\.\d+)?)([CP])$")


class OrderTextError(ValueError):
    """A one-line order that can't be read; the message says which word and what is expected."""


class _Answered(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def parse_order(text: str) -> tuple[int, list[dict[str, Any]]]:
    """Quantity and legs of '2 GOOG 2016-01-15 +735P -745P -755C +765C'; a ratio above 1 is written -2x750C.

    Raises OrderTextError.
    """
    words = text.split()
    if len(words) < 4:
        raise OrderTextError(f"{text!r} is not like '2 GOOG 2016-01-15 +735P -745P'")
    quantity, root, date, *legs = words
    if not quantity.isdecimal() or int(quantity) == 0:
        raise OrderTextError(f"quantity {quantity!r} is not a whole number above 0")
    try:
        expiry = dt.date.fromisoformat(date)
    except ValueError:
        raise OrderTextError(f"expiry {date!r} is not a date like 2016-01-15") from None
    found: list[dict[str, Any]] = []
    for word in legs:
        match = _LEG.match(word)
        if match is None:
            raise OrderTextError(f"leg {word!r} is not like +735P or -2x750C")
        sign, ratio, strike, right = match.groups()
        thousandths = round(float(strike) * 1000)
        symbol = f"{root.upper():<6}{expiry:%y%m%d}{right}{thousandths:08d}"
        found.append({"symbol": symbol, "ratio": (1 if sign == "+" else -1) * int(ratio or 1)})
    return int(quantity), found


def ask(args: argparse.Namespace, method: str, path: str, body: object = None) -> Any:
    """One request to the daemon; what it answered. Raises _Answered with the exit code and the words for people."""
    address = (args.api or os.environ.get("CALLBOARD_API", "http://127.0.0.1:8080")).rstrip("/")
    token = os.environ.get("CALLBOARD_TOKEN") or os.environ.get("CALLBOARD_AUTH_TOKEN", "")
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, method=method)
    request.add_header("authorization", f"Bearer {token}")
    request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=args.timeout) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        try:
            said = json.load(error)
        except ValueError:
            said = {"code": "", "detail": error.reason}
        hint = "; set CALLBOARD_TOKEN to a token of this daemon" if error.code == 401 else ""
        raise _Answered(_exit_code(error.code, said.get("code", "")), f"{said.get('detail', '')}{hint}") from None
    except TimeoutError:
        raise _Answered(UNKNOWN, f"{address} did not answer in {args.timeout:g} s: whether it was taken is not known; "
                        "ask again with the same id") from None  # fmt: skip
    except OSError as error:
        raise _Answered(UNREACHABLE, f"no daemon at {address}: {error}; start one with `callboard run --api`") from None


def _exit_code(status: int, code: str) -> int:
    if code == "outcome_unknown":
        return UNKNOWN
    return {401: REFUSED, 403: REFUSED, 404: NOT_FOUND, 409: CONFLICT, 412: CONFLICT, 422: REFUSED, 503: REFUSED}.get(
        status, FAILED
    )


def table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    """Rows as aligned text under the columns' names."""
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(len(column), *(len(row[place]) for row in cells), 0) for place, column in enumerate(columns)]
    lines = ["  ".join(column.ljust(width) for column, width in zip(columns, widths, strict=True)).rstrip()]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines)


# --- what each verb does ----------------------------------------------------------------------------------------


def _status(args: argparse.Namespace) -> Any:
    return ask(args, "GET", "/api/v1/status")


def _account(args: argparse.Namespace) -> Any:
    return ask(args, "GET", "/api/v1/account")


def _holdings(args: argparse.Namespace) -> Any:
    return ask(args, "GET", "/api/v1/holdings")


def _positions(args: argparse.Namespace) -> Any:
    return ask(args, "GET", "/api/v1/positions")


def _orders(args: argparse.Namespace) -> Any:
    query = urllib.parse.urlencode([("state", state) for state in args.state] + [("limit", args.limit)])
    return ask(args, "GET", f"/api/v1/orders?{query}")["orders"]


def _order(args: argparse.Namespace) -> Any:
    return ask(args, "GET", _path(args))


def _submit(args: argparse.Namespace) -> Any:
    quantity, legs = parse_order(args.order)
    body = {
        "order_id": args.id or uuid.uuid4().hex[:16], "legs": legs, "quantity": quantity, "limit_price": args.limit,
        "time_in_force": args.time_in_force, "position_id": args.position,
    }  # fmt: skip
    return ask(args, "POST", "/api/v1/orders" + (f"?wait={args.wait}" if args.wait else ""), body)


def _amend(args: argparse.Namespace) -> Any:
    changes = {"limit_price": args.limit, "quantity": args.quantity}
    return ask(args, "PATCH", _path(args), {name: value for name, value in changes.items() if value is not None})


def _cancel(args: argparse.Namespace) -> Any:
    return ask(args, "DELETE", "/api/v1/orders" if args.id == "all" else _path(args))


def _halt(args: argparse.Namespace) -> Any:
    return ask(args, "POST", "/api/v1/breaker/halt", {"level": args.level, "reason": args.reason})


def _breaker(args: argparse.Namespace) -> Any:
    if args.reset or args.confirm:
        return ask(args, "POST", "/api/v1/breaker/reset", {"reason": args.reset, "phrase": args.confirm})
    return ask(args, "GET", "/api/v1/breaker")


def _actors(args: argparse.Namespace) -> Any:
    return [node for node in _nodes(ask(args, "GET", "/api/v1/actors")) if node["kind"] in ("actor", "edge", "core")]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A tree's nodes, each before its children."""
    yield {key: value for key, value in node.items() if key != "children"}
    for child in node["children"]:
        yield from _nodes(child)


def _kill(args: argparse.Namespace) -> Any:
    return ask(args, "POST", f"/api/v1/actors/{urllib.parse.quote(args.name, safe='')}/kill")


def _path(args: argparse.Namespace) -> str:
    return f"/api/v1/orders/{urllib.parse.quote(args.id, safe='')}"


_NODE_COLUMNS = ("name", "kind", "state", "turns", "seconds", "failures", "restarts")
_ORDER_COLUMNS = ("order_id", "state", "amend", "filled", "reason")
_VERBS: dict[str, tuple[str, Callable[[argparse.Namespace], Any], tuple[str, ...]]] = {
    "status": ("how the daemon does", _status, ()),
    "account": ("cash, value and results, ours and LEAN's", _account, ()),
    "holdings": ("what is held, net", _holdings, ("symbol", "quantity", "average")),
    "positions": ("open positions", _positions, ("position_id", "holdings", "cash", "fees")),
    "orders": ("orders, the oldest first", _orders, _ORDER_COLUMNS),
    "order": ("one order with its whole history", _order, ()),
    "submit": ("submit an order in one line", _submit, _ORDER_COLUMNS),
    "amend": ("change a working order", _amend, _ORDER_COLUMNS),
    "cancel": ("cancel an order, or all", _cancel, _ORDER_COLUMNS),
    "halt": ("raise the breaker", _halt, ()),
    "breaker": ("the breaker's level; --reset and --confirm lower it in two steps", _breaker, ()),
    "actors": (
        "the actors, their turns and failures",
        _actors,
        _NODE_COLUMNS,
    ),
    "kill": ("drop an actor's state and fold it anew", _kill, ()),
}

VERBS = tuple(_VERBS)


def add_parser(subparsers: Subparsers) -> None:
    """Register all of these verbs."""
    for name, (text, _, _) in _VERBS.items():
        parser = subparsers.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        parser.add_argument("--api", metavar="URL", help="the daemon (CALLBOARD_API, else http://127.0.0.1:8080)")
        parser.add_argument("--timeout", type=float, default=15.0, metavar="S", help="seconds to wait (15)")
        parser.add_argument("--json", action="store_true", help="for machines")
        _arguments(name, parser)
        parser.set_defaults(run=run)


def _arguments(name: str, parser: argparse.ArgumentParser) -> None:
    match name:
        case "orders":
            parser.add_argument("--state", action="append", default=[], help="only these; may be repeated")
            parser.add_argument("--limit", type=int, default=100, help="at most so many (100)")
        case "order" | "cancel":
            parser.add_argument("id", help="the order's id" + (", or 'all'" if name == "cancel" else ""))
        case "submit":
            parser.add_argument("order", help="e.g. '2 GOOG 2016-01-15 +735P -745P -755C +765C'")
            parser.add_argument("--limit", required=True, metavar="P", help="per share; negative: received at least")
            parser.add_argument("--id", help="the key under which it is made once (made up where missing)")
            parser.add_argument("--wait", choices=("decided", "sent", "final"))
            parser.add_argument("--time-in-force", choices=("day", "gtc"), default="day")
            parser.add_argument("--position", default="", metavar="ID", help="the position that it changes")
        case "amend":
            parser.add_argument("id", help="the order's id")
            parser.add_argument("--limit", metavar="P")
            parser.add_argument("--quantity", type=int, help="the new total, what is filled included")
        case "halt":
            parser.add_argument("reason")
            parser.add_argument("--level", type=int, default=3, choices=range(1, 6), help="1 to 5 (3: reduce-only)")
        case "breaker":
            parser.add_argument("--reset", default="", metavar="REASON", help="first step; prints the phrase")
            parser.add_argument("--confirm", default="", metavar="PHRASE", help="second step")
        case "kill":
            parser.add_argument("name", help="the actor")
        case _:
            pass


def run(args: argparse.Namespace) -> int:
    """Ask, and print the answer."""
    _, verb, columns = _VERBS[args.verb]
    try:
        found = verb(args)
    except OrderTextError as error:
        print(f"callboard {args.verb}: {error}", file=sys.stderr)
        return USAGE
    except _Answered as answered:
        print(f"callboard {args.verb}: {answered}", file=sys.stderr)
        return answered.code
    if args.json or (not columns and not isinstance(found, dict)):
        print(json.dumps(found))
    elif columns and (isinstance(found, list) or "order_id" in found):
        print(table(found if isinstance(found, list) else [found], columns))
    else:
        print("\n".join(f"{key}: {value}" for key, value in found.items()))
    return OK
