"""Binning of spike events as they arrive: events in, spike counts per bin out.

All bins lie on one grid that starts at the first event. A bin closes once the sender's time, given by newer events or by
the clock, has passed its end by the settling delay; so empty bins are produced too.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stream.errors import ShapeMismatch
from stream.timestamps import MAX_SECONDS

TICK = -1
"""Unit number of an event without a spike: the sender's time has reached this timestamp."""

BEGIN = -2
"""Unit number of an event without a spike: a new grid of bins begins here, after a discontinuity."""

CLOCK_JUMP_S = 5.0
"""An event further than this from the newest one means that the clock jumped; a new grid begins with it."""

MAX_COUNT = 1e6
"""Largest plausible number of spikes of one event."""

_SLACK_S = 1e-6  # rounding error of a tick that marks the edge of a bin


class EventBinner:
    """Bins spike events; the result does not depend on how the events are split into calls.

    Parameters
    ----------
    n_units
        Number of units, which are numbered from 0.
    rate_hz
        Bins per second, in the sender's time.
    settle_s
        Seconds for which a bin waits after its end for late events.

    Attributes
    ----------
    late
        Events that arrived after their bin had closed; they are lost.
    unknown
        Events with an invalid unit number, timestamp or count.
    jumps
        Jumps of the sender's clock.

    Raises
    ------
    ShapeMismatch
        If there is no unit, or the rate is not positive.
    """

    def __init__(self, n_units: int, rate_hz: float, settle_s: float = 0.0) -> None:
        if n_units < 1 or not rate_hz > 0:
            raise ShapeMismatch(
                f"events of {n_units} units cannot be binned at {rate_hz:g} Hz; both numbers must be positive."
            )
        self._n_units = n_units
        self._rate_hz = rate_hz
        self._settle_s = settle_s
        self._origin = math.nan
        self._newest = -math.inf
        self._first = 0  # the oldest open bin
        self._open: deque[NDArray[np.float32]] = deque()
        self._ready: list[tuple[NDArray[np.float32], NDArray[np.float64]]] = []
        self.late = self.unknown = self.jumps = 0

    def __repr__(self) -> str:
        return f"<EventBinner: {self._n_units} units at {self._rate_hz:g} Hz, {self.late} late>"

    @property
    def begun(self) -> bool:
        """Whether a first event has fixed the grid of bins."""
        return not math.isnan(self._origin)

    @property
    def newest(self) -> float:
        """Newest timestamp, seconds; -inf before the first event."""
        return self._newest

    @property
    def next_due(self) -> float:
        """Time at which the oldest open bin may close, seconds; inf before the first event."""
        return self._edge(self._first + 1) + self._settle_s if self.begun else math.inf

    def add(self, stamps: ArrayLike, unit: ArrayLike, count: ArrayLike | None = None) -> None:
        """Add events to their bins.

        Parameters
        ----------
        stamps
            Float [n], timestamps in seconds; out of order by at most the settling delay.
        unit
            Int [n], unit numbers from 0, `TICK` or `BEGIN`.
        count
            Float [n], spikes per event; None for one each.
        """
        at, units = np.asarray(stamps, np.float64), np.asarray(unit).astype(np.int64)
        counts = np.ones(len(at)) if count is None else np.asarray(count, np.float64)
        known = (units < self._n_units) & (units >= BEGIN) & (np.abs(at) < MAX_SECONDS)
        known &= (counts >= 0) & (counts <= MAX_COUNT)
        self.unknown += int(np.sum(~known))
        at, units, counts = at[known], units[known], counts[known]
        begin = 0
        while begin < len(at):
            if units[begin] == BEGIN or not self.begun or abs(at[begin] - self._newest) > CLOCK_JUMP_S:
                self._begin(float(at[begin]), jumped=units[begin] != BEGIN)
            newest = np.maximum.accumulate(np.r_[self._newest, at[begin:]])[:-1]
            breaks = (np.abs(at[begin:] - newest) > CLOCK_JUMP_S) | (units[begin:] == BEGIN)
            breaks[0] = False
            end = begin + int(np.argmax(breaks)) if breaks.any() else len(at)
            self._count(at[begin:end], units[begin:end], counts[begin:end])
            begin = end

    def close_bins(self, now: float = -math.inf) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Close the bins that are due, and return all that have closed since the last call.

        Parameters
        ----------
        now
            Sender's time, seconds, as far as it is known; the newest timestamp counts in any case.

        Returns
        -------
        counts
            Float32 [bins, units], spikes.
        stamps
            Float64 [bins], end of each bin, seconds.
        """
        if self.begun:
            self._close(max(now, self._newest) - self._settle_s)
        counts = [counts for counts, _ in self._ready] or [np.zeros((0, self._n_units), np.float32)]
        stamps = [stamps for _, stamps in self._ready] or [np.zeros(0)]
        self._ready.clear()
        return np.concatenate(counts), np.concatenate(stamps)

    def _begin(self, stamp: float, *, jumped: bool) -> None:
        """Begin a new grid; bins that were complete before it close."""
        if self.begun:
            self._close(self._newest)
            self.jumps += jumped
        self._origin = self._newest = stamp
        self._first = 0
        self._open.clear()

    def _close(self, until: float) -> None:
        """Close every bin that ends by a given time."""
        end = self._first
        while self._edge(end + 1) <= until + _SLACK_S:
            end += 1
        if end == self._first:
            return
        rows = np.zeros((end - self._first, self._n_units), np.float32)
        for row in rows[: len(self._open)]:
            row[:] = self._open.popleft()
        self._ready.append((rows, self._origin + np.arange(self._first + 1, end + 1) / self._rate_hz))
        self._first = end

    def _count(
        self, stamps: NDArray[np.float64], unit: NDArray[np.int64], count: NDArray[np.float64]
    ) -> None:
        """Count the spikes of events, opening bins as needed."""
        self._newest = max(self._newest, float(stamps.max()))
        spikes = unit >= 0
        stamps, unit, count = stamps[spikes], unit[spikes], count[spikes]
        bins = np.floor((stamps - self._origin) * self._rate_hz).astype(np.int64)
        bins -= stamps < self._origin + bins / self._rate_hz
        bins += stamps >= self._origin + (bins + 1) / self._rate_hz
        bins -= self._first
        late = bins < 0
        self.late += int(np.sum(late))
        bins, unit, count = bins[~late], unit[~late], count[~late]
        if not len(bins):
            return
        n_bins = int(bins.max()) + 1
        while len(self._open) < n_bins:
            self._open.append(np.zeros(self._n_units, np.float32))
        flat = np.bincount(bins * self._n_units + unit, count, n_bins * self._n_units)
        for row, more in zip(self._open, flat.reshape(n_bins, self._n_units), strict=False):
            row += more.astype(np.float32)

    def _edge(self, number: int) -> float:
        """Start of a bin, seconds."""
        return self._origin + number / self._rate_hz
