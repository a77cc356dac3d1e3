"""Tracks whether the streams that someone waits for are recorded yet."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

STREAM_TIMEOUT_S = 4.0
"""How long to wait for streams that are known to exist, in seconds."""


@dataclass(frozen=True, slots=True)
class PendingStreams:
    """Streams to wait for, with a deadline.

    Attributes
    ----------
    names
        Names of the streams.
    deadline_s
        End of the wait, in seconds of the monotonic clock.
    """

    names: frozenset[str]
    deadline_s: float

    def result(self, open_names: Set[str], now_s: float) -> dict[str, Any] | None:
        """Return the event ``awaited`` once all streams are open or the deadline has passed; None until then.

        Parameters
        ----------
        open_names
            Names of the streams that are recorded, or ready and held back.
        now_s
            Current time of the monotonic clock, in seconds.
        """
        missing = sorted(self.names - open_names)
        if missing and now_s <= self.deadline_s:
            return None
        reason = f"not recorded yet: {', '.join(missing)}" if missing else "all are recorded"
        return {"event": "awaited", "reason": reason, "missing": missing}
