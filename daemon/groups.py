"""What an actor that stops means for the rest, by its group: a halt, the end of the process, or only a word."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import deque
from collections.abc import Callable
from typing import Any

from actors.messages.breaker import Halt
from actors.runtime import CommandFailed, Core, Refusal
from daemon.tree import GROUPS


class SafetyFailed(Exception):
    """An actor of the safety group stopped: the process must end and start anew."""


class GroupRules:
    """Hears of each actor of a core that stops, and keeps what its group's rule wants until the core may take it.

    `on_halt` is called when there is a halt to raise; `on_stopped(actor, text)`, set from outside, for each that stops.
    """

    def __init__(self, core: Core, on_halt: Callable[[], None]) -> None:
        self._core = core
        self._on_halt = on_halt
        self.on_stopped: Callable[[str, str], None] | None = None
        self._halts: deque[Halt] = deque()
        self._fatal: SafetyFailed | None = None
        core.on_failure = self._failed

    @property
    def waits(self) -> bool:
        """Whether there is a halt that the core has not taken yet."""
        return bool(self._halts)

    @property
    def ends(self) -> bool:
        """Whether the process must end."""
        return self._fatal is not None

    def halt(self, now: dt.datetime) -> None:
        """Raise the breaker for those that stopped, unless it is that high already: what fails at every view must not
        fill the journal."""
        while self._halts:
            halt = self._halts.popleft()
            if self._core.state("breaker").level >= halt.level:
                continue
            # Where the breaker itself is what stopped, the process ends for it: nothing is left to raise.
            with contextlib.suppress(Refusal, CommandFailed):
                self._core.command(f"runtime:{self._core.seq}", "runtime", halt, now)

    def check(self) -> None:
        """Raise SafetyFailed where the process must end, once its halts are taken."""
        if self._fatal is not None and not self._halts:
            raise self._fatal

    def _failed(self, actor: str, group: Any, error: BaseException) -> None:
        rule = GROUPS[group]
        if rule.level:
            self._halts.append(Halt(rule.level, f"{actor} stopped: {error!r}"[:400]))
            self._on_halt()
        if rule.ends:
            self._fatal = SafetyFailed(f"{actor} stopped: {error!r}")
        if self.on_stopped is not None:
            self.on_stopped(actor, f"of {group}: {rule.rule}; {error!r}")
