"""Positions: lots and campaigns, and what an order's unequally filled legs left of one. Only the actor is public."""

from actors.positions._actor import Positions

__all__ = ["Positions"]
