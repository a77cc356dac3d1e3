"""Counts gaps, duplicates and backward steps in a stream's timestamps as it arrives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.timestamps import MAX_SECONDS, StampJudge, Verdict


@dataclass(slots=True)
class ContinuityCounts:
    """Numbers of irregular steps so far.

    Attributes
    ----------
    gaps
        Steps after which samples are missing.
    duplicates
        Timestamps equal to the previous one.
    backwards
        Timestamps before the previous one that begin a segment, or are out of order.
    missing_samples
        Samples that the count lacks at the nominal rate.
    """

    gaps: int = 0
    duplicates: int = 0
    backwards: int = 0
    missing_samples: int = 0

    @property
    def total(self) -> int:
        """Number of segment boundaries of any kind."""
        return self.gaps + self.backwards


class Continuity:
    """Applies `stream.timestamps.StampJudge` chunk by chunk and counts the boundaries.

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
        self._judge = StampJudge(rate_hz)

    @property
    def spread_s(self) -> float:
        """How much timestamps vary around an even clock at present, seconds; 0 while they are even."""
        return self._judge.spread_s

    def check(self, stamps: NDArray[np.float64]) -> NDArray[np.int32]:
        """Number the segments of the next timestamps.

        Parameters
        ----------
        stamps
            Timestamps in the order of arrival, float64 [n], in seconds; one beyond `MAX_SECONDS` changes nothing.

        Returns
        -------
        segment
            Segment numbers, int32 [n]; increase at every boundary, also at one between two chunks.
        """
        judge = self._judge
        step = np.diff(stamps, prepend=judge.newest)
        if len(step) and not judge.uneven and step.min() > judge.shortest_s and step.max() <= judge.longest_s:
            judge.follow(float(stamps[-1]))
            return np.full(len(stamps), self.segment, np.int32)
        segment = np.empty(len(stamps), np.int32)
        for index, stamp in enumerate(np.asarray(stamps, float).tolist()):
            if abs(stamp) < MAX_SECONDS:
                self._count(stamp)
            segment[index] = self.segment
        return segment

    def _count(self, stamp: float) -> None:
        """Judge one timestamp and count what it shows."""
        judge, counts = self._judge, self.counts
        counts.duplicates += stamp == judge.newest
        verdict = judge.judge(stamp)
        if verdict is Verdict.REORDERED:
            judge.begin(stamp)
        counts.gaps += verdict is Verdict.GAP
        counts.backwards += verdict >= Verdict.BACK
        counts.missing_samples += judge.missing if verdict in (Verdict.GAP, Verdict.LOST) else 0
        self.segment += verdict >= Verdict.GAP
