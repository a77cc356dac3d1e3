"""The order of a recording's states: whether it is fixed, and the scenes that are shuffled to test without it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FIXED_ORDER = 0.8
"""Share of its occurrences that a state must follow the same other state, for the order to count as fixed."""

SCENE_S = (1.0, 4.0)
"""Shortest and longest scene of a shuffled movie in seconds."""


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


def states_are_scenes(state: NDArray[np.int64], index: NDArray[np.int64], rate_hz: float) -> bool:
    """Return whether states last a second or more on average, so that each is a scene by itself.

    Parameters
    ----------
    state
        Int64 [samples], true states.
    index
        Int64 [samples], positions of the samples in the recording, increasing.
    rate_hz
        Sampling rate in Hz.
    """
    return len(state) >= SCENE_S[0] * rate_hz * (len(_changes(state, index)) + 1)


def shuffle_scenes(
    state: NDArray[np.int64],
    index: NDArray[np.int64],
    rate_hz: float,
    rng: np.random.Generator,
    *,
    single: bool,
) -> NDArray[np.int64]:
    """Cut samples into scenes and shuffle them.

    Parameters
    ----------
    state, index, rate_hz
        See `states_are_scenes`.
    rng
        Random generator for cuts and order.
    single
        Each state is a scene by itself; otherwise scenes have the lengths of `SCENE_S`.

    Returns
    -------
    order
        Int64 [samples], the given positions, reordered.
    """
    cuts = (
        _changes(state, index)
        if single
        else np.cumsum(rng.uniform(*SCENE_S, len(index)) * rate_hz).astype(np.int64)
    )
    scenes = np.split(index, cuts[cuts < len(index)])
    return np.concatenate([scenes[i] for i in rng.permutation(len(scenes))])


def _changes(state: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.flatnonzero((np.diff(state) != 0) | (np.diff(index) > 1)) + 1
