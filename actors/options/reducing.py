"""Whether an order only reduces risk: computed from the position it names, never a flag.

Pure. Working and unknown orders count as unfilled and as filled, whichever is worse; legs may fill apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from actors.options.contracts import Contract, parse_symbol
from actors.options.payoff import Leg, Payoff, payoff
from actors.options.scenarios import GridScenario

#: Subsets of fills are counted out up to this many; beyond it an order is not called reducing.
MAXIMUM_SUBSETS = 4096
_HALF_A_CENT = 0.005

#: Worst dollars of a book over a scenario grid (negative: a loss); quantities by symbol.
Scenario = Callable[[Mapping[str, int]], float]


class WorkingOrder(msgspec.Struct, frozen=True):
    """Another order of the same position: signed quantities that may still fill, by symbol."""

    quantities: Mapping[str, int]
    unknown: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """Whether the order is reducing, and every rule that says it is not."""

    reducing: bool
    reasons: tuple[str, ...] = ()


def is_reducing(
    holdings: Mapping[str, int],
    order: Mapping[str, int],
    others: Iterable[WorkingOrder] = (),
    *,
    legs_fill_apart: bool = True,
    scenario: Scenario | None = None,
) -> Verdict:
    """The desk's rule for an order against the position it names.

    `holdings` and `order` are signed quantities by symbol (contracts or shares); `others` are the position's other
    working
    and unknown orders. Every leg must stand against the holding and, with all that closes already, not cross zero;
    what is
    left must be no worse in its minimum at expiry and in both end slopes (and in `scenario`, where given) with the
    order wholly filled, with any part of its legs filled, and with every other order taken as filled and as unfilled.
    `scenario` as a GridScenario is asked once for a bound of all subsets, and for all of them at once where that fails.
    Buying back short options passes by definition. Legs that expire apart are judged expiry by expiry.
    """
    others = tuple(others)
    legs = {symbol: quantity for symbol, quantity in order.items() if quantity}
    reasons: list[str] = []
    if not legs:
        return Verdict(False, ("the order has nothing left to fill",))
    for symbol, quantity in legs.items():
        held = holdings.get(symbol, 0)
        name = symbol.strip()
        if held * quantity >= 0:
            reasons.append(f"{name}: {quantity:+d} does not stand against a holding of {held:+d}")
            continue
        closing = sum(abs(q) for other in others if (q := other.quantities.get(symbol, 0)) * held < 0)
        if abs(quantity) + closing > abs(held):
            reasons.append(f"{name}: {abs(quantity)} and {closing} closing already would cross zero, {abs(held)} held")
    if reasons:
        return Verdict(False, tuple(reasons))
    if all(quantity > 0 and isinstance(parse_symbol(symbol), Contract) for symbol, quantity in legs.items()):
        return Verdict(True)
    return _judge_shapes(holdings, legs, others, legs_fill_apart, scenario)


def _judge_shapes(
    holdings: Mapping[str, int], legs: Mapping[str, int], others: Sequence[WorkingOrder], apart: bool,
    scenario: Scenario | None,
) -> Verdict:  # fmt: skip
    backgrounds = _backgrounds(holdings, others)
    fills = _fills(legs, apart)
    if backgrounds is None or fills is None:
        return Verdict(False, (f"more than {MAXIMUM_SUBSETS} ways to fill: not judged as reducing",))
    shaping = _worst_fills(legs, fills, apart)
    for background in backgrounds:
        before = _shapes(background)
        for fill in shaping:
            why = _worse(before, _shapes(_filled(background, fill)))
            if why is not None:
                return Verdict(False, (f"with {_part(fill)} filled {why}",))
        worse = None if scenario is None else _worse_scenario(scenario, background, legs, fills)
        if worse is not None:
            return Verdict(False, (f"with {_part(worse)} filled the worst of the scenario grid falls",))
    return Verdict(True)


def _filled(book: Mapping[str, int], fill: Mapping[str, int]) -> dict[str, int]:
    return {symbol: book.get(symbol, 0) + fill.get(symbol, 0) for symbol in {**book, **fill}}


def _part(fill: Mapping[str, int]) -> str:
    return ", ".join(f"{quantity:+d} {symbol.strip()}" for symbol, quantity in fill.items())


def _worst_fills(legs: Mapping[str, int], fills: list[dict[str, int]], apart: bool) -> list[dict[str, int]]:
    """The fills that the payoff must be judged by. Of options alone one is enough: every long leg sold and no short
    leg bought back. No payoff is negative, so that each sale lowers and each purchase raises the position's payoff
    everywhere, with its slopes; what passes with that passes with every other fill."""
    if not apart or not all(isinstance(parse_symbol(symbol), Contract) for symbol in legs):
        return fills
    sold = {symbol: quantity for symbol, quantity in legs.items() if quantity < 0}
    return [sold] if sold else fills


def _worse_scenario(
    scenario: Scenario, background: Mapping[str, int], legs: Mapping[str, int], fills: list[dict[str, int]]
) -> Mapping[str, int] | None:
    """A fill after which the worst of the grid is worse than before, by more than half a cent; None for none."""
    least = scenario(background) - _HALF_A_CENT
    if isinstance(scenario, GridScenario):
        if len(fills) > 1 and scenario.bound(background, legs) >= least:
            return None
        if scenario.worst_fill(background, fills) >= least:
            return None
    return next((fill for fill in fills if scenario(_filled(background, fill)) < least), None)


def _backgrounds(holdings: Mapping[str, int], others: Sequence[WorkingOrder]) -> list[dict[str, int]] | None:
    """The position with each of the other orders' legs filled or not: partial fills lie between these."""
    moves = [(symbol, quantity) for other in others for symbol, quantity in other.quantities.items() if quantity]
    if 2 ** len(moves) > MAXIMUM_SUBSETS:
        return None
    found: dict[tuple[tuple[str, int], ...], dict[str, int]] = {}
    for chosen in itertools.product((False, True), repeat=len(moves)):
        book = dict(holdings)
        for take, (symbol, quantity) in zip(chosen, moves, strict=True):
            if take:
                book[symbol] = book.get(symbol, 0) + quantity
        found[tuple(sorted(book.items()))] = book
    return list(found.values())


def _fills(legs: Mapping[str, int], apart: bool) -> list[dict[str, int]] | None:
    """Every way the order may come to fill: whole legs suffice, for the payoff is linear in each leg's quantity and its
    minimum concave, so that a part of a leg is never worse than the worse of none and all of it."""
    if not apart:
        return [dict(legs)]
    if 2 ** len(legs) > MAXIMUM_SUBSETS:
        return None
    items = list(legs.items())
    return [
        {symbol: quantity for take, (symbol, quantity) in zip(chosen, items, strict=True) if take}
        for chosen in itertools.product((False, True), repeat=len(items))
        if any(chosen)
    ]


def _shapes(book: Mapping[str, int]) -> dict[object, Payoff]:
    """Payoff per expiry; stock counts with every expiry, and alone where there is none."""
    stock = [
        Leg(symbol, quantity) for symbol, quantity in book.items() if not isinstance(parse_symbol(symbol), Contract)
    ]
    by_expiry: dict[object, list[Leg]] = {}
    for symbol, quantity in book.items():
        parsed = parse_symbol(symbol)
        if isinstance(parsed, Contract) and quantity:
            by_expiry.setdefault(parsed.expiry, []).append(Leg(symbol, quantity))
    shapes: dict[object, Payoff] = {expiry: payoff([*legs, *stock]) for expiry, legs in by_expiry.items()}
    shapes["stock"] = payoff(stock)
    return shapes


def _worse(before: Mapping[object, Payoff], after: Mapping[object, Payoff]) -> str | None:
    empty = payoff(())
    stock_before, stock_after = before["stock"], after["stock"]
    for expiry in {**before, **after}:
        old = before.get(expiry, stock_before if stock_before.slope else empty)
        new = after.get(expiry, stock_after if stock_after.slope else empty)
        if new.slope < min(old.slope, Decimal(0)):
            return f"the slope above the last strike falls from {old.slope} to {new.slope}"
        if new.slope_below > max(old.slope_below, Decimal(0)):
            return f"the slope below the first strike rises from {old.slope_below} to {new.slope_below}"
        if new.values[0] < min(old.values[0], _floor(old)):
            return f"the value at 0 falls from {old.values[0]} to {new.values[0]}"
        if old.slope >= 0 and new.slope >= 0 and min(new.values) < min(min(old.values), Decimal(0)):
            return f"the minimum at expiry falls from {min(old.values)} to {min(new.values)}"
    return None


def _floor(shape: Payoff) -> Decimal:
    """What a position may be worth at worst without being worse: nothing, or its own minimum where that is below."""
    return min(min(shape.values), Decimal(0))
