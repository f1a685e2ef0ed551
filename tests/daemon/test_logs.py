"""Logs: one schema, five files, each line with its cause and order; rotation; a slow disk stops nobody."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path

from actors.messages.breaker import BreakerRaised
from actors.messages.common import Evidence, Reason
from actors.messages.lean import AccountSeen
from actors.messages.orders import OrderCanceled, OrderDenied, OrderReleased
from actors.messages.positions import EquityMarked
from actors.runtime import ActorFailed, Fact, Recorded
from daemon.desk import KINDS
from daemon.logs import CATEGORIES, Logs, category_of, level_of

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)


def recorded(fact: Fact, seq: int = 7, cause: int = 3) -> Recorded:
    return Recorded(seq, "order/one", 1, AT, cause, fact)


def lines(directory: Path, category: str) -> list[dict[str, object]]:
    path = directory / f"{category}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_fact_is_one_line_in_the_file_of_its_category_with_cause_and_order(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.add(recorded(OrderReleased("one", 1)))
    denied = OrderDenied("one", (Reason("max_loss", "loss 3,000 is above 2,000", "3000", "2000"),), Evidence(4))
    logs.add(recorded(denied, 8, 7))
    logs.add(recorded(EquityMarked(4, Decimal("1.5"), Decimal("100000.25"), Decimal("-3"), 0.0), 9))
    logs.add(recorded(ActorFailed("positions", 5, "ValueError: no"), 10))
    logs.notice("ready", "fact 10")
    logs.notice("broken", "a client's connection")
    logs.close()
    (released,) = lines(tmp_path, "execution")
    assert released["event"] == "orders.OrderReleased"
    assert (released["sequence"], released["cause"], released["order_id"]) == (7, 3, "one")
    assert released["at"] == "2015-12-24T15:00:00Z"
    (risk,) = lines(tmp_path, "risk")
    assert (risk["level"], risk["cause"]) == ("warning", 7)
    assert risk["data"]["reasons"][0]["message"] == "loss 3,000 is above 2,000"  # type: ignore[index]
    marked, ready = lines(tmp_path, "performance")
    assert marked["data"]["value"] == "100000.25"  # type: ignore[index]
    assert ready["message"] == "fact 10"
    failed, broken = lines(tmp_path, "error")
    assert (failed["level"], broken["level"]) == ("error", "warning")


def test_every_kind_of_fact_has_a_category_and_a_level() -> None:
    assert {category_of(kind) for kind in KINDS} == set(CATEGORIES)
    assert {level_of(kind) for kind in KINDS} == {"debug", "info", "warning", "error"}


def test_what_is_below_the_level_is_not_written(tmp_path: Path) -> None:
    logs = Logs(tmp_path, level="warning")
    logs.add(recorded(OrderReleased("one", 1)))
    logs.add(recorded(BreakerRaised(3, "enough", "operator:admin")))
    logs.close()
    assert lines(tmp_path, "execution") == []
    assert [line["event"] for line in lines(tmp_path, "risk")] == ["breaker.BreakerRaised"]
    assert level_of(AccountSeen.KIND) == "debug"


def test_full_files_are_compressed_and_only_so_many_kept(tmp_path: Path) -> None:
    logs = Logs(tmp_path, megabytes=1, kept=2)
    reason = "x" * 2000
    for number in range(2500):
        logs.add(recorded(OrderCanceled("one", None, reason), number))
    logs.close()
    packed = sorted(path.name for path in tmp_path.glob("execution.jsonl*.gz"))
    assert packed == ["execution.jsonl.1.gz", "execution.jsonl.2.gz"]
    with gzip.open(tmp_path / packed[0], "rt") as opened:
        assert json.loads(opened.readline())["event"] == "orders.OrderCanceled"


def test_the_console_shows_a_line_for_people() -> None:
    console = io.StringIO()
    logs = Logs(console=console)
    logs.add(recorded(OrderCanceled("one", None, "by hand")))
    logs.close()
    assert "2015-12-24 15:00:00" in console.getvalue()
    assert "order canceled order_id=one reason=by hand" in console.getvalue()


def test_after_close_nothing_is_written_and_nothing_raises(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.close()
    logs.close()
    logs.notice("ready", "too late")
    assert lines(tmp_path, "performance") == []
