"""What the book could lose: the desk's scenario grid over holdings and live orders, on the newest market view."""

from __future__ import annotations

from typing import NamedTuple

from actors.options.scenarios import SpotUnknown, build_grid, stress
from actors.risk_view import live_orders, risk_market, symbols_of
from daemon.views import Views
from daemon.views_market import Shown


class Worst(NamedTuple):
    """The worst of the scenario grid: dollars (negative for a loss), and which scenario in words."""

    dollars: float
    words: str


def worst_scenario(views: Views, market: Shown | None) -> Worst | None:
    """The worst scenario of what is held and what may still fill, live and unknown orders included.

    None without a market, or where an underlying that is held has no price. An empty book loses nothing.
    """
    if market is None:
        return None
    holdings = views.book.holdings
    symbols = symbols_of(views.orders, holdings)
    if not symbols:
        return Worst(0.0, "nothing is held")
    seen = risk_market(market.view, symbols, market.view.at)
    try:
        found = stress(build_grid(seen, symbols), holdings, live_orders(views.orders, seen))
    except SpotUnknown:
        return None
    return Worst(found.worst, found.worst_scenario.words)
