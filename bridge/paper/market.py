"""The embedded market: LEAN's part of the protocol, played over a feed's instants. One thread, frames in and out.

Two memories: the portfolio and orders (the broker's), and ids, tickets and event numbers (the session's).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec

from actors.options.contracts import Contract, SymbolError, is_index, is_option, multiplier_of, parse_symbol
from actors.options.ticks import lean_round
from bridge import protocol
from bridge.paper.bars import Instant
from bridge.paper.data import Instants, MarketHours
from bridge.paper.expiry import assigned_early, settle_expired
from bridge.paper.fees import lean_fee
from bridge.paper.fills import combo_prices, fresh, limit_price, market_price, side_bar, stop_price
from bridge.paper.orders import PaperLeg, PaperOrder, paper_order
from bridge.paper.portfolio import Portfolio
from bridge.paper.prices import Prices

#: LEAN looks for a margin call every five minutes.
_MARGIN_CALL_PERIOD = dt.timedelta(minutes=5)

#: (holdings, price of a symbol, natural price of closing it) -> dollars of margin.
MarginModel = Callable[[Mapping[str, int], Callable[[str], float], Callable[[str], float]], Decimal]


class Market:
    """Plays a feed. `next()` goes to the next step, `settle()` runs a round of commands inside the present one."""

    def __init__(
        self,
        feed: Instants,
        hours: MarketHours,
        *,
        cash: Decimal,
        margin: MarginModel,
        initial: MarginModel,
        session: str = "1",
        rounds: int = 1000,
    ) -> None:
        self._feed = feed
        self._hours = hours
        self._instants: Iterator[Instant] = iter(feed)
        self._margin = margin
        self._initial = initial
        self._session = session
        self._limit = rounds
        self._portfolio = Portfolio(cash)
        self._prices: dict[str, Prices] = {}
        self._numbers: dict[str, int] = {}
        self._orders: dict[str, PaperOrder] = {}
        self._refused: dict[str, int] = {}
        self._amended: dict[str, int] = {}
        self._working: dict[str, PaperOrder] = {}
        self._asked: list[tuple[str, PaperOrder, PaperLeg]] = []
        self._listed = 0
        self._last_id = 0
        self._last_event = 0
        self._batch = 0
        self._step = 0
        self._rounds = rounds
        self._events: list[protocol.Event] = []
        self._touched = False
        self._now = dt.datetime(1998, 1, 1, tzinfo=dt.UTC)
        self._open: frozenset[str] = frozenset()
        self._margin_check: dt.datetime | None = None
        self._assignment_hour: dt.datetime | None = None
        self._pending: Instant | None = None
        self._begun = False
        self._ended = False
        self._quit: str | None = None
        self._day: dt.date | None = None

    # --- the protocol -----------------------------------------------------------------------------------------

    def hello(self, mode: protocol.Mode = "backtest") -> protocol.Hello:
        """The handshake: of a new session at the first instant of the run, later of the same one after a lost
        connection, with its working orders and what it was asked."""
        fresh = not self._begun
        if fresh:
            self._begun = True
            self._pending = next(self._instants)
            self._now = self._pending.at
        working = tuple(
            protocol.OpenOrder(
                order.order_id, tuple(protocol.Leg(leg.symbol, leg.ratio) for leg in order.legs), order.quantity,
                tuple(leg.filled for leg in order.legs), cast(protocol.OrderType, order.type), order.limit_price,
                order.legs[0].tag, tuple(leg.lean_id for leg in order.legs), (),
            )
            for order in self._working.values()
        )  # fmt: skip
        return protocol.Hello(
            protocol.VERSION, self._session, mode, "paper", fresh, self._now, self._account(), working,
            tuple(self._refused.items()), self._last_event,
        )  # fmt: skip

    def heartbeat(self) -> protocol.Heartbeat:
        """Alive between steps, and the feed too for what is open."""
        return protocol.Heartbeat(self._now, self._alive())

    def everything(self, events: tuple[protocol.Event, ...]) -> list[protocol.Frame]:
        """What a daemon that knows nothing needs: every security, every quote, and these events of this session."""
        numbers = dict(self._numbers)
        listing = protocol.Listing(self._now, tuple(self._security(symbol) for symbol in numbers))
        quotes = self._quotes(numbers)
        step = protocol.Step(self._step, self._now, 0, True, events, self._account(), quotes, self._alive())
        return [listing, step]

    def _alive(self) -> tuple[str, ...]:
        return tuple(symbol for symbol in self._feed.underlyings if symbol in self._open)

    def dead_man(self) -> int:
        """Nobody leads: working orders that add to what is held are cancelled at the end of this step. How many."""
        count = 0
        for order in self._working.values():
            closes = all(
                leg.ratio * self._portfolio.quantity(leg.symbol) < 0
                and abs(order.wanted(leg)) <= abs(self._portfolio.quantity(leg.symbol))
                for leg in order.legs
            )
            if not closes and not order.cancel_asked:
                order.cancel_asked = True
                self._asked.append(("cancel", order, order.legs[0]))
                count += 1
        return count

    def next(self) -> list[protocol.Frame]:
        """Frames up to the next step: the end of the present one (cancels, amends), listings, the step, or the end."""
        frames: list[protocol.Frame] = []
        self._end_of_step()
        if self._quit is not None and not self._ended:
            self._ended = True
            frames.append(protocol.Goodbye(self._now, self._quit, self._account()))
            return frames
        if self._events:
            frames.append(protocol.Events(self._take_events(), self._account_if_touched()))
            return frames
        while not self._ended:
            instant = self._pending if self._pending is not None else next(self._instants)
            self._pending = None
            self._now = instant.at
            if instant.kind == "end":
                self._ended = True
                frames.append(protocol.Goodbye(self._now, "the run is over", self._account()))
                return frames
            listing = self._listing(instant)
            if listing is not None:
                frames.append(listing)
            if instant.kind == "midnight":
                self._midnight(instant)
                if not self._events:
                    continue
                frames.append(self._frame({}, instant))
                return frames
            frames.append(self._minute(instant))
            return frames
        raise StopIteration("the run is over")

    def settle(self, done: protocol.Done) -> protocol.Settle:
        """Run the commands one after another and answer with what came of them."""
        self._rounds -= 1
        for command in done.commands:
            self._run(command)
        return protocol.Settle(self._step, self._now, self._rounds, self._take_events(), self._account_if_touched())

    # --- a step -----------------------------------------------------------------------------------------------

    def _minute(self, instant: Instant) -> protocol.Step:
        now = self._now
        day = now.date()
        if day != self._day:
            self._day = day
            for prices in self._prices.values():
                prices.new_day()
        for symbol, update in instant.updates.items():
            self._prices_of(symbol).update(now, update)
        for symbol, interest in instant.open_interest.items():
            self._prices_of(symbol).open_interest = interest
        self._open = instant.open
        if self._margin_check is None or now >= self._margin_check:
            self._margin_check = now + _MARGIN_CALL_PERIOD
            self._margin_call()
        self._scan()
        self._end_of_day()
        self._assign()
        changed = dict.fromkeys((*instant.updates, *instant.open_interest))
        return self._frame(changed, instant)

    def _frame(self, changed: Mapping[str, Any], instant: Instant) -> protocol.Step:
        self._step += 1
        self._rounds = self._limit
        quotes = self._quotes(changed)
        alive = tuple(symbol for symbol in self._feed.underlyings if symbol in instant.open)
        return protocol.Step(
            self._step, self._now, self._rounds, self._step == 1, self._take_events(),
            self._account_if_touched(), quotes, alive,
        )  # fmt: skip

    def _quotes(self, symbols: Mapping[str, Any]) -> protocol.Quotes:
        """Quotes of those symbols that are listed, as they are now."""
        columns: tuple[list[float], ...] = ([], [], [], [], [], [], [])
        numbers: list[int] = []
        for symbol in symbols:
            number = self._numbers.get(symbol)
            if number is None:
                continue
            prices = self._prices[symbol]
            numbers.append(number)
            values = (
                prices.bid, prices.ask, prices.bid_size, prices.ask_size, prices.last, prices.volume,
                prices.open_interest,
            )  # fmt: skip
            for column, value in zip(columns, values, strict=True):
                column.append(value)
        return protocol.Quotes(numbers, *columns)

    def _listing(self, instant: Instant) -> protocol.Listing | None:
        added: list[protocol.Security] = []
        for symbol in instant.listed:
            if symbol not in self._numbers:
                self._listed += 1
                self._numbers[symbol] = self._listed
                self._prices_of(symbol)
                added.append(self._security(symbol))
        removed: list[int] = []
        for symbol in instant.unlisted:
            number = self._numbers.pop(symbol, None)
            if number is not None:
                removed.append(number)
        if not added and not removed:
            return None
        return protocol.Listing(instant.at, tuple(added), tuple(removed))

    def _security(self, symbol: str) -> protocol.Security:
        parsed, number = parse_symbol(symbol), self._numbers[symbol]
        if not isinstance(parsed, Contract):
            kind = "index" if is_index(symbol) else "equity"
            return protocol.Security(number, symbol, kind, symbol, 1, "", "", Decimal("0.01"))
        kind = "index_option" if is_index(parsed.underlying) else "option"
        session = self._hours.session(symbol, parsed.expiry)
        close = None if session is None else session[1]
        return protocol.Security(
            number, symbol, kind, parsed.underlying, parsed.multiplier, parsed.style, parsed.settlement,
            _tick(symbol), close, close,
        )  # fmt: skip

    def _prices_of(self, symbol: str) -> Prices:
        prices = self._prices.get(symbol)
        if prices is None:
            prices = self._prices[symbol] = Prices(quoted=is_option(symbol))
        return prices

    def _end_of_step(self) -> None:
        """What LEAN does after on_data: amends and cancels asked for in it take effect."""
        asked, self._asked = self._asked, []
        for what, order, leg in asked:
            if what == "update" and order.working:
                self._tell(order, leg, "update_submitted")
                self._try(order)
            if what == "cancel" and order.working:
                order.status = "canceled"
                self._working.pop(order.order_id, None)
                self._unpin(order)
                for each in order.legs:
                    self._tell(order, each, "canceled")

    # --- fills ------------------------------------------------------------------------------------------------

    def _scan(self) -> None:
        """Resting orders in the order in which they were placed."""
        for order in list(self._working.values()):
            self._try(order)

    def _end_of_day(self) -> None:
        """Day orders end with the session of the day they were placed on, or the next one where it was over."""
        for order in [each for each in self._working.values() if each.day]:
            session = self._hours.session(order.legs[0].symbol, self._now.date())
            if session is None or not order.placed_at < session[1] <= self._now:
                continue
            order.status = "canceled"
            self._working.pop(order.order_id)
            self._unpin(order)
            for leg in order.legs:
                self._tell(order, leg, "canceled", message="The order has expired.")

    def _try(self, order: PaperOrder) -> None:
        if all(leg.symbol in self._open for leg in order.legs):
            prices = self._fill_prices(order)
            if prices is not None:
                self._fill(order, prices)

    def _fill_prices(self, order: PaperOrder) -> list[float] | None:
        """Price per leg where the whole order fills now, else None."""
        if order.type == "market":
            return self._market_prices(order)
        if order.placed_at >= self._now:
            return None
        leg = order.legs[0]
        if order.type == "market_on_close":
            session = self._hours.session(leg.symbol, self._now.date())
            prices = self._prices[leg.symbol]
            return (
                [prices.last if prices.last == prices.last else prices.price]
                if session and self._now >= session[1]
                else None
            )
        bars = {each.symbol: side_bar(self._prices[each.symbol], each.ratio) for each in order.legs}
        known = {symbol: bar for symbol, bar in bars.items() if bar is not None and bar.ended > order.placed_at}
        if len(known) != len(order.legs):
            return None
        if order.leg_limits is not None:
            filled = [
                limit_price(known[each.symbol], each.ratio, float(limit))
                for each, limit in zip(order.legs, order.leg_limits, strict=True)
            ]
            return (
                None
                if any(price is None for price in filled)
                else [float(price) for price in filled if price is not None]
            )
        if order.type == "stop":
            price = stop_price(known[leg.symbol], leg.ratio, float(order.stop_price or 0))
            return None if price is None else [price]
        assert order.limit_price is not None
        if not order.combo:
            price = limit_price(known[leg.symbol], leg.ratio, abs(float(order.limit_price)))
            return None if price is None else [price]
        ratios = {each.symbol: each.ratio for each in order.legs}
        combo = combo_prices(ratios, known, float(order.limit_price), order.sell_group)
        return None if combo is None else [combo[each.symbol] for each in order.legs]

    def _market_prices(self, order: PaperOrder) -> list[float] | None:
        result: list[float] = []
        for leg in order.legs:
            prices = self._prices[leg.symbol]
            price = market_price(prices, leg.ratio)
            if price is None or not fresh(prices, self._now):
                return None
            result.append(price)
        return result

    def _fill(self, order: PaperOrder, prices: list[float]) -> None:
        """Book every leg, then tell of every leg: LEAN applies a group at once."""
        order.status = "filled"
        self._working.pop(order.order_id, None)
        self._batch += 1
        fills: list[tuple[PaperLeg, int, Decimal, Decimal]] = []
        for leg, price in zip(order.legs, prices, strict=True):
            quantity, paid = order.wanted(leg), _decimal(price)
            fee = lean_fee(leg.symbol, quantity, self._fee_price(order, leg, paid))
            self._book(leg.symbol, quantity, paid, fee)
            leg.filled = quantity
            fills.append((leg, quantity, paid, fee))
        self._unpin(order)
        for leg, quantity, paid, fee in fills:
            self._tell(order, leg, "filled", price=paid, filled=quantity, fee=fee)

    def _fee_price(self, order: PaperOrder, leg: PaperLeg, paid: Decimal) -> Decimal:
        """The premium that LEAN's fee model looks at: the order's own limit where it has one."""
        if order.leg_limits is not None:
            return order.leg_limits[order.legs.index(leg)]
        if order.limit_price is not None:
            if order.combo:
                return -order.limit_price if order.sell_group else order.limit_price
            return abs(order.limit_price)
        return order.stop_price if order.stop_price is not None else paid

    def _book(self, symbol: str, quantity: int, price: Decimal, fee: Decimal, settlement: Decimal = Decimal(0)) -> None:
        self._portfolio.fill(symbol, quantity, price, fee, settlement)
        self._touched = True
        self._pin(symbol)

    def _pin(self, symbol: str) -> None:
        if self._portfolio.quantity(symbol) or any(
            leg.symbol == symbol for order in self._working.values() for leg in order.legs
        ):
            self._feed.pinned.add(symbol)
        else:
            self._feed.pinned.discard(symbol)

    def _unpin(self, order: PaperOrder) -> None:
        for leg in order.legs:
            self._pin(leg.symbol)

    # --- commands ---------------------------------------------------------------------------------------------

    def _run(self, command: protocol.Command) -> None:
        match command:
            case protocol.PlaceOrder():
                self._place(command)
            case protocol.AmendOrder():
                self._amend(command)
            case protocol.CancelOrder():
                self._cancel(command)
            case protocol.Exercise():
                self._exercise(command)
            case protocol.QueryOrder():
                self._query(command)
            case protocol.MoveCash():
                self._portfolio.cash += command.amount
                self._touched = True
                self._event(protocol.CashMoved, command.amount, command.reason)
            case protocol.Subscribe():
                raise protocol.ProtocolError("this market's subscriptions are fixed when it is made")
            case protocol.Plot():
                pass
            case protocol.Quit(reason=reason):
                self._quit = reason

    def _place(self, frame: protocol.PlaceOrder) -> None:
        known = self._orders.get(frame.order_id)
        if known is not None and known.status != "invalid":
            text = f"order {frame.order_id} is {known.status} here: another attempt would make it twice"
            self._returned(frame, False, "denied", (), text, denied=True)
            return
        if self._attempted(frame, frame.order_id):
            return
        if frame.quantity <= 0:
            text = "Error: OrderQuantityZero - Unable to submit order with id -10 that has zero quantity."
            self._returned(frame, False, "invalid", (-10,) * len(frame.legs), text)
            return
        raised = self._raises(frame)
        if raised is not None:
            self._returned(frame, False, "raised", (), raised[1], raised=raised[0])
            return
        refused = self._refuses(frame)
        if refused is not None:
            self._returned(frame, False, "invalid", (-10,) * len(frame.legs), refused)
            return
        order = paper_order(_rounded(frame), self._last_id + 1, self._now)
        self._last_id += len(order.legs)
        self._orders[order.order_id] = order
        ids = tuple(leg.lean_id for leg in order.legs)
        if len({leg.symbol for leg in order.legs}) < len(order.legs):
            # LEAN's margin models throw on it: the order stays new for ever.
            order.status = "limbo"
            self._tell(order, order.legs[-1], "new", message="Error executing margin models")
            self._returned(frame, True, "new", ids, "")
            return
        short = self._insufficient(order)
        if short is not None:
            order.status = "invalid"
            for leg in order.legs:
                self._tell(order, leg, "invalid", message=short)
            self._returned(frame, False, "invalid", ids, short)
            return
        order.status = "submitted"
        self._working[order.order_id] = order
        for leg in order.legs:
            self._feed.pinned.add(leg.symbol)
            self._tell(order, leg, "submitted")
        if order.type == "market" and all(leg.symbol in self._open for leg in order.legs):
            prices = self._market_prices(order)
            if prices is not None:
                self._fill(order, prices)
        self._returned(frame, True, order.status, ids, "")

    def _raises(self, frame: protocol.PlaceOrder) -> tuple[str, str] | None:
        """What makes LEAN throw: its exception and words."""
        if frame.combo and frame.type == "limit" and frame.leg_limits is None and frame.limit_price == 0:
            return "ArgumentException", "ComboLimitOrder requires a limit price"
        if len(frame.legs) > 1 and math.gcd(*(leg.ratio for leg in frame.legs)) > 1:
            return (
                "ArgumentException",
                "The global combo quantity should be used to increase or reduce the size of the order",
            )
        for leg in frame.legs:
            try:
                parsed = parse_symbol(leg.symbol)
            except SymbolError as error:
                return "ArgumentException", str(error)
            if (
                isinstance(parsed, Contract)
                and parsed.expiry < self._now.astimezone(self._hours.zone(leg.symbol)).date()
            ):
                return (
                    "InvalidOperationException",
                    f"The symbol {leg.symbol} is not found in the algorithm's securities collection and cannot be "
                    "re-added due to it being delisted or no longer tradable.",
                )
        return None

    def _refuses(self, frame: protocol.PlaceOrder) -> str | None:
        """What makes LEAN return a ticket without an order."""
        for leg in frame.legs:
            prices = self._prices.get(leg.symbol)
            if prices is None or not prices.price:
                return (
                    f"Error: SecurityPriceZero - {leg.symbol}: The security does not have an accurate price as it has "
                    "not yet received a bar of data."
                )
        return None

    def _insufficient(self, order: PaperOrder) -> str | None:
        """LEAN's words where buying power does not suffice: free margin against the change of initial margin and
        the cost."""
        after = {symbol: held.quantity for symbol, held in self._portfolio.holdings.items()}
        reduces = True
        cost = Decimal(0)
        for leg in order.legs:
            held, wanted = after.get(leg.symbol, 0), order.wanted(leg)
            if held * wanted >= 0 or abs(wanted) > abs(held):
                reduces = False
            after[leg.symbol] = held + wanted
            price = market_price(self._prices[leg.symbol], leg.ratio) or self._prices[leg.symbol].price
            if not order.combo and order.limit_price is not None:
                price = float(abs(order.limit_price)) if order.limit_price * leg.ratio > 0 else price
            if is_option(leg.symbol):
                cost += wanted * _decimal(price) * multiplier_of(leg.symbol)
        if reduces:
            return None
        before = {symbol: held.quantity for symbol, held in self._portfolio.holdings.items()}
        needed = self._initial(
            {symbol: quantity for symbol, quantity in after.items() if quantity}, self._price, self._natural
        ) - self._initial(before, self._price, self._natural)
        used = self._margin(before, self._price, self._natural)
        free = self._portfolio.value(self._all_prices()) - used
        # What long options cost leaves the account; what short ones bring is not yet there.
        needed = max(Decimal(0), needed) + max(Decimal(0), cost)
        if not order.combo and order.limit_price is not None and order.limit_price * order.legs[0].ratio < 0:
            needed = free + 1
        if needed <= free:
            return None
        ids = ",".join(str(leg.lean_id) for leg in order.legs)
        return (
            f"Order Error: ids: [{ids}], Insufficient buying power to complete orders (Value:[{cost}]), Reason: "
            f"Id: {order.legs[0].lean_id}, Initial Margin: {needed}, Free Margin: {free}."
        )

    def _amend(self, frame: protocol.AmendOrder) -> None:
        order = self._orders.get(frame.order_id)
        if order is None:
            self._returned(frame, False, "invalid", (), "Error: UnableToFindOrder - no such order", known=False)
            return
        leg = order.legs[0]
        if frame.generation <= self._amended.get(frame.order_id, 0):
            self._returned(frame, True, "update_submitted", (leg.lean_id,), "this amend was taken before")
            return
        if not order.working or order.cancel_asked:
            text = (
                f"Error: InvalidOrderStatus - Unable to update order with id {leg.lean_id} because it already has "
                f"{order.status.capitalize()} status."
            )
            self._returned(frame, False, order.status, (leg.lean_id,), text)
            return
        self._amended[frame.order_id] = frame.generation
        if frame.quantity is not None:
            order.quantity = frame.quantity
        if frame.limit_price is not None:
            order.limit_price = lean_round(leg.symbol, frame.limit_price)
        if frame.stop_price is not None:
            order.stop_price = lean_round(leg.symbol, frame.stop_price)
        if frame.leg_limits is not None:
            order.leg_limits = [
                lean_round(each.symbol, price) for price, each in zip(frame.leg_limits, order.legs, strict=True)
            ]
        if frame.tag is not None:
            leg.tag = frame.tag
        self._asked.append(("update", order, leg))
        self._returned(frame, True, "update_submitted", (leg.lean_id,), "")

    def _cancel(self, frame: protocol.CancelOrder) -> None:
        order = self._orders.get(frame.order_id)
        if order is None:
            self._returned(frame, False, "invalid", (), "Error: UnableToFindOrder - no such order", known=False)
            return
        leg = order.legs[0]
        if order.cancel_asked:
            text = f"Error: RequestCanceled - Order {leg.lean_id} has already received a cancellation request."
            self._returned(frame, False, order.status, (leg.lean_id,), text)
            return
        if not order.working:
            text = (
                f"Error: InvalidOrderStatus - Unable to update order with id {leg.lean_id} because it already has "
                f"{order.status.capitalize()} status."
            )
            self._returned(frame, False, order.status, (leg.lean_id,), text)
            return
        order.cancel_asked = True
        if frame.tag:
            leg.tag = frame.tag
        self._tell(order, leg, "cancel_pending")
        self._asked.append(("cancel", order, leg))
        self._returned(frame, True, "cancel_pending", (leg.lean_id,), "")

    def _attempted(self, frame: protocol.PlaceOrder | protocol.Exercise, id: str) -> bool:
        """Note an attempt before anything is done; one not above the highest seen for its id is denied, for good."""
        seen = self._refused.get(id, 0)
        if frame.attempt <= seen:
            self._returned(frame, False, "denied", (), f"attempt {frame.attempt} is not above {seen}", denied=True)
            return True
        self._refused[id] = frame.attempt
        return False

    def _exercise(self, frame: protocol.Exercise) -> None:
        if self._attempted(frame, frame.exercise_id):
            return
        contract = parse_symbol(frame.symbol)
        if frame.quantity <= 0 or not isinstance(contract, Contract):
            text = f"Error: cannot exercise {frame.quantity} of '{frame.symbol}'"
            self._returned(frame, False, "invalid", (-10,), text)
            return
        held = self._portfolio.quantity(frame.symbol)
        if frame.quantity > held:
            text = (
                f"Error: UnsupportedRequestType - Cannot exercise more contracts of '{frame.symbol}' than is currently "
                "available in the portfolio. "
            )
            self._returned(frame, False, "invalid", (-10,), text)
            return
        self._last_id += 1
        lean_id = self._last_id
        leg = PaperLeg(frame.symbol, -1, lean_id, frame.tag)
        order = PaperOrder(
            frame.exercise_id,
            frame.attempt,
            [leg],
            frame.quantity,
            "exercise",
            None,
            None,
            None,
            False,
            False,
            self._now,
        )
        order.status = "filled"
        self._orders[frame.exercise_id] = order
        self._tell(order, leg, "submitted", kind="exercise")
        self._settle_contract(
            contract, -frame.quantity, "exercise", lean_id, frame.exercise_id, frame.tag, together=True
        )
        self._returned(frame, True, "filled", (lean_id,), "")

    def _query(self, frame: protocol.QueryOrder) -> None:
        order = self._orders.get(frame.order_id)
        if order is None:
            seen = self._refused.get(frame.order_id, 0)
            denied = frame.attempt > seen
            if denied:
                self._refused[frame.order_id] = frame.attempt
            self._returned(frame, False, "", (), "not known here", denied=denied, known=False)
            return
        ids = tuple(leg.lean_id for leg in order.legs)
        status = "new" if order.status == "limbo" else order.status
        self._returned(frame, True, status, ids, "")

    # --- LEAN's own orders ------------------------------------------------------------------------------------

    def _midnight(self, instant: Instant) -> None:
        """00:00 of an exchange: announcements and expiries of what trades there, and the hourly look at assignment."""
        here = [
            symbol
            for symbol in sorted({*self._portfolio.holdings, *self._numbers})
            if is_option(symbol) and self._is_midnight(symbol, instant.at)
        ]
        self._assign()
        for symbol in here:
            contract = parse_symbol(symbol)
            assert isinstance(contract, Contract)
            today = instant.at.astimezone(self._hours.zone(symbol)).date()
            if contract.expiry == today and symbol in self._numbers:
                self._event(protocol.Delisted, symbol, True)
        expired = [symbol for symbol in here if self._expired(symbol, instant.at)]
        for symbol in expired:
            held = self._portfolio.quantity(symbol)
            if held:
                self._last_id += 1
                contract = parse_symbol(symbol)
                assert isinstance(contract, Contract)
                self._settle_contract(contract, -held, "expiry", self._last_id, "", "", together=False)
        for symbol in expired:
            if self._numbers.pop(symbol, None) is not None:
                self._event(protocol.Delisted, symbol, False)
            for order in [each for each in self._working.values() if any(leg.symbol == symbol for leg in each.legs)]:
                order.status = "canceled"
                self._working.pop(order.order_id)
                for leg in order.legs:
                    self._tell(order, leg, "canceled", message="the contract is delisted")

    def _is_midnight(self, symbol: str, at: dt.datetime) -> bool:
        local = at.astimezone(self._hours.zone(symbol))
        return local.time() == dt.time()

    def _expired(self, symbol: str, at: dt.datetime) -> bool:
        contract = parse_symbol(symbol)
        assert isinstance(contract, Contract)
        return contract.expiry < at.astimezone(self._hours.zone(symbol)).date()

    def _assign(self) -> None:
        """Once an hour LEAN's simulation assigns short contracts that are deep enough in the money."""
        hour = self._now.replace(minute=0, second=0, microsecond=0)
        if self._assignment_hour is not None and hour <= self._assignment_hour:
            return
        self._assignment_hour = hour
        for symbol in sorted(self._portfolio.holdings):
            held = self._portfolio.quantity(symbol)
            contract = parse_symbol(symbol)
            if held >= 0 or not isinstance(contract, Contract):
                continue
            spot = self._price(contract.underlying)
            local = self._now.astimezone(self._hours.zone(symbol)).date()
            if not self._expired(symbol, self._now) and assigned_early(contract, spot, local):
                self._last_id += 1
                tag = "Simulated option assignment before expiration"
                self._settle_contract(contract, -held, "assignment", self._last_id, "", tag, together=False)

    def _settle_contract(
        self,
        contract: Contract,
        quantity: int,
        kind: Any,
        lean_id: int,
        exercise_id: str,
        tag: str,
        *,
        together: bool,
    ) -> None:
        """Exercise, assignment or expiry of `quantity` (signed, closing) contracts: the option's event, then the
        shares'."""
        spot = _decimal(self._price(contract.underlying))
        outcome = settle_expired(contract, quantity, spot, assigned=kind == "assignment" or quantity > 0)
        leg = PaperLeg(contract.symbol, 1 if quantity > 0 else -1, lean_id, tag)
        order = PaperOrder(exercise_id, 1, [leg], abs(quantity), "exercise", None, None, None, False, False, self._now)
        zero = Decimal(0)
        self._batch += 1
        if exercise_id:
            leg.events = 1  # its SUBMITTED came first
        self._book(contract.symbol, quantity, zero, zero, outcome.settlement)
        if together and outcome.shares:
            self._book(contract.underlying, outcome.shares, contract.strike, zero)
        self._tell(
            order, leg, "filled", price=zero, filled=quantity, kind=kind, message=outcome.message,
            in_the_money=outcome.in_the_money, settlement=outcome.settlement,
        )  # fmt: skip
        if outcome.shares:
            if not together:
                self._batch += 1
                self._book(contract.underlying, outcome.shares, contract.strike, zero)
            text = "Option Assignment" if kind == "assignment" else "Option Exercise"
            self._tell(
                order, leg, "filled", price=contract.strike, filled=outcome.shares, kind=kind, message=text,
                in_the_money=True, symbol=contract.underlying,
            )  # fmt: skip

    def _margin_call(self) -> None:
        """LEAN's own market orders where margin used is above equity: largest requirement first, as much as is
        missing."""
        holdings = {symbol: held.quantity for symbol, held in self._portfolio.holdings.items()}
        if not holdings:
            return
        used, value = (
            self._margin(holdings, self._price, self._natural),
            self._portfolio.value(self._all_prices()),
        )
        missing = used - value
        if missing <= 0:
            return
        alone = {
            symbol: self._margin({symbol: quantity}, self._price, self._natural)
            for symbol, quantity in holdings.items()
        }
        calls: list[tuple[str, int]] = []
        for symbol in sorted(alone, key=lambda each: (-alone[each], each)):
            if missing <= 0 or alone[symbol] <= 0:
                break
            unit = alone[symbol] / abs(holdings[symbol])
            size = min(abs(holdings[symbol]), int((missing / unit).to_integral_value("ROUND_CEILING")))
            calls.append((symbol, -size if holdings[symbol] > 0 else size))
            missing -= size * unit
        self._event(protocol.MarginCalled, tuple(calls))
        for symbol, quantity in calls:
            self._last_id += 1
            leg = PaperLeg(symbol, 1 if quantity > 0 else -1, self._last_id, "Margin Call")
            order = PaperOrder("", 1, [leg], abs(quantity), "market", None, None, None, False, False, self._now)
            self._tell(order, leg, "submitted", kind="margin_call")
            price = market_price(self._prices[symbol], leg.ratio)
            if price is None:
                continue
            paid = _decimal(price)
            fee = lean_fee(symbol, quantity, paid)
            self._batch += 1
            self._book(symbol, quantity, paid, fee)
            self._tell(order, leg, "filled", price=paid, filled=quantity, fee=fee, kind="margin_call")

    # --- events and account -----------------------------------------------------------------------------------

    def _tell(
        self, order: PaperOrder, leg: PaperLeg, status: Any, *, price: Decimal = Decimal(0), filled: int = 0,
        fee: Decimal = Decimal(0), kind: Any = "order", message: str = "", in_the_money: bool = False,
        settlement: Decimal = Decimal(0), symbol: str = "",
    ) -> None:  # fmt: skip
        leg.events += 1
        self._last_event += 1
        ours = kind in ("order", "exercise")
        execution = f"{self._session}:{leg.lean_id}:{leg.events}" if filled else ""
        self._events.append(
            protocol.OrderEvent(
                self._last_event,
                self._now,
                kind,
                order.order_id if ours else "",
                order.legs.index(leg) if kind == "order" else -1,
                symbol or leg.symbol,
                status,
                price,
                filled,
                order.wanted(leg),
                fee,
                execution,
                message,
                leg.tag,
                leg.lean_id,
                leg.events,
                self._batch,
                (),
                order.type,
                order.limit_price,
                in_the_money,
                settlement,
            )
        )

    def _returned(
        self, frame: Any, ok: bool, status: str, ids: tuple[int, ...], message: str, *, raised: str = "",
        denied: bool = False, known: bool = True,
    ) -> None:  # fmt: skip
        calls = {
            protocol.PlaceOrder: "place", protocol.AmendOrder: "amend", protocol.CancelOrder: "cancel",
            protocol.Exercise: "exercise", protocol.QueryOrder: "query",
        }  # fmt: skip
        order_id = frame.exercise_id if isinstance(frame, protocol.Exercise) else frame.order_id
        attempt = getattr(frame, "attempt", 0)
        self._event(
            protocol.CallReturned,
            calls[type(frame)],
            order_id,
            attempt,
            ok,
            status,
            ids,
            message,
            raised,
            denied,
            known,
        )

    def _event(self, kind: Any, *fields: Any) -> None:
        self._last_event += 1
        self._events.append(kind(self._last_event, self._now, *fields))

    def _take_events(self) -> tuple[protocol.Event, ...]:
        events, self._events = tuple(self._events), []
        return events

    def _account_if_touched(self) -> protocol.Account | None:
        if not self._touched:
            return None
        self._touched = False
        return self._account()

    def _account(self) -> protocol.Account:
        portfolio = self._portfolio
        value = portfolio.value(self._all_prices())
        quantities = {symbol: held.quantity for symbol, held in portfolio.holdings.items()}
        used = self._margin(quantities, self._price, self._natural)
        holdings = tuple(
            protocol.Holding(symbol, Decimal(held.quantity), held.average, _decimal(self._price(symbol)))
            for symbol, held in sorted(portfolio.holdings.items())
        )
        return protocol.Account(
            portfolio.cash, Decimal(0), value, used, value - used, portfolio.fees, holdings, self._last_event
        )

    def _price(self, symbol: str) -> float:
        prices = self._prices.get(symbol)
        return 0.0 if prices is None else prices.price

    def _natural(self, symbol: str) -> float:
        """What closing a holding costs or brings per share: the ask for a short one, the bid for a long one."""
        price = market_price(self._prices[symbol], -self._portfolio.quantity(symbol) or -1)
        return self._price(symbol) if price is None else price

    def _all_prices(self) -> dict[str, float]:
        return {symbol: self._price(symbol) for symbol in self._portfolio.holdings}


def _decimal(value: float) -> Decimal:
    """A price as the decimal that its ten-thousandths say."""
    return Decimal(repr(round(value, 6)))


def _tick(symbol: str) -> Decimal:
    """The step that LEAN rounds to: 0.05 for index options, 0.01 else."""
    parsed = parse_symbol(symbol)
    return Decimal("0.05") if isinstance(parsed, Contract) and is_index(parsed.underlying) else Decimal("0.01")


def _rounded(frame: protocol.PlaceOrder) -> protocol.PlaceOrder:
    symbol = frame.legs[0].symbol
    return msgspec.structs.replace(
        frame,
        limit_price=None if frame.limit_price is None else lean_round(symbol, frame.limit_price),
        stop_price=None if frame.stop_price is None else lean_round(symbol, frame.stop_price),
        leg_limits=None
        if frame.leg_limits is None
        else tuple(lean_round(leg.symbol, price) for price, leg in zip(frame.leg_limits, frame.legs, strict=True)),
    )
