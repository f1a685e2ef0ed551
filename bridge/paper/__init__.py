"""The embedded market: it speaks LEAN's part of the protocol, so that a fresh machine needs no LEAN."""

from bridge.paper.market import MarginModel, Market

__all__ = ["MarginModel", "Market"]
