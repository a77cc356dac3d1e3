"""A chunk of samples, as an inlet returns it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Samples that arrived together.

    Attributes
    ----------
    samples
        Float32 [n, channels], in the units of the stream.
    stamps
        Float64 [n], timestamps in seconds as the sender wrote them, neither corrected nor smoothed.
    sequence
        Int64 [n], number of each sample received by this inlet, from 0.
    counter
        Int64 [n], sample counter of the sender; None if its stream has no such channel.
    """

    samples: NDArray[np.float32]
    stamps: NDArray[np.float64]
    sequence: NDArray[np.int64]
    counter: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.stamps)

    def __repr__(self) -> str:
        n, n_channels = self.samples.shape
        when = f"{self.stamps[0]:.3f} to {self.stamps[-1]:.3f} s" if n else "empty"
        return f"<Chunk: {n} samples of {n_channels} channels | {when}>"
