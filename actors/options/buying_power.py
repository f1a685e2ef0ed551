"""Available funds: what an account may still use, and what an order takes of it, working orders included.

Reg-T, cash and retirement accounts by the Reg-T requirement; portfolio margin by a price grid, which approximates.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from actors.options.contracts import Contract, parse_symbol
from actors.options.margin_rates import AccountKind, MarginRates, Mode, rates_of
from actors.options.payoff import Leg
from actors.options.regt import MarginPart, MarginUnknown, Requirement, regt_initial, regt_maintenance
from actors.options.risk_market import RiskMarket, RiskOrder, combined, marked_value, underlyings_of
from actors.options.scenarios import Scenario, build_grid, stress

_CENT = Decimal("0.01")
#: Points of the price grid of portfolio margin, evenly spaced over the range of moves (as the OCC's TIMS has them).
PORTFOLIO_POINTS = 11
#: Dollars per share of each option contract that portfolio margin asks at least (FINRA 4210(g)(7)).
PORTFOLIO_FLOOR = Decimal("0.375")
#: Up to this many working orders of one underlying every subset of fills is looked at.
ALL_SUBSETS = 3


class Account(msgspec.Struct, frozen=True):
    """What an account is and has: cash in dollars (premiums received are in it), equity, and house rates by ticker."""

    kind: AccountKind = "reg_t"
    cash: Decimal = Decimal(0)
    equity: Decimal = Decimal(0)
    rates: Mapping[str, MarginRates] | None = None


class BuyingPowerEffect(msgspec.Struct, frozen=True):
    """What an order does to available funds, in dollars: `change` (negative: it takes), `available` before and after
    it with working orders as filled or not, whichever leaves less, and what it is made of.

    change = -debit - fees + value of shares traded - (initial requirement after - before), where the working orders
    leave the least. `refused` says what this kind of account may not hold after it.
    """

    change: Decimal
    before: Decimal
    after: Decimal
    debit: Decimal
    fees: Decimal
    requirement_before: Decimal
    requirement_after: Decimal
    refused: tuple[str, ...]
    approximate: bool

    @property
    def words(self) -> str:
        """As `buying power -1,975.00: credit 525.00, fees 13.00, initial requirement +2,487.00`."""
        cash = f"debit {self.debit:,.2f}" if self.debit >= 0 else f"credit {-self.debit:,.2f}"
        grown = self.requirement_after - self.requirement_before
        text = f"buying power {self.change:+,.2f}: {cash}, fees {self.fees:,.2f}, initial requirement {grown:+,.2f}"
        return f"{text} (portfolio margin, approximated)" if self.approximate else text


def portfolio_requirement(
    holdings: Mapping[str, int], market: RiskMarket, *, rates: Mapping[str, MarginRates] | None = None
) -> Requirement:
    """Portfolio margin, approximated: per underlying the greatest loss over 11 prices (stocks -15 to +15 %, large
    indexes -8 to +6 %, small ones +-10 %, funds with leverage times it) at unchanged volatility, at least 37.50 a
    contract. No offsets between underlyings. The OCC's own values and a broker's house rules differ.

    Raises MarginUnknown for an underlying without a price, KeyError for an option that the market lacks.
    """
    parts: list[MarginPart] = []
    for underlying in underlyings_of(holdings):
        book = {symbol: holdings[symbol] for symbol in sorted(holdings) if _is_on(symbol, underlying)}
        seen = market.underlyings.get(underlying)
        if seen is None or not seen.spot > 0:
            raise MarginUnknown(f"{underlying} has no price: its margin is not known")
        low, high = rates_of(underlying, rates).moves
        points = [low + (high - low) * step / (PORTFOLIO_POINTS - 1) for step in range(PORTFOLIO_POINTS)]
        # Each underlying is moved by itself: beta has no part in this.
        own = msgspec.structs.replace(market, underlyings={underlying: msgspec.structs.replace(seen, beta=1.0)})
        result = stress(build_grid(own, book, [Scenario(point, 0.0, "now") for point in points]), book)
        loss = Decimal(repr(round(max(0.0, -result.worst), 2)))
        floor = sum(
            (abs(q) * PORTFOLIO_FLOOR * contract.multiplier for s, q in book.items()
             if isinstance(contract := parse_symbol(s), Contract)),
            Decimal(0),
        )  # fmt: skip
        words = f"greatest loss over {low:+.0%} to {high:+.0%}, approximated; at least 37.50 a contract"
        legs = tuple(Leg(symbol, quantity) for symbol, quantity in book.items() if quantity)
        parts.append(MarginPart("Portfolio", legs, max(loss, floor).quantize(_CENT, ROUND_HALF_UP), words))
    return Requirement(sum((part.requirement for part in parts), Decimal(0)), tuple(parts), approximate=True)


def requirement(holdings: Mapping[str, int], market: RiskMarket, account: Account, mode: Mode) -> Requirement:
    """The requirement of a book by the account's own kind. Raises MarginUnknown."""
    if account.kind == "portfolio":
        return portfolio_requirement(holdings, market, rates=account.rates)
    function = regt_initial if mode == "initial" else regt_maintenance
    return function(holdings, market.price, account=account.kind, rates=account.rates)


def available_funds(
    holdings: Mapping[str, int], market: RiskMarket, account: Account, working: Iterable[RiskOrder] = ()
) -> Decimal:
    """Dollars that the account may still use: cash and shares (portfolio margin: options too), less the initial
    requirement, with working orders as filled or unfilled, whichever leaves less per underlying.

    Raises MarginUnknown.
    """
    orders = tuple(working)
    total = account.cash
    for underlying in underlyings_of((*holdings, *(symbol for order in orders for symbol in order.quantities))):
        total += min(state.funds for state in _states(underlying, holdings, market, account, orders))
    return total


def bp_effect(
    order: RiskOrder, holdings: Mapping[str, int], market: RiskMarket, account: Account,
    working: Iterable[RiskOrder] = (),
) -> BuyingPowerEffect:  # fmt: skip
    """The change of available funds that an order brings once filled; `working` are the other open orders.

    Long options have no loan value (in portfolio margin they count at their mark). Raises MarginUnknown.
    """
    others = tuple(working)
    touched = underlyings_of(order.quantities)
    before = available_funds(holdings, market, account, others)
    after = before
    old = new = Decimal(0)
    refused: list[str] = []
    for underlying in touched:
        background = _states(underlying, holdings, market, account, others)
        filled = [_state(underlying, holdings, market, account, (*state.filled, order)) for state in background]
        least = min(filled, key=lambda state: state.funds)
        worst = min(background, key=lambda state: state.funds)
        after += least.funds - worst.funds
        old, new = old + worst.requirement.total, new + least.requirement.total
        refused += least.requirement.refused
    return BuyingPowerEffect(
        after - before, before, after, order.debit, order.fees, old, new, tuple(refused), account.kind == "portfolio"
    )


class _State(msgspec.Struct, frozen=True):
    """One underlying with some orders filled: its part of available funds, and its requirement."""

    filled: tuple[RiskOrder, ...]
    funds: Decimal
    requirement: Requirement


def _states(
    underlying: str, holdings: Mapping[str, int], market: RiskMarket, account: Account, orders: Sequence[RiskOrder]
) -> list[_State]:
    """The underlying with working orders filled in each way that is looked at: every subset of a few, of more none,
    all, each alone, and those that take funds alone."""
    on = [order for order in orders if any(_is_on(symbol, underlying) for symbol in order.quantities)]
    if len(on) <= ALL_SUBSETS:
        subsets = [subset for size in range(len(on) + 1) for subset in itertools.combinations(on, size)]
        return [_state(underlying, holdings, market, account, subset) for subset in subsets]
    states = [_state(underlying, holdings, market, account, subset) for subset in ((), *((order,) for order in on))]
    taking = tuple(order for order, state in zip(on, states[1:], strict=True) if state.funds < states[0].funds)
    states += [_state(underlying, holdings, market, account, subset) for subset in (tuple(on), taking)]
    return states


def _state(
    underlying: str, holdings: Mapping[str, int], market: RiskMarket, account: Account, filled: tuple[RiskOrder, ...]
) -> _State:
    book = {s: q for s, q in combined(holdings, filled).items() if _is_on(s, underlying)}
    asked = requirement(book, market, account, "initial")
    value = marked_value(book, market, stock_only=account.kind != "portfolio")
    paid = sum((order.debit + order.fees for order in filled), Decimal(0))
    worth = Decimal(repr(round(value, 2))) if value == value else Decimal(0)
    return _State(filled, worth - asked.total - paid, asked)


def _is_on(symbol: str, underlying: str) -> bool:
    parsed = parse_symbol(symbol)
    return (parsed.underlying if isinstance(parsed, Contract) else parsed) == underlying
