"""The desk's limits on a book as data, and a verdict on each: value, limit, and both in words.

Every judgement is of the book as it would be: working and unknown orders as filled or not, whichever is worse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from actors.options.buying_power import Account, requirement
from actors.options.contracts import is_option
from actors.options.exposure import Exposure, delivery, exposures, gamma_loss
from actors.options.regt import MarginUnknown
from actors.options.risk_market import RiskMarket, RiskOrder, combined
from actors.options.scenarios import Floats, Grid, Scenario, Stress, build_grid, stress


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits as fractions of equity. None switches one off."""

    move_5: float | None = 0.06
    """Loss in the rows of +-5 %."""
    move_10: float | None = 0.12
    """Loss in the rows of -10 %."""
    move_20: float | None = 0.20
    """Loss in the rows of -20 %."""
    underlying: float | None = 0.05
    """Loss of one underlying in its worst row."""
    expiry: float | None = 0.08
    """Loss of one expiry in its worst row."""
    gap_3: float | None = 0.04
    """Loss in the rows of +-3 % at the next open."""
    delivery: float | None = 1.5
    """Dollars of shares that short contracts may deliver soon."""
    assigned: bool = True
    """Whether tomorrow's maintenance excess must be above 0 if all short contracts were assigned tonight."""
    beta_delta: float | None = 0.01
    """Dollars that the beta-weighted delta makes of a move of 1 %."""
    gamma_2: float | None = 0.02
    """Dollars that short gamma loses by a move of 2 %."""
    buying_power_left: float = 0.15
    """Available funds that an order must leave, so that its exit can be paid."""


class LimitVerdict(msgspec.Struct, frozen=True):
    """One control: its name, the value it saw and the limit it holds (dollars; value None: not known), whether it
    holds, and all of it in words. `worsened` tells, where it does not hold, whether the order made the value worse."""

    control: str
    value: float | None
    limit: float
    holds: bool
    words: str
    worsened: bool = True


def _grid_verdicts(result: Stress, equity: float, limits: RiskLimits) -> tuple[LimitVerdict, ...]:
    """A verdict on each limit of the scenario grid. Losses are positive dollars."""
    found: list[LimitVerdict] = []
    for control, fraction, moves, name in (
        ("scenario_5", limits.move_5, (-0.05, 0.05), "at +-5 %"),
        ("scenario_10", limits.move_10, (-0.10,), "at -10 %"),
        ("scenario_20", limits.move_20, (-0.20,), "at -20 %"),
        ("gap_3", limits.gap_3, (-0.03, 0.03), "by a 3 % gap tonight"),
    ):
        losses = [
            (-float(value), scenario)
            for value, scenario in zip(result.total, result.scenarios, strict=True)
            if scenario.move in moves and (control != "gap_3" or scenario.at == "next_open")
        ]
        if fraction is not None and losses:
            loss, scenario = max(losses, key=_dollars)
            found.append(_loss(control, loss, fraction, equity, f"the book {name} ({scenario.words})"))
    expiries = {f"the expiry {date}": values for date, values in result.by_expiry.items()}
    for control, fraction, parts in (
        ("underlying", limits.underlying, dict(result.by_underlying)), ("expiry", limits.expiry, expiries),
    ):  # fmt: skip
        if fraction is None or not parts:
            continue
        name, values = min(parts.items(), key=_least)
        words = result.scenarios[int(values.argmin())].words
        found.append(_loss(control, -float(values.min()), fraction, equity, f"{name} at worst ({words})"))
    return tuple(found)


def _dollars(pair: tuple[float, Scenario]) -> float:
    return pair[0]


def _least(part: tuple[str, Floats]) -> float:
    return float(part[1].min())


def _loss(control: str, loss: float, fraction: float, equity: float, what: str) -> LimitVerdict:
    loss, limit = max(0.0, loss), fraction * equity
    words = f"{what} loses {loss:,.2f}, at most {limit:,.2f} ({100 * fraction:g} % of equity) may be lost"
    return LimitVerdict(control, round(loss, 2), round(limit, 2), loss <= limit + 0.005, words)


def _greek_verdicts(
    found: tuple[Exposure, ...], market: RiskMarket, equity: float, limits: RiskLimits
) -> tuple[LimitVerdict, ...]:
    """Verdicts on beta-weighted delta and short gamma. A beta that is not known makes the value unknown, which never
    holds by itself nor fails: the words say whose beta is missing."""
    verdicts: list[LimitVerdict] = []
    if limits.beta_delta is not None:
        missing = [each.underlying for each in found if each.beta is None and each.delta]
        known = sum(each.beta_delta_dollars or 0.0 for each in found) * 0.01
        limit = limits.beta_delta * equity
        words = f"a move of 1 % makes {known:+,.2f} by beta-weighted delta, {limit:,.2f} either way may be"
        if missing:
            words += f"; not in it, beta not known: {', '.join(missing)}"
        verdicts.append(
            LimitVerdict(
                "beta_delta", None if missing else round(abs(known), 2), round(limit, 2), abs(known) <= limit + 0.005,
                words,
            )
        )  # fmt: skip
    if limits.gamma_2 is not None:
        loss, limit = gamma_loss(found, market), limits.gamma_2 * equity
        words = f"short gamma loses {loss:,.2f} by a move of 2 %, at most {limit:,.2f} may be lost"
        verdicts.append(LimitVerdict("gamma_2", round(loss, 2), round(limit, 2), loss <= limit + 0.005, words))
    return tuple(verdicts)


def _delivery_verdicts(
    holdings: Mapping[str, int], market: RiskMarket, account: Account, limits: RiskLimits
) -> tuple[LimitVerdict, ...]:
    """Verdicts on delivery exposure, and on the maintenance excess if all short contracts were assigned tonight."""
    verdicts: list[LimitVerdict] = []
    equity = float(account.equity)
    exposure = delivery(holdings, market)
    if limits.delivery is not None:
        dollars, limit = float(exposure.dollars), limits.delivery * equity
        words = f"short contracts may deliver shares worth {dollars:,.2f} at their strikes, at most {limit:,.2f} may be"
        verdicts.append(LimitVerdict("delivery", dollars, round(limit, 2), dollars <= limit + 0.005, words))
    if limits.assigned and exposure.symbols:
        try:
            # What shares and options ask apart is more than the least, and quickly told: mostly it settles the matter.
            asked, least = _assigned(exposure.assigned, market, account, apart=True), "at least "
            if equity <= asked:
                asked, least = _assigned(exposure.assigned, market, account, apart=False), ""
        except MarginUnknown as unknown:
            verdicts.append(LimitVerdict("assigned", None, 0.0, False, str(unknown)))
        else:
            # Assigned shares are paid at the strike: what is in the money is lost, and was in the equity's marks.
            excess = equity - asked
            words = f"if short contracts near the money were assigned tonight, maintenance excess would be {least}"
            words += f"{excess:,.2f}, it must be above 0"
            verdicts.append(LimitVerdict("assigned", round(excess, 2), 0.0, excess > 0, words))
    return tuple(verdicts)


def _assigned(
    books: tuple[tuple[Mapping[str, int], ...], ...], market: RiskMarket, account: Account, *, apart: bool
) -> float:
    """Maintenance of all underlyings, each in the dearest of its ways."""
    total = Decimal(0)
    for ways in books:
        asks: list[Decimal] = []
        for book in ways:
            parts: list[Mapping[str, int]] = [book]
            if apart:
                stock = {symbol: quantity for symbol, quantity in book.items() if not is_option(symbol)}
                parts = [stock, {symbol: quantity for symbol, quantity in book.items() if symbol not in stock}]
            asks.append(sum((requirement(part, market, account, "maintenance").total for part in parts), Decimal(0)))
        total += max(asks)
    return float(total)


class Judgement(msgspec.Struct, frozen=True, eq=False):
    """The scenario grid and every verdict before and after an order, working and unknown orders included."""

    before: Stress
    after: Stress
    verdicts: tuple[LimitVerdict, ...]
    missing_beta: tuple[str, ...]
    borrowed: tuple[str, ...]
    unpriced: tuple[str, ...]

    @property
    def broken(self) -> tuple[LimitVerdict, ...]:
        """Limits that do not hold after the order and that it made worse."""
        return tuple(verdict for verdict in self.verdicts if not verdict.holds and verdict.worsened)


def judge(
    holdings: Mapping[str, int], market: RiskMarket, account: Account, limits: RiskLimits,
    order: RiskOrder | None = None, working: Iterable[RiskOrder] = (), grid: Grid | None = None,
) -> Judgement:  # fmt: skip
    """Verdicts on the book with `order` filled or not, whichever is worse, and all `working` orders likewise.

    Greeks and delivery are of the book with the order, and all working orders that open, filled. `grid` saves building
    one; it must hold all symbols. Raises SpotUnknown, MarginUnknown, KeyError for an option that the market lacks.
    """
    others = tuple(working)
    orders = others if order is None else (*others, order)
    if grid is None:
        grid = build_grid(market, [*holdings, *(symbol for each in orders for symbol in each.quantities)])
    equity = float(account.equity)
    before, after = stress(grid, holdings, others), stress(grid, holdings, orders)
    new = _all(holdings, market, account, limits, orders, after, equity)
    if order is not None and not all(verdict.holds for verdict in new):
        old = {each.control: each for each in _all(holdings, market, account, limits, others, before, equity)}
        new = tuple(msgspec.structs.replace(each, worsened=_worse(old.get(each.control), each)) for each in new)
    return Judgement(before, after, new, grid.missing_beta, grid.borrowed, grid.unpriced)


def _all(
    holdings: Mapping[str, int], market: RiskMarket, account: Account, limits: RiskLimits,
    orders: tuple[RiskOrder, ...], result: Stress, equity: float,
) -> tuple[LimitVerdict, ...]:  # fmt: skip
    filled = combined(holdings, orders)
    return (
        *_grid_verdicts(result, equity, limits),
        *_greek_verdicts(exposures(filled, market), market, equity, limits),
        *_delivery_verdicts(filled, market, account, limits),
    )


def _worse(old: LimitVerdict | None, new: LimitVerdict) -> bool:
    if old is None or old.value is None or new.value is None:
        return True
    return new.value < old.value - 0.005 if new.control == "assigned" else new.value > old.value + 0.005


# --- without us -----------------------------------------------------------------------------------------------------


class IfWeDie(msgspec.Struct, frozen=True):
    """What happens to a book with nobody at the desk until the next session: what rests at the broker, in words, and
    the worst dollars of the grid at the next open (negative: a loss), with what rests filled or not, and where."""

    resting: tuple[str, ...]
    worst: Decimal
    scenario: str
    words: str


def if_we_die(holdings: Mapping[str, int], market: RiskMarket, resting: Iterable[RiskOrder] = ()) -> IfWeDie:
    """`if we die` of one position or of a whole book: `resting` are its orders that the broker holds, day orders too
    (they work until the close). Raises SpotUnknown, KeyError for an option that the market lacks."""
    orders = tuple(resting)
    grid = build_grid(market, [*holdings, *(symbol for order in orders for symbol in order.quantities)])
    result = stress(grid, holdings, orders)
    late = [
        (float(value), scenario)
        for value, scenario in zip(result.total, result.scenarios, strict=True)
        if scenario.at == "next_open"
    ]
    worst, scenario = min(late, key=lambda pair: pair[0])
    lines = tuple(
        f"{order.order_id}: {_legs(order.quantities)} "
        f"{'until canceled' if order.time_in_force == 'gtc' else 'until the close'}"
        f"{' (unknown)' if order.unknown else ''}"
        for order in orders
    )
    rests = f"{len(lines) or 'no'} orders rest at the broker"
    if len(lines) == 1:
        rests = "1 order rests at the broker"
    worst = min(0.0, worst)
    words = f"{rests}; to the next open at worst {worst:,.2f} ({scenario.words})"
    return IfWeDie(lines, Decimal(repr(round(worst, 2))), scenario.words, words)


def _legs(quantities: Mapping[str, int]) -> str:
    return ", ".join(f"{quantity:+d} {symbol.strip()}" for symbol, quantity in sorted(quantities.items()))
