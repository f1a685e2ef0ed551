"""The data side of the embedded market: LEAN folders, market hours, chain filters, and the instants of a run."""

from bridge.paper.data.feed import Feed
from bridge.paper.data.folder import LeanFolder
from bridge.paper.data.hours import HoursError, MarketHours
from bridge.paper.data.instants import Instants
from bridge.paper.data.universe import Listed, SubscriptionError, parse_filter, select

__all__ = [
    "Feed",
    "HoursError",
    "Instants",
    "LeanFolder",
    "Listed",
    "MarketHours",
    "SubscriptionError",
    "parse_filter",
    "select",
]
