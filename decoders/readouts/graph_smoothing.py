"""Smoothing over the graph of observed transitions, for frames that are not a movie's (places, categories)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.linear import ClassStatistics

OCCUPANCY_WEIGHT = 0.5
"""Weight of the log occupancy as a prior, where it raises the held-out score."""

DIFFUSION_TIMES = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Candidate diffusion times of the smoothing; 0 disables it."""


def diffusion_kernels(
    data: TrainingSet, keep: NDArray[np.bool_], times: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Compute diffusion kernels on the graph of observed transitions.

    The kernel is exp(-t L) (Kondor and Lafferty 2002), with L the Laplacian of the graph whose weights are transition
    probabilities. A place passed in two directions is two states without a transition between them, so they stay apart.

    Parameters
    ----------
    data
        Training data.
    keep
        Bool [time], samples from which transitions are counted.
    times
        Diffusion times t.

    Returns
    -------
    kernels
        One kernel per time, float64 [states, states], symmetric; "no stimulus" has no neighbours.
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
    probability = count / np.maximum(count.sum(1, keepdims=True), 1.0)
    weight = np.maximum(probability, probability.T)
    values, vectors = np.linalg.eigh(np.diag(weight.sum(1)) - weight)
    return [np.maximum((vectors * np.exp(-t * values)) @ vectors.T, 0.0) for t in times]


def smooth_over_graph(m: ClassStatistics, kernel: NDArray[np.float64]) -> ClassStatistics:
    """Smooth class means over a graph: average them with the kernel times the counts as weights.

    Parameters
    ----------
    m
        Class statistics; counts and covariance stay unchanged.
    kernel
        Float64 [states, states], from `diffusion_kernels`.
    """
    weight = kernel * m.count
    total = weight.sum(1)
    covered = total > 1e-9
    mean = m.mean.copy()
    mean[covered] = (weight @ m.mean)[covered] / total[covered, None]
    return replace(m, mean=mean)


def log_occupancy(state: NDArray[np.int64], n_states: int) -> NDArray[np.float32]:
    """Return the log occupancy (share of time) of each state, float32 [states].

    Parameters
    ----------
    state
        Int64 [time].
    n_states
        Number of states; a count of one is added to each (Laplace smoothing).

    Examples
    --------
    >>> print(np.exp(log_occupancy(np.array([0, 0, 1]), 3)).round(2))
    [0.5  0.33 0.17]
    """
    count = np.bincount(state, minlength=n_states) + 1.0
    return np.asarray(np.log(count / count.sum()), np.float32)
