"""How combos fill: a hazard by aggressiveness and conditions, what attempts teach about it, what it advises, and how
well it predicted. No orders are sent and nothing is remembered here: beliefs are values that the caller keeps."""

from actors.options.fills.advice import Advice, Estimate, Quoted, best_gain, best_price, expected_gain, fill_probability
from actors.options.fills.calibration import Bin, Calibration, Forecast, calibrate, forecasts
from actors.options.fills.evidence import Attempt, Belief, Exposure, Interval, Prior, believe, fit, intervals, learn
from actors.options.fills.model import (
    PARAMETERS,
    Conditions,
    FillTruth,
    aggressiveness,
    features,
    log_hazard,
    move,
    probability,
)
from actors.options.fills.simulation import simulate

__all__ = [
    "PARAMETERS", "Advice", "Attempt", "Belief", "Bin", "Calibration", "Conditions", "Estimate", "Exposure",
    "FillTruth", "Forecast", "Interval", "Prior", "Quoted", "aggressiveness", "believe", "best_gain", "best_price",
    "calibrate", "expected_gain", "features", "fill_probability", "fit", "forecasts", "intervals", "learn",
    "log_hazard", "move", "probability", "simulate",
]  # fmt: skip
