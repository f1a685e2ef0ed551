"""The kernel: a deterministic core over a journal. It knows nothing of trading."""

from actors.runtime._actor import (
    CoreActor,
    Group,
    Guard,
    Issued,
    JobDone,
    Output,
    TimerDue,
    ViewChanged,
)
from actors.runtime._clock import Clock, MarketClock, WallClock
from actors.runtime._core import Core
from actors.runtime._facts import Command, Decision, Fact, Recorded, Refusal, Write
from actors.runtime._journal import (
    Batch,
    CommandRow,
    Head,
    Journal,
    JournalConflict,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalReadOnly,
    Row,
    check_time,
)
from actors.runtime._lanes import Lanes, LaneStatistics
from actors.runtime._memory import GENESIS, MemoryJournal, link
from actors.runtime._supervise import (
    Backoff,
    Child,
    ChildEnded,
    ChildKilled,
    ChildReport,
    Restart,
    StartTimeout,
    Status,
    Supervisor,
    TooManyRestarts,
    first_cause,
)
from actors.runtime._tape import Entry, MemoryTape, Tape, replay
from actors.runtime._view import Derive, View
from actors.runtime._words import (
    ActorFailed,
    ActorResumed,
    Answer,
    Busy,
    CommandConflict,
    CommandFailed,
    CoreFailed,
    DeadLetter,
    Ended,
    FactSkipped,
    GuardRefused,
    SkipFact,
    Started,
    Telemetry,
    UnknownKind,
)

__all__ = [
    "GENESIS", "ActorFailed", "ActorResumed", "Answer", "Backoff", "Batch", "Busy", "Child", "ChildEnded",
    "ChildKilled",
    "ChildReport", "Clock", "Command", "CommandConflict", "CommandFailed", "CommandRow", "Core", "CoreActor",
    "CoreFailed", "DeadLetter", "Decision", "Derive", "Ended", "Entry", "Fact", "FactSkipped", "Group", "Guard",
    "GuardRefused", "Head", "Issued", "JobDone", "Journal", "JournalConflict", "JournalCorrupt", "JournalError",
    "JournalFull", "JournalLocked", "JournalReadOnly", "LaneStatistics", "Lanes", "MarketClock",
    "MemoryJournal", "MemoryTape", "Output", "Recorded", "Refusal", "Restart", "Row", "SkipFact", "StartTimeout",
    "Started", "Status", "Supervisor", "Tape", "Telemetry", "TimerDue", "TooManyRestarts", "UnknownKind",
    "View", "ViewChanged", "WallClock", "Write", "check_time", "first_cause", "link", "replay",
]  # fmt: skip
