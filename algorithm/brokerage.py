"""What the brokerage says, relayed. LEAN's own handler would end the run at an error or a long absence, with positions
open: instead only reducing orders pass. Nothing is ever thrown back into LEAN."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from bridge.lean_end import LeanEnd

#: By LEAN's numbers (Common/Brokerages/BrokerageMessageType.cs).
_SEVERITIES = ("information", "warning", "error", "reconnect", "disconnect", "action_required")
#: Seconds that LEAN's own handler waits for a brokerage to come back while a market is open.
PATIENCE = 900.0


class BrokerageMessages:
    """LEAN's handler of brokerage messages. Called on any thread, also before the start and after the end."""

    def __init__(self, end: LeanEnd, failed: Callable[[str, Exception], None], patience: float = PATIENCE) -> None:
        self._end, self._failed, self._patience = end, failed, patience
        self._gone_since: float | None = None

    def handle_message(self, message: Any) -> None:
        """Relay a message."""
        try:
            kind = int(message.type)
            severity = _SEVERITIES[kind] if 0 <= kind < len(_SEVERITIES) else "warning"
            self._end.brokerage_said(severity, str(message.code), str(message.message))
            if severity == "disconnect":
                self._gone_since = self._gone_since or time.monotonic()
            elif severity == "reconnect":
                self._gone_since = None
        except Exception as error:
            self._failed("handle_message", error)

    def handle_order(self, event_args: Any) -> bool:
        """An order made outside of LEAN: LEAN shall have it."""
        try:
            self._end.brokerage_said("warning", "outside order", str(event_args.order))
        except Exception as error:
            self._failed("handle_order", error)
        return True

    def watch(self, open_now: Sequence[str]) -> None:
        """A brokerage that is away for longer than LEAN would bear while a market is open is an error, told once."""
        since = self._gone_since
        if since is None or not open_now or (gone := time.monotonic() - since) < self._patience:
            return
        self._gone_since = None
        self._end.brokerage_said("error", "disconnected", f"the brokerage is gone for {gone / 60:.0f} minutes")
