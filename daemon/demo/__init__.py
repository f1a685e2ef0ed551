"""`callboard demo`: daemon, synthetic market and guided orders as one process tree. No decision lives here."""

from daemon.demo.run import DemoError, DemoRequest, run_demo
from daemon.demo.summary import Summary

__all__ = ["DemoError", "DemoRequest", "Summary", "run_demo"]
