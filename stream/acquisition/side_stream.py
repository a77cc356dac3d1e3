"""One stream beside a neural stream: its inlet, its clock, and whether its shape can be used."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

import pylsl

from stream.acquisition.event_clock import EventClock
from stream.errors import ShapeMismatch, StreamLost
from stream.lsl.event_inlet import EventInlet

MAX_LABEL_COLUMNS = 1000
"""A label stream with more channels is not followed."""


@dataclass(slots=True, eq=False)
class SideStream:
    """A stream that is followed.

    Attributes
    ----------
    inlet
        Its inlet.
    kind
        ``stimulus``, ``events``, ``label`` or ``markers``.
    reopening
        The attempt to reopen it, if any; until it is done, only that thread may use the inlet.
    clock
        Converts its timestamps.
    connection
        Number of the connection that the clock belongs to.
    """

    inlet: EventInlet
    kind: str
    reopening: Future[None] | None = None
    clock: EventClock = field(default_factory=EventClock)
    connection: int = 1


def opened_inlet(info: pylsl.StreamInfo, kind: str, clock_wait_s: float) -> EventInlet | None:
    """Open an inlet; None if the stream does not answer.

    Parameters
    ----------
    info
        Stream that LSL has found.
    kind
        See `SideStream`.
    clock_wait_s
        Longest wait for the first clock offset, seconds.

    Raises
    ------
    ShapeMismatch
        If its samples are not of its kind.
    """
    inlet = EventInlet(info)
    if kind in ("stimulus", "label") and inlet.carries_text:
        wanted = "numbers (frame, repeat)" if kind == "stimulus" else "numbers"
        raise ShapeMismatch(f"it carries text, but a stream of type {inlet.type} must carry {wanted}.")
    if kind == "label" and inlet.n_channels > MAX_LABEL_COLUMNS:
        raise ShapeMismatch(
            f"a label must have at most {MAX_LABEL_COLUMNS} channels, got {inlet.n_channels}."
        )
    try:
        inlet.open(timeout_s=2.0, sync_timeout_s=clock_wait_s)
    except StreamLost:
        return None
    inlet.measure_clock()
    return inlet
