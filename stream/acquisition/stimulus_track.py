"""Movie frame on screen at any time: from stimulus events to a frame per sample, and back.

A stimulus stream has one event per change, stamped when the frame appeared. Binned samples are stamped at the end of
their bin, so a frame that is new at a sample appeared one period earlier. Both directions leave a quarter of a period
between an event and the neighbouring samples, so that jitter below that does no harm.
"""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stream.session import NO_FRAME

SLACK_PERIODS = 0.25
"""A frame belongs to a sample if it appeared at least this many periods before the sample's timestamp."""

REORDER_S = 0.25
"""An event stamped at most this long before the one sent earlier is put in order."""

MAX_EVENTS = 100_000
"""While nothing is looked up, at most this many events are stored; then the older half is dropped."""

_FIRST_S = 0.001  # lead of the first frame over the first sample of an irregular recording


def onset(stamp: float, before: float, rate_hz: float) -> float:
    """Time at which the frame that is new at a sample appeared: the start of the sample's bin, seconds.

    Parameters
    ----------
    stamp, before
        Timestamps of the sample and of the previous one in seconds; -inf if there is no previous one.
    rate_hz
        Sampling rate in Hz; 0 for irregular recordings, where the midpoint between the two is used.
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
    """Stimulus events of a recording: one at the first sample and one at every change.

    Parameters
    ----------
    stamps
        Float64 [time], timestamps in seconds.
    frame, repeat
        Int32 [time], movie frame and repeat at each sample.
    rate_hz
        Sampling rate in Hz; 0 for irregular recordings.
    segment
        Int32 [time]; if given, every segment begins with an event.

    Returns
    -------
    samples
        Int [events], first sample of each event.
    onsets
        Float64 [events], seconds, see `onset`.
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
    """Frame and repeat on screen at each sample, from the last event before it.

    Parameters
    ----------
    event_stamps
        Float64 [events], seconds, not decreasing.
    events
        Int32 [events, 2], frame and repeat.
    stamps
        Float64 [time], timestamps of the samples, seconds.
    rate_hz
        Sampling rate in Hz; 0 for irregular recordings.

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


def stimulus_events(samples: ArrayLike) -> NDArray[np.int32]:
    """Frames and repeats from the samples of a stimulus stream of any number format.

    Parameters
    ----------
    samples
        Numbers [events, columns]; the first column is the frame, the second the repeat.

    Returns
    -------
    events
        Int32 [events, columns]; values that are not finite, or beyond int32, become -1 (none).
    """
    events = np.asarray(samples)
    if events.dtype.kind != "i":
        events = np.asarray(events, np.float64)  # float32 cannot hold the limits of int32
        events = np.where(np.isfinite(events), np.rint(events), NO_FRAME)
    return np.where(beyond_int32(events), NO_FRAME, events).astype(np.int32)


def beyond_int32(values: ArrayLike) -> NDArray[np.bool_]:
    """Return which numbers are finite but can be no frame, because 32-bit integers do not hold them; bool, same shape.

    Parameters
    ----------
    values
        Numbers.
    """
    numbers, limits = np.asarray(values), np.iinfo(np.int32)
    if numbers.dtype.kind == "f":
        numbers = np.asarray(numbers, np.float64)
    beyond: NDArray[np.bool_] = np.isfinite(numbers) & ((numbers < limits.min) | (numbers > limits.max))
    return beyond


class StimulusTrack:
    """Stimulus events as they arrive, queried in order of time.

    Events older than the last query are dropped.
    """

    def __init__(self) -> None:
        self._stamps: list[float] = []
        self._shown: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamps: NDArray[np.float64], frame: NDArray[np.int32], repeat: NDArray[np.int32]) -> None:
        """Add events in the order in which they were sent.

        An event stamped well before the ones that were sent earlier shows that these were stamped ahead, by a clock that
        has been corrected since: they are dropped, or they would be on screen when their time comes.

        Parameters
        ----------
        stamps
            Float64 [n], seconds, on the same clock as the timestamps of the neural stream; one that is not finite
            drops its event.
        frame, repeat
            Int32 [n]; -1 for no frame and an unknown repeat.
        """
        for stamp, f, r in zip(np.asarray(stamps).tolist(), frame, repeat, strict=True):
            if not math.isfinite(stamp):
                continue
            if self._stamps and stamp < self._stamps[-1]:
                at = bisect_right(self._stamps, stamp)
                if self._stamps[-1] - stamp > REORDER_S:
                    del self._stamps[at:], self._shown[at:]
                self._stamps.insert(at, stamp)
                self._shown.insert(at, (int(f), int(r)))
                continue
            self._stamps.append(stamp)
            self._shown.append((int(f), int(r)))
        if len(self._stamps) > MAX_EVENTS:
            del self._stamps[: -MAX_EVENTS // 2], self._shown[: -MAX_EVENTS // 2]

    def at(self, stamp: float, rate_hz: float) -> tuple[int, int]:
        """Frame and repeat on screen at a sample.

        Parameters
        ----------
        stamp
            Timestamp of the sample, seconds.
        rate_hz
            Sampling rate in Hz; 0 for irregular streams.

        Returns
        -------
        frame, repeat
            -1 if there was no frame, or if it is unknown.
        """
        latest = stamp - SLACK_PERIODS / rate_hz if rate_hz > 0 else stamp
        last = bisect_right(self._stamps, latest) - 1
        if last < 0:
            return NO_FRAME, NO_FRAME
        if last > 0:
            del self._stamps[:last], self._shown[:last]
        return self._shown[0]
