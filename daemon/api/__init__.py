"""The control API under /api/v1: an operator's way to the desk. It asks the core; it decides nothing."""

from daemon.api.app import make_app
from daemon.api.settings import ApiSettings

__all__ = ["ApiSettings", "make_app"]
