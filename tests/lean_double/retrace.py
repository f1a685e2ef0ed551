"""Has the double run each recorded algorithm of LEAN's: the same calls must give the same events, tickets, account.

Prints a table when run. What can't be compared is named in the table, with the reason.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from bridge.paper.data import parse_filter
from tests.conformance import traces
from tests.lean_double.algorithm import QCAlgorithm
from tests.lean_double.engine import Engine
from tests.lean_double.kit import lean_market
from tests.lean_double.names import Leg, OrderEvent, Symbol, UpdateOrderFields

#: LEAN's own margin differs from run to run with several strategies open at once: the rest of the account is compared.
SEVERAL_OPEN = ("assignment", "random1", "shapes")
#: What an algorithm sees and does.
KINDS = (
    "call", "return", "raised", "on_order_event", "update", "cancel", "withdraw", "account", "on_margin_call",
    "on_assignment_order_event", "scheduled", "on_data", "on_delistings", "quotes", "quote_bars",
    "on_end_of_algorithm",
)  # fmt: skip
_CALLS = ("call", "update", "cancel", "withdraw", "account", "quotes", "quote_bars")


def _stamp(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S+00:00")


class Recorder(QCAlgorithm):
    """Does at each instant what the recorded algorithm did, and writes down what the recorder of LEAN wrote down."""

    trace: list[dict[str, Any]]
    name: str

    def initialize(self) -> None:
        setup = next(row for row in self.trace if row["kind"] == "setup")
        self.rows: list[dict[str, Any]] = []
        self.set_start_date(*(int(part) for part in setup["from"].split("-")))
        self.set_end_date(*(int(part) for part in setup["to"].split("-")))
        self.set_cash(setup["cash"])
        wanted = self._engine.wanted
        self.add_equity(setup["underlying"])
        if setup["subscribe"].startswith("four"):
            for leg in traces.read(self.name).script:
                for each in leg.get("submit", {}).get("legs", ()):
                    self.add_option_contract(Symbol(each["symbol"]))
            for row in self.trace:
                for text in row.get("symbols", ()) if row["kind"] == "on_delistings" else ():
                    self.add_option_contract(Symbol(text.rpartition(" ")[0]))
        else:
            chain = parse_filter(setup["subscribe"])
            wanted.chains[chain.root] = chain
        self._due = [row for row in self.trace if row["kind"] in _CALLS]
        for rule in dict.fromkeys(row["rule"] for row in self.trace if row["kind"] == "scheduled"):
            self.schedule.on(None, self._rule(rule, setup["underlying"]), partial(self.scheduled, rule))

    def _rule(self, text: str, underlying: str) -> Any:
        rules = self.time_rules
        known = {
            "every 30 min": lambda: rules.every(dt.timedelta(minutes=30)),
            "after open 5": lambda: rules.after_market_open(underlying, 5),
            "before close 10": lambda: rules.before_market_close(underlying, 10),
            "10:00:30": lambda: rules.at(10, 0, 30),
        }
        return known[text]()

    def write(self, kind: str, **fields: Any) -> None:
        """A row, as the recorder of LEAN wrote it."""
        self.rows.append({"kind": kind, "at": _stamp(self.utc_time), "depth": self._engine.depth} | fields)

    # --- callbacks --------------------------------------------------------------------------------------------

    def scheduled(self, rule: str) -> None:
        self.write("scheduled", rule=rule)

    def on_data(self, slice: Any) -> None:
        self._engine.depth -= 1
        self.write("on_data", chains={each.value: len(chain.contracts) for each, chain in slice.option_chains.items()})
        self._engine.depth += 1
        at = _stamp(self.utc_time)
        while self._due and self._due[0]["at"] == at:
            self._do(self._due.pop(0))

    def on_order_event(self, order_event: OrderEvent) -> None:
        order = self.transactions.get_order_by_id(order_event.order_id)
        assert order is not None
        group = order.group_order_manager
        fee = order_event.order_fee.value
        self.write(
            "on_order_event", order_id=order_event.order_id, event_id=order_event.id, symbol=order_event.symbol.value,
            status=order_event.status.name, utc_time=_stamp(order_event.utc_time),
            fill_price=order_event.fill_price, fill_quantity=order_event.fill_quantity, quantity=order_event.quantity,
            direction="BUY" if (order_event.fill_quantity or order_event.quantity) > 0 else "SELL",
            limit_price=order_event.limit_price,
            fee=fee.amount, is_assignment=order_event.is_assignment, in_the_money=order_event.is_in_the_money,
            message=order_event.message, order_type=order.type.name, tag=order.tag,
            group=None if group is None else {
                "id": group.id, "quantity": group.quantity, "count": group.count, "limit": group.limit_price,
                "ids": list(group.order_ids),
            },
            account=self._account(),
        )  # fmt: skip

    def on_assignment_order_event(self, event: OrderEvent) -> None:
        self.write(
            "on_assignment_order_event", order_id=event.order_id, symbol=event.symbol.value, status=event.status.name,
            quantity=event.quantity,
        )  # fmt: skip

    def on_margin_call(self, requests: Any) -> Any:
        self.write("on_margin_call", requests=[(each.symbol.value, each.quantity) for each in requests])
        return requests

    def on_delistings(self, delistings: Any) -> None:
        self.write("on_delistings", symbols=[f"{each.symbol.value} {each.type.name}" for each in delistings.values()])

    def on_end_of_algorithm(self) -> None:
        self.write("on_end_of_algorithm", account=self._account())

    def _account(self) -> dict[str, Any]:
        portfolio = self.portfolio
        return {
            "cash": portfolio.cash, "unsettled": 0.0, "value": portfolio.total_portfolio_value,
            "margin_used": portfolio.total_margin_used, "margin_remaining": portfolio.margin_remaining,
            "fees": portfolio.total_fees,
            "holdings": [
                {"symbol": each.symbol.value, "quantity": each.quantity, "average": each.average_price,
                 "price": each.price}
                for each in portfolio.values()
            ],
        }  # fmt: skip

    # --- calls ------------------------------------------------------------------------------------------------

    def _do(self, row: dict[str, Any]) -> None:
        match row["kind"]:
            case "call":
                self.write("call", name=row["name"], args=row["args"])
                self._call(row["name"], row["args"])
            case "update":
                named = ("quantity", "limit_price", "stop_price", "tag")
                fields = UpdateOrderFields(**{key: row[key] for key in named if row.get(key) is not None})
                response = self.transactions.get_order_ticket(row["order_id"]).update(fields)
                self.write("update", order_id=row["order_id"], response=str(response))
            case "cancel":
                tag = row.get("tag") or ("c" if self.name == "random1" else None)  # which its row left out
                response = self.transactions.get_order_ticket(row["order_id"]).cancel(tag)
                self.write("cancel", order_id=row["order_id"], response=str(response))
            case "withdraw":
                self.portfolio.cash_book["USD"].add_amount(-row["amount"])
                self.write("withdraw", account=self._account())
            case "account":
                self.write("account", account=self._account())
            case kind:
                self.write(kind, legs=[self._prices(kind, leg["symbol"]) for leg in row["legs"]])

    def _prices(self, kind: str, symbol: str) -> dict[str, Any]:
        security = self.securities[symbol]
        if kind == "quotes":
            return {
                "symbol": symbol, "bid": security.bid_price, "ask": security.ask_price,
                "oi": security.open_interest,
            }  # fmt: skip
        quote = self._engine.market.floor.prices[symbol].quote
        assert quote is not None
        return {"symbol": symbol, "bid": list(quote[:4]), "ask": list(quote[5:9])}

    def _call(self, name: str, args: list[Any]) -> None:
        if name.startswith("combo"):
            legs = [
                Leg.create(Symbol(leg["symbol"]), leg["ratio"], None if leg["price"] is None else float(leg["price"]))
                for leg in args[0]
            ]
            numbers = [legs, int(args[1]), *(float(each) for each in args[2:-2])]
        else:
            numbers = [args[0], int(args[1]), *(float(each) for each in args[2:-2])]
        try:
            tickets = getattr(self, name)(*numbers, False, args[-1])
        except Exception as error:
            self.write("raised", name=name, error=type(error).__name__, message=str(error))
            return
        tickets = tickets if isinstance(tickets, list) else [tickets]
        shown = [
            {
                "order_id": each.order_id, "symbol": each.symbol.value, "status": each.status.name,
                "type": each.order_type.name, "quantity": each.quantity, "filled": each.quantity_filled,
                "average": each.average_fill_price, "tag": each.tag,
                **({"error": str(each.response)} if each.status.name == "INVALID" else {}),
            }
            for each in tickets
        ]  # fmt: skip
        self.write("return", name=name, tickets=shown)


# --- comparing ------------------------------------------------------------------------------------------------------


def rows_of(name: str) -> list[dict[str, Any]]:
    """The recorded rows of a trace."""
    return [json.loads(line) for line in (traces.TRACES / f"{name}.jsonl").read_text().splitlines()]


def retrace(name: str) -> tuple[Counter[str], Counter[str], list[str]]:
    """Run one trace's algorithm on the double: rows by kind, different ones by kind, and these in words."""
    trace = rows_of(name)
    if name == "strategies":
        return _strategies(trace)
    recorder = type("Recorded", (Recorder,), {"trace": trace, "name": name})
    engine = Engine(lean_market, {})
    engine.backtest(recorder)
    counted, different, words = Counter[str](), Counter[str](), list[str]()
    for kind in KINDS:
        wanted = [row for row in trace if row["kind"] == kind]
        made = [row for row in engine.algorithm.rows if row["kind"] == kind]
        counted[kind] += max(len(wanted), len(made))
        if len(wanted) != len(made):
            different[kind] += abs(len(wanted) - len(made))
            words.append(f"{name} {kind}: {len(made)} rows, LEAN {len(wanted)}")
        for theirs, ours in zip(wanted, made, strict=False):
            if why := _difference(name, theirs, ours):
                different[kind] += 1
                words.append(f"{name} {kind} n={theirs.get('n')} at {theirs['at']}: {why}")
    order = [row["kind"] for row in trace if row["kind"] in KINDS and row["kind"] != "on_data"]
    made_order = [row["kind"] for row in engine.algorithm.rows if row["kind"] != "on_data"]
    counted["order of rows"] += 1
    if order != made_order:
        different["order of rows"] += 1
        at = next((at for at, pair in enumerate(zip(order, made_order, strict=False)) if pair[0] != pair[1]), -1)
        words.append(
            f"{name}: rows {at} on come in another order: {made_order[at : at + 4]}, LEAN {order[at : at + 4]}"
        )
    return counted, different, words


def _difference(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """'' where both rows say the same."""
    for key, mine in ours.items():
        if key not in theirs:
            if key in ("account", "at"):
                continue
            return f"{key} is not in LEAN's row"
        if not _same(name, theirs["kind"], key, theirs[key], mine):
            return f"{key} is {mine!r}, LEAN {theirs[key]!r}"
    return ""


def _same(name: str, kind: str, key: str, theirs: Any, ours: Any) -> bool:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        skipped = ("margin_used", "margin_remaining") if name in SEVERAL_OPEN else ()
        return all(_same(name, kind, each, theirs.get(each), ours[each]) for each in ours if each not in skipped)
    if isinstance(ours, list | tuple) and isinstance(theirs, list):
        if kind == "on_delistings" and theirs and theirs[0].endswith("DELISTED"):
            return set(theirs) <= set(ours)  # LEAN is silent about contracts that its universe let go of before
        if kind == "on_margin_call":
            return len(ours) == len(theirs) and all(
                symbol in text for (symbol, _), text in zip(ours, theirs, strict=True)
            )
        if key == "holdings":
            ours, theirs = (sorted(each, key=lambda row: row["symbol"]) for each in (ours, theirs))
        return len(ours) == len(theirs) and all(
            _same(name, kind, key, left, right) for left, right in zip(theirs, ours, strict=True)
        )
    if key == "fee":
        return abs(float(theirs.split()[0]) - ours) < 1e-9
    if key in ("message", "error", "response"):
        return _text(ours) == _text(theirs) or (len(_text(ours)) > 20 and _text(theirs).startswith(_text(ours)))
    if key == "tag":
        return (theirs or "") == ours
    if isinstance(ours, float) and isinstance(theirs, int | float):
        return abs(theirs - ours) < 1e-4
    return ours == theirs


def _text(text: str | None) -> str:
    """LEAN's words without what a machine's own arithmetic or naming puts into them."""
    text = re.sub(r"The symbol .* is not found", "The symbol is not found", text or "")
    text = re.sub(r"\.? (Profit|Loss): .*", "", text)
    text = re.sub(r"Underlying: ([\d.]+?)0*$", r"Underlying: \1", text)
    return re.sub(r"(Insufficient buying power to complete orders) .*", r"\1", text).removesuffix(".")


def _strategies(trace: list[dict[str, Any]]) -> tuple[Counter[str], Counter[str], list[str]]:
    """The 41 strategies: each leg's fill and fee, and the account before and after."""
    by_time: dict[str, dict[str, Any]] = {row["at"]: row for row in trace}
    counted, different, words = Counter[str](), Counter[str](), list[str]()

    class Strategies(QCAlgorithm):
        def initialize(self) -> None:
            self.set_start_date(2015, 12, 24)
            self.set_end_date(2015, 12, 24)
            self.set_cash(1_000_000)
            self.add_equity("GOOG")
            for row in trace:
                for fill in row["fills"]:
                    if len(fill["symbol"]) > 15:
                        self.add_option_contract(Symbol(fill["symbol"]))
            self.fills: list[dict[str, Any]] = []

        def on_order_event(self, order_event: OrderEvent) -> None:
            if order_event.fill_quantity:
                self.fills.append(
                    {
                        "symbol": order_event.symbol.value, "status": order_event.status.name,
                        "quantity": order_event.fill_quantity, "price": order_event.fill_price,
                        "fee": order_event.order_fee.value.amount,
                    }
                )  # fmt: skip

        def on_data(self, slice: Any) -> None:
            row = by_time.get(_stamp(self.utc_time))
            if row is None:
                return
            before, self.fills = self._money(), []
            legs = [Leg.create(Symbol(fill["symbol"]), int(fill["quantity"]) // 2) for fill in row["fills"]]
            self.combo_market_order(legs, 2, False, row["strategy"])
            for key, ours in (("before", before), ("after", self._money()), ("fills", self.fills)):
                counted[key] += 1
                if not _same("strategies", "", key, [_plain(each) for each in _listed(row[key])], _listed(ours)):
                    different[key] += 1
                    words.append(f"strategies {row['strategy']} {row['what']} {key}: {ours}, LEAN {row[key]}")

        def _money(self) -> dict[str, float]:
            portfolio = self.portfolio
            return {
                "cash": portfolio.cash, "value": portfolio.total_portfolio_value,
                "margin_used": portfolio.total_margin_used, "margin_remaining": portfolio.margin_remaining,
            }  # fmt: skip

    Engine(lean_market, {}).backtest(Strategies)
    return counted, different, words


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value) if key == "fee" else value for key, value in row.items()}


def main() -> int:
    """Every trace, and what the double gave; 1 where anything differs."""
    shown = (
        ("call", ("call", "update", "cancel", "withdraw")), ("events", ("on_order_event",)),
        ("tickets", ("return", "raised")), ("slices", ("on_data",)), ("other", ()),
    )  # fmt: skip
    print(f"{'trace':<16}" + "".join(f"{head:>9}" for head, _ in shown) + f"{'different':>11}  not compared")
    total, all_words = 0, list[str]()
    for name in traces.NAMES:
        counted, different, words = retrace(name)
        named = {kind for _, kinds in shown for kind in kinds}
        cells = [
            sum(counted[kind] for kind in (kinds or set(counted) - named)) for _, kinds in shown
        ]  # fmt: skip
        bad = different.total()
        total += bad
        all_words += words
        why = "margin with several strategies open" if name in SEVERAL_OPEN else ""
        print(f"{name:<16}" + "".join(f"{cell:>9}" for cell in cells) + f"{bad:>11}  {why}")
    print(f"{'all':<16}{'':>45}{total:>11}")
    for words in all_words:
        print(f"  {words[:900]}")
    return 1 if total else 0


if __name__ == "__main__":
    raise SystemExit(main())
