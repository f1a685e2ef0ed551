"""Callboard's settings: one vocabulary of typed sections. Shipped values are in settings.json; nothing is loaded here.

`Tighter` beside a field says which way is the safer one: a running daemon takes no other.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec

from config.units import Duration, Fraction

Tighter = Literal["lower", "higher", "off", "on"]


def _tighter(way: Tighter) -> msgspec.Meta:
    return msgspec.Meta(extra={"tighter": way})


class SettingsValueError(ValueError):
    """A value that can't be: names the key and the limit."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all sections: every key is required here, because the shipped file gives each a value."""


class HybridArchitecture(Section, frozen=True):
    """Whether strategies act by themselves beside the operator."""

    enabled: bool
    mode: Literal["autonomous_and_manual", "manual"]


class OptionStrategiesExecutor(Section, frozen=True):
    """The autonomous executor. Ranks are 0 to 100, deltas 0 to 1, days calendar days to the last trade."""

    enabled: bool
    iv_rank_threshold_iron_condor: Annotated[float, msgspec.Meta(ge=0, le=100)]
    iv_rank_threshold_butterfly: Annotated[float, msgspec.Meta(ge=0, le=100)]
    max_simultaneous_strategies: Annotated[int, msgspec.Meta(ge=0), _tighter("lower")]
    min_dte: Annotated[int, msgspec.Meta(ge=0)]
    max_dte: Annotated[int, msgspec.Meta(ge=0)]
    preferred_strikes_delta: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    check_interval_minutes: Annotated[float, msgspec.Meta(gt=0)]


class ProfitThreshold(Section, frozen=True):
    """At a gain of `gain_pct` (1.00 is the whole entry price) close `close_pct` of the original size."""

    gain_pct: Annotated[float, msgspec.Meta(gt=0)]
    close_pct: Annotated[float, msgspec.Meta(gt=0, le=1)]


class BotManagedPositions(Section, frozen=True):
    """Exits of positions that Callboard manages. The ladder is the one of debit positions; what it means for credit
    positions is the desk's rule."""

    enabled: bool
    profit_thresholds: tuple[ProfitThreshold, ...]
    stop_loss_pct: Annotated[float, msgspec.Meta(lt=0), _tighter("higher")]
    dte_roll_threshold: Annotated[int, msgspec.Meta(ge=0)]
    check_interval_seconds: Annotated[float, msgspec.Meta(gt=0)]


class RecurringOrders(Section, frozen=True):
    """Orders by the calendar."""

    enabled: bool
    max_active_templates: Annotated[int, msgspec.Meta(ge=0), _tighter("lower")]
    storage_path: str


class OrderQueueApi(Section, frozen=True):
    """The control API and its queue. Tokens never stand here: they come from the environment or a file of their own.

    `cors_origins` are pages elsewhere that may use it, `hosts` names under which it is asked beside loopback's. Each
    token may ask `requests_per_second` on average and `burst` at once; halts, cancels and closes are never counted.
    """

    enabled: bool
    host: str
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    auth_token_file: str
    max_queue_size: Annotated[int, msgspec.Meta(ge=1, le=100000), _tighter("lower")]
    enable_websocket: bool
    cors_origins: tuple[str, ...]
    hosts: tuple[str, ...]
    requests_per_second: Annotated[float, msgspec.Meta(gt=0), _tighter("lower")]
    burst: Annotated[int, msgspec.Meta(ge=1), _tighter("lower")]


class PositionTracker(Section, frozen=True):
    """What the feed shows of positions, and how often."""

    update_interval_seconds: Annotated[float, msgspec.Meta(gt=0)]
    enable_greeks_aggregation: bool


class PerformanceAnalytics(Section, frozen=True):
    """Equity and results."""

    enabled: bool
    update_interval_seconds: Annotated[float, msgspec.Meta(gt=0)]
    save_daily_snapshots: bool


class Bridge(Section, frozen=True):
    """The socket to LEAN, and what is thought when nothing comes over it.

    `broker_column_from`: New York. Live at a real broker, entries need a book that LEAN read from it after this today.
    """

    address: str
    secret_file: str
    dead_man: Annotated[Duration, _tighter("lower")]
    handshake: Duration
    silent: Annotated[Duration, _tighter("lower")]
    outcome: Annotated[Duration, _tighter("lower")]
    reconcile: Duration
    broker_column_from: dt.time


class Market(Section, frozen=True):
    """The embedded market, where there is no LEAN. `cash` in dollars."""

    fills: Literal["lean", "realistic"]
    seed: int
    speed: Annotated[float, msgspec.Meta(gt=0)]
    cash: Annotated[int, msgspec.Meta(gt=0)]


class Risk(Section, frozen=True):
    """The gate before every order that adds risk. Fractions are of equity.

    `legs_fill_apart`: the broker may fill a combination's legs one without another. Then closing a spread in one order
    is not a reducing order, because its long leg might be sold alone; buying back its short legs first is.

    `mend_broken`: legs of one order that filled unequally are mended. Those of a working order get `legs_apart`; then
    the breaker is raised to `legs_apart_level` and the rest is canceled. What an ended order left is completed within
    `mend` where the whole costs at most `mend_allowance` (at least 0.10 a share) more than its limit, else taken back:
    six tries, one each `mend_step`, at most `unwind_budget` of the width between strikes beyond the middle.
    """

    rules: Literal["default", "lean"]
    maximum_open_positions: Annotated[int, msgspec.Meta(ge=0), _tighter("lower")]
    maximum_order_contracts: Annotated[int, msgspec.Meta(ge=1), _tighter("lower")]
    maximum_loss_per_order: Annotated[Fraction, _tighter("lower")]
    buying_power_left: Annotated[Fraction, _tighter("higher")]
    daily_loss: Annotated[Fraction, _tighter("lower")]
    daily_loss_level: Annotated[int, msgspec.Meta(ge=1, le=5), _tighter("higher")]
    automatic_breaker: Annotated[bool, _tighter("on")]
    orders_per_day: Annotated[int, msgspec.Meta(ge=0), _tighter("lower")]
    orders_for_exits: Annotated[int, msgspec.Meta(ge=0), _tighter("higher")]
    entry_quote_age: Annotated[Duration, _tighter("lower")]
    entries_end_before_close: Annotated[Duration, _tighter("higher")]
    approval_lapse: Annotated[Duration, _tighter("lower")]
    release_window: Annotated[int, msgspec.Meta(ge=1, le=1000), _tighter("lower")]
    leg_conflict: Annotated[bool, _tighter("on")]
    legs_fill_apart: Annotated[bool, _tighter("on")]
    mend_broken: Annotated[bool, _tighter("on")]
    legs_apart: Annotated[Duration, _tighter("lower")]
    legs_apart_level: Annotated[int, msgspec.Meta(ge=1, le=5), _tighter("higher")]
    mend: Annotated[Duration, _tighter("lower")]
    mend_step: Duration
    mend_allowance: Annotated[Fraction, _tighter("lower")]
    unwind_budget: Annotated[Fraction, _tighter("lower")]


class Daemon(Section, frozen=True):
    """The process: where it keeps its memory, and whose time it is."""

    journal: str
    clock: Literal["wall", "market"]
    log_directory: str
    log_console: Literal["notices", "all"]
    log_level: Literal["debug", "info", "warning", "error"]
    log_megabytes: Annotated[int, msgspec.Meta(ge=1)]
    log_files_kept: Annotated[int, msgspec.Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that may be set."""

    hybrid_architecture: HybridArchitecture
    option_strategies_executor: OptionStrategiesExecutor
    bot_managed_positions: BotManagedPositions
    recurring_orders: RecurringOrders
    order_queue_api: OrderQueueApi
    position_tracker: PositionTracker
    performance_analytics: PerformanceAnalytics
    bridge: Bridge
    market: Market
    risk: Risk
    daemon: Daemon

    def check(self) -> None:
        """Rules that take more than one key. Raises SettingsValueError."""
        executor, risk, managed = self.option_strategies_executor, self.risk, self.bot_managed_positions
        if executor.min_dte > executor.max_dte:
            raise SettingsValueError(
                f"option_strategies_executor.min_dte {executor.min_dte} is above max_dte {executor.max_dte}"
            )
        for name in ("maximum_loss_per_order", "buying_power_left", "daily_loss", "mend_allowance", "unwind_budget"):
            value = getattr(risk, name)
            if not 0 <= value <= 1:
                raise SettingsValueError(f"risk.{name} {value} is not between 0 and 100 %")
        for name in ("legs_apart", "mend", "mend_step"):
            if not getattr(risk, name):
                raise SettingsValueError(f"risk.{name} 0s leaves no time; mend_broken = false turns it off")
        if risk.orders_for_exits > risk.orders_per_day:
            raise SettingsValueError(
                f"risk.orders_for_exits {risk.orders_for_exits} is above orders_per_day {risk.orders_per_day}"
            )
        closed = sum(each.close_pct for each in managed.profit_thresholds)
        if closed > 1 + 1e-9:
            raise SettingsValueError(
                f"bot_managed_positions.profit_thresholds close {closed:g} of the size, more than all of it"
            )
        gains = [each.gain_pct for each in managed.profit_thresholds]
        if gains != sorted(set(gains)):
            raise SettingsValueError(f"bot_managed_positions.profit_thresholds have gains {gains}, which do not rise")
