"""Whether the states of a recording always follow each other in the same order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FIXED_ORDER = 0.8
"""Share of its occurrences that a state must follow the same other state, for the order to count as fixed."""


def order_is_fixed(state: NDArray[np.int64], boundary: NDArray[np.bool_], n_frames: int) -> bool:
    """Return whether each state nearly always follows the same other state, whatever lies between them.

    A movie's frames do, and so do categories or time bins that were never shuffled; places do not.

    Parameters
    ----------
    state
        Int64 [time]; ``n_frames`` = no stimulus.
    boundary
        Bool [time], true where a segment begins.
    n_frames
        Number of frames.

    Examples
    --------
    >>> order_is_fixed(np.array([0, 1, 2, 0, 1, 2]), np.zeros(6, bool), 3)
    True
    """
    shown = state < n_frames
    shown_state, segment = state[shown], np.cumsum(boundary)[shown]
    changes = np.flatnonzero((np.diff(shown_state) != 0) & (np.diff(segment) == 0)) + 1
    pairs, counts = np.unique(
        np.stack([shown_state[changes], shown_state[changes - 1]]), axis=1, return_counts=True
    )
    after, first = np.unique(pairs[0], return_index=True)
    if not len(after):
        return False
    most, total = np.maximum.reduceat(counts, first), np.add.reduceat(counts, first)
    repeated = total > 1
    return bool(repeated.any() and most[repeated].sum() >= FIXED_ORDER * total[repeated].sum())
