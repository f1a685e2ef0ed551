"""The control API under /api/v1: an operator's way to the desk. It asks the core; it decides nothing."""

from daemon.api.app import make_app
from daemon.api.auth import Tokens, WeakToken

__all__ = ["Tokens", "WeakToken", "make_app"]
