"""Combines prototypes and secondary classifier into calibrated logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoders.readouts.secondary_classifier import SecondaryClassifier


def combined(
    similarity: NDArray[np.float32],
    inverse_temperature: float,
    secondary: SecondaryClassifier | None,
    sums: NDArray[np.float32],
    directions: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return calibrated logits of a full window, float32 [..., states].

    Parameters
    ----------
    similarity
        Float32 [..., states], similarity to the prototypes.
    inverse_temperature
        Inverse temperature of the similarities; 0 leaves the prototypes out.
    secondary
        Secondary classifier, whose logits are added, or None.
    sums
        Float32 [..., channels], window sums.
    directions
        Float32 [..., dimensions], embedded points of unit length.
    """
    if secondary is None:
        return similarity * np.float32(inverse_temperature)
    out = secondary.logits(sums, directions)
    if inverse_temperature:
        out += similarity * np.float32(inverse_temperature)
    return out
