"""LEAN's margin for option strategies, as its default models compute it. For conformance: a broker asks otherwise.

`lean_margin_used` is maintenance margin with the book split into LEAN's strategies; the split here is
deterministic, LEAN's own
is not where several strategies are open at once. Source: recorded runs of LEAN, one strategy open alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from actors.options.contracts import Contract, is_index, parse_symbol

Price = Callable[[str], float]

_STOCK_MAINTENANCE = Decimal("0.25")
_STOCK_INITIAL = Decimal("0.50")
_NAKED = Decimal("0.20")
_NAKED_INDEX = Decimal("0.15")
_NAKED_FLOOR = Decimal("0.10")
_HEDGE = Decimal("0.10")
_COLLAR_CALL = Decimal("0.25")
_SHORT_BOX = Decimal("1.02")


class _Side(msgspec.Struct):
    """Contracts of one right and one sign left to match, by contract."""

    left: dict[Contract, int]

    def take(self, contract: Contract, quantity: int) -> None:
        left = self.left[contract] - quantity
        if left:
            self.left[contract] = left
        else:
            del self.left[contract]

    def sorted(self) -> list[Contract]:
        return sorted(self.left, key=lambda contract: (contract.expiry, contract.strike, contract.root))


class _Book(msgspec.Struct):
    """One underlying's holdings while they are matched; `shares` signed, in hundreds where options hedge them."""

    underlying: str
    spot: Decimal
    shares: int
    price: Price
    close_cost: Price | None
    long_calls: _Side
    short_calls: _Side
    long_puts: _Side
    short_puts: _Side

    def premium(self, contract: Contract) -> Decimal:
        """LEAN's price of a contract, dollars per share."""
        return _decimal(self.price(contract.symbol))

    def naked(self, contract: Contract) -> Decimal:
        """Dollars for one short contract alone: premium + max(20 % (index 15 %) of spot - out of the money, 10 %
        of spot (call) or strike (put))."""
        rate = _NAKED_INDEX if is_index(self.underlying) else _NAKED
        call = contract.right == "C"
        out = max(Decimal(0), contract.strike - self.spot if call else self.spot - contract.strike)
        floor = _NAKED_FLOOR * (self.spot if call else contract.strike)
        return (self.premium(contract) + max(rate * self.spot - out, floor)) * contract.multiplier


def lean_margin_used(holdings: Mapping[str, int], price: Price, close_cost: Price | None = None) -> Decimal:
    """Dollars of maintenance margin that LEAN shows for signed holdings (contracts, shares), 0 for none.

    `price(symbol)` is LEAN's price per share. `close_cost(symbol)`, where given, is what closing one short (or the
    proceeds of one long) costs per share at the natural price: LEAN looks at it for short boxes only.
    """
    return sum((_margin(book, _STOCK_MAINTENANCE) for book in _books(holdings, price, close_cost)), Decimal(0))


def lean_initial_margin(holdings: Mapping[str, int], price: Price, close_cost: Price | None = None) -> Decimal:
    """Dollars of initial margin: stock alone asks 50 % instead of 25 %; short options ask the same."""
    return sum((_margin(book, _STOCK_INITIAL) for book in _books(holdings, price, close_cost)), Decimal(0))


def _books(holdings: Mapping[str, int], price: Price, close_cost: Price | None) -> list[_Book]:
    books: dict[str, _Book] = {}
    for symbol in sorted(holdings):
        quantity = holdings[symbol]
        if not quantity:
            continue
        parsed = parse_symbol(symbol)
        underlying = parsed.underlying if isinstance(parsed, Contract) else parsed
        book = books.get(underlying)
        if book is None:
            spot = _decimal(price(underlying))
            book = _Book(underlying, spot, 0, price, close_cost, _Side({}), _Side({}), _Side({}), _Side({}))
            books[underlying] = book
        if not isinstance(parsed, Contract):
            book.shares += quantity
            continue
        calls = (book.long_calls, book.short_calls)
        puts = (book.long_puts, book.short_puts)
        side = (calls if parsed.right == "C" else puts)[0 if quantity > 0 else 1]
        side.left[parsed] = abs(quantity)
    return list(books.values())


def _margin(book: _Book, stock_rate: Decimal) -> Decimal:
    total = Decimal(0)
    if book.shares > 0:
        total += _long_stock(book, stock_rate)
    elif book.shares < 0:
        total += _short_stock(book, stock_rate)
    total += abs(book.shares) * book.spot * stock_rate
    total += _boxes(book)
    total += _irons(book)
    _butterflies(book)
    total += _spreads(book)
    return total + _uncovered(book)


# --- strategies with stock --------------------------------------------------------------------------------------


def _long_stock(book: _Book, rate: Decimal) -> Decimal:
    """Conversions, collars, covered calls and protective puts, in this order, a hundred shares each."""
    total = Decimal(0)
    for call in book.short_calls.sorted():
        for put in [p for p in book.long_puts.sorted() if p.expiry == call.expiry and p.strike <= call.strike]:
            units = min(
                book.shares // call.multiplier,
                book.short_calls.left.get(call, 0),
                book.long_puts.left.get(put, 0),
            )
            if units <= 0:
                continue
            if put.strike == call.strike:
                each = _HEDGE * call.strike
            else:
                out = max(Decimal(0), book.spot - put.strike)
                each = min(_HEDGE * put.strike + out, _COLLAR_CALL * call.strike)
            total += each * call.multiplier * units
            book.short_calls.take(call, units)
            book.long_puts.take(put, units)
            book.shares -= units * call.multiplier
    for call in book.short_calls.sorted():
        units = min(book.shares // call.multiplier, book.short_calls.left[call])
        if units <= 0:
            continue
        inside = max(Decimal(0), book.spot - call.strike)
        stock = rate * min(book.spot, call.strike)
        each = max(inside + stock, min(book.spot, max(book.premium(call), rate * book.spot)))
        total += each * call.multiplier * units
        book.short_calls.take(call, units)
        book.shares -= units * call.multiplier
    for put in book.long_puts.sorted():
        units = min(book.shares // put.multiplier, book.long_puts.left[put])
        if units <= 0:
            continue
        out = max(Decimal(0), book.spot - put.strike)
        total += min(_HEDGE * put.strike + out, rate * book.spot) * put.multiplier * units
        book.long_puts.take(put, units)
        book.shares -= units * put.multiplier
    return total


def _short_stock(book: _Book, rate: Decimal) -> Decimal:
    """Reverse conversions, covered puts and protective calls, in this order."""
    total = Decimal(0)
    for put in book.short_puts.sorted():
        for call in [c for c in book.long_calls.sorted() if c.expiry == put.expiry and c.strike == put.strike]:
            units = min(
                -book.shares // put.multiplier,
                book.short_puts.left.get(put, 0),
                book.long_calls.left.get(call, 0),
            )
            if units <= 0:
                continue
            inside = max(Decimal(0), put.strike - book.spot)
            total += (_HEDGE * put.strike + inside) * put.multiplier * units
            book.short_puts.take(put, units)
            book.long_calls.take(call, units)
            book.shares += units * put.multiplier
    for put in book.short_puts.sorted():
        units = min(-book.shares // put.multiplier, book.short_puts.left[put])
        if units <= 0:
            continue
        inside = max(Decimal(0), put.strike - book.spot)
        total += (rate * book.spot + inside) * put.multiplier * units
        book.short_puts.take(put, units)
        book.shares += units * put.multiplier
    for call in book.long_calls.sorted():
        units = min(-book.shares // call.multiplier, book.long_calls.left[call])
        if units <= 0:
            continue
        out = max(Decimal(0), call.strike - book.spot)
        total += min(_HEDGE * call.strike + out, rate * book.spot) * call.multiplier * units
        book.long_calls.take(call, units)
        book.shares += units * call.multiplier
    return total


# --- option strategies --------------------------------------------------------------------------------------------


def _boxes(book: _Book) -> Decimal:
    """Short boxes: the larger of the width and 102 % of what closing costs, fees included."""
    total = Decimal(0)
    for put in book.short_puts.sorted():
        for call in book.short_calls.sorted():
            if call.expiry != put.expiry or call.strike >= put.strike:
                continue
            high = msgspec.structs.replace(call, strike=put.strike)
            low = msgspec.structs.replace(put, strike=call.strike)
            sides = (
                (book.short_puts, put), (book.short_calls, call), (book.long_calls, high), (book.long_puts, low),
            )  # fmt: skip
            units = min(side.left.get(contract, 0) for side, contract in sides)
            if units <= 0:
                continue
            width = (put.strike - call.strike) * put.multiplier * units
            total += max(width, _SHORT_BOX * _closing(book, sides, units))
            for side, contract in sides:
                side.take(contract, units)
    return total


def _closing(book: _Book, sides: tuple[tuple[_Side, Contract], ...], units: int) -> Decimal:
    if book.close_cost is None:
        return Decimal(0)
    cost = Decimal(0)
    for side, contract in sides:
        sign = 1 if side in (book.short_puts, book.short_calls) else -1
        cost += sign * _decimal(book.close_cost(contract.symbol)) * contract.multiplier * units
        cost += max(Decimal("0.65") * units, Decimal(1))
    return cost


def _irons(book: _Book) -> Decimal:
    """Iron condors and butterflies: a put spread and a call spread of one expiry ask the wider one's width."""
    total = Decimal(0)
    for short_put in book.short_puts.sorted():
        for short_call in book.short_calls.sorted():
            if short_call.expiry != short_put.expiry or short_call.strike < short_put.strike:
                continue
            wing_put = _nearest(book.long_puts, short_put, below=True)
            wing_call = _nearest(book.long_calls, short_call, below=False)
            if wing_put is None or wing_call is None:
                continue
            sides = (
                (book.short_puts, short_put), (book.short_calls, short_call), (book.long_puts, wing_put),
                (book.long_calls, wing_call),
            )  # fmt: skip
            units = min(side.left.get(contract, 0) for side, contract in sides)
            if units <= 0:
                continue
            width = max(short_put.strike - wing_put.strike, wing_call.strike - short_call.strike)
            total += width * short_put.multiplier * units
            for side, contract in sides:
                side.take(contract, units)
    return total


def _butterflies(book: _Book) -> None:
    """Long butterflies with equal wings ask nothing: two short bodies between a long one on either side."""
    for shorts, longs in ((book.short_calls, book.long_calls), (book.short_puts, book.long_puts)):
        for body in shorts.sorted():
            for lower in longs.sorted():
                if lower.expiry != body.expiry or lower.strike >= body.strike:
                    continue
                upper = msgspec.structs.replace(lower, strike=2 * body.strike - lower.strike)
                units = min(shorts.left.get(body, 0) // 2, longs.left.get(lower, 0), longs.left.get(upper, 0))
                if units > 0:
                    shorts.take(body, 2 * units)
                    longs.take(lower, units)
                    longs.take(upper, units)


def _nearest(side: _Side, short: Contract, *, below: bool) -> Contract | None:
    """The long contract of the same expiry nearest to a short one on its protecting side."""
    found = [
        contract
        for contract in side.sorted()
        if contract.expiry == short.expiry
        and (contract.strike < short.strike if below else contract.strike > short.strike)
    ]
    if not found:
        return None
    return max(found, key=lambda c: c.strike) if below else min(found, key=lambda c: c.strike)


def _spreads(book: _Book) -> Decimal:
    """Verticals (the width where it is a credit, else nothing) and calendars of one strike (nothing): cheapest
    first."""
    total = Decimal(0)
    for shorts, longs, sign in (
        (book.short_calls, book.long_calls, 1),
        (book.short_puts, book.long_puts, -1),
    ):
        while True:
            pairs: list[tuple[Decimal, int, dt.date, Decimal, Decimal, Contract, Contract]] = []
            for short in shorts.sorted():
                for long in longs.sorted():
                    if long.expiry == short.expiry:
                        asked = max(Decimal(0), sign * (long.strike - short.strike))
                    elif long.expiry > short.expiry and long.strike == short.strike:
                        asked = Decimal(0)
                    else:
                        continue
                    later = int(long.expiry != short.expiry)
                    distance = abs(long.strike - short.strike)
                    pairs.append((asked, later, short.expiry, distance, short.strike, short, long))
            if not pairs:
                break
            # Among equals the nearest strikes first: that leaves the widest protection for the rest.
            asked, _, _, _, _, short, long = min(pairs, key=lambda pair: pair[:5])
            units = min(shorts.left[short], longs.left[long])
            if asked * short.multiplier >= book.naked(short):
                break
            total += asked * short.multiplier * units
            shorts.take(short, units)
            longs.take(long, units)
    return total


def _uncovered(book: _Book) -> Decimal:
    """Short straddles and strangles (the greater side and the other's premium), then what is naked."""
    total = Decimal(0)
    for put in book.short_puts.sorted():
        for call in book.short_calls.sorted():
            if call.expiry != put.expiry or call.strike < put.strike:
                continue
            units = min(book.short_puts.left.get(put, 0), book.short_calls.left.get(call, 0))
            if units <= 0:
                continue
            asks = {put: book.naked(put), call: book.naked(call)}
            greater, other = (put, call) if asks[put] > asks[call] else (call, put)
            total += (asks[greater] + book.premium(other) * other.multiplier) * units
            book.short_puts.take(put, units)
            book.short_calls.take(call, units)
    for side in (book.short_calls, book.short_puts):
        for contract in side.sorted():
            total += book.naked(contract) * side.left[contract]
    return total


def _decimal(value: float) -> Decimal:
    return Decimal(repr(round(value, 6)))
