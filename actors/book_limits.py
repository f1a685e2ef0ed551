"""The gate's controls on the whole book: buying power by the account's own margin, and the desk's limits. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from actors.messages.common import Reason
from actors.messages.order_state import Order, OrderTable
from actors.messages.orders import OrderBody
from actors.options.buying_power import Account, BuyingPowerEffect, bp_effect
from actors.options.limits import Judgement, LimitVerdict, RiskLimits, judge
from actors.options.regt import MarginUnknown
from actors.options.scenarios import SpotUnknown
from actors.options.settlement import Sessions
from actors.risk_view import live_orders, order_risk, risk_market, symbols_of
from config.desk import DeskRules


class BookJudgement(msgspec.Struct, frozen=True, eq=False):
    """What an order would do to the book: buying power and limits, None where `unknown` says in words why not."""

    power: BuyingPowerEffect | None
    limits: Judgement | None
    unknown: str = ""


def judge_book(
    table: OrderTable, holdings: Mapping[str, int], cash: Decimal, equity: Decimal, order: Order, body: OrderBody,
    rules: DeskRules, view: Any, now: dt.datetime, sessions: Sessions | None = None,
) -> BookJudgement:  # fmt: skip
    """The effect of `order` with this body on buying power, scenarios and limits, all other live orders included.

    `cash` and `equity` in dollars; `view` is the market view with its chain. A price that is missing is told, not
    raised.
    """
    account = Account(rules.account, cash, equity)
    market = risk_market(view, symbols_of(table, holdings, body), now, sessions)
    others = live_orders(table, market, order.order_id)
    candidate = order_risk(order, body, market)
    try:
        power = bp_effect(candidate, holdings, market, account, others)
        return BookJudgement(power, judge(holdings, market, account, rules.limits or RiskLimits(), candidate, others))
    except (MarginUnknown, SpotUnknown) as unknown:
        return BookJudgement(None, None, f"{unknown}")


def book_reasons(found: BookJudgement, equity: Decimal, rules: DeskRules) -> list[Reason]:
    """Every control on the book that says no to the order, with value and limit in dollars."""
    if found.power is None or found.limits is None:
        return [Reason("margin", found.unknown)]
    reasons: list[Reason] = []
    floor = (equity * rules.buying_power_left_fraction).quantize(Decimal("0.01"))
    power = found.power
    if power.after < floor and power.change < 0:
        words = f"{power.after:,.2f} of buying power would be left, {floor:,.2f} must be; {power.words}"
        reasons.append(Reason("buying_power", words, f"{power.after:.2f}", f"{floor}"))
    reasons += [Reason("account", words) for words in power.refused]
    return reasons + [_reason(verdict) for verdict in found.limits.broken]


def _reason(verdict: LimitVerdict) -> Reason:
    value = "" if verdict.value is None else f"{verdict.value:.2f}"
    return Reason(verdict.control, verdict.words, value, f"{verdict.limit:.2f}")
