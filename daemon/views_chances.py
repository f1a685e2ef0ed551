"""The chances of an order on the newest market view: its expiry's quotes fitted to a smile. Shown, never recorded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from actors.options.contracts import Contract, parse_symbol, underlying_of
from actors.options.orders import OrderLeg
from actors.options.probability import Chances, order_chances
from actors.options.smile import Smile
from actors.options.smile_fit import NoSmile, Quotes, fit_smile
from daemon.views_market import Shown


def chances_of(
    market: Shown | None, legs: Sequence[OrderLeg], limit: Decimal, quantity: int, fees: Decimal
) -> Chances | None:
    """Chances of an order filled at `limit`, held to expiry, after `fees` of the round trip in dollars.

    None where a quote, a smile or the spot is missing, where there are no options, and where legs expire apart.
    """
    options = [leg.symbol for leg in legs if isinstance(parse_symbol(leg.symbol), Contract)]
    spot = None if market is None or not options else market.quotes.price(underlying_of(options[0]))
    if market is None or spot is None:
        return None
    smiles: dict[dt.date, Smile] = {}
    for symbol in options:
        contract = parse_symbol(symbol)
        assert isinstance(contract, Contract)
        if contract.expiry not in smiles:
            smile = smile_of(market, symbol)
            if smile is None:
                return None
            smiles[contract.expiry] = smile
    return order_chances(legs, limit, quantity, fees, spot, smiles)


def smile_of(market: Shown, symbol: str) -> Smile | None:
    """The smile of a contract's expiry as its quotes are now; None where they carry none."""
    place = market.place(symbol)
    if place is None:
        return None
    chain, quotes = market.chain, market.quotes
    for number, expiry in enumerate(chain.index.expiries):
        if place not in expiry.members:
            continue
        rows, forward = chain.index.rows[expiry.members], chain.forwards[number]
        time = float(chain.time[expiry.members[0]])
        if not np.isfinite(forward) or time <= 0:
            return None
        found = fit_smile(
            Quotes(
                forward, time, 1.0, chain.index.strikes[expiry.members], chain.index.is_call[expiry.members],
                quotes.bid[rows], quotes.ask[rows], float(chain.index.ticks[expiry.members].min()),
            )
        )  # fmt: skip
        return None if isinstance(found, NoSmile) else found
    return None
