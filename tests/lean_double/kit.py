"""Loads an algorithm as LEAN does, under the double's AlgorithmImports, and makes the markets that the double plays."""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from actors.options.lean_margin import lean_initial_margin, lean_margin_used
from bridge.paper import Market
from bridge.paper.data import Feed, LeanFolder, MarketHours
from tests.lean_double.algorithm import QCAlgorithm

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY / "tests" / "data" / "lean"


def load(path: Path = REPOSITORY / "algorithm" / "main.py") -> type[Any]:
    """The algorithm in a file: the class of its own that derives from QCAlgorithm."""
    from tests.lean_double import AlgorithmImports

    sys.modules["AlgorithmImports"] = AlgorithmImports
    spec = importlib.util.spec_from_file_location("main", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["main"] = module
    spec.loader.exec_module(module)
    return next(
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, QCAlgorithm) and each.__module__ == "main"
    )


def lean_market(
    *, underlyings: Iterable[str], chains: Iterable[Any], symbols: Iterable[str], first: dt.date, last: dt.date,
    cash: Decimal, session: str = "1",
) -> Market:  # fmt: skip
    """The embedded market over the recorded data, in a fresh session."""
    hours = MarketHours.load(DATA)
    feed = Feed(LeanFolder(DATA), hours, first, last, underlyings=underlyings, chains=chains, symbols=symbols)
    return Market(feed, hours, cash=cash, margin=lean_margin_used, initial=lean_initial_margin, session=session)
