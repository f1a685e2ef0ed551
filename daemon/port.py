"""The driver as the bridge sees it: what is acknowledged, and a script's lines at their instants. No socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from actors.runtime import Clock, Core, Journal, Refusal
from daemon.driver import Driver
from daemon.replay.script import ScriptLine

Notice = Callable[[str, str], None]


class BridgePort(Driver):
    """The driver as the bridge sees it, with the lines of a script that are run at their instants in lock-step."""

    def __init__(
        self, core: Core, journal: Journal, clock: Clock, script: Sequence[ScriptLine], on_refused: Notice
    ) -> None:
        super().__init__(core, journal, clock)
        self._script = deque(script)
        self._on_refused = on_refused

    def acknowledged(self, session: str) -> int:
        """The highest event of this session that was recorded."""
        state = self.core.state("gateway")
        return state.seen if state.session_name == session else 0

    async def next_round(self) -> bool:
        """Run the script's next line where its instant has come."""
        if not self._script or self._script[0].at > self.clock.now():
            return False
        line = self._script.popleft()
        try:
            await self.command(line.id, "operator:script", line.command)
        except Refusal as refusal:
            self._on_refused("refused", f"{line.id}: {refusal}")
        return True
