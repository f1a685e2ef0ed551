"""Replay: a LEAN data folder through the whole system in lock-step."""

from daemon.replay.report import Report, page
from daemon.replay.run import LockStep, ReplayError, ReplayRequest, replay
from daemon.replay.script import ScriptError

__all__ = ["LockStep", "ReplayError", "ReplayRequest", "Report", "ScriptError", "page", "replay"]
