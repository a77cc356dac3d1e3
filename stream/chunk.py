"""What an inlet yields."""

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
        Float32 [n, channels], in the stream's own units.
    stamps
        Float64 [n], seconds, as the sender wrote them (never corrected, never smoothed).
    sequence
        Int64 [n], counts the samples of this inlet from 0, without a break.
    counter
        Int64 [n], how the sender counted them; None when its stream has no such channel.
    """

    samples: NDArray[np.float32]
    stamps: NDArray[np.float64]
    sequence: NDArray[np.int64]
    counter: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.stamps)
