"""The prototypes and the secondary classifier, combined into calibrated logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.readouts.secondary_classifier import SecondaryClassifier


def combined(
    similarity: NDArray[np.float32],
    factor: float,
    secondary: SecondaryClassifier | None,
    sums: NDArray[np.float32],
    directions: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Calibrated logits for a full window, float32 [..., states].

    Parameters
    ----------
    similarity
        To the prototypes, float32 [..., states].
    factor
        Their inverse temperature; 0 = they do not count.
    opinion
        Second opinion, or None.
    sums
        Window sums, float32 [..., channels].
    directions
        Embedded points of unit length, float32 [..., dimensions].
    """
    if secondary is None:
        return similarity * np.float32(factor)
    out = secondary.logits(sums, directions)
    if factor:
        out += similarity * np.float32(factor)
    return out
