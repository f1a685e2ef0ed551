"""The desk's rules as the core actors read them: switches and numbers, one immutable value per run.

Made from settings; no loading here.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

from actors.options.limits import RiskLimits
from actors.options.margin_rates import AccountKind
from config.settings import Settings


class DeskRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which rules of the desk are on, with their numbers. Seconds, dollars, fractions of equity."""

    lean_rules: bool = False
    """True: LEAN alone judges orders (conformance); every switch below is then off."""
    release_window: int = 8
    approval_lapse_seconds: float = 5.0
    default_time_in_force: Literal["day", "gtc"] = "day"
    market_orders: bool = False
    legs_fill_apart: bool = True
    mend_broken: bool = True
    """False: legs that filled unequally have no deadline and nobody mends what is left of them."""
    legs_apart_seconds: float = 30.0
    legs_apart_level: int = 1
    mend_seconds: float = 60.0
    mend_step_seconds: float = 10.0
    mend_allowance_fraction: Decimal = Decimal("0.05")
    unwind_budget_fraction: Decimal = Decimal("0.25")
    tick_rounding: bool = True
    even_money: bool = True
    leg_conflict: bool = True
    cancel_entries_before_close_seconds: float = 15 * 60.0
    entry_quote_age_seconds: float = 60.0
    maximum_open_positions: int = 10
    maximum_order_contracts: int = 10
    maximum_loss_fraction: Decimal = Decimal("0.02")
    buying_power_left_fraction: Decimal = Decimal("0.15")
    daily_loss_fraction: Decimal = Decimal("0.03")
    daily_loss_level: int = 3
    automatic_breaker: bool = True
    maximum_orders_per_day: int = 250
    orders_reserved_for_exits: int = 50
    maximum_queue: int = 100
    outcome_seconds: float = 10.0
    reconcile_seconds: float = 5.0
    broker_column_from: dt.time = dt.time(7, 45)
    """New York: live at a real broker, entries need a book that LEAN read from it after this today."""
    account: AccountKind = "reg_t"
    limits: RiskLimits | None = RiskLimits()
    """None: neither buying power nor the limits of the whole book are judged."""


#: What `--risk lean` means: nothing of ours changes, delays, refuses or originates an order.
LEAN_RULES = DeskRules(
    lean_rules=True,
    release_window=1_000_000,
    approval_lapse_seconds=0.0,
    default_time_in_force="gtc",
    market_orders=True,
    legs_fill_apart=False,
    mend_broken=False,
    tick_rounding=False,
    even_money=False,
    leg_conflict=False,
    cancel_entries_before_close_seconds=0.0,
    automatic_breaker=False,
)


def desk_rules(settings: Settings) -> DeskRules:
    """The rules that settings ask for."""
    risk, bridge = settings.risk, settings.bridge
    if risk.rules == "lean":
        return LEAN_RULES
    return DeskRules(
        release_window=risk.release_window,
        approval_lapse_seconds=risk.approval_lapse.total_seconds(),
        leg_conflict=risk.leg_conflict,
        legs_fill_apart=risk.legs_fill_apart,
        mend_broken=risk.mend_broken,
        legs_apart_seconds=risk.legs_apart.total_seconds(),
        legs_apart_level=risk.legs_apart_level,
        mend_seconds=risk.mend.total_seconds(),
        mend_step_seconds=risk.mend_step.total_seconds(),
        mend_allowance_fraction=Decimal(risk.mend_allowance),
        unwind_budget_fraction=Decimal(risk.unwind_budget),
        cancel_entries_before_close_seconds=risk.entries_end_before_close.total_seconds(),
        entry_quote_age_seconds=risk.entry_quote_age.total_seconds(),
        maximum_open_positions=risk.maximum_open_positions,
        maximum_order_contracts=risk.maximum_order_contracts,
        maximum_loss_fraction=Decimal(risk.maximum_loss_per_order),
        buying_power_left_fraction=Decimal(risk.buying_power_left),
        daily_loss_fraction=Decimal(risk.daily_loss),
        daily_loss_level=risk.daily_loss_level,
        automatic_breaker=risk.automatic_breaker,
        maximum_orders_per_day=risk.orders_per_day,
        orders_reserved_for_exits=risk.orders_for_exits,
        maximum_queue=settings.order_queue_api.max_queue_size,
        outcome_seconds=bridge.outcome.total_seconds(),
        reconcile_seconds=bridge.reconcile.total_seconds(),
        broker_column_from=bridge.broker_column_from,
    )
