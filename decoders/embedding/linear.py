"""Linear embedding: whitening by the within-class covariance, without contrastive training.

This is linear discriminant analysis with a shrunk covariance (Hastie, Tibshirani and Friedman 2009, section 4.3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

MAX_DIMENSIONS = 128
"""Largest number of dimensions of an embedding."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassStatistics:
    """Class means and within-class covariance; the classes are the states.

    Attributes
    ----------
    mean
        Float64 [states, features], mean of each state; the grand mean for states without samples.
    count
        Float64 [states], number of samples (sum of weights) of each state.
    within
        Float64 [features, features], within-class covariance.
    """

    mean: NDArray[np.float64]
    count: NDArray[np.float64]
    within: NDArray[np.float64]

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Bool [states], true for states that have samples."""
        return self.count > 0

    @property
    def grand_mean(self) -> NDArray[np.float64]:
        """Float64 [features], mean of the means of the observed states."""
        mean: NDArray[np.float64] = self.mean[self.observed].mean(0)
        return mean


def class_statistics(
    features: NDArray[np.float32],
    state: NDArray[np.int64],
    n_states: int,
    weight: NDArray[np.float32] | None = None,
) -> ClassStatistics:
    """Compute class means and the within-class covariance.

    Parameters
    ----------
    features
        Float32 [time, features].
    state
        Int64 [time], class of each sample.
    n_states
        Number of states.
    weight
        Float32 [time], weight of each sample; None weights all equally.

    Examples
    --------
    >>> features = np.array([[0, 0], [2, 0], [5, 1], [5, 3]], np.float32)
    >>> statistics = class_statistics(features, np.array([0, 0, 1, 1]), n_states=2)
    >>> statistics.mean.tolist()
    [[1.0, 0.0], [5.0, 2.0]]
    >>> statistics.within.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
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
    # Each observed state costs one degree of freedom: a state with a single sample tells nothing about noise.
    freedom = max(w.sum() - np.sum(count > 0) * w.mean(), 1.0)
    within = (residual.T @ residual).astype(np.float64) / freedom
    observed = count > 0
    mean[~observed] = mean[observed].mean(0)
    return ClassStatistics(mean, count, within)


def shrink_covariance(within: NDArray[np.float64], shrinkage: float) -> NDArray[np.float64]:
    """Shrink a covariance towards a multiple of the identity with the same trace (the target of Ledoit and Wolf 2004).

    Parameters
    ----------
    within
        Float64 [features, features], covariance.
    shrinkage
        0 (no shrinkage) to 1 (a multiple of the identity).

    Examples
    --------
    >>> shrink_covariance(np.diag([3.0, 1.0]), 0.5).tolist()
    [[2.5, 0.0], [0.0, 1.5]]
    """
    mean_variance = np.trace(within) / len(within)
    target = max(shrinkage, 1e-6) * max(mean_variance, 1e-12) * np.eye(len(within))
    return np.asarray((1 - shrinkage) * within + target, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class LinearEmbedding:
    """Projection that whitens the noise: the within-class covariance becomes the identity.

    Attributes
    ----------
    mean
        Float32 [features], grand mean, which is subtracted.
    projection
        Float32 [features, dimensions]; the variance between classes decreases along the dimensions.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    @property
    def n_dimensions(self) -> int:
        """Number of dimensions of a point."""
        return int(self.projection.shape[1])

    def project(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Project features float32 [..., features] to points float32 [..., dimensions]."""
        return np.asarray((features - self.mean).dot(self.projection), np.float32)


def unit_length(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale points to unit length, float32 [..., dimensions].

    Examples
    --------
    >>> print(unit_length(np.array([3.0, 4.0], np.float32)))
    [0.6 0.8]
    """
    if points.ndim == 1:  # fast path of live decoding
        one: NDArray[np.float32] = points * (1 / max(sqrt(points.dot(points)), 1e-12))
        return one
    length = np.sqrt(np.einsum("...i,...i->...", points, points))
    return np.asarray(points / np.maximum(length, np.float32(1e-12))[..., None], np.float32)


def informative_features(m: ClassStatistics, share: float) -> NDArray[np.int64]:
    """Select the features with the largest F ratio: variance between classes over variance within.

    Parameters
    ----------
    m
        Class statistics of the training features.
    share
        Share of the features to keep, 0 to 1; at least one feature is kept.

    Returns
    -------
    index
        Int64 [kept], ascending.
    """
    n_features = m.mean.shape[1]
    n_kept = max(1, round(share * n_features))
    noise = np.diag(m.within)
    ratio = m.mean[m.observed].var(0) / np.maximum(noise, 1e-12 * max(float(noise.max()), 1e-300))
    return np.sort(np.argsort(-ratio, kind="stable")[:n_kept]).astype(np.int64)


def select_features(m: ClassStatistics, index: NDArray[np.int64]) -> ClassStatistics:
    """Restrict class statistics to some of the features.

    Parameters
    ----------
    m
        Class statistics of all features.
    index
        Int64 [kept], features to keep.
    """
    return ClassStatistics(m.mean[:, index], m.count, m.within[np.ix_(index, index)])


def expand_projection(
    embedding: LinearEmbedding, m: ClassStatistics, index: NDArray[np.int64]
) -> LinearEmbedding:
    """Extend an embedding of some features to all features; the others get zero weight.

    Parameters
    ----------
    embedding
        Embedding fitted on ``select_features(m, index)``.
    m
        Class statistics of all features.
    index
        Int64 [kept], features of the embedding.
    """
    projection = np.zeros((m.mean.shape[1], embedding.n_dimensions), np.float32)
    projection[index] = embedding.projection
    return LinearEmbedding(m.grand_mean.astype(np.float32), projection)


def fit_linear(
    m: ClassStatistics, shrinkage: float, max_dimensions: int = MAX_DIMENSIONS, share: float = 1.0
) -> LinearEmbedding:
    """Fit a linear embedding: whiten the noise, then rotate to the principal axes of the class means.

    Parameters
    ----------
    m
        Class statistics of the training features.
    shrinkage
        Shrinkage of the within-class covariance, 0 to 1 (see `shrink_covariance`).
    max_dimensions
        Largest number of dimensions to keep.
    share
        Share of the features that are used (see `informative_features`).
    """
    if share < 1:
        index = informative_features(m, share)
        return expand_projection(fit_linear(select_features(m, index), shrinkage, max_dimensions), m, index)
    values, vectors = np.linalg.eigh(shrink_covariance(m.within, shrinkage))
    whiten = vectors / np.sqrt(np.maximum(values, 1e-12 * values[-1]))
    centres = (m.mean[m.observed] - m.grand_mean) @ whiten
    spread, rotation = np.linalg.eigh(centres.T @ centres)
    rotation = rotation[:, np.argsort(spread)[::-1][:max_dimensions]]
    # The sign of an eigenvector is arbitrary; fix it, so that two fits of the same data agree.
    largest = rotation[np.argmax(np.abs(rotation), 0), np.arange(rotation.shape[1])]
    rotation *= np.where(largest < 0, -1.0, 1.0)
    return LinearEmbedding(m.grand_mean.astype(np.float32), (whiten @ rotation).astype(np.float32))
