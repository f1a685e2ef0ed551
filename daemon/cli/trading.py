"""Verbs that trade: submit, preview, amend, cancel, close, exercise, and what became of orders."""

from __future__ import annotations

import argparse
import uuid
from typing import Any

from daemon.cli import OK, REFUSED
from daemon.cli.client import Subparsers, Verb, ask, instant, known, pairs, percent, query, quoted, register, table
from daemon.cli.order_text import legs_text, parse_order

_STATES_HELP = "only these states; may be repeated"


def add_parser(subparsers: Subparsers) -> None:
    """Register the verbs."""
    register(subparsers, VERBS)


def _id(given: str | None) -> str:
    return given or f"cli-{uuid.uuid4().hex[:16]}"


def _body(args: argparse.Namespace) -> dict[str, Any]:
    quantity, legs = parse_order(args.order)
    body = {
        "order_id": _id(args.id), "legs": legs, "quantity": quantity, "limit_price": args.limit,
        "time_in_force": args.time_in_force, "position_id": args.position, "tag": args.tag,
        "allow_netting": args.allow_netting,
    }  # fmt: skip
    if args.ttl is not None:
        body["ttl_seconds"] = args.ttl
    return {name: value for name, value in body.items() if value not in (None, "")}


def _submit(args: argparse.Namespace) -> Any:
    if args.preview:
        return _preview(args)
    return ask(args, "POST", f"/orders{query([('wait', args.wait)])}", _body(args))


def _preview(args: argparse.Namespace) -> Any:
    return ask(args, "POST", "/orders/preview", _body(args))


def _amend(args: argparse.Namespace) -> Any:
    changes = {"limit_price": args.limit, "quantity": args.quantity}
    headers = {"if-match": f'"{args.version}"'} if args.version is not None else {}
    wanted = {name: value for name, value in changes.items() if value is not None}
    return ask(args, "PATCH", f"/orders/{quoted(args.id)}", wanted, headers)


def _cancel(args: argparse.Namespace) -> Any:
    return ask(args, "DELETE", "/orders" if args.id == "all" else f"/orders/{quoted(args.id)}")


def _close(args: argparse.Namespace) -> Any:
    body = {
        "order_id": _id(args.id), "units": args.units, "limit_price": args.limit, "price": args.price,
        "legs": args.legs,
    }  # fmt: skip
    wanted = {name: value for name, value in body.items() if value is not None}
    return ask(args, "POST", f"/positions/{quoted(args.position)}/close{query([('wait', args.wait)])}", wanted)


def _exercise(args: argparse.Namespace) -> Any:
    if args.symbol is None:
        return ask(args, "GET", "/exercises")
    quantity, legs = parse_order(f"{args.quantity} {args.symbol}")
    body = {"exercise_id": _id(args.id), "symbol": legs[0]["symbol"], "quantity": quantity}
    return ask(args, "POST", "/exercises", body)


def _orders(args: argparse.Namespace) -> Any:
    wanted = [("state", state) for state in args.state] + [("limit", args.limit), ("underlying", args.underlying)]
    return ask(args, "GET", f"/orders{query([*wanted, ('live', args.live)])}")["orders"]


def _order(args: argparse.Namespace) -> Any:
    return ask(args, "GET", f"/orders/{quoted(args.id)}")


# --- arguments --------------------------------------------------------------------------------------------------


def _order_arguments(parser: argparse.ArgumentParser, limit: bool) -> None:
    parser.add_argument("order", help="e.g. '2 GOOG 2016-01-15 +735P -745P -755C +765C'")
    parser.add_argument("--limit", required=limit, metavar="P", help="per share; negative: received at least")
    parser.add_argument("--id", help="the key under which it is made once (made up where missing)")
    parser.add_argument("--time-in-force", choices=("day", "gtc"), default="day")
    parser.add_argument("--position", default="", metavar="ID", help="the position that it changes")
    parser.add_argument("--tag", default="", help="a word of yours that stays with it")
    parser.add_argument("--ttl", type=float, metavar="S", help="seconds after which it is cancelled")
    parser.add_argument("--allow-netting", action="store_true", help="though a leg is held the other way elsewhere")


def _submit_arguments(parser: argparse.ArgumentParser) -> None:
    _order_arguments(parser, True)
    _wait(parser)
    parser.add_argument("--preview", action="store_true", help="only show what it would do")


def _wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", choices=("decided", "sent", "final"), help="answer when that is known")


def _preview_arguments(parser: argparse.ArgumentParser) -> None:
    _order_arguments(parser, False)


def _amend_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the order's id")
    parser.add_argument("--limit", metavar="P")
    parser.add_argument("--quantity", type=int, help="the new total, what is filled included")
    parser.add_argument("--version", type=int, help="only where it is still this version of the order")


def _cancel_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the order's id, or 'all'")


def _close_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("position", help="the position's id")
    parser.add_argument("--units", type=int, help="only so many (all)")
    parser.add_argument(
        "--legs", choices=("all", "short", "long"), default="all",
        help="under a halt where legs fill apart: buy back the short ones first, then sell the long (all)",
    )  # fmt: skip
    parser.add_argument("--limit", metavar="P", help="per share of a unit (taken from the market where missing)")
    parser.add_argument("--price", choices=("mid", "natural"), default="mid", help="which price of the market (mid)")
    parser.add_argument("--id", help="the key under which it is made once")
    _wait(parser)


def _exercise_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbol", nargs="?", help="e.g. 'GOOG 2016-01-15 +735C'; without: what was exercised")
    parser.add_argument("--quantity", type=int, default=1, help="contracts (1)")
    parser.add_argument("--id", help="the key under which it is done once")


def _orders_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", action="append", default=[], help=_STATES_HELP)
    parser.add_argument("--live", action="store_true", help="only what is not ended")
    parser.add_argument("--underlying", metavar="U")
    parser.add_argument("--limit", type=int, default=100, help="at most so many (100)")


def _id_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the order's id")


# --- for people -------------------------------------------------------------------------------------------------


def _words(order: dict[str, Any]) -> str:
    body = order["body"]
    return f"{body['quantity']} {legs_text((leg['symbol'], leg['ratio']) for leg in body['legs'])}"


_COLUMNS = (
    ("order", lambda row: row["order_id"]),
    ("state", lambda row: row["state"] + ("" if row["amend"] == "none" else f" (amend {row['amend']})")),
    ("what", _words),
    ("limit", lambda row: row["body"]["limit_price"]),
    ("filled", lambda row: "/".join(map(str, row["filled"])) or "0"),
    ("queued", lambda row: instant(row["queued_at"])),
    ("reason", lambda row: row["reason"]),
)


def _show_orders(found: Any, args: argparse.Namespace) -> str:
    return table([found] if isinstance(found, dict) else found, _COLUMNS, "no orders")


def _show_canceled(found: Any, args: argparse.Namespace) -> str:
    if "live_orders" in found:
        return f"cancel asked for; {found['live_orders']} orders are not yet ended"
    return _show_orders(found, args)


def _show_order(found: Any, args: argparse.Namespace) -> str:
    lines = [_show_orders(found, args), ""]
    for entry in found["history"]:
        plain = {name: value for name, value in entry["fact"].items() if not isinstance(value, dict | list)}
        said = "  ".join(
            f"{name}={known(value)}" for name, value in plain.items() if name != "order_id" and value != ""
        )
        lines.append(f"{entry['sequence']:>8}  {instant(entry['at'])}  {entry['kind'].partition('.')[2]:<18}  {said}")
        lines += [f"{'':>30}{reason['message']}" for reason in entry["fact"].get("reasons", [])]
    return "\n".join(lines)


def _show_preview(found: Any, args: argparse.Namespace) -> str:
    verdict = found["verdict"]
    lines = [
        found["sentence"], "",
        pairs([
            ("limit", found["limit_price"]), ("mid", found["mid"]), ("natural", found["natural"]),
            ("far", found["far"]),
            ("fees", found["fees"]), ("most it makes", found["maximum_profit"]),
            ("most it loses", found["maximum_loss"]), ("break-evens", found["break_evens"]),
            ("chance of profit", percent(found["probability_of_profit"])), ("expected value", found["expected_value"]),
            ("buying power", found["buying_power_effect"]),
            ("worst scenario", found["scenario_change"]),
        ]),
        "", "risk lets it pass" if verdict["approved"] else "risk would deny it:",
    ]  # fmt: skip
    return "\n".join(lines + [f"  {reason['message']}" for reason in verdict["reasons"]])


def _show_exercises(found: Any, args: argparse.Namespace) -> str:
    columns = tuple(
        (name, lambda row, name=name: row[name]) for name in ("exercise_id", "symbol", "quantity", "state", "reason")
    )
    return table([found] if isinstance(found, dict) else found, columns, "nothing was exercised")


def _show_submitted(found: Any, args: argparse.Namespace) -> str:
    return _show_preview(found, args) if args.preview else _show_orders(found, args)


def _refused(found: Any) -> int:
    """A script must not take a denied order for a made one."""
    return REFUSED if found.get("state") in ("denied", "rejected") else OK


VERBS = (
    Verb("submit", "submit an order in one line", _submit_arguments, _submit, _show_submitted, _refused),
    Verb("preview", "what an order would cost, make, lose and be judged", _preview_arguments, _preview, _show_preview),
    Verb("orders", "orders, the oldest first", _orders_arguments, _orders, _show_orders),
    Verb("order", "one order with its whole history", _id_argument, _order, _show_order),
    Verb("amend", "change a working order", _amend_arguments, _amend, _show_orders),
    Verb("cancel", "cancel an order, or all", _cancel_arguments, _cancel, _show_canceled),
    Verb("close", "close a position, or some units of it", _close_arguments, _close, _show_orders, _refused),
    Verb("exercise", "exercise long contracts, or list what was", _exercise_arguments, _exercise, _show_exercises),
)
