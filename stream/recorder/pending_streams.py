"""Streams that a recording must hold before what it was waiting for begins."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

STREAM_TIMEOUT_S = 4.0
"""How long streams that are known to be there are waited for."""


@dataclass(frozen=True, slots=True)
class PendingStreams:
    """What is waited for.

    Attributes
    ----------
    names
        Of streams.
    until_s
        Until when, by the monotonic clock.
    """

    names: frozenset[str]
    until_s: float

    def result(self, there: Set[str], now_s: float) -> dict[str, Any] | None:
        """The event that says that all are there, or which are not in time; None while it is open.

        Parameters
        ----------
        there
            Names of streams that are recorded, or ready and held.
        now_s
            By the monotonic clock.
        """
        missing = sorted(self.names - there)
        if missing and now_s <= self.until_s:
            return None
        reason = f"not recorded yet: {', '.join(missing)}" if missing else "all are recorded"
        return {"event": "awaited", "reason": reason, "missing": missing}
