"""Spike events binned as they come: one event per spike in, counts per bin out.

Bins lie on one grid, counted from the first event. A bin is closed when time has passed its end by the settling delay,
by the stamps of newer events or by the local clock, so that empty bins come out too.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stream.errors import ShapeMismatch

TICK = -1
"""In place of a unit: no spike; time has come to this stamp."""

BEGIN = -2
"""In place of a unit: no spike; a bin begins here, and what comes does not go on from what was."""

JUMP_S = 5.0
"""An event so far from the newest one is a clock that jumped: the bins begin anew with it."""

_SLACK_S = 1e-6  # a tick that stands for an edge is rarely that very number


class EventBinner:
    """Bins events in any portions; what comes out does not depend on the portions.

    Parameters
    ----------
    n_units
        Units count from 0.
    rate_hz
        Bins per second of the stamps.
    settle_s
        How long after its end a bin waits for late events.

    Attributes
    ----------
    late
        Events that came after their bin was closed; they are lost.
    unknown
        Events of units that are not there.
    jumps
        How often the stamps jumped.

    Raises
    ------
    ShapeMismatch
        For no unit, or a rate that is not positive.
    """

    def __init__(self, n_units: int, rate_hz: float, settle_s: float = 0.0) -> None:
        if n_units < 1 or not rate_hz > 0:
            raise ShapeMismatch(f"events of {n_units} units cannot be binned at {rate_hz:g} Hz.")
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
        """Whether an event has come, so that bins have a place in time."""
        return not math.isnan(self._origin)

    @property
    def newest(self) -> float:
        """The newest stamp, seconds; -inf before the first."""
        return self._newest

    @property
    def next_due(self) -> float:
        """The stamp at which the oldest open bin can be closed, seconds; inf before the first event."""
        return self._edge(self._first + 1) + self._settle_s if self.begun else math.inf

    def restart(self) -> None:
        """Forget the bins that are open; the next event begins anew."""
        self._origin = math.nan
        self._newest = -math.inf
        self._open.clear()

    def add(self, stamps: ArrayLike, unit: ArrayLike, count: ArrayLike | None = None) -> None:
        """Take in events.

        Parameters
        ----------
        stamps
            Float [n], seconds, in any order that the settling delay allows.
        unit
            Int [n], from 0; or `TICK`, `BEGIN`.
        count
            Float [n], spikes of each event; None = one.
        """
        at, units = np.asarray(stamps, np.float64), np.asarray(unit).astype(np.int64)
        counts = np.ones(len(at)) if count is None else np.asarray(count, np.float64)
        known = (units < self._n_units) & (units >= BEGIN) & np.isfinite(at)
        self.unknown += int(np.sum(~known))
        at, units, counts = at[known], units[known], counts[known]
        begin = 0
        while begin < len(at):
            if units[begin] == BEGIN or not self.begun or abs(at[begin] - self._newest) > JUMP_S:
                self._begin(float(at[begin]), jumped=units[begin] != BEGIN)
            newest = np.maximum.accumulate(np.r_[self._newest, at[begin:]])[:-1]
            breaks = (np.abs(at[begin:] - newest) > JUMP_S) | (units[begin:] == BEGIN)
            breaks[0] = False
            end = begin + int(np.argmax(breaks)) if breaks.any() else len(at)
            self._count(at[begin:end], units[begin:end], counts[begin:end])
            begin = end

    def take(self, now: float = -math.inf) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Close the bins whose time has come.

        Parameters
        ----------
        now
            The sender's clock as far as it is known, seconds; the newest stamp counts in any case.

        Returns
        -------
        counts
            Float32 [bins, units].
        stamps
            Float64 [bins], the end of each, seconds.
        """
        if self.begun:
            self._close(max(now, self._newest) - self._settle_s)
        counts = [counts for counts, _ in self._ready] or [np.zeros((0, self._n_units), np.float32)]
        stamps = [stamps for _, stamps in self._ready] or [np.zeros(0)]
        self._ready.clear()
        return np.concatenate(counts), np.concatenate(stamps)

    def _begin(self, stamp: float, *, jumped: bool) -> None:
        """Put the first edge; what was complete before it is handed out."""
        if self.begun:
            self._close(self._newest)
            self.jumps += jumped
        self._origin = self._newest = stamp
        self._first = 0
        self._open.clear()

    def _close(self, until: float) -> None:
        """Hand out every bin that ends by then."""
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
        """Add events to open bins."""
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
        return self._origin + number / self._rate_hz
