"""Notices of what happens to a stream, collected until the engine publishes them on the status stream and terminal."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)
log.addHandler(
    logging.NullHandler()
)  # without a log, Python would print warnings in the terminal a second time

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
        "invalid_stamp",
        "clock_jump",
        "foreign_clock",
        "rate_off",
        "counter_ignored",
        "nan",
        "negative",
        "channel_dead",
        "skipped",
        "uneven_stamps",
        "late_events",
        "training_data",
        "simulated_model",
        "unknown_events",
        "following_dropped",
        "following_clock_jump",
        "invalid_frame",
    }
)
"""Events that mean that something is wrong."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One event.

    Attributes
    ----------
    event
        Name of the event, as on the status stream.
    text
        Message for people.
    facts
        Values that belong to it, as on the status stream.
    """

    event: str
    text: str
    facts: dict[str, Any]

    @property
    def warning(self) -> bool:
        """Whether the event means that something is wrong."""
        return self.event in WARNINGS


class Notices:
    """Collects notices and logs them."""

    def __init__(self) -> None:
        self._waiting: list[Notice] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: str, text: str, **facts: Any) -> None:
        """Add a notice.

        Parameters
        ----------
        event, text, **facts
            See `Notice`.
        """
        notice = Notice(event, text, facts)
        self._waiting.append(notice)
        log.log(logging.WARNING if notice.warning else logging.INFO, "%s: %s", event, text)

    def take(self) -> list[Notice]:
        """Return and remove all notices, oldest first."""
        notices, self._waiting = self._waiting, []
        return notices
