"""Verbs that control: the breaker, the actors, and who may do what."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Iterator
from typing import Any

from daemon.cli import USAGE
from daemon.cli.client import Answered, Subparsers, Verb, ask, instant, nothing, pairs, quoted, register, table


def add_parser(subparsers: Subparsers) -> None:
    """Register the verbs."""
    register(subparsers, VERBS)


def _halt(args: argparse.Namespace) -> Any:
    return ask(args, "POST", "/breaker/halt", {"level": args.level, "reason": args.reason})


def _breaker(args: argparse.Namespace) -> Any:
    if args.reset or args.confirm:
        return ask(args, "POST", "/breaker/reset", {"reason": args.reset, "phrase": args.confirm})
    return ask(args, "GET", "/breaker")


def _actors(args: argparse.Namespace) -> Any:
    return ask(args, "GET", "/actors")


def _kill(args: argparse.Namespace) -> Any:
    return ask(args, "POST", f"/actors/{quoted(args.name)}/kill")


def _token(args: argparse.Namespace) -> Any:
    if args.action == "new":
        return {"token": f"cb_{secrets.token_urlsafe(32)}"}
    if args.action == "list":
        return ask(args, "GET", "/tokens")
    if not args.name:
        raise Answered(USAGE, f"{args.action} needs the token's name")
    if args.action == "revoke":
        return ask(args, "DELETE", f"/tokens/{quoted(args.name)}")
    return ask(args, "POST", "/tokens", {"name": args.name, "role": args.role})


def _halt_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reason", help="why; it stays in the journal")
    parser.add_argument("--level", type=int, default=3, choices=range(1, 6), help="1 to 5 (3: reduce-only)")


def _breaker_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reset", default="", metavar="REASON", help="first step; prints the phrase")
    parser.add_argument("--confirm", default="", metavar="PHRASE", help="second step")


def _token_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=("new", "list", "create", "revoke"),
        help="new: a strong one for the first start, without a daemon; list, create and revoke ask the daemon",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", help="whose it is; the journal shows it")
    parser.add_argument(
        "--role", choices=("viewer", "trader", "admin"), default="viewer", help="what it may do (viewer)"
    )


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the actor or edge")


def _skip(args: argparse.Namespace) -> Any:
    return ask(args, "POST", f"/actors/{quoted(args.name)}/skip", {"seq": args.seq, "reason": args.reason})


def _skip_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the actor that stopped")
    parser.add_argument("seq", type=int, help="the fact that it failed on, as `callboard actors` shows (0: an input)")
    parser.add_argument("reason", help="why it may be passed over; it stays in the journal")


def _show_breaker(found: Any, args: argparse.Namespace) -> str:
    if "phrase" in found:
        return f"to reset, confirm: callboard breaker --confirm '{found['phrase']}'"
    return pairs([
        ("level", f"{found['level']} {found['level_name']}"), ("reason", found["reason"]), ("by", found["by"]),
        ("since", instant(found["since"])),
    ])  # fmt: skip


def nodes(node: dict[str, Any], depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """A tree's nodes with their depth, each before its children."""
    yield depth, node
    for child in node["children"]:
        yield from nodes(child, depth + 1)


def _show_actors(found: Any, args: argparse.Namespace) -> str:
    columns = (
        ("actor", lambda row: "  " * row[0] + row[1]["name"]), ("kind", lambda row: row[1]["kind"]),
        ("state", lambda row: row[1]["state"]), ("turns", lambda row: row[1]["turns"]),
        ("us a turn", lambda row: _micros(row[1])), ("failures", lambda row: row[1]["failures"]),
        ("restarts", lambda row: row[1]["restarts"]), ("last fact", lambda row: row[1]["last_sequence"]),
        ("failed at", lambda row: row[1]["failed_at"]),
    )  # fmt: skip
    return table(list(nodes(found)), columns, "nothing runs")


def _micros(node: dict[str, Any]) -> str | None:
    return f"{node['seconds'] / node['turns'] * 1e6:.0f}" if node["turns"] else None


def _show_killed(found: Any, args: argparse.Namespace) -> str:
    return f"{found['name']} was killed" + (" and failed again" if found["failed"] else "; it goes on")


def _show_skipped(found: Any, args: argparse.Namespace) -> str:
    return f"{found['name']} was signed past {found['seq']}" + (
        " and failed again" if found["failed"] else "; it goes on"
    )


def _show_token(found: Any, args: argparse.Namespace) -> str:
    if isinstance(found, dict):
        return str(found["token"])
    columns = (
        ("name", lambda row: row["name"]), ("role", lambda row: row["role"]), ("source", lambda row: row["source"]),
        ("since", lambda row: instant(row["created_at"])),
    )  # fmt: skip
    return table(found, columns, "nobody has a token")


def _mend(args: argparse.Namespace) -> Any:
    body = {"way": args.way, "reason": args.reason}
    return ask(args, "POST", f"/positions/{quoted(args.position)}/mend", body)


def _mend_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("position", help="the position, as `callboard positions` shows it broken")
    parser.add_argument(
        "way", choices=("complete", "unwind", "keep"), help="what to do with the legs that stand unequal"
    )
    parser.add_argument("reason", help="why; it stays in the journal")


def _show_mended(found: Any, args: argparse.Namespace) -> str:
    left = ", ".join(f"{each['order_id']} {each['phase']}" for each in found["broken"])
    return f"{found['position_id']}: {left or 'nothing is broken'}"


VERBS = (
    Verb("halt", "raise the breaker", _halt_arguments, _halt, _show_breaker),
    Verb(
        "breaker",
        "the breaker; --reset and --confirm lower it in two steps",
        _breaker_arguments,
        _breaker,
        _show_breaker,
    ),
    Verb("actors", "what runs, with turns, failures and restarts", nothing, _actors, _show_actors),
    Verb("skip", "sign a stopped actor past what it failed on", _skip_arguments, _skip, _show_skipped),
    Verb("mend", "legs that stand unequal: complete, unwind or keep them", _mend_arguments, _mend, _show_mended),
    Verb("token", "tokens: make one for the start, list, create, revoke", _token_arguments, _token, _show_token),
    Verb("kill", "kill an actor, which folds its state anew, or an edge, which restarts", _name, _kill, _show_killed),
)
