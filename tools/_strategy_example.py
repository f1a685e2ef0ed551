"""One worked example a strategy on the GOOG chain of 2015-12-24: prices, bounds, greeks, margin. Numbers only."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache

import msgspec
import numpy as np

from actors.options.book_model import BookModel, book_model
from actors.options.catalogue import Strategy
from actors.options.chain import ChainSnapshot, Series, smiles_of, with_smiles
from actors.options.contracts import Contract, parse_symbol
from actors.options.lean_margin import lean_margin_used
from actors.options.liquidity import Gate, leg_gates, limits_of
from actors.options.payoff import UNLIMITED, Amount, Leg, Payoff, payoff
from actors.options.pricing import black76_greeks
from actors.options.probability import chances_at_nearest
from actors.options.regt import Requirement, regt_initial
from actors.options.resolution import Candidate, Refusal, resolve
from actors.options.smile import Smile
from actors.options.targets import FixedStrike, Targets, default_targets
from bridge.paper.fees import lean_fee
from tools.goog_chain import SESSIONS, UNDERLYING, goog_day

AT = dt.datetime(2015, 12, 24, 15, 0, tzinfo=dt.UTC)


class LegQuote(msgspec.Struct, frozen=True):
    """A leg as it was quoted: dollars per share, volatility a year, spot delta, contracts of open interest."""

    symbol: str
    quantity: int
    bid: float
    ask: float
    volatility: float
    delta: float
    open_interest: float


class Example(msgspec.Struct, frozen=True):
    """One unit of a strategy filled at natural prices. Dollars a unit unless said per share."""

    strategy: Strategy
    candidate: Candidate
    quotes: tuple[LegQuote, ...]
    spot: Decimal
    natural: Decimal
    middle: Decimal
    fees: Decimal
    #: Payoff of the legs, None where they expire apart; `model` is there always.
    shape: Payoff | None
    model: BookModel
    maximum_profit: Amount
    maximum_loss: Amount
    break_evens: tuple[Decimal, ...]
    estimate: bool
    probability: float
    greeks: dict[str, float]
    regt: Requirement
    lean_margin: Decimal
    failed: tuple[Gate, ...]

    @property
    def cash(self) -> Decimal:
        """What the fill brings in (positive) or costs, fees apart."""
        return -self.natural * 100

    @property
    def contracts(self) -> list[Contract]:
        """The option legs' contracts."""
        parsed = [parse_symbol(leg.symbol) for leg in self.candidate.legs]
        return [each for each in parsed if isinstance(each, Contract)]

    @property
    def strikes(self) -> list[Decimal]:
        """Strikes, K1 first."""
        return sorted({contract.strike for contract in self.contracts})


@lru_cache(maxsize=1)
def _chain() -> tuple[ChainSnapshot, dict[Series, Smile]]:
    chain = goog_day().snapshot(AT)
    smiles = smiles_of(chain, AT, SESSIONS)
    return with_smiles(chain, smiles), smiles


def example(strategy: Strategy) -> Example:
    """The strategy at its default targets at 10:00 New York. Raises AssertionError where it does not resolve."""
    chain, smiles = _chain()
    found = resolve(strategy, chain, default_targets(strategy), sessions=SESSIONS)
    assert not isinstance(found, Refusal), f"{strategy.name}: {found}"
    strict = resolve(strategy, chain, _fixed(found), sessions=SESSIONS, limits=limits_of(UNDERLYING))
    rows = {contract.symbol: row for row, contract in enumerate(chain.contracts)}
    natural = Decimal(repr(round(found.natural, 4)))
    middle = Decimal(repr(round((found.natural + found.far) / 2, 4)))
    model = book_model(found.legs, float(chain.spot), {series.expiry: smile for series, smile in smiles.items()})
    cash = -natural * 100
    single = strategy.expiries == 1
    shape = payoff(found.legs) if single else None
    profit, loss, evens = _bounds(shape, cash) if shape is not None else _model_bounds(model, float(cash))
    chances = chances_at_nearest(model, float(cash))
    assert chances is not None
    held = {leg.symbol: leg.quantity for leg in found.legs}
    prices = {symbol: goog_day().prices(symbol, AT) for symbol in (*held, UNDERLYING)}
    return Example(
        strategy, found, tuple(_quote(leg, chain, rows) for leg in found.legs), chain.spot, natural, middle,
        sum((lean_fee(leg.symbol, leg.quantity, Decimal(1)) for leg in found.legs), Decimal(0)), shape, model, profit,
        loss, evens, not single, chances.profit, _greeks(model), regt_initial(held, lambda each: prices[each].price),
        lean_margin_used(
            held, lambda each: prices[each].price,
            lambda each: prices[each].ask if held[each] < 0 else prices[each].bid,
        ),
        () if isinstance(strict, Candidate) else _failed(found, chain, rows),
    )  # fmt: skip


def _fixed(found: Candidate) -> Targets:
    contracts = [parse_symbol(leg.symbol) for leg in found.legs]
    options = [each for each in contracts if isinstance(each, Contract)]
    strikes = sorted({each.strike for each in options})
    return Targets(tuple(FixedStrike(each) for each in strikes), tuple(sorted({each.expiry for each in options})))


def _failed(found: Candidate, chain: ChainSnapshot, rows: dict[str, int]) -> tuple[Gate, ...]:
    """The leg gates that were not met, one of each kind: the worst."""
    limits = limits_of(UNDERLYING)
    failed: dict[str, Gate] = {}
    for leg in found.legs:
        if leg.symbol not in rows:
            continue
        row = rows[leg.symbol]
        assert chain.open_interest is not None
        assert chain.volume is not None
        gates = leg_gates(
            float(chain.bid[row]), float(chain.ask[row]), float(chain.open_interest[row]), float(chain.volume[row]),
            0.0, limits,
        )  # fmt: skip
        for gate in gates:
            if not gate.passed:
                failed.setdefault(gate.name, gate)
    return tuple(failed.values())


def _quote(leg: Leg, chain: ChainSnapshot, rows: dict[str, int]) -> LegQuote:
    if leg.symbol not in rows:
        return LegQuote(leg.symbol, leg.quantity, chain.spot_bid, chain.spot_ask, np.nan, 1.0, np.nan)
    row = rows[leg.symbol]
    assert chain.implied_volatility is not None
    assert chain.delta is not None
    assert chain.open_interest is not None
    return LegQuote(
        leg.symbol, leg.quantity, float(chain.bid[row]), float(chain.ask[row]), float(chain.implied_volatility[row]),
        float(chain.delta[row]), float(chain.open_interest[row]),
    )  # fmt: skip


def _bounds(shape: Payoff, cash: Decimal) -> tuple[Amount, Amount, tuple[Decimal, ...]]:
    profit = shape.maximum if shape.maximum is UNLIMITED else shape.maximum + cash
    loss = UNLIMITED if shape.minimum is UNLIMITED else -(shape.minimum + cash)
    return profit, loss, shape.break_evens(cash)


def _model_bounds(model: BookModel, cash: float) -> tuple[Amount, Amount, tuple[Decimal, ...]]:
    """At the near expiry by the model, over prices from a third to three times the spot: estimates, to the dollar."""
    spots = np.linspace(model.spot / 3, model.spot * 3, 8001)
    value = model.value(spots, model.nearest) + cash
    slope = model.stock + sum(option.shares for option in model.options if option.is_call)
    crossed = np.nonzero(np.sign(value[:-1]) * np.sign(value[1:]) < 0)[0]
    evens = [
        spots[at] + (spots[at + 1] - spots[at]) * value[at] / (value[at] - value[at + 1]) for at in crossed.tolist()
    ]
    profit: Amount = UNLIMITED if slope > 0 else Decimal(round(float(value.max())))
    loss: Amount = UNLIMITED if slope < 0 else Decimal(round(-float(value.min())))
    return profit, loss, tuple(Decimal(round(float(each), 1)).quantize(Decimal("0.1")) for each in evens)


def _greeks(model: BookModel) -> dict[str, float]:
    total = {"delta": model.stock, "gamma": 0.0, "theta": 0.0, "vega": 0.0}
    for option in model.options:
        smile = option.smile
        one = black76_greeks(
            smile.forward, option.strike, smile.time, option.volatility, smile.factor, option.is_call, spot=model.spot
        )
        for name in total:
            total[name] += option.shares * float(getattr(one, name))
    return total
