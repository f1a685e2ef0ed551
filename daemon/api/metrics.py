"""What Prometheus may ask: orders, latencies, queues, breaker, feed, actors, journal. Read at the moment of asking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from daemon.api.desk import Desk
from daemon.views_desk import status_shown

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: What strangers call a method makes no series of its own.
_METHODS = frozenset(("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"))
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """One registry a daemon. `seen` hears of requests, `submitted` of the time from a submit to its durable reply."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Histogram(
            "callboard_http_request_seconds", "Time to answer a request, by route", ("method", "route", "status"),
            registry=self._registry, buckets=_SECONDS,
        )  # fmt: skip
        self._submits = Histogram(
            "callboard_submit_durable_seconds", "Time from a submit to its durable reply", registry=self._registry,
            buckets=_SECONDS,
        )  # fmt: skip

    def of(self, desk: Desk) -> None:
        """Read this desk's state whenever somebody asks."""
        self._registry.register(_State(desk))

    def seen(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered (`status` 0: it was not)."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).observe(seconds)

    def submitted(self, seconds: float) -> None:
        """One submit was durable."""
        self._submits.observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)


class _State(Collector):
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Any]:
        desk = self._desk
        driver, views, feed = desk.driver, desk.views, desk.feed
        status = status_shown(driver, views, desk.market, desk.rules)
        states: dict[str, int] = {}
        for order in views.orders.orders.values():
            states[order.state] = states.get(order.state, 0) + 1
        yield _by("callboard_orders", "Orders by state", "state", states.items())
        yield _one("callboard_positions_open", "Open positions", status.open_positions)
        yield _one("callboard_orders_sent_today", "Orders sent today", status.orders_today)
        yield _one("callboard_breaker_level", "Breaker level, 0 normal to 5 hard stop", status.level)
        yield _one("callboard_books_agree", "1 our book and LEAN's agree, 0 they differ, NaN not compared",
                   float("nan") if status.agrees is None else int(status.agrees))  # fmt: skip
        yield _one("callboard_lean_connected", "1 where LEAN's end is connected", int(status.connected))
        yield _one("callboard_quotes_age_seconds", "Market seconds since the quotes' feed was known alive",
                   float("nan") if status.feed_age_seconds is None else status.feed_age_seconds)  # fmt: skip
        if views.equity is not None:
            yield _one("callboard_equity_dollars", "Equity on marks, as last recorded", float(views.equity.value))
            yield _one("callboard_day_result_dollars", "Day's result on marks", float(views.equity.day_result))
        lanes = driver.statistics()
        waiting = (("control", lanes.control), ("lean", lanes.lean), ("command", lanes.command), ("view", lanes.view))
        yield _by("callboard_inputs_waiting", "Inputs that wait for the core, by lane", "lane", waiting)
        yield _sum("callboard_commands_refused", "Commands refused for a full lane", lanes.refused)
        yield _sum("callboard_views_conflated", "Market views that a newer one replaced", lanes.conflated)
        yield _one("callboard_journal_sequence", "Last fact decided", driver.core.seq)
        yield _one("callboard_journal_durable_sequence", "Last fact on disk", driver.core.durable_seq)
        path = getattr(driver.journal, "path", None)
        if path is not None:
            yield _one("callboard_journal_bytes", "Size of the journal's file", path.stat().st_size)
        yield _one("callboard_feed_clients", "Clients of the feed", feed.clients)
        yield _one("callboard_feed_waiting", "Facts that wait for the slowest client", feed.waiting)
        yield _sum("callboard_feed_frames", "Frames sent to clients", feed.delivered)
        yield _sum("callboard_feed_cut", "Clients cut for being too slow", feed.cut)
        yield _one("callboard_read_models_failed", "Read models that failed to take a fact", len(driver.deaf))
        failed = driver.core.failed()
        turns = CounterMetricFamily("callboard_actor_turns", "Turns of an actor", labels=("actor",))
        seconds = CounterMetricFamily("callboard_actor_seconds", "Seconds in an actor's turns", labels=("actor",))
        slow = CounterMetricFamily("callboard_actor_slow_turns", "Turns over 50 ms", labels=("actor",))
        crashes = CounterMetricFamily("callboard_actor_failures", "Failures of an actor", labels=("actor",))
        for name, telemetry in driver.core.statistics().items():
            turns.add_metric((name,), telemetry.turns)
            seconds.add_metric((name,), telemetry.seconds)
            slow.add_metric((name,), telemetry.slow)
            crashes.add_metric((name,), telemetry.failures)
        yield from (turns, seconds, slow, crashes)
        yield _by("callboard_actor_failed", "1 where an actor stopped", "actor",
                  ((name, int(name in failed)) for name in driver.core.statistics()))  # fmt: skip
        reports = desk.reports()
        restarts = CounterMetricFamily("callboard_edge_restarts", "Restarts of an edge", labels=("edge",))
        for report in reports:
            restarts.add_metric((report.path.rpartition("/")[2],), report.restarts)
        yield restarts
        yield _by("callboard_edge_running", "1 where an edge runs", "edge",
                  ((each.path.rpartition("/")[2], int(each.state == "running")) for each in reports))  # fmt: skip


def _one(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value)


def _sum(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value)


def _by(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values:
        family.add_metric((key,), value)
    return family
