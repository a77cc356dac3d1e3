"""Frames that are not a movie's: which of them lie side by side is learned from which follows which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.linear import ClassStatistics

OCCUPANCY_WEIGHT = 0.5
"""How much of the habit of being in some places more than in others is taken for evidence, where that helps."""

DIFFUSION_TIMES = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
"""How far the means of neighbouring places are evened out; 0 = not at all."""


def diffusion_kernels(
    data: TrainingSet, keep: NDArray[np.bool_], evenings: Sequence[float]
) -> list[NDArray[np.float64]]:
    """How much each place has to say about each other one: diffusion on the graph of observed transitions.

    The kernel is exp(-t L) with L the Laplacian of the graph whose weights are the shares of transitions (Kondor and
    Lafferty 2002). A place passed in two directions is two places that do not follow each other, so they stay apart.

    Parameters
    ----------
    data
        Training data.
    keep
        Bool [time], which samples to learn from.
    evenings
        Each a t, how far to diffuse.

    Returns
    -------
    kernels
        For each, float64 [states, states], symmetric; "no stimulus" is nobody's neighbour.
    """
    n = data.n_states
    follows = ~data.boundary & keep
    follows[:1] = False
    follows[1:] &= keep[:-1]
    here = np.flatnonzero(follows)
    before, after = data.state[here - 1], data.state[here]
    moved = (before != after) & (before < data.n_frames) & (after < data.n_frames)
    count = np.zeros((n, n))
    np.add.at(count, (before[moved], after[moved]), 1.0)
    count += count.T
    share = count / np.maximum(count.sum(1, keepdims=True), 1.0)
    weight = np.maximum(share, share.T)
    values, vectors = np.linalg.eigh(np.diag(weight.sum(1)) - weight)
    return [np.maximum((vectors * np.exp(-smoothing * values)) @ vectors.T, 0.0) for smoothing in evenings]


def smooth_over_graph(m: ClassStatistics, kernel: NDArray[np.float64]) -> ClassStatistics:
    """Average each place's mean with its neighbours', each counting as often as it was seen.

    Parameters
    ----------
    m
        To even out; counts and covariance stay.
    kernel
        One of `diffusion_kernels`.
    """
    weight = kernel * m.count
    total = weight.sum(1)
    known = total > 1e-9
    mean = m.mean.copy()
    mean[known] = (weight @ m.mean)[known] / total[known, None]
    return ClassStatistics(mean, m.count, m.within)


def log_occupancy(state: NDArray[np.int64], n_states: int) -> NDArray[np.float32]:
    """Logarithm of the share of time that was spent in each state, float32 [states].

    Parameters
    ----------
    state
        Int64 [time].
    n_states
        States there are; every one counts for a sample more than it was seen.
    """
    count = np.bincount(state, minlength=n_states) + 1.0
    return np.asarray(np.log(count / count.sum()), np.float32)
