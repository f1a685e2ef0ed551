"""Rich and cheap: quotes against the smile that the other quotes make, and implied against forecast volatility.

Nothing here compares an option with its own volatility: a quote's pull on the fit is taken out of its residual, and a
quote that the fit is mostly made of has none. Sources: R. Cook, Technometrics 19 (1977), for residuals left one out.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from actors.options.measures import POINTS
from actors.options.pricing import Bools, Floats, black76_greeks
from actors.options.realised import Forecast
from actors.options.smile import Smile
from actors.options.smile_fit import Quotes, leverage

View = Literal["rich", "cheap", "fair"]

#: A quote that is more than this part of its own fitted value has no residual.
_OWN = 0.5


class Residuals(msgspec.Struct, frozen=True, eq=False):
    """Quotes against the smile without them, arrays in the order of the quotes; NaN where there is no two-sided quote,
    or the smile there is mostly that quote. Positive is rich.

    model: dollars per share by the smile without the quote; dollars: middle less model; spreads: that in widths of the
    quote (half of them is what crossing costs); points: in volatility points, by vega; edge: dollars per share left
    after crossing (bid less model where positive: sell; model less ask: buy, negative), 0 inside the quote; pull: the
    part of its own fitted value that the quote is, 0 to 1 (0: not used in the fit).
    """

    model: Floats
    dollars: Floats
    spreads: Floats
    points: Floats
    edge: Floats
    pull: Floats


def residuals(quotes: Quotes, smile: Smile) -> Residuals:
    """Each quote of an expiry against its fitted smile, with the quote's own pull taken out: what it is off the fit
    over 1 - pull is, to first order, what it is off a fit without it. For American quotes, take early exercise out
    first.

    In-the-money contracts are off by as much as their middle's parity twin would be: the model value is Black-76's.
    Where vega is below a hundredth of a tick per point, `points` is NaN. Raises nothing on bad quotes.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        sided = (quotes.bid > 0) & (quotes.ask >= quotes.bid) & np.isfinite(quotes.ask) & (quotes.strikes > 0)
        strike = np.where(quotes.strikes > 0, quotes.strikes, quotes.forward)
        greeks = black76_greeks(
            smile.forward, strike, smile.time, smile.volatility(strike), smile.factor, quotes.is_call
        )  # fmt: skip
        pull = leverage(quotes, smile)
        middle = np.where(sided, 0.5 * (quotes.bid + quotes.ask), np.nan)
        off = np.where(pull <= _OWN, (middle - greeks.price) / (1.0 - pull), np.nan)
        model = middle - off
        width = np.maximum(quotes.ask - quotes.bid, quotes.tick)
        points = np.where(greeks.vega > 0.01 * quotes.tick, off / greeks.vega, np.nan)
        edge = np.where(quotes.bid > model, quotes.bid - model, np.where(quotes.ask < model, quotes.ask - model, 0.0))
    return Residuals(model, off, off / width, points, np.where(np.isfinite(off), edge, np.nan), pull)


def outliers(found: Residuals, *, spreads: float = 1.0, points: float = 1.0) -> Bools:
    """Quotes off by at least `spreads` widths and at least `points` volatility points, either way: both, so that
    neither a tight quote's rounding nor a wide quote's middle alone makes one. Raises ValueError for a negative
    limit."""
    if spreads < 0 or points < 0:
        raise ValueError(f"limits of {spreads} spreads and {points} points must be at least 0")
    with np.errstate(invalid="ignore"):
        return (np.abs(found.spreads) >= spreads) & (np.abs(found.points) >= points)


class Premium(msgspec.Struct, frozen=True):
    """Implied against forecast realised volatility of one horizon. `points`: implied less forecast in volatility
    points; `ratio`: implied over forecast; `view`: rich above the forecast's band, cheap below it, fair inside."""

    implied: float
    forecast: float
    points: float
    ratio: float
    view: View


def against_forecast(implied: float | None, forecast: Forecast | None) -> Premium | None:
    """Whether constant-maturity implied volatility (a fraction a year) is rich or cheap against what is forecast to be
    realised over about the same time. None where either is missing: absent data is no view, nor is a forecast of 0.
    The caller pairs horizons: 30 days are 21 sessions."""
    if implied is None or forecast is None or not forecast.volatility > 0 or not np.isfinite(implied):
        return None
    view: View = "rich" if implied > forecast.high else "cheap" if implied < forecast.low else "fair"
    return Premium(
        implied, forecast.volatility, POINTS * (implied - forecast.volatility), implied / forecast.volatility, view
    )  # fmt: skip
