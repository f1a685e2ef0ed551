"""A chain at one moment, as arrays, and the deltas that fitted smiles give it. No choice of contracts is made here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property

import msgspec
import numpy as np

from actors.options.contracts import Contract
from actors.options.pricing import Floats, forward_from_parity, years
from actors.options.settlement import Sessions, settles_at
from actors.options.smile import Smile
from actors.options.smile_fit import Quotes, fit_smiles

_NAN = float("nan")
#: Shares that a standard contract delivers; any other number is an adjusted one.
STANDARD = 100


class Series(msgspec.Struct, frozen=True, order=True):
    """The contracts of one root that expire together."""

    expiry: dt.date
    root: str


class ChainSnapshot(msgspec.Struct, frozen=True, eq=False, dict=True):
    """One underlying's chain at one moment, arrays parallel to `contracts`.

    Quotes are dollars per share, nan where missing; `delta` per share, signed, spot delta from a fitted smile;
    `implied_volatility` a fraction a year; `open_interest`, `volume` and the displayed sizes in contracts; `age` the
    seconds since the feed was last known alive for each quote. None where the whole array is unknown. `spot_bid` and
    `spot_ask` are the underlying's quote, `since_open` the seconds since its class opened; nan for unknown.
    """

    underlying: str
    spot: Decimal
    date: dt.date
    contracts: tuple[Contract, ...]
    bid: Floats
    ask: Floats
    delta: Floats | None = None
    implied_volatility: Floats | None = None
    open_interest: Floats | None = None
    volume: Floats | None = None
    bid_size: Floats | None = None
    ask_size: Floats | None = None
    age: Floats | None = None
    spot_bid: float = _NAN
    spot_ask: float = _NAN
    since_open: float = _NAN

    @cached_property
    def table(self) -> Mapping[tuple[Series, str], Mapping[Decimal, int]]:
        """Row of each standard contract by series, right and strike. Adjusted contracts (another deliverable, or a root
        of their own) are not in it."""
        found: dict[tuple[Series, str], dict[Decimal, int]] = {}
        series: dict[tuple[dt.date, str], Series] = {}
        for row, contract in enumerate(self.contracts):
            if contract.multiplier == STANDARD and contract.underlying == self.underlying:
                key = (contract.expiry, contract.root)
                of = series.get(key) or series.setdefault(key, Series(*key))
                found.setdefault((of, contract.right), {})[contract.strike] = row
        return found

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """The series listed, by expiry and root."""
        return tuple(sorted(dict.fromkeys(series for series, _ in self.table)))

    @cached_property
    def adjusted(self) -> int:
        """How many of the contracts are adjusted ones."""
        return len(self.contracts) - sum(map(len, self.table.values()))


def quotes_of(
    chain: ChainSnapshot, now: dt.datetime, sessions: Sessions, series: Iterable[Series] | None = None
) -> dict[Series, Quotes]:
    """What a smile is fitted to, for each of the series (None: all) that has time left and a forward by parity.

    `now` is aware; time runs ACT/365 to the fixing. The discount factor is taken as 1: parity's forward carries rates
    and dividends for the deltas' purpose.
    """
    wanted = [each for each in (chain.series if series is None else series) if _known(chain, each)]
    return {each: made for each in wanted if (made := _quotes(chain, each, now, sessions)) is not None}


def smiles_of(
    chain: ChainSnapshot, now: dt.datetime, sessions: Sessions, series: Iterable[Series] | None = None
) -> dict[Series, Smile]:
    """A smile for each of the series (None: all) whose quotes carry one, as `quotes_of` reads them; the others are
    missing."""
    quotes = quotes_of(chain, now, sessions, series)
    fits = fit_smiles(tuple(quotes.values()))
    return {each: fit for each, fit in zip(quotes, fits, strict=True) if isinstance(fit, Smile)}


def with_smiles(chain: ChainSnapshot, smiles: Mapping[Series, Smile]) -> ChainSnapshot:
    """The chain with each contract's spot delta and volatility at its series' smile; nan for series without one."""
    delta = np.full(len(chain.contracts), np.nan)
    volatility = np.full(len(chain.contracts), np.nan)
    spot = float(chain.spot)
    for series, smile in smiles.items():
        for right in ("C", "P"):
            rows = chain.table.get((series, right))
            if rows:
                strikes = np.array([float(strike) for strike in rows])
                at = np.fromiter(rows.values(), dtype=np.intp)
                delta[at] = smile.delta(strikes, right == "C", spot=spot)
                volatility[at] = smile.volatility(strikes)
    return msgspec.structs.replace(chain, delta=delta, implied_volatility=volatility)


def _known(chain: ChainSnapshot, series: Series) -> bool:
    return (series, "C") in chain.table and (series, "P") in chain.table


def _quotes(chain: ChainSnapshot, series: Series, now: dt.datetime, sessions: Sessions) -> Quotes | None:
    calls, puts = chain.table[series, "C"], chain.table[series, "P"]
    first = chain.contracts[next(iter(calls.values()))]
    time = years(now, settles_at(first, sessions))
    both = [strike for strike in sorted(calls) if strike in puts]
    middle = np.where((chain.bid > 0) & (chain.ask >= chain.bid), (chain.bid + chain.ask) / 2, np.nan)
    forward = forward_from_parity(
        [float(strike) for strike in both], middle[[calls[k] for k in both]], middle[[puts[k] for k in both]], 1.0
    )
    if not (time > 0 and forward > 0):
        return None
    rows = [*calls.values(), *puts.values()]
    strikes = np.array([float(chain.contracts[row].strike) for row in rows])
    is_call = np.array([row < len(calls) for row in range(len(rows))])
    return Quotes(forward, time, 1.0, strikes, is_call, chain.bid[rows], chain.ask[rows])
