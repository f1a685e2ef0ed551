"""The chances of an order on the newest market view: its expiry's quotes fitted to a smile. Shown, never recorded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np

from actors.options.contracts import Contract, parse_symbol, underlying_of
from actors.options.orders import OrderLeg
from actors.options.probability import Chances, order_chances
from actors.options.smile import Smile
from actors.options.smile_fit import NoSmile, Quotes, fit_smile
from daemon.views_market import ChainShown, ContractShown, ExpiryShown, Shown, SmilePoint


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


def fitted(market: Shown, chain: ChainShown) -> ChainShown:
    """The chain with the fitted smile of each expiry, at its strikes. Takes some milliseconds an expiry."""
    return msgspec.structs.replace(
        chain, expiries=tuple(_fitted(market, each, chain.contracts) for each in chain.expiries)
    )


def _fitted(market: Shown, expiry: ExpiryShown, contracts: Sequence[ContractShown]) -> ExpiryShown:
    own = [each for each in contracts if each.expiry == expiry.expiry and each.symbol[:6].strip() in expiry.roots]
    smile = smile_of(market, own[0].symbol) if own else None
    if smile is None:
        return expiry
    strikes = np.array(sorted({float(each.strike) for each in own}))
    points = zip(strikes.tolist(), smile.volatility(strikes).tolist(), strict=True)
    shown = tuple(SmilePoint(strike=f"{strike:g}", iv=round(level, 6)) for strike, level in points if level == level)
    return msgspec.structs.replace(expiry, fitted=shown)


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
