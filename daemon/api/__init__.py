"""The control API under /api/v1: an operator's way to the desk. It asks the core; it decides nothing."""

from daemon.api.app import make_app

__all__ = ["make_app"]
