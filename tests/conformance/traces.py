"""Recorded runs of LEAN as scripts of ours, and what LEAN booked in them. Reading only; the comparing is elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

TRACES = Path(__file__).parents[1] / "data" / "lean-traces"
DATA = Path(__file__).parents[1] / "data" / "lean"

#: Traces with calls of an algorithm and LEAN's answers; the live ones show threads, not fills to compare.
NAMES = (
    "assignment", "combo_leg_limit", "combo_limit", "combo_market", "exercise", "margin", "random1", "refusals",
    "schedule", "shapes", "single", "spx", "strategies",
)  # fmt: skip


class Fill(msgspec.Struct, frozen=True):
    """One fill as LEAN reported it; `cash` is the account's after the event."""

    at: str
    symbol: str
    quantity: int
    price: Decimal
    fee: Decimal
    cash: Decimal


class Refused(msgspec.Struct, frozen=True):
    """A call that LEAN refused: which of ours it was, how (raised, ticket, event, response) and LEAN's words."""

    at: str
    order_id: str
    how: str
    message: str


class Unsayable(msgspec.Struct, frozen=True):
    """A call that has no normalised form: what it was, and why we can't be asked it."""

    at: str
    call: str
    reason: str


class Margin(msgspec.Struct, frozen=True):
    """LEAN's margin used with one strategy open alone."""

    strategy: str
    at: str
    margin_used: Decimal


class Trace(msgspec.Struct):
    """A recorded run: how to replay it, and what LEAN booked."""

    name: str
    cash: Decimal
    underlying: str
    subscribe: str | None
    first: str
    last: str
    script: list[dict[str, Any]]
    fills: list[Fill]
    refused: list[Refused]
    unsayable: list[Unsayable]
    margins: list[Margin]
    final: dict[str, Any] | None
    steps: list[str]


def money(value: float | str) -> Decimal:
    """A float of LEAN's as dollars and cents (floats of decimals carry noise in the last digits)."""
    return round(Decimal(repr(value) if isinstance(value, float) else str(value)), 6).normalize() + Decimal(0)


def stamp(at: str) -> str:
    """'2015-12-24 14:31:00+00:00' as the report spells it."""
    return at.replace(" ", "T").replace("+00:00", "Z")


def read(name: str) -> Trace:
    """The trace of this name."""
    rows = [json.loads(line) for line in (TRACES / f"{name}.jsonl").read_text().splitlines()]
    return _strategies(rows) if name == "strategies" else _calls(name, rows)


class _Order(msgspec.Struct):
    order_id: str
    ratio: int
    sell_group: bool
    limit_legs: bool
    legs: int


def _calls(name: str, rows: list[dict[str, Any]]) -> Trace:
    setup = next(row for row in rows if row["kind"] == "setup")
    by_hand = setup["subscribe"].startswith("four")
    trace = Trace(
        name, Decimal(setup["cash"]), setup["underlying"], None if by_hand else setup["subscribe"], setup["from"],
        setup["to"], [], [], [], [], [], None, [],
    )  # fmt: skip
    orders: dict[int, _Order] = {}
    pending: _Order | None = None
    for row in rows:
        at = stamp(row["at"])
        match row["kind"]:
            case "call":
                pending = None
                body, why = _submit(row)
                if body is None:
                    trace.unsayable.append(Unsayable(at, row["name"], why))
                elif "exercise" in body:
                    trace.script.append({"at": at, **body})
                    pending = _Order(body["exercise"]["exercise_id"], 1, False, False, 1)
                else:
                    trace.script.append({"at": at, "submit": body})
                    pending = _Order(
                        body["order_id"], body["legs"][0]["ratio"], body.get("sell_group", False),
                        "leg_limits" in body, len(body["legs"]),
                    )  # fmt: skip
            case "return" if pending is not None:
                for ticket in row["tickets"]:
                    orders[ticket["order_id"]] = pending
                bad = [ticket for ticket in row["tickets"] if ticket["status"] == "INVALID"]
                if bad:
                    trace.refused.append(Refused(at, pending.order_id, "ticket", bad[0].get("error", "")))
            case "raised" if pending is not None:
                trace.refused.append(Refused(at, pending.order_id, "raised", row["message"]))
            case "update" if row["order_id"] in orders:
                order = orders[row["order_id"]]
                trace.script.append({"at": at, "amend": _amend(row, order)})
                if row["response"] != "Success":
                    trace.refused.append(Refused(at, order.order_id, "response", row["response"]))
            case "cancel" if row["order_id"] in orders:
                order = orders[row["order_id"]]
                cancel = {"order_id": order.order_id, "tag": row.get("tag") or ""}
                trace.script.append({"at": at, "cancel": cancel})
                if row["response"] != "Success":
                    trace.refused.append(Refused(at, order.order_id, "response", row["response"]))
            case "withdraw":
                trace.script.append({"at": at, "withdraw": {"amount": str(row["amount"])}})
            case "on_order_event" if row["status"] in ("FILLED", "PARTIALLY_FILLED"):
                trace.fills.append(
                    Fill(
                        at,
                        row["symbol"],
                        int(row["fill_quantity"]),
                        money(row["fill_price"]),
                        money(row["fee"].split()[0]),
                        money(row["account"]["cash"]),
                    )
                )
            case "on_data":
                trace.steps.append(at)
            case "on_end_of_algorithm":
                trace.final = row["account"]
            case _:
                pass
    return trace


def _submit(row: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The order body that says the same as a call of LEAN's, or why there is none."""
    name, args = row["name"], row["args"]
    order_id = f"n{row['n']}"
    if name == "exercise_option":
        body = {"symbol": args[0], "quantity": int(args[1]), "exercise_id": order_id, "tag": args[3]}
        return {"exercise": body}, ""
    if name.startswith("combo"):
        return _combo(name, args, order_id)
    quantity = int(args[1])
    if quantity == 0:
        return None, "quantity is above 0 always"
    side = 1 if quantity > 0 else -1
    body: dict[str, Any] = {
        "order_id": order_id,
        "legs": [{"symbol": args[0], "ratio": side}],
        "quantity": abs(quantity),
    }
    match name:
        case "market_order":
            return {**body, "type": "market", "tag": args[3]}, ""
        case "market_on_close_order":
            return {**body, "type": "market_on_close", "tag": args[3]}, ""
        case "limit_order":
            return {**body, "type": "limit", "limit_price": str(side * Decimal(args[2])), "tag": args[4]}, ""
        case "stop_market_order":
            return {**body, "type": "stop", "stop_price": args[2], "tag": args[4]}, ""
        case _:
            return None, f"no form for {name}"


def _combo(name: str, args: list[Any], order_id: str) -> tuple[dict[str, Any] | None, str]:
    legs, quantity = args[0], int(args[1])
    if not legs:
        return None, "an order has at least one leg"
    side = 1 if quantity > 0 else -1
    body: dict[str, Any] = {
        "order_id": order_id,
        "legs": [{"symbol": leg["symbol"], "ratio": side * leg["ratio"]} for leg in legs],
        "quantity": abs(quantity),
        "tag": args[-1],
    }
    if side < 0:
        body["sell_group"] = True
    priced = [leg for leg in legs if leg["price"] is not None]
    match name:
        case "combo_market_order":
            return {**body, "type": "market"}, ""
        case "combo_limit_order" if priced:
            return None, "limit_price and leg_limits exclude each other"
        case "combo_limit_order":
            return {**body, "type": "limit", "limit_price": str(side * Decimal(args[2]))}, ""
        case "combo_leg_limit_order":
            return {**body, "type": "limit", "leg_limits": [str(leg["price"]) for leg in legs]}, ""
        case _:
            return None, f"no form for {name}"


def _amend(row: dict[str, Any], order: _Order) -> dict[str, Any]:
    amend: dict[str, Any] = {"order_id": order.order_id}
    if row.get("quantity") is not None:
        amend["quantity"] = abs(int(row["quantity"]))
    if row.get("limit_price") is not None:
        mirrored = order.sell_group or (order.legs == 1 and order.ratio < 0)
        limit = Decimal(str(row["limit_price"]))
        amend["limit_price"] = str(-limit if mirrored else limit)
    if row.get("stop_price") is not None:
        amend["stop_price"] = str(row["stop_price"])
    if row.get("tag"):
        amend["tag"] = row["tag"]
    return amend


def _strategies(rows: list[dict[str, Any]]) -> Trace:
    """The 41 strategies, each opened for 2 units at the market and closed a minute later."""
    trace = Trace(
        "strategies", money(rows[0]["before"]["cash"]), "GOOG", None, "2015-12-24", "2015-12-24", [], [], [], [], [],
        None, [],
    )  # fmt: skip
    for number, row in enumerate(rows):
        at = stamp(row["at"])
        legs = [{"symbol": fill["symbol"], "ratio": int(fill["quantity"]) // 2} for fill in row["fills"]]
        body = {
            "order_id": f"s{number}",
            "legs": legs,
            "quantity": 2,
            "type": "market",
            "tag": row["strategy"],
        }
        trace.script.append({"at": at, "submit": body})
        cash = money(row["after"]["cash"])
        trace.fills += [
            Fill(at, fill["symbol"], int(fill["quantity"]), money(fill["price"]), money(fill["fee"]), cash)
            for fill in row["fills"]
        ]
        if row["what"] == "opened":
            trace.margins.append(Margin(row["strategy"], at, money(row["after"]["margin_used"])))
    last = rows[-1]["after"]
    trace.final = {**last, "holdings": []}
    return trace


def script_text(trace: Trace) -> str:
    """The script as JSON lines."""
    return "".join(json.dumps(line) + "\n" for line in trace.script)


def all_traces() -> Iterator[Trace]:
    """Every trace that has fills to compare."""
    return (read(name) for name in NAMES)
