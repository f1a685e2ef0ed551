"""The order queue. Only the actor is public."""

from actors.orders._actor import Orders

__all__ = ["Orders"]
