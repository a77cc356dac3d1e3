"""Samples with their times, as they go from screening to the decoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True, eq=False)
class TimedSamples:
    """Samples that passed screening, with their times and segments.

    Attributes
    ----------
    samples
        Float32 [n, channels].
    stamps
        Float64 [n], timestamps as sent, seconds.
    times
        Float64 [n], the same, smoothed where they are uneven, see `stream.timestamps`.
    local
        Float64 [n], the same times on the local clock.
    segment
        Int32 [n], increases at every gap, clock jump or restart.
    sequence
        Int64 [n], see `Chunk`.
    """

    samples: NDArray[np.float32]
    stamps: NDArray[np.float64]
    times: NDArray[np.float64]
    local: NDArray[np.float64]
    segment: NDArray[np.int32]
    sequence: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.stamps)

    def part(self, rows: slice | NDArray[np.bool_]) -> TimedSamples:
        """A selection of the samples.

        Parameters
        ----------
        rows
            Slice, or bool [n].
        """
        return TimedSamples(
            self.samples[rows],
            self.stamps[rows],
            self.times[rows],
            self.local[rows],
            self.segment[rows],
            self.sequence[rows],
        )
