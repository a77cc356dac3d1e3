"""Counts gaps, duplicates and backward steps in a stream's timestamps as it arrives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.session import GAP_PERIODS


@dataclass(slots=True)
class ContinuityCounts:
    """Numbers of irregular steps so far.

    Attributes
    ----------
    gaps
        Steps longer than `GAP_PERIODS` periods.
    duplicates
        Timestamps equal to the previous one.
    backwards
        Timestamps before the previous one.
    missing_samples
        Samples that fit into the gaps at the nominal rate.
    """

    gaps: int = 0
    duplicates: int = 0
    backwards: int = 0
    missing_samples: int = 0

    @property
    def total(self) -> int:
        """Number of segment boundaries of any kind."""
        return self.gaps + self.duplicates + self.backwards


class Continuity:
    """Applies `stream.session.segments_from_stamps` chunk by chunk and counts the boundaries.

    Parameters
    ----------
    rate_hz
        Nominal rate of the timestamps in Hz; 0 for irregular streams, where only a step that is not positive is a
        boundary.

    Attributes
    ----------
    counts
        Boundaries by kind.
    segment
        Number of the current segment.
    """

    def __init__(self, rate_hz: float) -> None:
        self.counts = ContinuityCounts()
        self.segment = 0
        self._rate_hz = rate_hz
        self._longest_s = GAP_PERIODS / rate_hz if rate_hz > 0 else np.inf
        self._last: float | None = None

    def check(self, stamps: NDArray[np.float64]) -> NDArray[np.int32]:
        """Number the segments of the next timestamps.

        Parameters
        ----------
        stamps
            Timestamps in the order of arrival, float64 [n], in seconds.

        Returns
        -------
        segment
            Segment numbers, int32 [n]; increase at every boundary, also at one between two chunks.
        """
        if not len(stamps):
            return np.zeros(0, np.int32)
        is_first = self._last is None
        step = np.diff(stamps, prepend=stamps[0] if self._last is None else self._last)
        gaps = step > self._longest_s
        boundary = (step <= 0) | gaps
        boundary[0] &= not is_first
        segment = (self.segment + np.cumsum(boundary)).astype(np.int32)
        if boundary.any():
            self._count(step, gaps, boundary)
        self._last = float(stamps[-1])
        self.segment = int(segment[-1])
        return segment

    def _count(self, step: NDArray[np.float64], gaps: NDArray[np.bool_], boundary: NDArray[np.bool_]) -> None:
        """Add the boundaries of a chunk to the counts."""
        self.counts.gaps += int(np.sum(gaps))
        self.counts.duplicates += int(np.sum(boundary & (step == 0)))
        self.counts.backwards += int(np.sum(boundary & (step < 0)))
        if self._rate_hz > 0:
            self.counts.missing_samples += int(np.sum(np.rint(step[gaps] * self._rate_hz) - 1))
