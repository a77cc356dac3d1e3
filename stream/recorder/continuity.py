"""Gaps, duplicates and steps back in a stream, noticed as they happen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.session import GAP_PERIODS


@dataclass(slots=True)
class ContinuityCounts:
    """What happened so far.

    Attributes
    ----------
    gap
        Steps longer than `GAP_PERIODS` periods.
    duplicate
        Stamps equal to the one before.
    backwards
        Stamps before the one before.
    missing
        Samples that the gaps could have held.
    """

    gaps: int = 0
    duplicates: int = 0
    backwards: int = 0
    missing_samples: int = 0

    @property
    def total(self) -> int:
        """Borders of any kind."""
        return self.gaps + self.duplicates + self.backwards


class Continuity:
    """`stream.session.segments_from_stamps`, chunk by chunk.

    Parameters
    ----------
    rate_hz
        Nominal rate of the stamps; 0 = irregular, where only a step that is not forward is a border.
    """

    def __init__(self, rate_hz: float) -> None:
        self.counts = ContinuityCounts()
        self.segment = 0
        self._rate_hz = rate_hz
        self._longest = GAP_PERIODS / rate_hz if rate_hz > 0 else np.inf
        self._last: float | None = None

    def check(self, stamps: NDArray[np.float64]) -> NDArray[np.int32]:
        """Number the segments of the next stamps.

        Parameters
        ----------
        stamps
            Float64 [n], seconds, as they arrived.

        Returns
        -------
        segment
            Int32 [n]; increases at every border, also at one between two chunks.
        """
        if not len(stamps):
            return np.zeros(0, np.int32)
        if len(stamps) == 1 and self._last is not None and 0 < stamps[0] - self._last <= self._longest:
            self._last = float(stamps[0])  # the usual case, on the engine's hot path
            return np.array([self.segment], np.int32)
        first = stamps[0] if self._last is None else self._last
        step = np.diff(stamps, prepend=first)
        gaps = step > self._longest
        boundary = (step <= 0) | gaps
        if self._last is None:
            boundary[0] = False
        segment = (self.segment + np.cumsum(boundary)).astype(np.int32)
        if boundary.any():
            self._count(step, gaps, boundary)
        self._last = float(stamps[-1])
        self.segment = int(segment[-1])
        return segment

    def restart(self) -> None:
        """Begin a new segment, whatever the next stamp is."""
        if self._last is not None:
            self._last = None
            self.segment += 1

    def _count(self, step: NDArray[np.float64], gaps: NDArray[np.bool_], boundary: NDArray[np.bool_]) -> None:
        """Add the borders to the counters."""
        self.counts.gaps += int(np.sum(gaps))
        self.counts.duplicates += int(np.sum(boundary & (step == 0)))
        self.counts.backwards += int(np.sum(boundary & (step < 0)))
        if self._rate_hz > 0:
            self.counts.missing_samples += int(np.sum(np.rint(step[gaps] * self._rate_hz) - 1))
