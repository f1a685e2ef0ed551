"""What every route reads: the driver, the durable views, the newest market, the rules. No route lives here."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from actors.messages.order_state import Order
from actors.messages.orders import order_stream
from actors.runtime import Answer, ChildReport, Command, Recorded, Refusal
from config.calendar import Sessions
from config.desk import DeskRules
from daemon.api.answers import encode
from daemon.api.routing import Call
from daemon.driver import Driver
from daemon.feed import Feed
from daemon.tokens import Tokens
from daemon.views import Views
from daemon.views_market import Shown, shown

if TYPE_CHECKING:
    from daemon.api.metrics import Metrics


class Desk:
    """The daemon as its routes see it. `reports` tells how the edges do; `kill_edge(name)` raises KeyError."""

    def __init__(
        self,
        driver: Driver,
        views: Views,
        tokens: Tokens,
        feed: Feed,
        rules: DeskRules,
        sessions: Sessions | None,
        reports: Callable[[], Sequence[ChildReport]],
        kill_edge: Callable[[str], None],
        metrics: Metrics,
    ) -> None:
        self.driver, self.views, self.tokens, self.feed = driver, views, tokens, feed
        self.rules, self.sessions, self.reports, self.kill_edge = rules, sessions, reports, kill_edge
        self.metrics = metrics

    @property
    def now(self) -> dt.datetime:
        """Market time."""
        return self.driver.clock.now()

    @property
    def market(self) -> Shown | None:
        """The newest view of the market, None before the first."""
        return shown(self.driver.core.market)

    def order(self, order_id: str) -> Order:
        """A known order. Raises Refusal."""
        order = self.views.orders.get(order_id)
        if order is None:
            raise Refusal("not_found", f"no order {order_id!r}")
        return order

    async def give(self, call: Call, command: Command) -> Answer:
        """Give a command under the caller's idempotency key, or one of our own."""
        id = call.header("idempotency-key") or uuid.uuid4().hex
        if len(id) > 100 or not id.isprintable():
            raise Refusal("invalid", "idempotency-key must be 1 to 100 printable characters")
        return await self.driver.command(f"api:{id}", call.principal, command)

    async def reaches(self, order_id: str, not_yet: frozenset[str], seconds: float = 10.0) -> bool:
        """Whether the order leaves these states in time. A time-out says nothing of its fate."""
        changed = trio.Event()

        def heard(recorded: Recorded) -> None:
            if recorded.stream == order_stream(order_id):
                changed.set()

        end = self.driver.listen(heard)
        try:
            with trio.move_on_after(seconds):
                while self.views.orders.orders[order_id].state in not_yet:
                    await changed.wait()
                    changed = trio.Event()
                return True
            return False
        finally:
            end()


def version_tag(order: Order) -> dict[str, str]:
    """The ETag of an order: its version."""
    return {"etag": f'"{order.version}"'}


def content_tag(content: Any) -> str:
    """The ETag of anything that can be shown: a hash of what is sent."""
    return f'"{hashlib.blake2b(encode(content), digest_size=12).hexdigest()}"'


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query or body without fields."""
