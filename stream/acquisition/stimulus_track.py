"""What was on the screen when: from events at changes to a frame for each sample, and back.

The stimulus stream holds one event per change, stamped when the frame appeared. Binned samples are stamped at
the end of their bin, so a frame that is new at a sample appeared one period earlier. Both directions leave
a quarter of a period between the event and the neighbouring samples, so that a jitter below that does no harm.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stream.session import NO_FRAME

SLACK_PERIODS = 0.25
"""A frame counts for a sample when it appeared at least this many periods before the sample's stamp."""

_FIRST_S = 0.001  # how far before the very first sample of an irregular recording its frame appeared


def onset(stamp: float, before: float, rate_hz: float) -> float:
    """When the frame that is new at a sample appeared: the start of its bin.

    Parameters
    ----------
    stamp, before
        Seconds: of the sample, and of the one before it (-inf when there is none).
    rate_hz
        Of the samples; 0 = irregular, where the middle between the two is taken.
    """
    if rate_hz <= 0:
        return (stamp + before) / 2 if math.isfinite(before) else stamp - _FIRST_S
    return min(max(stamp - 1 / rate_hz, before), stamp - SLACK_PERIODS / rate_hz)


def changes(
    stamps: NDArray[np.float64],
    frame: NDArray[np.int32],
    repeat: NDArray[np.int32],
    rate_hz: float,
    segment: NDArray[np.int32] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The events of a recording: the first sample, every change, and every sample where the clock stepped back.

    Parameters
    ----------
    stamps, frame, repeat
        Float64 [time] s, int32 [time], int32 [time].
    rate_hz
        Of the samples; 0 = irregular.
    segment
        Int32 [time]; when given, every segment begins with an event.

    Returns
    -------
    samples
        Int [n], the first sample of each event.
    onsets
        Float64 [n] s, see `onset`.
    """
    if not len(stamps):
        return np.zeros(0, np.intp), np.zeros(0)
    new = (np.diff(frame) != 0) | (np.diff(repeat) != 0)
    if segment is not None:
        new |= np.diff(segment) != 0
    samples = np.flatnonzero(np.r_[True, new])
    before = np.r_[-np.inf, stamps[:-1]]
    before[before >= stamps] = -np.inf
    onsets = [onset(float(stamps[index]), float(before[index]), rate_hz) for index in samples]
    return samples, np.array(onsets)


def frames_at(
    event_stamps: NDArray[np.float64],
    events: NDArray[np.int32],
    stamps: NDArray[np.float64],
    rate_hz: float,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """What was shown at each sample: the last event that began before it.

    Parameters
    ----------
    event_stamps
        Float64 [events], seconds, never decreasing.
    events
        Int32 [events, 2]: frame and repeat.
    stamps
        Float64 [time], seconds.
    rate_hz
        Of the samples; 0 = irregular.

    Returns
    -------
    frame, repeat
        Int32 [time]; -1 before the first event.
    """
    slack = SLACK_PERIODS / rate_hz if rate_hz > 0 else 0.0
    last = np.searchsorted(event_stamps, stamps - slack, side="right") - 1
    if not len(events):
        none = np.full(len(stamps), NO_FRAME, np.int32)
        return none, none.copy()
    shown = np.where(last[:, None] >= 0, events[np.maximum(last, 0)], np.int32(NO_FRAME)).astype(np.int32)
    return shown[:, 0], shown[:, 1]


class StimulusTrack:
    """The truth as it arrives: add events, ask for a moment.

    Moments are asked for in order; events older than the last moment are forgotten.
    """

    def __init__(self) -> None:
        self._stamps: list[float] = []
        self._shown: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamps: NDArray[np.float64], frame: NDArray[np.int32], repeat: NDArray[np.int32]) -> None:
        """Add events in the order of their stamps.

        Parameters
        ----------
        stamps
            Float64 [n], seconds, on the clock of the neural stream's stamps.
        frame, repeat
            Int32 [n]; -1 = none, unknown.
        """
        self._stamps.extend(float(stamp) for stamp in stamps)
        self._shown.extend((int(f), int(r)) for f, r in zip(frame, repeat, strict=True))

    def at(self, stamp: float, rate_hz: float) -> tuple[int, int]:
        """What was shown at a sample.

        Parameters
        ----------
        stamp
            Of the sample, seconds.
        rate_hz
            Of the samples; 0 = irregular.

        Returns
        -------
        frame, repeat
            -1 when nothing was, or nothing is known.
        """
        moment = stamp - SLACK_PERIODS / rate_hz if rate_hz > 0 else stamp
        last = -1
        for index, begun in enumerate(self._stamps):
            if begun > moment:
                break
            last = index
        if last < 0:
            return NO_FRAME, NO_FRAME
        if last > 0:
            del self._stamps[:last], self._shown[:last]
        return self._shown[0]
