"""What happens while a stream is received, kept until somebody passes it on: to the status stream, the log, a screen."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # whoever keeps no log is not told twice in the terminal

WARNINGS = frozenset(
    {
        "lost",
        "mismatch",
        "ambiguous",
        "second_sender",
        "gap",
        "duplicate",
        "reordered",
        "repeated_stamp",
        "clock_jump",
        "foreign_clock",
        "rate_off",
        "nan",
        "negative",
        "channel_dead",
        "skipped",
        "late_events",
    }
)
"""Events that say that something is wrong."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened.

    Attributes
    ----------
    event
        In one word, as the status stream has it.
    text
        The same for people.
    facts
        Figures and names.
    """

    event: str
    text: str
    facts: dict[str, Any]

    @property
    def warning(self) -> bool:
        """Whether something is wrong."""
        return self.event in WARNINGS


class Notices:
    """Collects notices; each is also logged."""

    def __init__(self) -> None:
        self._waiting: list[Notice] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: str, text: str, **facts: Any) -> None:
        """Note what happened.

        Parameters
        ----------
        event, text, **facts
            See `Notice`.
        """
        notice = Notice(event, text, facts)
        self._waiting.append(notice)
        log.log(logging.WARNING if notice.warning else logging.INFO, "%s: %s", event, text)

    def take(self) -> list[Notice]:
        """Everything since the last call, oldest first."""
        taken, self._waiting = self._waiting, []
        return taken
