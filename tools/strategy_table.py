"""LEAN's 41 strategies resolved on the whole GOOG chain of 2015-12-24, beside what LEAN recorded: legs, cash, margin.

Run it: `python -m tools.strategy_table`. Exits 1 where anything differs.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import msgspec

from actors.options.contracts import is_option
from actors.options.lean_margin import lean_margin_used
from actors.options.matching import match
from actors.options.payoff import Leg
from actors.options.resolution import Refusal, resolve_factory
from bridge.paper.fees import lean_fee
from tools.goog_chain import ROOT, UNDERLYING, goog_day

TRACE = ROOT / "tests" / "data" / "lean-traces" / "strategies.jsonl"
#: Units that the recorded run opened of each strategy.
UNITS = 2


class Row(msgspec.Struct, frozen=True):
    """One strategy: what we resolve and what LEAN recorded. Cash and margin in dollars, fees in the cash."""

    name: str
    at: dt.datetime
    ours: tuple[Leg, ...]
    leans: tuple[Leg, ...]
    named: str
    cash: Decimal
    lean_cash: Decimal
    margin: Decimal
    lean_margin: Decimal

    @property
    def equal(self) -> bool:
        """Whether legs, name, cash and margin are all LEAN's."""
        return (self.ours, self.named, self.cash, self.margin) == (
            self.leans, self.name, self.lean_cash, self.lean_margin,
        )  # fmt: skip


def opened() -> list[dict[str, Any]]:
    """The recorded openings, one a strategy."""
    rows = [json.loads(line) for line in TRACE.read_text().splitlines()]
    return [row for row in rows if row["what"] == "opened"]


def row_of(record: dict[str, Any]) -> Row:
    """Resolve one recorded strategy from its factory's arguments at its minute, fill it at natural prices, margin it.

    Raises AssertionError where it does not resolve.
    """
    day = goog_day()
    at = dt.datetime.fromisoformat(record["at"])
    arguments = [dt.date.fromisoformat(each[:10]) if "-" in each else Decimal(each) for each in record["args"]]
    found = resolve_factory(record["lean_name"].replace(" ", ""), arguments, day.snapshot(at))
    assert not isinstance(found, Refusal), f"{record['lean_name']}: {found}"
    cash = Decimal(0)
    held: dict[str, int] = {}
    for leg in found.legs:
        quantity = leg.quantity * UNITS
        state = day.prices(leg.symbol, at)
        price = _money(state.ask if quantity > 0 else state.bid)
        size = 100 if is_option(leg.symbol) else 1
        cash -= price * quantity * size + lean_fee(leg.symbol, quantity, price)
        held[leg.symbol] = held.get(leg.symbol, 0) + quantity
    prices = {symbol: day.prices(symbol, at) for symbol in (*held, UNDERLYING)}
    margin = lean_margin_used(
        held,
        lambda symbol: prices[symbol].price,
        lambda symbol: prices[symbol].ask if held[symbol] < 0 else prices[symbol].bid,
    )
    named = match(found.legs)
    expected = [Leg(leg["symbol"], leg["quantity"]) for leg in record["option_legs"]]
    expected += [Leg(UNDERLYING, leg["quantity"]) for leg in record["underlying_legs"]]
    return Row(
        record["lean_name"], at, found.legs, tuple(expected), "" if named is None else named.name, cash,
        _money(record["after"]["cash"]) - _money(record["before"]["cash"]), _money(float(margin)),
        _money(record["after"]["margin_used"]),
    )  # fmt: skip


def _money(value: float) -> Decimal:
    """A float of decimals as dollars (LEAN's carry noise in the last digits)."""
    return round(Decimal(repr(value)), 4)


def main() -> int:
    """Print the table; 1 where anything differs."""
    contracts = len(goog_day().contracts)
    print(f"{UNITS} units of each on a chain of {contracts} contracts; cash and margin in dollars")
    print(f"{'strategy':<27} {'minute':<6} {'legs':>4} {'cash':>11} {'lean':>11} {'margin':>10} {'lean':>10}  equal")
    different = 0
    for record in opened():
        row = row_of(record)
        different += not row.equal
        print(
            f"{row.name:<27} {row.at:%H:%M} {len(row.ours):>5} {row.cash:>11.2f} {row.lean_cash:>11.2f} "
            f"{row.margin:>10.2f} {row.lean_margin:>10.2f}  {'yes' if row.equal else 'NO'}"
        )
    print(f"different: {different}")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
