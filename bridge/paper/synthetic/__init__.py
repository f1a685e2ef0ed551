"""The seeded synthetic market: an index and two stocks with their options, made without data. No broker here."""

from bridge.paper.synthetic.exchange import Exchange, SyntheticError
from bridge.paper.synthetic.export import export
from bridge.paper.synthetic.feed import SyntheticFeed

__all__ = ["Exchange", "SyntheticError", "SyntheticFeed", "export"]
