"""Smoothing of class means: over neighbouring frames of a movie, or over the graph of transitions between places.

With few repeats, what a frame evoked is known from few samples; its neighbours evoked nearly the same.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.linear import ClassStatistics

OCCUPANCY_WEIGHT = 0.5
"""Weight of the log occupancy as a prior, where it raises the held-out score."""

FRAME_WIDTHS_S = (0.0, 1 / 30, 0.1, 0.2, 0.4)
"""Candidate standard deviations in seconds of the Gaussian over the frames of a movie; 0 disables it."""

DIFFUSION_TIMES = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Candidate diffusion times over places; 0 disables the smoothing."""


def candidate_smoothings(data: TrainingSet) -> tuple[float, ...]:
    """Return candidate smoothings in increasing order: widths in seconds for a movie, diffusion times for places."""
    if data.movie_rate_hz:
        # Less than a third of a frame is nothing.
        return (0.0, *(width for width in FRAME_WIDTHS_S if 3 * width * data.movie_rate_hz >= 1))
    return (0.0,) if data.movie is not None else DIFFUSION_TIMES


class MeanSmoother:
    """Smooths class means over neighbouring states.

    Places are smoothed by the diffusion kernel exp(-t L) (Kondor and Lafferty 2002), with L the Laplacian of the graph
    whose weights are the probabilities of observed transitions. A place passed in two directions is two states without
    a transition between them, so they stay apart; "no stimulus" has no neighbours.

    Parameters
    ----------
    data
        Training data.
    keep
        Bool [time], samples from which transitions between places are counted.
    """

    def __init__(self, data: TrainingSet, keep: NDArray[np.bool_]) -> None:
        self._data, self._keep = data, keep

    def __call__(self, m: ClassStatistics, smoothing: float) -> ClassStatistics:
        """Smooth class means; the covariance stays unchanged.

        Parameters
        ----------
        m
            Class statistics.
        smoothing
            Width in seconds for a movie, see `smooth_over_frames`; diffusion time for places.
        """
        if self._data.movie is not None:
            return smooth_over_frames(m, self._data, smoothing * self._data.movie_rate_hz)
        if not smoothing:
            return m
        weight = self.kernel(smoothing) * m.count
        total = weight.sum(1)
        covered = total > 1e-9
        mean = m.mean.copy()
        mean[covered] = (weight @ m.mean)[covered] / total[covered, None]
        return replace(m, mean=mean)

    def kernel(self, time: float) -> NDArray[np.float64]:
        """Return the diffusion kernel of a time, float64 [states, states], symmetric."""
        values, vectors = self._spectrum
        return np.maximum((vectors * np.exp(-time * values)) @ vectors.T, 0.0)

    @cached_property
    def _spectrum(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Eigenvalues and eigenvectors of the Laplacian."""
        data, keep = self._data, self._keep
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
        return values, vectors


def smooth_over_frames(m: ClassStatistics, data: TrainingSet, width: float) -> ClassStatistics:
    """Smooth class means over neighbouring frames of each clip, with a Gaussian times the counts as weights.

    Where samples are fewer than frames, by at least half of the frames from one sample to the next: a frame that was
    never sampled gets what its neighbours evoked.

    Parameters
    ----------
    m
        Class statistics; the covariance stays unchanged.
    data
        Training data; without a movie nothing is smoothed.
    width
        Standard deviation of the Gaussian in frames.
    """
    if data.frames_per_sample > 1:
        width = max(width, data.frames_per_sample / 2)
    if data.movie is None or not width:
        return m
    out, count = m.mean.copy(), m.count.copy()
    known = data.known_states(np.flatnonzero(count > 0))
    radius = int(np.ceil(3 * width))
    for clip in data.movie.clips:
        first, end = clip.first_frame, clip.first_frame + clip.n_frames
        total = np.zeros((clip.n_frames, m.mean.shape[1]))
        weight = np.zeros(clip.n_frames)
        for offset in range(-min(radius, clip.n_frames - 1), min(radius, clip.n_frames - 1) + 1):
            target = slice(max(0, -offset), clip.n_frames - max(0, offset))
            source = slice(first + max(0, offset), end - max(0, -offset))
            share = np.exp(-0.5 * (offset / width) ** 2) * m.count[source]
            weight[target] += share
            total[target] += m.mean[source] * share[:, None]
        covered = weight > 1e-9
        unseen = covered & known[first:end] & (count[first:end] == 0)
        out[first:end][covered] = total[covered] / weight[covered, None]
        count[first:end][unseen] = weight[unseen]
    return replace(m, mean=out, count=count)


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
