"""The first screen's two lines: what is true of the desk now, and its money. Durable facts, with the newest marks."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

from actors.messages.lean import Column
from actors.options.payoff import Leg, MixedExpiries, Unlimited, payoff
from config.desk import DeskRules
from daemon.amounts import amount, dollars
from daemon.driver import Driver
from daemon.views import Views
from daemon.views_market import Shown, age
from daemon.views_positions import MeasuresShown, measures, value
from daemon.views_risk import worst_scenario

Mode = Literal["LIVE", "PAPER", "NONE"]


class ColumnShown(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the reconciliation: from where, how old, and its cash and signed holdings."""

    source: str
    age_seconds: float
    cash: str
    holdings: dict[str, int]


class ReconciliationShown(msgspec.Struct, frozen=True, kw_only=True):
    """Ours, LEAN's and the broker's book side by side as last compared. `agree` is null before the first comparison;
    a column that is not known is null."""

    agree: bool | None
    at: dt.datetime | None
    age_seconds: float | None
    ours: ColumnShown | None
    lean: ColumnShown | None
    broker: ColumnShown | None
    differences: tuple[str, ...]


class SessionShown(msgspec.Struct, frozen=True, kw_only=True):
    """LEAN's session: its number here, its own name, and whether its end is connected."""

    number: int
    session: str
    mode: str
    brokerage: str
    fresh_from_broker: bool
    connected: bool
    since: dt.datetime | None


class StatusShown(msgspec.Struct, frozen=True, kw_only=True):
    """The line of truth. `line` says it in words. `now` is market time. `agrees`: our book and LEAN's, None where they
    were not compared since LEAN connected (entries wait). `feed_age_seconds` is the age of the newest quotes' feed in
    market time; `lag` the facts decided but not yet on disk; `waiting` the inputs that wait; `deaf` the read models
    that failed to take a fact, so that what they show may be wrong."""

    line: str
    truth: Mode
    sequence: int
    lag: int
    now: dt.datetime
    connected: bool
    session: str | None
    mode: str | None
    brokerage: str | None
    level: int
    level_name: str
    reason: str
    agrees: bool | None
    reconciled_age_seconds: float | None
    broker_age_seconds: float | None
    feed_age_seconds: float | None
    view: int
    open: tuple[str, ...]
    live_orders: int
    unknown_orders: tuple[str, ...]
    open_positions: int
    orders_today: int
    orders_limit: int
    anomalies: int
    failed: tuple[str, ...]
    deaf: tuple[str, ...]
    waiting: int


class HeldShown(msgspec.Struct, frozen=True, kw_only=True):
    """A net holding with what it cost on average per share."""

    symbol: str
    quantity: int
    average: str | None


class LeanAccountShown(msgspec.Struct, frozen=True, kw_only=True):
    """The account as LEAN last showed it, after its event `n`."""

    cash: str
    value: str
    margin_used: str
    margin_remaining: str
    fees: str
    holdings: tuple[HeldShown, ...]
    n: int


class AccountShown(msgspec.Struct, frozen=True, kw_only=True):
    """Money. `value` and `day_result` are as last recorded (once a minute); `net_liquidation`, `day_on_marks` and
    `day_on_natural` take the newest marks and prices that fill now. `at_risk` is what open positions can still lose at
    expiry; `reserved` what live orders hold back; `buying_power_used` their sum. `excess_liquidity` is LEAN's.
    `worst_scenario` is the worst of the scenario grid with all live orders, in dollars, `worst_scenario_name` which;
    null where an underlying has no price. `beta_delta` is null where no beta is known."""

    cash: str
    fees: str
    realised: str
    flows: str
    value: str | None
    day_result: str | None
    net_liquidation: str | None
    mark_flag: str
    flagged: float | None
    day_on_marks: str | None
    day_on_natural: str | None
    holdings_on_marks: str | None
    holdings_on_natural: str | None
    reserved: str
    at_risk: str | None
    buying_power_used: str | None
    excess_liquidity: str | None
    margin_used: str | None
    worst_scenario: str | None
    worst_scenario_name: str | None
    beta_delta: float | None
    measures: MeasuresShown
    lean: LeanAccountShown | None
    lean_at: dt.datetime | None
    differences: tuple[str, ...]


def truth(views: Views) -> Mode:
    """LIVE only where a live session trades a broker's real account."""
    if views.session is None:
        return "NONE"
    live = views.session.mode == "live" and "paper" not in views.session.brokerage.lower()
    return "LIVE" if live else "PAPER"


def status_shown(driver: Driver, views: Views, market: Shown | None, rules: DeskRules) -> StatusShown:
    """The line of truth now."""
    now, session, lanes = driver.clock.now(), views.session, driver.statistics()
    reconciled = views.reconciled
    ages = [] if market is None else [age(at, now) for at in market.quotes.alive.values()]
    feed_age = min((each for each in ages if each is not None), default=None)
    broker = None if reconciled is None else reconciled.broker
    since = age(views.reconciled_at, now)
    orders_today = views.sent_on_day(now.date())
    unknown = tuple(order.order_id for order in views.orders.live.values() if order.state == "unknown")
    failed = tuple(sorted(driver.core.failed()))
    mode = truth(views)
    agrees = views.comparison.agrees
    words = [
        mode if session is not None else "no session yet",
        views.level_name + (f": {views.reason}" if views.reason else ""),
        {None: "books not compared: entries wait", True: "books agree", False: "BOOKS DIFFER"}[agrees],
        "no quotes" if feed_age is None else f"feed {feed_age:.0f} s", f"{orders_today} orders today",
    ]  # fmt: skip
    if session is not None and not views.connected:
        words.insert(1, "LEAN is not connected")
    if unknown:
        words.append(f"{len(unknown)} unknown")
    if failed:
        words.append(f"stopped: {', '.join(failed)}")
    if driver.deaf:
        words.append("WHAT IS SHOWN MAY BE WRONG: " + ", ".join(driver.deaf))
    return StatusShown(
        line=" · ".join(words), truth=mode, sequence=views.seq, lag=driver.core.seq - views.seq, now=now,
        connected=views.connected, session=None if session is None else session.session,
        mode=None if session is None else session.mode, brokerage=None if session is None else session.brokerage,
        level=views.level, level_name=views.level_name, reason=views.reason, agrees=agrees,
        reconciled_age_seconds=since,
        broker_age_seconds=None if broker is None or since is None else round(broker.age_seconds + since, 3),
        feed_age_seconds=feed_age, view=0 if market is None else market.view.number,
        open=() if market is None else tuple(sorted(market.quotes.open)), live_orders=len(views.orders.live),
        unknown_orders=unknown, open_positions=len(views.book.positions), orders_today=orders_today,
        orders_limit=rules.maximum_orders_per_day, anomalies=len(views.anomalies), failed=failed,
        deaf=tuple(f"{name}: {text}" for name, text in driver.deaf.items()),
        waiting=lanes.control + lanes.lean + lanes.command + lanes.view,
    )  # fmt: skip


def account_shown(views: Views, market: Shown | None) -> AccountShown:
    """The money line now."""
    book, lean, equity = views.book, views.account, views.equity
    now = value(market, book.holdings)
    total = None if now.mark is None else book.cash + now.mark
    reserved = sum((order.reserved for order in views.orders.live.values()), Decimal(0))
    risk = _at_risk(views)
    worst = worst_scenario(views, market)
    return AccountShown(
        cash=dollars(book.cash), fees=dollars(book.fees), realised=dollars(book.realised), flows=dollars(book.flows),
        value=None if equity is None else dollars(equity.value),
        day_result=None if equity is None else dollars(equity.day_result),
        net_liquidation=None if total is None else dollars(total), mark_flag=now.flag,
        flagged=None if equity is None else equity.flagged, day_on_marks=_day(views, now.mark),
        day_on_natural=_day(views, now.natural),
        holdings_on_marks=None if now.mark is None else dollars(now.mark),
        holdings_on_natural=None if now.natural is None else dollars(now.natural), reserved=dollars(reserved),
        at_risk=risk if isinstance(risk, str | None) else dollars(risk),
        buying_power_used=None if risk is None or isinstance(risk, str) else dollars(risk + reserved),
        excess_liquidity=None if lean is None else dollars(lean.margin_remaining),
        margin_used=None if lean is None else dollars(lean.margin_used),
        worst_scenario=None if worst is None else f"{worst.dollars:.2f}",
        worst_scenario_name=None if worst is None else worst.words, beta_delta=None,
        measures=measures(market, book.holdings), lean=_lean(views), lean_at=views.account_at,
        differences=() if views.reconciled is None else views.reconciled.differences,
    )  # fmt: skip


def _day(views: Views, worth: Decimal | None) -> str | None:
    """The day's result with holdings at `worth`: what the day began with is what the last record of it says."""
    if worth is None or views.equity is None:
        return None
    began = views.equity.value - views.equity.day_result
    return dollars(views.book.cash + worth - began)


def _at_risk(views: Views) -> Decimal | str | None:
    """What open positions can still lose at expiry from the cash they have; None where one's legs expire apart."""

    total = Decimal(0)
    for position in views.book.positions.values():
        try:
            shape = payoff([Leg(symbol, quantity) for symbol, quantity in position.holdings.items()])
        except MixedExpiries:
            return None
        if isinstance(shape.minimum, Unlimited):
            return amount(shape.minimum)
        total += max(Decimal(0), -(shape.minimum + position.cash))
    return total


def _lean(views: Views) -> LeanAccountShown | None:
    lean = views.account
    if lean is None:
        return None
    held = tuple(
        HeldShown(symbol=each.symbol, quantity=each.quantity, average=str(each.average)) for each in lean.holdings
    )
    return LeanAccountShown(
        cash=dollars(lean.cash), value=dollars(lean.value), margin_used=dollars(lean.margin_used),
        margin_remaining=dollars(lean.margin_remaining), fees=dollars(lean.fees), holdings=held, n=lean.n,
    )  # fmt: skip


def holdings_shown(views: Views) -> tuple[HeldShown, ...]:
    """What is held, net, by symbol."""
    book = views.book
    return tuple(
        HeldShown(
            symbol=symbol, quantity=quantity, average=None if (cost := book.averages.get(symbol)) is None else str(cost)
        )
        for symbol, quantity in sorted(book.holdings.items())
    )


def session_shown(views: Views) -> SessionShown | None:
    """LEAN's present or last session; None before the first."""
    session = views.session
    if session is None:
        return None
    return SessionShown(
        number=session.number, session=session.session, mode=session.mode, brokerage=session.brokerage,
        fresh_from_broker=session.fresh_from_broker, connected=views.connected, since=views.session_since,
    )  # fmt: skip


def reconciliation_shown(views: Views, now: dt.datetime) -> ReconciliationShown:
    """The three columns as last compared, each column's age counted to now."""
    last = views.reconciled
    since = age(views.reconciled_at, now)
    if last is None:
        return ReconciliationShown(
            agree=None, at=None, age_seconds=None, ours=None, lean=None, broker=None, differences=()
        )
    return ReconciliationShown(
        agree=last.agree, at=views.reconciled_at, age_seconds=since, ours=_column(last.ours, since),
        lean=_column(last.lean, since), broker=_column(last.broker, since), differences=last.differences,
    )  # fmt: skip


def _column(column: Column | None, since: float | None) -> ColumnShown | None:
    if column is None:
        return None
    return ColumnShown(
        source=column.source, age_seconds=round(column.age_seconds + (since or 0.0), 3), cash=dollars(column.cash),
        holdings=dict(column.holdings),
    )  # fmt: skip
