"""The ways in which options and shares of one underlying may be margined together, each with dollars a unit.

Strategies by FINRA Rule 4210(f)(2); which of them are taken how often is decided in _decomposition.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from actors.options.contracts import Contract
from actors.options.margin_rates import AccountKind, MarginRates, Mode
from actors.options.settlement import fixing

ZERO = Decimal(0)


class OptionHeld(msgspec.Struct, frozen=True):
    """A signed holding of an option and its price, dollars per share."""

    contract: Contract
    symbol: str
    quantity: int
    premium: Decimal


class UnderlyingBook(msgspec.Struct, frozen=True):
    """One underlying's holdings in symbol order, and what they are asked by. `shares` is signed."""

    underlying: str
    spot: Decimal
    shares: int
    options: tuple[OptionHeld, ...]
    rates: MarginRates
    mode: Mode
    account: AccountKind


class Component(msgspec.Struct, frozen=True):
    """Legs margined together, dollars asked, and how they come about. `refused` says why the account can't hold it."""

    name: str
    legs: tuple[tuple[str, int], ...]
    dollars: Decimal
    words: str
    refused: str = ""


class Row(msgspec.Struct):
    """One way to margin some options (contracts each) and shares together: dollars a unit."""

    name: str
    uses: tuple[tuple[int, int], ...]
    shares: int
    dollars: Decimal
    words: str
    refused: str = ""
    weight: float = 0.0


def _settled(contract: Contract) -> tuple[dt.date, int]:
    """The order in which contracts are fixed: by date, AM series before PM."""
    return contract.expiry, 0 if fixing(contract) == "AM" else 1


def spread_groups(book: UnderlyingBook) -> list[tuple[int, ...]]:
    """Members of each spread group: for each fixing of short options, shorts up to it and longs from it on."""
    if book.account == "cash":
        members = [i for i, o in enumerate(book.options) if o.contract.settlement == "cash"]
    else:
        members = list(range(len(book.options)))
    ends = sorted({_settled(book.options[i].contract): None for i in members if book.options[i].quantity < 0})
    found: list[tuple[int, ...]] = []
    for end in ends:
        shorts = [i for i in members if book.options[i].quantity < 0 and _settled(book.options[i].contract) <= end]
        longs = [i for i in members if book.options[i].quantity > 0 and _settled(book.options[i].contract) >= end]
        if book.account == "cash":
            longs = [i for i in longs if _settled(book.options[i].contract) == end]
            shorts = [i for i in shorts if _settled(book.options[i].contract) == end]
        if longs:
            found.append((*shorts, *longs))
    return found


def margin_rows(book: UnderlyingBook) -> list[Row]:
    """Every way in which the account may hold short options apart from spreads: uncovered, in pairs, beside shares."""
    rows: list[Row] = []
    short = [i for i, option in enumerate(book.options) if option.quantity < 0]
    calls = [i for i in short if book.options[i].contract.right == "C"]
    puts = [i for i in short if book.options[i].contract.right == "P"]
    rows += [_uncovered(book, i) for i in short]
    if book.account == "reg_t":
        rows += [
            _strangle(book, call, put)
            for call in calls
            for put in puts
            if book.options[call].contract.multiplier == book.options[put].contract.multiplier
        ]
    if book.shares > 0:
        rows += _with_long_stock(book, calls)
    elif book.shares < 0 and book.account == "reg_t":
        rows += _with_short_stock(book, puts)
    return rows


def _naked(book: UnderlyingBook, option: OptionHeld) -> tuple[Decimal, Decimal]:
    """Dollars per share beyond the premium, and the amount out of the money."""
    contract, rates = option.contract, book.rates
    call = contract.right == "C"
    out = max(ZERO, contract.strike - book.spot if call else book.spot - contract.strike)
    floor = rates.option_floor * (book.spot if call else contract.strike)
    return max(rates.option_basic * book.spot - out, floor), out


def _uncovered(book: UnderlyingBook, index: int) -> Row:
    option = book.options[index]
    contract = option.contract
    if book.account in ("cash", "ira") and contract.right == "P":
        words = f"the strike {contract.strike:f} in cash"
        return Row("Cash-secured put", ((index, -1),), 0, contract.strike * contract.multiplier, words)
    base, out = _naked(book, option)
    dollars = (option.premium + base) * contract.multiplier
    words = (
        f"premium {option.premium:f} + max({book.rates.option_basic:.0%} of {book.spot:f} - {out:f} out of the money, "
        f"{book.rates.option_floor:.0%} of {book.spot if contract.right == 'C' else contract.strike:f})"
    )
    name = "Naked call" if contract.right == "C" else "Naked put"
    if book.account == "reg_t":
        return Row(name, ((index, -1),), 0, dollars, words)
    refused = f"{option.symbol.strip()} short is uncovered, which {_ACCOUNTS[book.account]} may not be"
    # Heavier than anything it could be margined with: taken only where nothing covers it.
    weight = float(100 * (book.spot + contract.strike) * contract.multiplier)
    return Row(name, ((index, -1),), 0, dollars, words, refused, weight)


_ACCOUNTS = {"cash": "a cash account", "ira": "an IRA", "reg_t": "a margin account", "portfolio": "an account"}


def _strangle(book: UnderlyingBook, call: int, put: int) -> Row:
    sides = [(book.options[i].premium + _naked(book, book.options[i])[0], book.options[i].premium) for i in (call, put)]
    (call_side, call_premium), (put_side, put_premium) = sides
    greater, other = (call_side, put_premium) if call_side >= put_side else (put_side, call_premium)
    multiplier = book.options[call].contract.multiplier
    words = f"the greater side {greater:f} + the other side's premium {other:f}"
    return Row("Short strangle", ((call, -1), (put, -1)), 0, (greater + other) * multiplier, words)


def _with_long_stock(book: UnderlyingBook, calls: Sequence[int]) -> list[Row]:
    """Covered calls; in maintenance also collars, conversions and protective puts."""
    rate, spot = book.rates.long_stock(book.mode, book.account), book.spot
    rows: list[Row] = []
    for i in calls:
        call = book.options[i].contract
        inside = max(ZERO, spot - call.strike)
        each = rate * min(spot, call.strike) + inside
        words = f"{rate:.0%} of shares at the lower of {spot:f} and the strike, + {inside:f} in the money"
        rows.append(Row("Covered call", ((i, -1),), call.multiplier, each * call.multiplier, words))
    if book.mode == "initial" or book.account != "reg_t":
        return rows
    for j, put in _held(book, "P"):
        out = max(ZERO, spot - put.strike)
        kept = Decimal("0.10") * put.strike + out
        each = min(kept, rate * spot)
        words = f"10 % of the put's strike + {out:f} out of the money, at most {rate:.0%} of shares"
        rows.append(Row("Protective put", ((j, 1),), put.multiplier, each * put.multiplier, words))
        for i in calls:
            call = book.options[i].contract
            if call.expiry != put.expiry or call.strike < put.strike or call.multiplier != put.multiplier:
                continue
            inside = max(ZERO, spot - call.strike)
            if call.strike == put.strike:
                name, each = "Conversion", Decimal("0.10") * put.strike + inside
                words = f"10 % of the strike + {inside:f} in the money"
            else:
                name, each = "Collar", min(kept, Decimal("0.25") * call.strike) + inside
                words = f"lesser of 10 % of the put's strike + {out:f} and 25 % of the call's strike, + {inside:f}"
            rows.append(Row(name, ((i, -1), (j, 1)), put.multiplier, each * put.multiplier, words))
    return rows


def _with_short_stock(book: UnderlyingBook, puts: Sequence[int]) -> list[Row]:
    """Covered puts; in maintenance also reverse conversions and protective calls."""
    each_share, spot = book.rates.short_stock(book.spot, book.mode), book.spot
    rows: list[Row] = []
    for i in puts:
        put = book.options[i].contract
        inside = max(ZERO, put.strike - spot)
        words = f"{each_share:f} a share short + {inside:f} in the money"
        rows.append(Row("Covered put", ((i, -1),), -put.multiplier, (each_share + inside) * put.multiplier, words))
    if book.mode == "initial":
        return rows
    for j, call in _held(book, "C"):
        out = max(ZERO, call.strike - spot)
        each = min(Decimal("0.10") * call.strike + out, each_share)
        words = f"10 % of the call's strike + {out:f} out of the money, at most {each_share:f} a share"
        rows.append(Row("Protective call", ((j, 1),), -call.multiplier, each * call.multiplier, words))
        for i in puts:
            put = book.options[i].contract
            if put.expiry != call.expiry or put.strike != call.strike or put.multiplier != call.multiplier:
                continue
            inside = max(ZERO, put.strike - spot)
            dollars = (Decimal("0.10") * call.strike + inside) * call.multiplier
            words = f"10 % of the strike + {inside:f} in the money"
            rows.append(Row("Reverse conversion", ((i, -1), (j, 1)), -call.multiplier, dollars, words))
    return rows


def _held(book: UnderlyingBook, right: str) -> list[tuple[int, Contract]]:
    return [(i, o.contract) for i, o in enumerate(book.options) if o.quantity > 0 and o.contract.right == right]


def stock_part(book: UnderlyingBook, shares: int) -> Component:
    """Shares that hedge nothing: `shares` is signed and not 0."""
    if shares > 0:
        rate = book.rates.long_stock(book.mode, book.account)
        words = f"{rate:.0%} of {book.spot:f} a share"
        return Component("Stock", ((book.underlying, shares),), rate * book.spot * shares, words)
    each = book.rates.short_stock(book.spot, book.mode)
    refused = ""
    if book.account != "reg_t":
        refused = f"{-shares} {book.underlying} short: {_ACCOUNTS[book.account]} holds no short stock"
    words = f"{each:f} a share beyond the proceeds"
    return Component("Short stock", ((book.underlying, shares),), each * -shares, words, refused)


def intrinsic(contract: Contract, spot: Decimal) -> Decimal:
    """Dollars per share that the contract is worth at this spot if it ends now."""
    gap = spot - contract.strike if contract.right == "C" else contract.strike - spot
    return max(gap, ZERO)


def turning_points(book: UnderlyingBook, members: Sequence[int]) -> list[Decimal]:
    """Where the payoff of a group can have its minimum: at 0 and at each strike."""
    return [ZERO, *sorted({book.options[i].contract.strike: None for i in members})]


def spread_part(book: UnderlyingBook, members: Sequence[int], amounts: Sequence[int]) -> Component:
    """What a group asks with these contracts of each member in it: its greatest loss at the turning points."""
    legs = [
        (book.options[i], amount if book.options[i].quantity > 0 else -amount)
        for i, amount in zip(members, amounts, strict=True)
        if amount
    ]
    worst = ZERO
    where = ZERO
    for spot in turning_points(book, members):
        value = sum(
            (quantity * option.contract.multiplier * intrinsic(option.contract, spot) for option, quantity in legs),
            ZERO,
        )
        if value < worst:
            worst, where = value, spot
    expiries = {option.contract.expiry: None for option, _ in legs}
    name = "Spread" if len(expiries) == 1 else "Calendar or diagonal"
    words = "can't lose at expiry beyond what was paid" if not worst else f"greatest loss at expiry, at {where:f}"
    return Component(name, tuple((option.symbol, quantity) for option, quantity in legs), -worst, words)
