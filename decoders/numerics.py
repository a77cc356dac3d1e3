"""Sums, maxima, softmax and products of short vectors, written for speed: numpy itself is up to three times slower."""

from __future__ import annotations

from functools import cache
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS_PER_ACTIVE_ROW = 3
"""A product leaves out zero rows when at most one row in this many is nonzero."""

TINY = np.array(1e-30, np.float32)
"""Added to probabilities before logarithms; without dimensions, because numpy converts a number at each call."""

BITS = -1 / log(2)
"""Negative natural logarithms to bits: unlike np.log2, np.log is fast on all processors."""


@cache
def ones(length: int) -> NDArray[np.float32]:
    """Return a vector of ones, float32 [length]; it is shared and read-only."""
    out = np.ones(length, np.float32)
    out.setflags(write=False)
    return out


def fast_sum(values: NDArray[np.float32]) -> float:
    """Return the sum of float32 [n].

    Examples
    --------
    >>> fast_sum(np.array([1.0, 2.0, 3.5], np.float32))
    6.5
    """
    return float(values.dot(ones(len(values))))


def fast_max(values: NDArray[np.floating[Any]]) -> float:
    """Return the maximum of float [n].

    Examples
    --------
    >>> fast_max(np.array([1.0, 3.5, 2.0]))
    3.5
    """
    largest: float = values.item(values.argmax())
    return largest


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert logits float32 [states] to probabilities float32 [states].

    Examples
    --------
    >>> softmax(np.log(np.array([1.0, 3.0], np.float32))).round(3).tolist()
    [0.25, 0.75]
    """
    weight: NDArray[np.float32] = logits - fast_max(logits)
    np.exp(weight, out=weight)
    weight *= 1 / fast_sum(weight)
    return weight


def entropy_bits(posterior: NDArray[np.float32]) -> float:
    """Entropy in bits of a posterior, float32 [states].

    Examples
    --------
    >>> round(entropy_bits(np.full(8, 1 / 8, np.float32)), 3)
    3.0
    """
    logs = np.add(posterior, TINY)
    return float(posterior.dot(np.log(logs, logs))) * BITS


def likeliest_state(weight: NDArray[np.floating[Any]]) -> int:
    """Return the decoded state: the last one, "no stimulus", only where it outweighs all frames together.

    It is `decoders.metrics.likeliest_states` for one sample.

    Parameters
    ----------
    weight
        Float [states], probabilities up to a factor.

    Examples
    --------
    >>> likeliest_state(np.array([0.3, 0.3, 0.4]))
    0
    """
    best, last = int(weight.argmax()), len(weight) - 1
    if best == last and 2 * float(weight[last]) <= fast_sum(weight):
        best = int(weight[:last].argmax())
    return best


def likeliest_of_logits(logits: NDArray[np.float32]) -> int:
    """Return the decoded state for logits float32 [states], see `likeliest_state`."""
    best = int(logits.argmax())
    return likeliest_state(softmax(logits)) if best == len(logits) - 1 else best


class RowProduct:
    """Products of sparse row vectors with a dense matrix.

    Parameters
    ----------
    weights
        Float32 [rows, columns].
    """

    def __init__(self, weights: NDArray[np.float32]) -> None:
        self._weights = weights
        self._n_max = len(weights) // ROWS_PER_ACTIVE_ROW
        self._rows = np.empty((self._n_max, weights.shape[1]), np.float32)

    def times(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return ``vector @ weights`` for float32 [rows], float32 [columns]; rows where it is 0 are left out."""
        active = vector.nonzero()[0]
        weights = self._weights
        if len(active) <= self._n_max:
            vector = vector.take(active)
            weights = weights.take(active, 0, self._rows[: len(active)], "clip")
        out: NDArray[np.float32] = vector.dot(weights)
        return out
