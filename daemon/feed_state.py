"""State for the feed: what is true now, by topic, as frames that carry only what changed. Facts are not its business.

A topic is computed at most once an interval, whoever asks, and never for nobody. Nothing waits here for a slow client:
what it gets is the difference from what it has to now.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import trio

from config.desk import DeskRules
from daemon.driver import Driver
from daemon.views import Views
from daemon.views_desk import account_shown, status_shown
from daemon.views_market import Shown, contracts, expiries, shown, underlyings
from daemon.views_orders import order_shown
from daemon.views_positions import positions_shown

_encode = msgspec.json.Encoder(order="deterministic").encode
#: Keys that left a topic and are remembered; who saw less gets everything anew.
_MOST_REMOVED = 1000
#: Topics that need no name after a colon.
PLAIN = ("status", "account", "positions", "orders", "underlyings")


class UnknownTopic(ValueError):
    """A topic that nobody can subscribe to; the message says which there are."""


class Found(msgspec.Struct, frozen=True):
    """A topic as it is: one object, rows by key, or both. `key` is the field that names a row."""

    value: Any = None
    rows: tuple[tuple[str, Any], ...] = ()
    key: str = ""


class _Topic:
    def __init__(self, name: str, look: Callable[[], Found], stamp: Callable[[], object]) -> None:
        self.name = name
        self._look, self._stamp = look, stamp
        self._stamped: object = None
        self.version = 0
        self._key = ""
        self._value: tuple[int, bytes] = (0, b"")
        self._rows: dict[str, tuple[int, bytes]] = {}
        self._removed: dict[str, int] = {}
        self._floor = 0
        self._frames: dict[int, str] = {}
        self.looked_at = float("-inf")

    def refresh(self) -> None:
        """Look, and number what changed; nothing where the inputs are the same."""
        stamp = self._stamp()
        if self.version and stamp == self._stamped:
            return
        self._stamped = stamp
        found, next_version, changed = self._look(), self.version + 1, not self.version
        value = b"" if found.value is None else _encode(found.value)
        if value != self._value[1]:
            self._value, changed = (next_version, value), True
        keys = set[str]()
        for key, row in found.rows:
            keys.add(key)
            text, known = _encode(row), self._rows.get(key)
            if known is None or known[1] != text:
                self._rows[key], changed = (next_version, text), True
                self._removed.pop(key, None)
        for key in [key for key in self._rows if key not in keys]:
            del self._rows[key]
            self._removed[key], changed = next_version, True
        self._key = found.key
        if len(self._removed) > _MOST_REMOVED:
            for key in list(self._removed)[: _MOST_REMOVED // 2]:
                self._floor = max(self._floor, self._removed.pop(key))
        if changed:
            self.version = next_version
            self._frames.clear()

    def frame(self, since: int) -> str:
        """What changed after version `since` (0: everything), made once for all who ask."""
        since = 0 if since < self._floor else since
        text = self._frames.get(since)
        if text is None:
            text = self._frames[since] = self._made(since)
        return text

    def _made(self, since: int) -> str:
        parts = [_encode({"type": "state", "topic": self.name, "version": self.version, "full": since == 0})[:-1]]
        if self._value[1] and self._value[0] > since:
            parts += [b',"value":', self._value[1]]
        if self._key:
            rows = [text for version, text in self._rows.values() if version > since]
            parts += [b',"key":', _encode(self._key), b',"rows":[', b",".join(rows), b"]"]
            if since:
                removed = [key for key, version in self._removed.items() if version > since]
                parts += [b',"removed":', _encode(removed)]
        return b"".join((*parts, b"}")).decode()


class Board:
    """Topics of a desk: status, account, positions, orders (not ended), underlyings, chain:ROOT, expiries:ROOT, and
    chain:ROOT:DATE. A topic is looked at no more than once in `interval` seconds, and forgotten with its last client.
    """

    def __init__(self, driver: Driver, views: Views, rules: DeskRules, *, interval: float = 0.25) -> None:
        self._driver, self._views, self._rules = driver, views, rules
        self.interval = interval
        self._topics: dict[str, _Topic] = {}
        self._users: dict[str, int] = {}

    def join(self, name: str) -> None:
        """Somebody wants a topic. Raises UnknownTopic."""
        if name not in self._topics:
            self._topics[name] = self._topic(name)
        self._users[name] = self._users.get(name, 0) + 1

    def leave(self, names: Iterable[str]) -> None:
        """Somebody wants these no more."""
        for name in names:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name], self._topics[name]

    def frame(self, name: str, since: int) -> tuple[int, str] | None:
        """The version of a topic that was joined, and its frame from version `since`; None where nothing changed."""
        topic = self._topics[name]
        now = trio.current_time()
        if now - topic.looked_at >= self.interval * 0.9:
            topic.looked_at = now
            topic.refresh()
        return None if topic.version == since else (topic.version, topic.frame(since))

    def pulse(self) -> dict[str, Any]:
        """What a heartbeat says of the daemon: market time, the quotes' age, facts decided and not yet on disk."""
        now, market = self._driver.clock.now(), shown(self._driver.core.market)
        alive = () if market is None else market.quotes.alive.values()
        age = min(((now - at).total_seconds() for at in alive), default=None)
        return {
            "now": now, "feed_age_seconds": None if age is None else max(0.0, round(age, 3)),
            "lag": self._driver.core.seq - self._views.seq, "view": 0 if market is None else market.view.number,
        }  # fmt: skip

    # --- topics -----------------------------------------------------------------------------------------------

    def _topic(self, name: str) -> _Topic:
        kind, _, rest = name.partition(":")
        plain: dict[str, Callable[[], Found]] = {
            "status": self._status, "account": self._account, "positions": self._positions, "orders": self._orders,
            "underlyings": self._underlyings,
        }  # fmt: skip
        if name in plain:
            return _Topic(name, plain[name], self._always)
        root, _, date = rest.partition(":")
        if root and kind == "expiries" and not date:
            return _Topic(name, lambda: self._expiries(root), self._view)
        if root and kind == "chain":
            try:
                only = dt.date.fromisoformat(date) if date else None
            except ValueError:
                raise UnknownTopic(f"{date!r} in {name!r} is not a date like 2016-01-15") from None
            return _Topic(name, lambda: self._chain(root, only), self._view)
        raise UnknownTopic(f"no topic {name!r}: there are {', '.join(PLAIN)}, chain:ROOT[:DATE], expiries:ROOT")

    def _always(self) -> object:
        return object()

    def _view(self) -> object:
        market = self._driver.core.market
        return None if market is None else market.number

    @property
    def _market(self) -> Shown | None:
        return shown(self._driver.core.market)

    def _status(self) -> Found:
        return Found(status_shown(self._driver, self._views, self._market, self._rules))

    def _account(self) -> Found:
        return Found(account_shown(self._views, self._market))

    def _positions(self) -> Found:
        found = positions_shown(self._views, self._market, self._driver.clock.now())
        return Found(rows=tuple((each.position_id, each) for each in found), key="position_id")

    def _orders(self) -> Found:
        live = self._views.orders.live.values()
        return Found(rows=tuple((order.order_id, order_shown(order)) for order in live), key="order_id")

    def _underlyings(self) -> Found:
        found = underlyings(self._market, self._driver.clock.now())
        return Found(rows=tuple((each.symbol, each) for each in found), key="symbol")

    def _expiries(self, root: str) -> Found:
        market = self._market
        found = () if market is None else expiries(market, root, None, self._driver.clock.now())
        return Found(rows=tuple((f"{each.settles_at:%Y-%m-%dT%H:%M:%SZ}", each) for each in found), key="settles_at")

    def _chain(self, root: str, only: dt.date | None) -> Found:
        market = self._market
        if market is None:
            return Found(key="symbol")
        header = {
            "underlying": root, "at": market.view.at, "view": market.view.number,
            "spot": market.quotes.price(root), "open": root in market.quotes.open, "alive_at": market.alive_at(root),
        }  # fmt: skip
        return Found(header, tuple((each.symbol, each) for each in contracts(market, root, only)), "symbol")
