"""The gateway: what is sent to LEAN and what LEAN said."""

from actors.gateway._actor import Gateway, GatewayState
from actors.gateway._opening import compare

__all__ = ["Gateway", "GatewayState", "compare"]
