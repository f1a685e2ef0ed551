"""What options are worth in the synthetic market: an SSVI surface of total variance on forwards. Free of arbitrage.

Source: J. Gatheral and A. Jacquier, Arbitrage-free SVI volatility surfaces, Quantitative Finance 14 (2014): no
butterfly where eta (1 + |rho|) <= 2 with phi = eta / sqrt(theta (1 + theta)), no calendar spread where theta rises.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.options.pricing import black76
from bridge.paper.synthetic.instruments import RATE, Instrument

Floats = NDArray[np.float64]

#: How fast variance is priced to come home, a year.
_HOME = 4.0
#: A minute, in years: nothing is priced nearer to its end.
SHORTEST = 1.0 / (365.0 * 24.0 * 60.0)


def at_the_money(instrument: Instrument, factor: Floats, time: Floats) -> Floats:
    """Total variance at the money to `time` years; `factor` is the logarithm of the volatility factor now."""
    long_run = instrument.implied**2
    now = long_run * np.exp(1.6 * factor)
    return long_run * time + (now - long_run) * (1.0 - np.exp(-_HOME * time)) / _HOME


def total_variance(instrument: Instrument, moneyness: Floats, theta: Floats) -> Floats:
    """Total variance at log moneyness ln(K / F), for total variance `theta` at the money."""
    phi = instrument.wings / np.sqrt(theta * (1.0 + theta))
    rho = instrument.skew
    x = phi * moneyness
    return 0.5 * theta * (1.0 + rho * x + np.sqrt((x + rho) ** 2 + 1.0 - rho * rho))


def forward(instrument: Instrument, spot: Floats, time: Floats, paid: Floats) -> Floats:
    """The forward of a spot: grown at the rate less the yield, without the dividends `paid` until then."""
    return (spot - paid) * np.exp((RATE - instrument.yields) * time)


def value(
    instrument: Instrument, spot: Floats, strike: Floats, is_call: NDArray[np.bool_], time: Floats, paid: Floats,
    factor: Floats,
) -> Floats:  # fmt: skip
    """Values per share; arrays broadcast. Stocks' options are never below intrinsic value: the early exercise of an
    American option is priced by that bound alone."""
    time = np.maximum(time, SHORTEST)
    ahead = forward(instrument, spot, time, paid)
    theta = at_the_money(instrument, factor, time)
    variance = total_variance(instrument, np.log(strike / ahead), theta)
    worth = black76(ahead, strike, time, np.sqrt(variance / time), np.exp(-RATE * time), is_call)
    if instrument.is_index:
        return worth
    return np.maximum(worth, np.where(is_call, spot - strike, strike - spot))
