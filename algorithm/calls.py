"""What LEAN is asked: orders, amends, cancels, exercises, subscriptions. Our normalised form becomes LEAN's calls.

LEAN's names come from AlgorithmImports, which only LEAN (or the tests' double of it) has.
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any

from AlgorithmImports import (
    DataNormalizationMode,
    Leg,
    Market,
    OrderProperties,
    OrderTicket,
    Resolution,
    SecurityType,
    Symbol,
    SymbolRepresentation,
    TimeInForce,
    UpdateOrderFields,
)

from algorithm.reading import STATUSES, Reading, aware
from bridge import protocol
from bridge.lean_words import Answer, Known

if TYPE_CHECKING:
    from AlgorithmImports import QCAlgorithm


class Calls:
    """LEAN as LEAN's end sees it. What LEAN throws passes through."""

    def __init__(self, algorithm: QCAlgorithm, reading: Reading, resolution: Resolution) -> None:
        self._lean, self._reading, self._resolution = algorithm, reading, resolution
        self._roots: dict[str, str] = {}
        self._symbols: dict[str, Symbol] = {}

    def now(self) -> dt.datetime:
        """The algorithm's time."""
        return aware(self._lean.utc_time)

    def account(self, seen: int) -> protocol.Account:
        """The portfolio now."""
        return self._reading.account(seen)

    def learn(self, symbols: list[Symbol]) -> None:
        """Symbols that LEAN has shown."""
        self._symbols |= {symbol.value: symbol for symbol in symbols}

    # --- orders -----------------------------------------------------------------------------------------------

    def place(self, frame: protocol.PlaceOrder, tag: str) -> Answer:
        """Place an order: LEAN sells a combo by a negative quantity of its mirrored unit."""
        properties = OrderProperties()
        day = frame.time_in_force == "day"
        properties.time_in_force = TimeInForce.DAY if day else TimeInForce.GOOD_TIL_CANCELED
        end: tuple[Any, ...] = (self._lean.live_mode, tag, properties)
        if frame.combo:
            return self._answer(self._place_combo(frame, end), len(frame.legs))
        symbol, ratio = self._symbol(frame.legs[0].symbol), frame.legs[0].ratio
        quantity = ratio * frame.quantity
        match frame.type:
            case "market":
                ticket = self._lean.market_order(symbol, quantity, *end)
            case "limit":
                ticket = self._lean.limit_order(symbol, quantity, float(frame.limit_price or 0) / ratio, *end)
            case "stop":
                ticket = self._lean.stop_market_order(symbol, quantity, float(frame.stop_price or 0), *end)
            case "market_on_close":
                ticket = self._lean.market_on_close_order(symbol, quantity, *end)
        return self._answer([ticket], 1)

    def _place_combo(self, frame: protocol.PlaceOrder, end: tuple[Any, ...]) -> list[OrderTicket]:
        side = -1 if frame.sell_group else 1
        prices = frame.leg_limits or (None,) * len(frame.legs)
        legs = [
            Leg.create(self._symbol(leg.symbol), side * leg.ratio, *(() if price is None else (float(price),)))
            for leg, price in zip(frame.legs, prices, strict=True)
        ]
        if frame.leg_limits is not None:
            return list(self._lean.combo_leg_limit_order(legs, side * frame.quantity, *end))
        if frame.type == "market":
            return list(self._lean.combo_market_order(legs, side * frame.quantity, *end))
        return list(
            self._lean.combo_limit_order(legs, side * frame.quantity, side * float(frame.limit_price or 0), *end)
        )

    def exercise(self, frame: protocol.Exercise, tag: str) -> Answer:
        """Exercise long contracts."""
        ticket = self._lean.exercise_option(self._symbol(frame.symbol), frame.quantity, self._lean.live_mode, tag)
        return self._answer([ticket], 1)

    def _answer(self, tickets: list[OrderTicket], legs: int) -> Answer:
        responses = [ticket.get_most_recent_order_response() for ticket in tickets]
        errors = [str(response) for response in responses if response.is_error]
        refused = bool(errors) or any(STATUSES[int(ticket.status)] == "invalid" for ticket in tickets)
        ids = tuple(ticket.order_id for ticket in tickets)
        return Answer(ids + (-10,) * (legs - len(ids)), not refused, errors[0] if errors else "")

    def amend(self, known: Known, frame: protocol.AmendOrder, tag: str | None) -> Answer:
        """Change a working order: one ticket is enough, but for prices of single legs."""
        # As `place` does: of a single leg LEAN knows contracts and the leg's own price, of a combo its unit's.
        side = (-1 if known.sell_group else 1) if known.combo else known.legs[0].ratio
        for index, lean_id in enumerate(known.lean_ids):
            price = frame.limit_price if frame.leg_limits is None else frame.leg_limits[index]
            fields = UpdateOrderFields()
            if frame.quantity is not None:
                fields.quantity = side * frame.quantity
            if price is not None:
                fields.limit_price = float(price) / (side if frame.leg_limits is None else 1)
            if frame.stop_price is not None:
                fields.stop_price = float(frame.stop_price)
            if tag is not None:
                fields.tag = tag
            response = self._lean.transactions.get_order_ticket(lean_id).update(fields)
            if response.is_error or frame.leg_limits is None:
                return Answer(known.lean_ids[:1], not response.is_error, str(response) if response.is_error else "")
        return Answer(known.lean_ids[:1], True)

    def cancel(self, known: Known, tag: str) -> Answer:
        """Cancel a working order: one ticket is enough."""
        response = self._lean.transactions.get_order_ticket(known.lean_ids[0]).cancel(tag or None)  # type: ignore[arg-type]
        return Answer(known.lean_ids[:1], not response.is_error, str(response) if response.is_error else "")

    def other(self, frame: Any) -> protocol.StoredObject | None:
        """Everything that is no order's."""
        match frame:
            case protocol.MoveCash(amount=amount):
                self._lean.portfolio.cash_book[self._lean.account_currency].add_amount(float(amount))
            case protocol.Subscribe():
                self.subscribe(frame)
            case protocol.Plot(chart=chart, series=series, value=value):
                self._lean.plot(chart, series, value)
            case protocol.Quit(reason=reason):
                self._lean.quit(reason)
            case protocol.StoreObject(key=key, content=content):
                return protocol.StoredObject(key, self._lean.object_store.save_bytes(key, list(content)), None)
            case protocol.FetchObject(key=key):
                found = self._lean.object_store.contains_key(key)
                return protocol.StoredObject(
                    key, found, bytes(self._lean.object_store.read_bytes(key)) if found else None
                )
        return None

    # --- symbols ----------------------------------------------------------------------------------------------

    def subscribe(self, wanted: protocol.Subscribe) -> None:
        """Add what is wanted and not there yet."""
        self._roots |= dict(wanted.index_roots)
        indexes, known = set(self._roots.values()), {symbol.value for symbol in list(self._lean.securities.keys())}
        for ticker in wanted.underlyings:
            if ticker in known:
                continue
            if ticker in indexes:
                self._lean.add_index(ticker, self._resolution)
            else:
                self._lean.add_equity(ticker, self._resolution, data_normalization_mode=DataNormalizationMode.RAW)
        for chain in wanted.chains:
            index = self._roots.get(chain.root)
            if f"?{chain.root}" not in known:
                option = (
                    self._lean.add_option(chain.root, self._resolution)
                    if index is None
                    else self._lean.add_index_option(index, chain.root, self._resolution)
                )
                option.set_filter(partial(_selected, chain))
        for text in wanted.symbols:
            if text not in known:
                symbol, index = self._symbol(text), text[:6].strip() in self._roots
                add = self._lean.add_index_option_contract if index else self._lean.add_option_contract
                add(symbol, self._resolution)

    def _symbol(self, text: str) -> Symbol:
        """LEAN's symbol of a spelling: one it has shown, else read from the text."""
        symbol = self._symbols.get(text)
        if symbol is None and len(text) > 15:
            kind = SecurityType.INDEX_OPTION if text[:6].strip() in self._roots else SecurityType.OPTION
            symbol = SymbolRepresentation.parse_option_ticker_osi(text, kind, Market.USA)
        return symbol or Symbol.create(text, SecurityType.EQUITY, Market.USA)


def _selected(chain: protocol.ChainFilter, universe: Any) -> Any:
    kept = universe.include_weeklys() if chain.expiries == "weeklys" else universe.standards_only()
    return kept.strikes(chain.min_strike, chain.max_strike).expiration(chain.min_days, chain.max_days)
