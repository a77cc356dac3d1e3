"""The last stimulus events, for the traces and the score of the window."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gui.state.ring_buffers import RowRing
from gui.state.snapshot import UNKNOWN, Source
from stream.acquisition.stimulus_track import SLACK_PERIODS
from stream.session import NO_FRAME

MAX_EVENTS = 20_000


class StimulusHistory:
    """Ring buffer of stimulus events, from which the frame on screen at a sample is looked up.

    Parameters
    ----------
    source
        Gives the sampling rate in the time of the timestamps.
    """

    def __init__(self, source: Source) -> None:
        rate_hz = source.rate_hz * source.stamp_rate
        self._slack_s = SLACK_PERIODS / rate_hz if rate_hz > 0 else 0.0
        self._events = RowRing(MAX_EVENTS, 2)
        self._frames_per_s = source.movie_rate_hz * source.stamp_rate
        self._states = source.states
        self._onset = self._last_frame = math.nan

    def __len__(self) -> int:
        return len(self._events)

    def add(self, stamps: NDArray[np.float64], frames: NDArray[np.int32]) -> None:
        """Add stimulus events: onset timestamps float64 [n] and frames int32 [n] (-1 = blank)."""
        for stamp, frame in zip(stamps.tolist(), frames.tolist(), strict=True):
            if frame >= 0 and not self._last_frame >= 0:
                self._onset = stamp
            self._last_frame = frame
        events = self._events.rows()
        late = (len(events) and stamps[0] < events[-1, 0]) or bool(np.any(np.diff(stamps) < 0))
        self._events.add(np.column_stack([stamps, frames]))
        if late:  # an event stamped far ahead must not hide the ones that come after it
            rows = self._events.rows()
            rows[:] = rows[np.argsort(rows[:, 0], kind="stable")]

    def frames_at(self, stamps: NDArray[np.float64]) -> NDArray[np.int32]:
        """The frame on screen at the timestamps of samples, int32 [n]; `UNKNOWN` before the first event."""
        events = self._events.rows()
        if not len(events):
            return np.full(len(stamps), UNKNOWN, np.int32)
        last = np.searchsorted(events[:, 0], stamps - self._slack_s, side="right") - 1
        return np.where(last >= 0, events[np.maximum(last, 0), 1], UNKNOWN).astype(np.int32)

    def clock_frames(self, stamps: NDArray[np.float64]) -> NDArray[np.int32]:
        """What a clock would decode that knows only the last onset and that the movie plays in order, int32 [n].

        -1 where it decodes no stimulus: during a blank, behind the end of the movie, and without a movie.
        """
        if not self._last_frame >= 0 or not self._frames_per_s:
            return np.full(len(stamps), NO_FRAME, np.int32)
        state = np.floor((stamps - self._slack_s - self._onset) * self._frames_per_s)
        return self._states.numbers(np.where(state < len(self._states), state, NO_FRAME).astype(np.int64))

    def truth(self, stamps: NDArray[np.float64]) -> NDArray[np.int32]:
        """True frame and repeat (always unknown), int32 [n, 2], for a `decoders.live.frame_score.RunningScore`."""
        return np.column_stack([self.frames_at(stamps), np.full(len(stamps), NO_FRAME, np.int32)])
