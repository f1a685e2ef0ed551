"""The algorithm's live handlers: nothing is thrown into LEAN, a feed without news is stale, a brokerage that stays away
is an error."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from algorithm.brokerage import BrokerageMessages
from bridge import protocol
from tests.lean_double.engine import Engine
from tests.lean_double.kit import lean_market, load
from tests.lean_double.names import BrokerageMessageEvent, BrokerageMessageType, SecurityChanges
from tests.lean_double.reading import Slice, slice_of

DAY = dt.date(2015, 12, 24)


def _day(**wanted: Any) -> Any:
    return lean_market(**wanted | {"underlyings": ("GOOG",), "first": DAY, "last": DAY, "cash": Decimal(100000)})


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Live, initialized without a daemon, at the day's first slice."""
    engine = Engine(_day, {"bridge": str(tmp_path / "nobody"), "patience": "0"}, live=True)
    engine.attach(load())
    _next(engine)
    return engine


def _next(engine: Engine) -> Slice:
    """The next slice of an open market; its listing is told."""
    while True:
        for frame in engine.market.next():
            if isinstance(frame, protocol.Listing):
                engine.algorithm.on_securities_changed(engine.changes(frame))
            if isinstance(frame, protocol.Step) and frame.open:
                engine._now = frame.at.replace(tzinfo=None)
                return slice_of(engine.market, engine.now, True)


def _start(engine: Engine) -> Any:
    algorithm = engine.algorithm
    algorithm.on_warmup_finished()
    return algorithm


def _alive(algorithm: Any) -> tuple[str, ...]:
    """What the next heartbeat names."""
    algorithm.tick()
    beats = [frame for frame in algorithm._live._frames() if isinstance(frame, protocol.Heartbeat)]
    if beats:
        return beats[0].alive
    return _alive(algorithm)  # the first of a connection is a step


def _notices(algorithm: Any) -> list[tuple[str, str]]:
    return [(each.severity, each.code) for each in algorithm._end.log.since(0) if isinstance(each, protocol.Notice)]


def test_a_feed_is_alive_by_its_news_not_by_signs_of_life(engine: Engine) -> None:
    algorithm = _start(engine)
    assert _alive(algorithm) == ()
    algorithm.on_data(_next(engine))
    assert _alive(algorithm) == ("GOOG",)
    algorithm.on_data(_next(engine))
    engine._now += dt.timedelta(seconds=70)  # the next slice is late
    assert _alive(algorithm) == ("GOOG",)
    engine._now += dt.timedelta(seconds=10)
    assert _alive(algorithm) == ()


def test_slices_that_fail_leave_the_quotes_old(engine: Engine) -> None:
    algorithm = _start(engine)
    algorithm.on_data(_next(engine))
    assert _alive(algorithm) == ("GOOG",)
    for _ in range(2):
        _next(engine)
        algorithm.on_data(object())
    assert _alive(algorithm) == ()
    assert _notices(algorithm)[1:] == [("error", "on_data")] * 2


def test_a_feed_of_ticks_brings_news_without_bars(engine: Engine) -> None:
    algorithm = _start(engine)
    data = _next(engine)
    data.ticks = {symbol: [bar] for symbol, bar in data.bars.items()}
    data.bars = {}
    algorithm.on_data(data)
    assert _alive(algorithm) == ("GOOG",)


def test_slices_that_lean_only_fills_forward_leave_the_quotes_old(engine: Engine) -> None:
    algorithm = _start(engine)
    algorithm.on_data(_next(engine))
    for _ in range(2):
        data = _next(engine)
        for bar in data.bars.values():
            bar.is_fill_forward = True
        algorithm.on_data(data)
    (step,) = [frame for frame in algorithm._live._frames() if isinstance(frame, protocol.Step)]
    assert (step.open, step.stale) == (("GOOG",), ("GOOG",))
    assert _alive(algorithm) == ()
    data = _next(engine)
    algorithm.on_data(data)
    assert _alive(algorithm) == ("GOOG",)


def test_no_handler_throws_into_lean_before_the_start_or_after_the_end(engine: Engine) -> None:
    algorithm = engine.algorithm
    handlers = (
        algorithm.on_data, algorithm.on_order_event, algorithm.on_delistings, algorithm.on_dividends,
        algorithm.on_splits, algorithm.on_margin_call, algorithm.on_securities_changed,
        engine.handler.handle_message, engine.handler.handle_order,
    )  # fmt: skip
    for begin in (lambda: None, algorithm.on_warmup_finished, algorithm.on_end_of_algorithm):
        begin()
        for handler in handlers:
            handler(object())
        algorithm.tick()
    told = [code for _, code in _notices(algorithm)]
    assert {"on_data", "on_order_event", "on_margin_call", "on_securities_changed", "handle_message"} <= {
        code.lstrip("_").replace("margin_called", "on_margin_call") for code in told
    }


def test_a_sign_of_life_goes_out_where_the_account_cannot_be_read(engine: Engine) -> None:
    algorithm = _start(engine)
    algorithm.on_data(_next(engine))
    algorithm._live._frames()
    algorithm.portfolio = None
    assert _alive(algorithm) == ("GOOG",)
    assert ("error", "_account") in _notices(algorithm)


def test_a_kind_of_message_that_nobody_knows_is_relayed(engine: Engine) -> None:
    message = BrokerageMessageEvent(99, "7", "new words")  # type: ignore[arg-type]
    engine.handler.handle_message(message)
    assert _notices(engine.algorithm)[-1] == ("warning", "7")


def test_a_brokerage_that_stays_away_while_a_market_is_open_is_an_error_told_once(engine: Engine) -> None:
    algorithm = _start(engine)
    handler = BrokerageMessages(algorithm._end, algorithm.failed, patience=0.0)
    gone = BrokerageMessageEvent(BrokerageMessageType.DISCONNECT, "2", "line down")
    back = BrokerageMessageEvent(BrokerageMessageType.RECONNECT, "2", "line up")
    handler.handle_message(gone)
    handler.watch(())
    assert _notices(algorithm)[-1] == ("disconnect", "2")
    handler.watch(("GOOG",))
    handler.watch(("GOOG",))
    assert _notices(algorithm)[-2:] == [("disconnect", "2"), ("error", "disconnected")]
    handler.handle_message(gone)
    handler.handle_message(back)
    handler.watch(("GOOG",))
    assert _notices(algorithm)[-1] == ("reconnect", "2")
    patient = BrokerageMessages(algorithm._end, algorithm.failed)
    patient.handle_message(gone)
    patient.watch(("GOOG",))
    assert _notices(algorithm)[-1] == ("disconnect", "2")
    engine.handler.handle_message(gone)
    engine.handler._patience = 0.0
    algorithm.tick()
    assert ("error", "disconnected") in _notices(algorithm)[-2:]


def test_changes_are_learned_before_the_start(engine: Engine) -> None:
    engine.algorithm.on_securities_changed(SecurityChanges())
    assert _notices(engine.algorithm) == [("error", "initialize")]  # nobody told what to subscribe


def test_the_end_is_the_end_also_where_the_account_cannot_be_read(engine: Engine) -> None:
    algorithm = _start(engine)
    algorithm.portfolio = None
    algorithm.on_end_of_algorithm()
    assert algorithm.over
