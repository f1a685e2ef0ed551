"""A trader at the daemon's API who is not put off by its deaths: asks again with the same key until there is an answer.

What was answered is kept: it must be in the journal ever after.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from bridge.paper.synthetic import Exchange
from bridge.paper.synthetic.instruments import expiries
from tests.processes.kit import named
from tests.processes.remains import Outcome

TOKEN = "0123456789 a token of the test"
UNDERLYING = "ACME"
#: Where the synthetic market begins.
DAY = dt.date(2026, 1, 5)
#: Seconds for an answer, over any number of daemons. Only a machine that stands still needs them.
PATIENCE = 180.0
_UNDER_WAY = ("queued", "released", "approved", "sent", "pending_cancel", "unknown")

Leg = tuple[str, int]


class Told(msgspec.Struct, frozen=True):
    """What an answer of the daemon's promised."""

    what: Literal["submit", "cancel", "amend"]
    order_id: str
    status: int


class Trader:
    """Trades one underlying in bouts; `address` gives the API's address at present, '' where there is none."""

    def __init__(self, seed: int, market_seed: int, address: Callable[[], str]) -> None:
        self._address = address
        self._random = random.Random(f"trader {seed}")
        self._calls, self._puts = _contracts(market_seed, "C"), _contracts(market_seed, "P")
        self.told: list[Told] = []
        #: Answers that no daemon may give.
        self.wrong: list[str] = []
        self._bout = self._keys = 0

    @property
    def symbols(self) -> Sequence[str]:
        """What it may trade, as options of the market's verb."""
        return named(iter((*self._calls, *self._puts)))

    # --- a bout -----------------------------------------------------------------------------------------------

    def bout(self) -> None:
        """Entries that rest and fill in parts, amends, cancels in flight, a roll and an exit, in an order of chance."""
        self._bout += 1
        name, chance = f"{self._bout}", self._random
        call, put = chance.randrange(len(self._calls) - 2), chance.randrange(len(self._puts) - 2)
        spread = [(self._calls[call], 1), (self._calls[call + 2], -1)]
        further = [(self._calls[call + 1], 1), (self._calls[call + 2], -1)]
        condor = [
            (self._puts[put], 1), (self._puts[put + 2], -1), (self._calls[call], -1), (self._calls[call + 2], 1)
        ]  # fmt: skip
        single = [(self._puts[put], 1)]
        held = self._positions()
        acts: list[Callable[[], None]] = [
            lambda: self._submit(f"{name}.enter", spread, chance.randint(3, 9), 0.75),
            lambda: self._submit(f"{name}.condor", condor, chance.randint(2, 6), 0.7),
            lambda: self._amended(f"{name}.amended", spread, chance.randint(2, 5)),
            lambda: self._withdrawn(f"{name}.withdrawn", single, chance.randint(4, 8)),
            lambda: self._submit(f"{name}.market", further, 2, None),
        ]
        chance.shuffle(acts)
        if held:
            acts.insert(chance.randrange(len(acts)), lambda: self._roll(name, held[0], further))
        if len(held) > 1:
            acts.insert(chance.randrange(len(acts)), lambda: self._exit(name, held[1]))
        for act in acts:
            act()
            time.sleep(chance.uniform(0.0, 0.12))
        for order in self._live():
            if int(order["order_id"].partition(".")[0]) <= self._bout - 2:
                self._cancel(order["order_id"])

    def _amended(self, order_id: str, legs: Sequence[Leg], quantity: int) -> None:
        self._submit(order_id, legs, quantity, -1.0)
        for share in self._random.choice(((0.4, 0.8), (-2.0, -3.0))):  # soon filled, or left to work at its new price
            time.sleep(self._random.uniform(0.0, 0.1))
            body: dict[str, Any] = {"limit_price": self._price(legs, share)}
            if self._random.random() < 0.3:
                body["quantity"] = quantity + 1
            status, _ = self.ask("PATCH", f"/orders/{order_id}", body, key=True)
            self._tell("amend", order_id, status)

    def _withdrawn(self, order_id: str, legs: Sequence[Leg], quantity: int) -> None:
        self._submit(order_id, legs, quantity, 0.9)
        time.sleep(self._random.choice((0.0, 0.02, 0.1)))
        self._cancel(order_id)

    def _roll(self, name: str, position: dict[str, Any], into: Sequence[Leg]) -> None:
        self._close(f"{name}.roll-close", position, "mid")
        self._submit(f"{name}.roll-open", into, self._random.randint(2, 5), 0.7)

    def _exit(self, name: str, position: dict[str, Any]) -> None:
        self._close(f"{name}.target", position, "mid")
        time.sleep(self._random.uniform(0.0, 0.1))
        self._cancel(f"{name}.target")
        self._close(f"{name}.exit", position, "natural")

    def _submit(self, order_id: str, legs: Sequence[Leg], quantity: int, share: float | None) -> None:
        """A limit so far from the far side (0) to the natural one (1), or at the market where it is None."""
        body: dict[str, Any] = {
            "order_id": order_id, "legs": [{"symbol": symbol, "ratio": ratio} for symbol, ratio in legs],
            "quantity": quantity, "time_in_force": self._random.choice(("day", "gtc")), "tag": "a live day",
        }  # fmt: skip
        if share is None:
            body["type"] = "market"
        else:
            body["limit_price"] = self._price(legs, share)
        status, answer = self.ask("POST", "/orders", body)
        self._tell("submit", order_id, status)
        if status not in (200, 201, 202):
            self.wrong.append(f"order {order_id} was answered {status} {answer}")

    def _close(self, order_id: str, position: dict[str, Any], price: str) -> None:
        body = {"order_id": order_id, "price": price, "time_in_force": "gtc"}
        status, _ = self.ask("POST", f"/positions/{position['position_id']}/close", body)
        self._tell("submit", order_id, status)

    def _cancel(self, order_id: str) -> None:
        status, _ = self.ask("DELETE", f"/orders/{order_id}", key=True)
        self._tell("cancel", order_id, status)

    def _tell(self, what: Any, order_id: str, status: int) -> None:
        if status in (200, 201, 202):
            self.told.append(Told(what, order_id, status))

    # --- what it looks at -------------------------------------------------------------------------------------

    def _price(self, legs: Sequence[Leg], share: float) -> str:
        """The net price so far from the far side to the natural one, in cents."""
        quotes = self._quotes([symbol for symbol, _ in legs])
        natural = sum(ratio * quotes[symbol][ratio > 0] for symbol, ratio in legs)
        far = sum(ratio * quotes[symbol][ratio < 0] for symbol, ratio in legs)
        price = round(Decimal(far + (natural - far) * share), 2)
        return str(price or Decimal("0.01"))

    def _quotes(self, symbols: Sequence[str]) -> dict[str, tuple[float, float]]:
        """Bid and ask of each, once all are quoted."""
        until = time.monotonic() + PATIENCE
        while True:
            status, chain = self.ask("GET", f"/chain/{UNDERLYING}")
            if status == 200:
                quotes = {each["symbol"]: (each["bid"], each["ask"]) for each in chain["contracts"]}
                if all(None not in quotes.get(symbol, (None,)) for symbol in symbols):
                    return quotes
            assert time.monotonic() < until, f"no quotes of {symbols}: {status} {chain}"
            time.sleep(0.02)

    def _positions(self) -> list[dict[str, Any]]:
        return self.ask("GET", "/positions")[1]

    def _live(self) -> list[dict[str, Any]]:
        return self.ask("GET", "/orders?live=true&limit=1000")[1]["orders"]

    def waits_for(self) -> str:
        """What is still under way, in words; '' where nothing is: connected, and no order without an outcome."""
        status = self.ask("GET", "/status")[1]
        if not status["connected"]:
            return "lean is not connected"
        waits = [
            f"{each['order_id']} {each['state']}, amend {each['amend']}"
            for each in self._live()
            if each["state"] in _UNDER_WAY or each["amend"] != "none"
        ]
        return ", ".join(waits) or ("" if status["agrees"] is not False else "the columns do not agree")

    def broken(self, ours: Outcome) -> list[str]:
        """Promises that the journal does not keep."""
        found = list(self.wrong)
        for told in self.told:
            state, _ = ours.orders.get(told.order_id, ("missing", ()))
            if state == "missing":
                found.append(f"order {told.order_id}: {told.what} was answered {told.status}, and it is not there")
            elif told.what == "cancel" and state not in ("canceled", "filled", "rejected", "denied", "expired"):
                found.append(f"order {told.order_id}: its cancel was answered {told.status}, and it is {state}")
        return found

    # --- asking -----------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: object = None, key: bool = False) -> tuple[int, Any]:
        """Status and answer, of whichever daemon gives one: asked again with the same key until then."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        if key:
            self._keys += 1
            headers["idempotency-key"] = f"key {self._keys}"
        data = None if body is None else json.dumps(body).encode()
        until = time.monotonic() + PATIENCE
        last: object = "no daemon"
        while True:
            assert time.monotonic() < until, f"{method} {path}: no answer within {PATIENCE} s, last {last!r}"
            if address := self._address():
                request = urllib.request.Request(f"{address}/api/v1{path}", data, headers, method=method)
                try:
                    with urllib.request.urlopen(request, timeout=10) as response:
                        return response.status, json.loads(response.read() or b"null")
                except urllib.error.HTTPError as error:
                    with error:
                        last = error.read()
                    if error.code not in (429, 503):
                        return error.code, json.loads(last)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    last = error
            time.sleep(0.01)


def _contracts(seed: int, right: str) -> list[str]:
    """Neighbours around the money, ten days or more away: whatever the market does, they stay listed while held."""
    listed = Exchange(seed).listed(UNDERLYING, DAY)
    expiry = next(each for each in expiries(UNDERLYING, DAY) if (each - DAY).days >= 10)
    chain = [each for each in listed.contracts if each.expiry == expiry and each.right == right]
    near = min(range(len(chain)), key=lambda place: abs(float(chain[place].strike) - listed.spot))
    return [each.symbol for each in chain[near - 2 : near + 4]]
