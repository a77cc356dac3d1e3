"""Messages of an engine's status stream: the one place where their JSON is read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gui.untrusted import finite_number
from stream.printable import printable

LONGEST_MESSAGE = 100_000
"""Number of characters above which a message is not read."""

LONGEST_SENTENCE = 300
"""Number of characters of a sentence that are shown."""


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """One message.

    Attributes
    ----------
    event
        What it reports.
    text, reason
        Sentences for people; empty if there are none.
    state
        State of the engine's input; empty if the message has none.
    clock_offset_ms
        Offset of the sender's clock; NaN if unknown.
    fields
        All fields as sent.
    """

    event: str
    text: str = ""
    reason: str = ""
    state: str = ""
    clock_offset_ms: float = math.nan
    fields: Mapping[str, Any] = field(default_factory=dict)


def parse_status(text: str) -> StatusMessage | None:
    """Read a message; None for one that is no JSON object with an event.

    Parameters
    ----------
    text
        Any text.
    """
    if len(text) > LONGEST_MESSAGE:
        return None
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("event"), str):
        return None
    return StatusMessage(
        event=fields["event"],
        text=_line(fields.get("text")),
        reason=_line(fields.get("reason")),
        state=_line(fields.get("state")),
        clock_offset_ms=finite_number(fields.get("clock_offset_ms")),
        fields=fields,
    )


def _line(value: object) -> str:
    return printable(value, limit=LONGEST_SENTENCE) if isinstance(value, str) else ""
