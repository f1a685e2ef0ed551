"""A replay's report: what happened, folded from the journal's facts, as JSON and as a page to read."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from actors.messages.book import BOOK_FACTS, Book, fold_book
from actors.messages.exercises import ExerciseReturned
from actors.messages.lean import AccountFill, AccountSeen, Anomaly, Reconciled
from actors.messages.order_state import Order, OrderTable, fold
from actors.messages.orders import (
    AmendDenied,
    AmendRejected,
    CancelRefused,
    LegFilled,
    OrderDenied,
    OrderFact,
    OrderRejected,
)
from actors.messages.positions import EquityMarked
from actors.options.contracts import multiplier_of
from actors.runtime import Recorded


class FillRow(msgspec.Struct):
    """One execution. `quantity` signed, `price` per share, `fee` and `cash` (after the event's batch) in dollars."""

    at: str
    kind: str
    order_id: str
    symbol: str
    quantity: int
    price: Decimal
    fee: Decimal
    cash: Decimal


class RefusalRow(msgspec.Struct):
    """What was refused, by whom (callboard, lean) and why. `command` is the script's line where it was ours."""

    at: str
    by: str
    what: str
    order_id: str
    reason: str
    command: str = ""


class OrderRow(msgspec.Struct):
    """Where an order stands at the end."""

    order_id: str
    state: str
    quantity: int
    filled: list[int]
    attempts: int
    tag: str
    reason: str


class PositionRow(msgspec.Struct):
    """An open position: its campaign, legs held, dollars that came in less what went out."""

    position_id: str
    campaign_id: str
    holdings: dict[str, int]
    cash: Decimal
    delivered: bool


class HoldingRow(msgspec.Struct):
    """Net holding of a symbol: ours, with LEAN's average and price beside it where it showed them."""

    symbol: str
    quantity: int
    average: Decimal
    price: Decimal | None


class Final(msgspec.Struct):
    """The end: our cash, value at LEAN's prices, holdings; `agrees` tells whether LEAN's account is the same, whose own
    value is `lean_value`."""

    cash: Decimal
    value: Decimal | None
    fees: Decimal
    margin_used: Decimal | None
    holdings: list[HoldingRow]
    agrees: bool
    differences: list[str]
    lean_value: Decimal | None = None


class Report(msgspec.Struct):
    """Everything a replay tells. Money is decimal strings, times are UTC."""

    fills: list[FillRow]
    refusals: list[RefusalRow]
    orders: dict[str, list[OrderRow]]
    positions: list[PositionRow]
    final: Final
    equity: list[tuple[str, Decimal, Decimal]]
    anomalies: list[str]
    notes: list[str]
    journal_hash: str = ""
    seconds: float = 0.0
    steps: int = 0


def stamp(at: dt.datetime) -> str:
    """An instant as the report spells it: 2015-12-24T14:31:00Z."""
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


class ReportFold:
    """Folds a journal's facts, in order, into a Report."""

    def __init__(self) -> None:
        self._table = OrderTable()
        self._book = Book()
        self._fills: list[FillRow] = []
        self._batch: tuple[object, ...] | None = None
        self._batch_start = 0
        self._refusals: list[RefusalRow] = []
        self._equity: list[tuple[str, Decimal, Decimal]] = []
        self._anomalies: list[str] = []
        self._account: AccountSeen | None = None
        self._reconciled: Reconciled | None = None

    def add(self, recorded: Recorded) -> None:
        """Fold the next fact."""
        fact = recorded.fact
        if isinstance(fact, OrderFact):
            fold(self._table, recorded)
        if isinstance(fact, BOOK_FACTS):
            fold_book(self._book, recorded)
        match fact:
            case LegFilled():
                self._fill(recorded, fact, "order", fact.order_id)
            case AccountFill():
                self._fill(recorded, fact, fact.kind, fact.exercise_id)
            case OrderDenied(order_id=order_id, reasons=reasons):
                self._refuse(recorded, "callboard", "order", order_id, "; ".join(r.message for r in reasons))
            case OrderRejected(order_id=order_id, reason=reason, raised=raised):
                self._refuse(recorded, "lean", "order", order_id, f"{raised}: {reason}" if raised else reason)
            case AmendDenied(order_id=order_id, reasons=reasons):
                self._refuse(recorded, "callboard", "amend", order_id, "; ".join(r.message for r in reasons))
            case AmendRejected(order_id=order_id, reason=reason):
                self._refuse(recorded, "lean", "amend", order_id, reason)
            case CancelRefused(order_id=order_id, reason=reason):
                self._refuse(recorded, "lean", "cancel", order_id, reason)
            case ExerciseReturned(exercise_id=exercise_id, accepted=False, reason=reason):
                self._refuse(recorded, "lean", "exercise", exercise_id, reason)
            case EquityMarked(cash=cash, value=value):
                self._equity.append((stamp(recorded.at), cash, value))
            case Anomaly(order_id=order_id, text=text):
                self._anomalies.append(f"{stamp(recorded.at)} {order_id} {text}".replace("  ", " "))
            case AccountSeen():
                self._account = fact
            case Reconciled():
                self._reconciled = fact
            case _:
                pass

    def _fill(self, recorded: Recorded, fact: LegFilled | AccountFill, kind: str, order_id: str) -> None:
        batch = (fact.origin.session, fact.batch)
        if batch != self._batch:
            self._batch, self._batch_start = batch, len(self._fills)
        row = FillRow(
            stamp(recorded.at),
            kind,
            order_id,
            fact.symbol,
            fact.quantity,
            fact.price,
            fact.fee,
            self._book.cash,
        )
        self._fills.append(row)
        for earlier in self._fills[self._batch_start :]:
            earlier.cash = self._book.cash

    def _refuse(self, recorded: Recorded, by: str, what: str, order_id: str, reason: str) -> None:
        self._refusals.append(RefusalRow(stamp(recorded.at), by, what, order_id, reason))

    def refused_command(self, at: dt.datetime, command_id: str, what: str, order_id: str, reason: str) -> None:
        """A command that left no trace in the journal because it was refused."""
        self._refusals.append(RefusalRow(stamp(at), "callboard", what, order_id, reason, command_id))

    def report(self, notes: Iterable[str] = ()) -> Report:
        """The report as of the last fact added."""
        orders: dict[str, list[OrderRow]] = {}
        for order in self._table.orders.values():
            orders.setdefault(order.state, []).append(_order_row(order))
        positions = [
            PositionRow(p.position_id, p.campaign_id, p.holdings, p.cash, p.delivered)
            for p in self._book.positions.values()
        ]
        return Report(
            self._fills, sorted(self._refusals, key=lambda row: row.at), orders, positions, self._final(),
            self._equity, self._anomalies, list(notes),
        )  # fmt: skip

    def _final(self) -> Final:
        account = None if self._account is None else self._account.account
        seen = {} if account is None else {held.symbol: held for held in account.holdings}
        rows: list[HoldingRow] = []
        for symbol, quantity in sorted(self._book.holdings.items()):
            held = seen.get(symbol)
            rows.append(HoldingRow(symbol, quantity, self._book.averages[symbol], None if held is None else held.price))
        differences = [] if self._reconciled is None else list(self._reconciled.differences)
        return Final(
            cash=self._book.cash, value=_value(self._book, rows), fees=self._book.fees,
            margin_used=None if account is None else account.margin_used, holdings=rows,
            agrees=not differences, differences=differences,
        )  # fmt: skip


def _value(book: Book, rows: list[HoldingRow]) -> Decimal | None:
    """Our cash and holdings at LEAN's prices, in dollars; None where LEAN showed no price for one."""
    total = book.cash
    for row in rows:
        if row.price is None:
            return None
        total += row.quantity * row.price * multiplier_of(row.symbol)
    return total


def _order_row(order: Order) -> OrderRow:
    body = order.body
    return OrderRow(order.order_id, order.state, body.quantity, order.filled, order.attempt, body.tag, order.reason)


def page(report: Report, title: str) -> str:
    """The report as one self-contained HTML page with the equity curve."""
    fills = "".join(
        f"<tr><td>{row.at}</td><td>{row.kind}</td><td>{html.escape(row.order_id)}</td><td>{html.escape(row.symbol)}</td>"
        f"<td>{row.quantity:+d}</td><td>{row.price}</td><td>{row.fee}</td><td>{row.cash}</td></tr>"
        for row in report.fills
    )
    refusals = "".join(
        f"<tr><td>{row.at}</td><td>{row.by}</td><td>{row.what}</td><td>{html.escape(row.order_id)}</td>"
        f"<td>{html.escape(row.reason)}</td></tr>"
        for row in report.refusals
    )
    holdings = "".join(
        f"<tr><td>{html.escape(row.symbol)}</td><td>{row.quantity:+d}</td><td>{row.average:.4f}</td>"
        f"<td>{'' if row.price is None else row.price}</td></tr>"
        for row in report.final.holdings
    )
    states = ", ".join(f"{len(rows)} {state}" for state, rows in sorted(report.orders.items())) or "none"
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in report.notes)
    agrees = "equal to LEAN's" if report.final.agrees else "DIFFERS: " + "; ".join(report.final.differences)
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>body{{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;
color:#222;background:#fff}}
table{{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}}td,th{{text-align:left;padding:.2rem
.6rem; border-bottom:1px solid #ddd}}svg{{width:100%;height:18rem}}
@media(prefers-color-scheme:dark){{body{{background:#16181c;color:#ddd}}td,th{{border-color:#333}}}}</style>
<h1>{html.escape(title)}</h1>
<p>Cash {report.final.cash}, value {report.final.value}, fees {report.final.fees}; book {html.escape(agrees)}.
Orders: {html.escape(states)}. {report.steps} steps in {report.seconds:.2f} s.
Journal hash <code>{report.journal_hash}</code>.</p>
<ul>{notes}</ul><h2>Equity on marks</h2>{_curve(report.equity)}
<h2>Fills</h2><table><tr><th>at<th>kind<th>order<th>symbol<th>quantity<th>price<th>fee<th>cash after</tr>{fills}</table>
<h2>Refusals</h2><table><tr><th>at<th>by<th>what<th>order<th>reason</tr>{refusals}</table>
<h2>Holdings</h2><table><tr><th>symbol<th>quantity<th>average<th>price</tr>{holdings}</table></html>
"""


def _curve(equity: list[tuple[str, Decimal, Decimal]]) -> str:
    if len(equity) < 2:
        return "<p>No equity curve: fewer than two marks.</p>"
    values = [float(value) for _, _, value in equity]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    points = " ".join(
        f"{1000 * index / (len(values) - 1):.1f},{280 - 260 * (value - low) / span:.1f}"
        for index, value in enumerate(values)
    )
    return (
        f'<svg viewBox="0 0 1000 300" preserveAspectRatio="none"'
        f' role="img" aria-label="equity from {low:.2f} to {high:.2f}">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5" '
        f'vector-effect="non-scaling-stroke"/></svg><p>{equity[0][0]} to {equity[-1][0]}: {low:.2f} to {high:.2f}</p>'
    )
