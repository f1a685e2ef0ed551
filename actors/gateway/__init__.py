"""The gateway: what is sent to LEAN and what LEAN said."""

from actors.gateway._actor import Gateway
from actors.gateway._state import GatewayState

__all__ = ["Gateway", "GatewayState"]
