"""The noise-whitened linear embedding: no contrastive training, and hard to beat."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

MAX_DIMENSIONS = 128
"""The most dimensions an embedding has."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassStatistics:
    """Sums over the samples of each state, from which embeddings of any shrinkage follow.

    Attributes
    ----------
    mean
        Float64 [states, features]; of states never seen, the grand mean.
    count
        Float64 [states].
    within
        Float64 [features, features], the covariance within states.
    """

    mean: NDArray[np.float64]
    count: NDArray[np.float64]
    within: NDArray[np.float64]

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Bool [states]: which were seen at all."""
        return self.count > 0

    @property
    def grand_mean(self) -> NDArray[np.float64]:
        """Float64 [features], the mean of the means of what was seen."""
        mean: NDArray[np.float64] = self.mean[self.observed].mean(0)
        return mean


def class_statistics(
    features: NDArray[np.float32],
    state: NDArray[np.int64],
    n_states: int,
    weight: NDArray[np.float32] | None = None,
) -> ClassStatistics:
    """Means of each state and the covariance within states.

    Parameters
    ----------
    features
        Float32 [time, features].
    state
        Int64 [time].
    n_states
        States there are.
    weight
        Float32 [time], how much each sample counts; None = alike.
    """
    w = np.ones(len(state), np.float32) if weight is None else weight
    count = np.bincount(state, w, n_states).astype(np.float64)
    order = np.argsort(state, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(state[order]) > 0])
    weighted = features[order].astype(np.float64) * w[order, None]
    mean = np.zeros((n_states, features.shape[1]))
    mean[state[order[first]]] = np.add.reduceat(weighted, first, axis=0)
    mean /= np.maximum(count, 1e-12)[:, None]
    residual = (features - mean[state]).astype(np.float32) * np.sqrt(w)[:, None]
    # States seen once say nothing about noise: their residual is zero, so they do not count as freedom either.
    freedom = max(w.sum() - np.sum(count > 0) * w.mean(), 1.0)
    within = (residual.T @ residual).astype(np.float64) / freedom
    seen = count > 0
    mean[~seen] = mean[seen].mean(0)
    return ClassStatistics(mean, count, within)


def shrink_covariance(within: NDArray[np.float64], shrinkage: float) -> NDArray[np.float64]:
    """Mix a covariance with a multiple of the identity that has the same trace (Ledoit and Wolf's target).

    Parameters
    ----------
    within
        Float64 [features, features].
    shrinkage
        0 = as it is, 1 = only the identity.
    """
    level = np.trace(within) / len(within)
    round_part = max(shrinkage, 1e-6) * max(level, 1e-12) * np.eye(len(within))
    return np.asarray((1 - shrinkage) * within + round_part, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class LinearEmbedding:
    """A projection after which the noise within a state is round.

    Attributes
    ----------
    mean
        Float32 [features].
    projection
        Float32 [features, dimensions]; the first dimensions tell the states apart best.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    @property
    def n_dimensions(self) -> int:
        """Dimensions of a point."""
        return int(self.projection.shape[1])

    def project(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points float32 [..., dimensions] for features float32 [..., features]."""
        return np.asarray((features - self.mean).dot(self.projection), np.float32)


def unit_length(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same directions at length one, float32 [..., dimensions]."""
    if points.ndim == 1:  # a single moment, which is decoded live
        one: NDArray[np.float32] = points * (1 / max(sqrt(points.dot(points)), 1e-12))
        return one
    length = np.sqrt(np.einsum("...i,...i->...", points, points))
    return np.asarray(points / np.maximum(length, np.float32(1e-12))[..., None], np.float32)


def informative_channels(m: ClassStatistics, share: float) -> NDArray[np.int64]:
    """The features whose means differ most between states, measured by their noise (the F ratio).

    Parameters
    ----------
    m
        Of the training features.
    share
        How many of all features, 0 to 1; at least one.

    Returns
    -------
    index
        Int64 [features], increasing.
    """
    n_features = m.mean.shape[1]
    n_kept = max(1, round(share * n_features))
    noise = np.diag(m.within)
    ratio = m.mean[m.observed].var(0) / np.maximum(noise, 1e-12 * max(float(noise.max()), 1e-300))
    return np.sort(np.argsort(-ratio, kind="stable")[:n_kept]).astype(np.int64)


def select_features(m: ClassStatistics, index: NDArray[np.int64]) -> ClassStatistics:
    """The moments of some of the features.

    Parameters
    ----------
    m
        Of all features.
    index
        Int64 [features], which to take.
    """
    return ClassStatistics(m.mean[:, index], m.count, m.within[np.ix_(index, index)])


def expand_projection(
    embedding: LinearEmbedding, m: ClassStatistics, index: NDArray[np.int64]
) -> LinearEmbedding:
    """An embedding of some of the features as one of all, of which the others do not count.

    Parameters
    ----------
    embedding
        Fitted on ``among(m, index)``.
    m
        Of all features.
    index
        Int64 [features].
    """
    projection = np.zeros((m.mean.shape[1], embedding.n_dimensions), np.float32)
    projection[index] = embedding.projection
    return LinearEmbedding(m.grand_mean.astype(np.float32), projection)


def fit_linear(
    m: ClassStatistics, shrinkage: float, max_dimensions: int = MAX_DIMENSIONS, share: float = 1.0
) -> LinearEmbedding:
    """Whiten the noise, then turn so that the states spread along the first dimensions.

    Parameters
    ----------
    m
        Of the training features.
    shrinkage
        0 to 1.
    max_dimensions
        The most dimensions to keep.
    share
        How many of the features count, see `informative_channels`.
    """
    if share < 1:
        index = informative_channels(m, share)
        return expand_projection(fit_linear(select_features(m, index), shrinkage, max_dimensions), m, index)
    values, vectors = np.linalg.eigh(shrink_covariance(m.within, shrinkage))
    whiten = vectors / np.sqrt(np.maximum(values, 1e-12 * values[-1]))
    centres = (m.mean[m.observed] - m.grand_mean) @ whiten
    spread, turn = np.linalg.eigh(centres.T @ centres)
    turn = turn[:, np.argsort(spread)[::-1][:max_dimensions]]
    # A fixed sign, so that two fits of the same data agree.
    turn *= np.where(turn[np.argmax(np.abs(turn), 0), np.arange(turn.shape[1])] < 0, -1.0, 1.0)
    return LinearEmbedding(m.grand_mean.astype(np.float32), (whiten @ turn).astype(np.float32))
