"""Resolution of an iron condor on the 2,192-contract GOOG chain, beside QuantLib's Python loop over the same chain's
deltas; and a split of 60 contracts into strategies. Times are the best of several runs, in milliseconds."""

from __future__ import annotations

import datetime as dt
import random
import sys
from pathlib import Path

import msgspec
import numpy as np
import QuantLib as ql
from _timing import best

sys.path.insert(0, str(Path(__file__).parents[1]))

from actors.options.catalogue import BY_KEY
from actors.options.chain import Series, smiles_of, with_smiles
from actors.options.matching import split
from actors.options.resolution import Candidate, resolve
from actors.options.targets import default_targets
from tools.goog_chain import SESSIONS, goog_day

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)
CONDOR = BY_KEY["iron_condor"]


def main() -> None:
    """Print the table."""
    chain = goog_day().snapshot(AT)
    SESSIONS.is_session(AT.date())
    smiles = smiles_of(chain, AT, SESSIONS)
    fitted = with_smiles(chain, smiles)
    targets = default_targets(CONDOR)

    def once() -> Candidate:
        found = resolve(CONDOR, fitted, targets, sessions=SESSIONS)
        assert isinstance(found, Candidate)
        return found

    def cold() -> Candidate:
        found = resolve(CONDOR, msgspec.structs.replace(fitted), targets, sessions=SESSIONS)
        assert isinstance(found, Candidate)
        return found

    expiry = Series(dt.date(2016, 2, 19), "GOOG")

    def whole() -> Candidate:
        raw = msgspec.structs.replace(chain)
        found = resolve(CONDOR, with_smiles(raw, smiles_of(raw, AT, SESSIONS, [expiry])), targets, sessions=SESSIONS)
        assert isinstance(found, Candidate)
        return found

    assert fitted.implied_volatility is not None
    rows: list[tuple[int, float, float, float, float]] = []
    mids: list[float] = []
    for series, smile in smiles.items():
        for right, kind in (("C", ql.Option.Call), ("P", ql.Option.Put)):
            for strike, row in fitted.table[series, right].items():
                deviation = float(fitted.implied_volatility[row]) * smile.time**0.5
                rows.append((kind, float(strike), smile.forward, deviation, smile.factor))
                mids.append(float(chain.bid[row] + chain.ask[row]) / 2)
    spot = float(chain.spot)

    def loop() -> list[float]:
        return [
            ql.BlackCalculator(ql.PlainVanillaPayoff(kind, strike), forward, deviation, factor).delta(spot)
            for kind, strike, forward, deviation, factor in rows
        ]

    def implied() -> list[float]:
        found: list[float] = []
        for (kind, strike, forward, _, factor), mid in zip(rows, mids, strict=True):
            try:
                deviation = ql.blackFormulaImpliedStdDev(kind, strike, forward, mid, factor)
            except RuntimeError:
                continue
            payoff = ql.PlainVanillaPayoff(kind, strike)
            found.append(ql.BlackCalculator(payoff, forward, deviation, factor).delta(spot))
        return found

    ours, theirs = np.sort(np.asarray(fitted.delta)), np.sort(np.array(loop()))
    quantlib = best(loop)
    print(f"chain of {len(chain.contracts)} contracts, {len(smiles)} expiries; largest difference of deltas "
          f"{float(np.nanmax(np.abs(ours - theirs))):.1e}")  # fmt: skip
    table = [
        ("QuantLib's Python loop: deltas of the chain, volatilities given", quantlib),
        ("QuantLib's Python loop: implied volatilities and deltas of the chain", best(implied, 3)),
        ("ours: deltas of the chain, from smiles", best(lambda: with_smiles(fitted, smiles))),
        ("ours: resolve a condor, chain seen before", best(once, 30)),
        ("ours: resolve a condor, first look at the chain", best(cold)),
        ("ours: fit one smile, deltas, resolve a condor, first look", best(whole)),
        ("ours: fit all 12 smiles", best(lambda: smiles_of(fitted, AT, SESSIONS))),
    ]
    for name, took in table:
        print(f"{name:<66} {took:9.3f} ms   {quantlib / took:8.1f} x QuantLib's loop")
    chance = random.Random(1)
    symbols = [f"GOOG  {expiry}{right}{strike * 1000:08d}" for expiry in (160115, 160219, 160318) for right in "CP"
               for strike in range(650, 850, 5)]  # fmt: skip
    book = {symbol: chance.choice((-3, -2, -1, 1, 2, 3)) for symbol in chance.sample(symbols, 60)}
    print(
        f"split 60 contracts of one underlying into {len(split(book))} strategies: {best(lambda: split(book)):.2f} ms"
    )


if __name__ == "__main__":
    main()
