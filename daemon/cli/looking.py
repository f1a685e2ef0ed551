"""Verbs that look: status, account, holdings, positions, why they are held, chains, facts, the books side by side."""

from __future__ import annotations

import argparse
from typing import Any

from daemon.cli.client import (
    Subparsers,
    Verb,
    ask,
    instant,
    known,
    nothing,
    pairs,
    percent,
    query,
    quoted,
    register,
    table,
)
from daemon.cli.order_text import legs_text


def add_parser(subparsers: Subparsers) -> None:
    """Register the verbs."""
    register(subparsers, VERBS)


def _get(path: str) -> Any:
    return lambda args: ask(args, "GET", path)


def _position(args: argparse.Namespace) -> Any:
    return ask(args, "GET", f"/positions{query([('underlying', args.underlying)])}")


def _explain(args: argparse.Namespace) -> Any:
    one = f"/positions/{quoted(args.position)}"
    return {"position": ask(args, "GET", one), **ask(args, "GET", f"{one}/explain")}


def _chain(args: argparse.Namespace) -> Any:
    if args.underlying is None:
        return ask(args, "GET", "/underlyings")
    return ask(args, "GET", f"/chain/{quoted(args.underlying.upper())}{query([('expiry', args.expiry)])}")


def _facts(args: argparse.Namespace) -> Any:
    wanted = [("subject", each) for each in args.subject] + [("kind", each) for each in args.kind]
    since = [("after", args.after)] if args.after is not None else [("newest", True)]
    stream = f"order/{args.order}" if args.order else None
    return ask(args, "GET", f"/facts{query([*wanted, *since, ('stream', stream), ('limit', args.limit)])}")["facts"]


# --- arguments --------------------------------------------------------------------------------------------------


def _underlying(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--underlying", metavar="U", help="only on this one")


def _id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("position", help="the position's id")


def _chain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("underlying", nargs="?", help="its chain; without: every underlying")
    parser.add_argument("--expiry", metavar="D", help="only this expiry, like 2016-01-15")


def _facts_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--subject", action="append", default=[], help="orders, positions, breaker, ...; may be repeated"
    )
    parser.add_argument("--kind", action="append", default=[], help="e.g. orders.OrderDenied; may be repeated")
    parser.add_argument("--order", metavar="ID", help="only this order's")
    parser.add_argument("--after", type=int, metavar="SEQ", help="behind this sequence (the newest where missing)")
    parser.add_argument("--limit", type=int, default=50, help="at most so many (50)")


# --- for people -------------------------------------------------------------------------------------------------


def _show_status(found: Any, args: argparse.Namespace) -> str:
    age = found["feed_age_seconds"]
    rows = [
        ("market time", instant(found["now"])), ("session", found["session"]), ("connected", found["connected"]),
        ("breaker", f"{found['level']} {found['level_name']}" + (f": {found['reason']}" if found["reason"] else "")),
        ("books agree", found["agrees"]), ("quotes' age", "-" if age is None else f"{age:.1f} s"),
        ("open now", found["open"]), ("live orders", found["live_orders"]), ("unknown", found["unknown_orders"]),
        ("positions", found["open_positions"]), ("orders today", f"{found['orders_today']} of {found['orders_limit']}"),
        ("stopped actors", found["failed"]), ("fact", f"{found['sequence']}, {found['lag']} not yet on disk"),
    ]  # fmt: skip
    return f"{found['line']}\n\n{pairs(rows)}"


_ACCOUNT = (
    ("net liquidation", "net_liquidation"), ("cash", "cash"), ("day on marks", "day_on_marks"),
    ("day on natural", "day_on_natural"), ("excess liquidity", "excess_liquidity"),
    ("buying power used", "buying_power_used"), ("margin used", "margin_used"), ("reserved", "reserved"),
    ("at risk", "at_risk"), ("worst scenario", "worst_scenario"), ("beta delta", "beta_delta"),
    ("realised", "realised"), ("fees", "fees"), ("flows", "flows"),
)  # fmt: skip


def _show_account(found: Any, args: argparse.Namespace) -> str:
    measures = [(name.replace("_", " "), value) for name, value in found["measures"].items()]
    return pairs([*((label, found[name]) for label, name in _ACCOUNT), *measures])


def _show_holdings(found: Any, args: argparse.Namespace) -> str:
    columns = (("symbol", lambda row: row["symbol"]), ("quantity", lambda row: row["quantity"]),
               ("average", lambda row: row["average"]))  # fmt: skip
    return table(found, columns, "nothing is held")


def _legs(position: dict[str, Any]) -> str:
    return legs_text((leg["symbol"], leg["quantity"]) for leg in position["legs"])


_POSITION = (
    ("position", lambda row: row["position_id"]),
    ("what", lambda row: row["strategy"] or "-"),
    ("legs", _legs),
    ("mark", lambda row: row["mark"]),
    ("natural", lambda row: row["natural"]),
    ("P&L", lambda row: row["profit_mark"]),
    ("of max", lambda row: percent(row["profit_of_maximum"])),
    ("DTE", lambda row: row["dte"]),
    ("delta", lambda row: row["measures"]["delta"]),
    ("theta", lambda row: row["measures"]["theta"]),
    ("worst", lambda row: row["maximum_loss"]),
    ("broken", lambda row: ", ".join(each["phase"] for each in row["broken"]) or "-"),
)


def _show_positions(found: Any, args: argparse.Namespace) -> str:
    return table(found, _POSITION, "no open positions")


def _show_explain(found: Any, args: argparse.Namespace) -> str:
    position = found["position"]
    head = f"{position['underlying']} {position['strategy'] or 'position'}  {_legs(position)}"
    rows = [
        ("P&L on marks", position["profit_mark"]), ("on natural", position["profit_natural"]),
        ("most it makes", position["maximum_profit"]), ("most it loses", position["maximum_loss"]),
        ("break-evens", position["break_evens"]), ("short delta", position["short_delta"]),
        ("expected moves to the short strike", position["short_distance"]), ("if we die", position["if_we_die"]),
    ]  # fmt: skip
    columns = (
        ("rule", lambda row: row["rule"]), ("now", lambda row: row["value"]), ("fires at", lambda row: row["limit"]),
        ("distance", lambda row: row["distance"]), ("unit", lambda row: row["unit"]), ("does", lambda row: row["does"]),
    )  # fmt: skip
    rules = table(found["rules"], columns, "no rule can act on it")
    absent = f"\n\nnot watched: {known(found['absent'])}" if found["absent"] else ""
    return f"{head}\n\n{pairs(rows)}\n\n{rules}{absent}"


def _show_chain(found: Any, args: argparse.Namespace) -> str:
    if isinstance(found, list):
        columns = (
            ("underlying", lambda row: row["symbol"]), ("last", lambda row: row["last"]),
            ("open", lambda row: row["open"]),
            ("iv30", lambda row: percent(row["iv30"])), ("contracts", lambda row: row["contracts"]),
            ("expiries", lambda row: len(row["expiries"])),
        )  # fmt: skip
        return table(found, columns, "the market shows nothing yet")
    pages = [f"{found['underlying']} {known(found['spot'])} at {instant(found['at'])}"]
    for expiry in found["expiries"]:
        own = [
            each for each in found["contracts"]
            if each["expiry"] == expiry["expiry"] and each["symbol"][:6].strip() in expiry["roots"]
        ]  # fmt: skip
        strikes: dict[str, dict[str, Any]] = {}
        for each in own:
            strikes.setdefault(each["strike"], {})[each["right"]] = each
        columns = [(f"{name} {side}", _cell(side, name)) for side in "C" for name in ("delta", "iv", "bid", "ask")]
        columns += [("strike", lambda row: row[0])]
        columns += [(f"{name} {side}", _cell(side, name)) for side in "P" for name in ("bid", "ask", "iv", "delta")]
        title = f"{expiry['expiry']} {'/'.join(expiry['roots'])} {expiry['fixing']}, {expiry['dte']} days, "
        pages.append(f"\n{title}forward {known(expiry['forward'])}, at the money {percent(expiry['iv'])}")
        pages.append(table(list(strikes.items()), columns, "no contracts"))
    return "\n".join(pages)


def _cell(side: str, name: str) -> Any:
    def cell(row: tuple[str, dict[str, Any]]) -> Any:
        value = row[1].get(side, {}).get(name)
        if value is None:
            return None
        return f"{value * 100:.1f}" if name == "iv" else f"{value:.2f}"

    return cell


def fact_line(fact: dict[str, Any]) -> str:
    """A fact in one line: sequence, time, kind, stream, and its plain fields."""
    plain = {name: value for name, value in fact["fact"].items() if not isinstance(value, dict | list)}
    said = " ".join(f"{name}={known(value)}" for name, value in plain.items() if value not in ("", None))
    return f"{fact['sequence']:>8}  {instant(fact['at'])}  {fact['kind']:<28} {said}"


def _show_facts(found: Any, args: argparse.Namespace) -> str:
    return "\n".join(map(fact_line, found)) or "no facts"


def _show_books(found: Any, args: argparse.Namespace) -> str:
    sides = [(name, found[key]) for name, key in (("us", "ours"), ("LEAN", "lean"), ("broker", "broker"))]
    symbols = sorted({symbol for _, side in sides if side for symbol in side["holdings"]})
    rows: list[tuple[str, list[Any]]] = [
        ("source", [side and side["source"] for _, side in sides]),
        ("age", [side and f"{side['age_seconds']:.0f} s" for _, side in sides]),
        ("cash", [side and side["cash"] for _, side in sides]),
        *((symbol, [side and side["holdings"].get(symbol, 0) for _, side in sides]) for symbol in symbols),
    ]
    columns = [("", lambda row: row[0]), *((name, lambda row, at=at: row[1][at]) for at, (name, _) in enumerate(sides))]
    verdict = {None: "not compared yet", True: "the books agree", False: "THE BOOKS DIFFER"}[found["agree"]]
    return "\n".join([verdict, *found["differences"], "", table(rows, columns, "")])


VERBS = (
    Verb("status", "the line of truth: session, breaker, books, freshness", nothing, _get("/status"), _show_status),
    Verb("account", "cash, value, results and buying power", nothing, _get("/account"), _show_account),
    Verb("holdings", "what is held, net", nothing, _get("/holdings"), _show_holdings),
    Verb("positions", "open positions with marks and greeks", _underlying, _position, _show_positions),
    Verb("explain", "why a position is held: each rule and its distance to firing", _id, _explain, _show_explain),
    Verb("chain", "underlyings, or the chain of one with greeks", _chain_arguments, _chain, _show_chain),
    Verb("facts", "what was recorded, by subject, kind or order", _facts_arguments, _facts, _show_facts),
    Verb("reconcile", "our book, LEAN's and the broker's side by side", nothing, _get("/reconciliation"), _show_books),
)
