"""Live over connections that misbehave: after LEAN's next start our book is the broker's, whatever was told or not."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from actors.messages.lean import AccountFill, Reconciled
from actors.options.contracts import Contract, parse_symbol
from bridge.client import Connection
from bridge.paper import Market
from bridge.paper.faults import Faults, FaultsError, faulty
from tests.processes.live import live
from tests.processes.remains import compare


def over(faults: Faults, path: str):
    return faulty(path, b"", faults)


RATES = {
    "duplicate": 0.5, "delay": 0.3, "reorder": 0.5, "drop": 0.15, "disconnect": 0.15, "silence": 0.3, "lie": 0.3,
}  # fmt: skip


@pytest.mark.parametrize("name", [*RATES, "all"])
async def test_after_faults_of_every_kind_nothing_is_lost_or_twice(tmp_path: Path, name: str) -> None:
    rates = {each: rate / 3 for each, rate in RATES.items()} if name == "all" else {name: RATES[name]}
    lived = await live(tmp_path, partial(over, Faults(seed=3, **rates)))
    verdict = compare(lived.ours, lived.brokers)
    assert verdict.equal, (verdict, lived.notices)
    assert sum(lived.brokers.executions.values()) > 4


async def test_what_happened_behind_our_back_is_booked_at_the_next_start(tmp_path: Path) -> None:
    def behind(market: Market) -> None:
        held = market.broker.portfolio
        market.broker.trade_by_hand("GOOG", -15, Decimal("748.00"), Decimal("1.00"))
        short = next(symbol for symbol, lot in held.holdings.items() if lot.quantity < 0 and symbol != "GOOG")
        contract = parse_symbol(short)
        assert isinstance(contract, Contract)
        market.broker.clearing.assign_now(contract, 1)

    lived = await live(tmp_path, lambda path: lambda: Connection(path), behind=behind)
    verdict = compare(lived.ours, lived.brokers)
    assert verdict.equal, (verdict, lived.notices)
    kinds = [each.fact.kind for each in lived.facts if isinstance(each.fact, AccountFill)]
    assert kinds[:2] == ["external", "assignment"]
    last = [each.fact for each in lived.facts if isinstance(each.fact, Reconciled)][-1]
    assert last.agree


async def test_a_daemon_that_stands_still_is_taken_for_gone_entries_are_canceled_and_the_book_is_right(
    tmp_path: Path,
) -> None:
    lived = await live(tmp_path, lambda path: lambda: Connection(path), dead_man=0.3, freeze=(4, 0.6))
    assert any("the daemon said nothing for 0.3 s" in notice for notice in lived.notices), lived.notices
    assert any("working entries cancelled" in notice for notice in lived.notices)
    verdict = compare(lived.ours, lived.brokers)
    assert verdict.equal, (verdict, lived.notices)
    assert lived.ours.orders["dreamer"][0] == "canceled"


@pytest.mark.parametrize("text", ["lies=0.1", "drop=2", "drop=x", "drop"])
def test_rates_that_can_not_be_used_are_named(text: str) -> None:
    with pytest.raises(FaultsError, match=text.partition("=")[0]):
        Faults.parse(text)
