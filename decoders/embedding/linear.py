"""Linear embedding: whitening by the within-class covariance, without contrastive training.

This is linear discriminant analysis with a shrunk covariance (Hastie, Tibshirani and Friedman 2009, section 4.3.3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

MAX_DIMENSIONS = 128
"""Largest number of dimensions of an embedding."""

FEATURES_AT_ONCE = 512
"""Features whose products are summed at a time in double precision."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassStatistics:
    """Class means and within-class covariance; the classes are the states.

    Attributes
    ----------
    mean
        Float64 [states, features], mean of each state; the grand mean for states without samples.
    count
        Float64 [states], number of samples (sum of weights) of each state.
    covariance
        Float64 [features, features], within-class covariance; None where ``residual`` stands for it.
    residual
        Float32 [samples, features], fewer samples than features: the covariance is ``residual.T @ residual``.
    """

    mean: NDArray[np.float64]
    count: NDArray[np.float64]
    covariance: NDArray[np.float64] | None
    residual: NDArray[np.float32] | None = None

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Bool [states], true for states that have samples."""
        return self.count > 0

    @property
    def grand_mean(self) -> NDArray[np.float64]:
        """Float64 [features], mean of the means of the observed states."""
        mean: NDArray[np.float64] = self.mean[self.observed].mean(0)
        return mean

    @property
    def within(self) -> NDArray[np.float64]:
        """Float64 [features, features], within-class covariance."""
        if self.covariance is not None:
            return self.covariance
        assert self.residual is not None
        residual = self.residual.astype(np.float64)
        return np.asarray(residual.T @ residual)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Float64 [features], within-class variance of each feature."""
        if self.covariance is not None:
            return np.diag(self.covariance)
        assert self.residual is not None
        return np.asarray((self.residual**2).sum(0, dtype=np.float64))


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
    mean = np.zeros((n_states, features.shape[1]))
    weighted = features[order]
    weighted *= w[order, None]
    mean[state[order[first]]] = np.add.reduceat(weighted, first, dtype=np.float64)
    del weighted
    mean /= np.maximum(count, 1e-12)[:, None]
    residual = mean.astype(np.float32)[state]
    np.subtract(features, residual, residual)
    residual *= np.sqrt(w)[:, None]
    # Each observed state costs one degree of freedom: a state with a single sample tells nothing about noise.
    freedom = max(w.sum() - np.sum(count > 0) * w.mean(), 1.0)
    observed = count > 0
    mean[~observed] = mean[observed].mean(0)
    if residual.shape[1] > len(residual):
        return ClassStatistics(mean, count, None, residual / np.float32(sqrt(freedom)))
    return ClassStatistics(mean, count, (residual.T @ residual).astype(np.float64) / freedom)


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
    shrunk = (1 - shrinkage) * within
    shrunk.flat[:: len(within) + 1] += _target(float(np.trace(within)) / len(within), shrinkage)
    return shrunk


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
    noise = m.variance
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
    if m.residual is not None:
        return replace(m, mean=m.mean[:, index], residual=m.residual[:, index])
    return replace(m, mean=m.mean[:, index], covariance=m.within[np.ix_(index, index)])


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


class ShrinkagePath:
    """Linear embeddings of several shrinkages: the noise is whitened, the axes are those that separate the states most.

    With fewer samples than features, nothing as large as their covariance is made or inverted.

    Parameters
    ----------
    m
        Class statistics of the training features.
    share
        Share of the features that are used (see `informative_features`).
    diagonal
        Shrink towards the diagonal of the covariance instead of a multiple of the identity: every feature then counts
        by its signal-to-noise ratio, also one that hardly varies.
    """

    def __init__(self, m: ClassStatistics, share: float = 1.0, *, diagonal: bool = False) -> None:
        self._all = m
        self._index = informative_features(m, share) if share < 1 else None
        m = m if self._index is None else select_features(m, self._index)
        self._grand_mean, self._unit = m.grand_mean, np.ones(len(m.mean.T))
        if diagonal:
            # In units of its noise, the diagonal of each feature is one, and the two targets are the same.
            noise = m.variance
            self._unit = 1 / np.sqrt(np.maximum(noise, 1e-6 * noise.mean() + 1e-12))
            m = _scaled(m, self._unit)
        self._statistics = m
        self._mean_variance = float(m.variance.mean())
        self._centres = m.mean[m.observed] - m.grand_mean
        if m.residual is not None:
            self._gram = np.zeros((len(m.residual),) * 2)
            self._cross = np.zeros((len(m.residual), len(self._centres)))
            for first in range(0, m.residual.shape[1], FEATURES_AT_ONCE):
                part = m.residual[:, first : first + FEATURES_AT_ONCE].astype(np.float64)
                self._gram += part @ part.T
                self._cross += part @ self._centres[:, first : first + FEATURES_AT_ONCE].T

    def solve(self, shrinkage: float) -> NDArray[np.float64]:
        """Return the inverse of the shrunk covariance times the centred means, float64 [features, observed states].

        With fewer samples than features by the matrix inversion lemma (Woodbury).

        Parameters
        ----------
        shrinkage
            Shrinkage of the within-class covariance, 0 to 1 (see `shrink_covariance`).
        """
        from scipy.linalg import solve

        residual = self._statistics.residual
        if residual is None:
            shrunk = shrink_covariance(self._statistics.within, shrinkage)
            return np.asarray(solve(shrunk, self._centres.T, assume_a="pos"))
        target = _target(self._mean_variance, shrinkage)
        inner = (1 - shrinkage) * self._gram
        inner.flat[:: len(inner) + 1] += target
        weight = solve(inner, self._cross, assume_a="pos", overwrite_a=True)
        weight *= 1 - shrinkage
        return np.asarray((self._centres.T - residual.T @ weight.astype(np.float32)) / target, np.float64)

    def embedding(self, shrinkage: float, max_dimensions: int = MAX_DIMENSIONS) -> LinearEmbedding:
        """Return the embedding with a given shrinkage.

        Parameters
        ----------
        shrinkage
            Shrinkage of the within-class covariance, 0 to 1 (see `shrink_covariance`).
        max_dimensions
            Largest number of dimensions to keep.
        """
        m, centres = self._statistics, self._centres
        n_states, n_features = centres.shape
        if m.residual is not None or max_dimensions < n_states < n_features:
            solved = self.solve(shrinkage)
            spread, axes = top_eigenvectors(centres @ solved, max_dimensions)
            kept = spread > 1e-9 * spread[0]
            projection = solved @ (axes[:, kept] / np.sqrt(spread[kept]))
        else:
            shrunk = shrink_covariance(m.within, shrinkage)
            _, projection = top_eigenvectors(centres.T @ centres, max_dimensions, shrunk)
        # The sign of an eigenvector is arbitrary; fix it, so that two fits of the same data agree.
        largest = projection[np.argmax(np.abs(projection), 0), np.arange(projection.shape[1])]
        projection *= np.where(largest < 0, -1.0, 1.0)
        projection *= self._unit[:, None]
        embedding = LinearEmbedding(self._grand_mean.astype(np.float32), projection.astype(np.float32))
        return embedding if self._index is None else expand_projection(embedding, self._all, self._index)


def fit_linear(
    m: ClassStatistics,
    shrinkage: float,
    max_dimensions: int = MAX_DIMENSIONS,
    share: float = 1.0,
    *,
    diagonal: bool = False,
) -> LinearEmbedding:
    """Fit a linear embedding with one shrinkage; see `ShrinkagePath` for the parameters."""
    return ShrinkagePath(m, share, diagonal=diagonal).embedding(shrinkage, max_dimensions)


def _scaled(m: ClassStatistics, unit: NDArray[np.float64]) -> ClassStatistics:
    if m.residual is not None:
        return replace(m, mean=m.mean * unit, residual=m.residual * unit.astype(np.float32))
    return replace(m, mean=m.mean * unit, covariance=m.within * np.outer(unit, unit))


def _target(mean_variance: float, shrinkage: float) -> float:
    return max(shrinkage, 1e-6) * max(mean_variance, 1e-12)


def top_eigenvectors(
    matrix: NDArray[np.float64], n_most: int, metric: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ``n_most`` largest eigenvalues of a symmetric matrix, largest first, and their eigenvectors as columns.

    Parameters
    ----------
    matrix
        Float64 [n, n].
    n_most
        Largest number of eigenvalues.
    metric
        Float64 [n, n], positive definite; the eigenvectors have unit length in it. None for the identity.
    """
    from scipy.linalg import eigh

    n = len(matrix)
    if metric is not None:  # rounding may leave it without full rank
        spread, axes = eigh(metric)
        whiten = axes / np.sqrt(np.maximum(spread, 1e-12 * spread[-1]))
        values, vectors = top_eigenvectors(whiten.T @ matrix @ whiten, n_most)
        return values, whiten @ vectors
    values, vectors = eigh(matrix, subset_by_index=(max(0, n - n_most), n - 1))
    return values[::-1], vectors[:, ::-1]
