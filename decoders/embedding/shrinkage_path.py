"""Linear embeddings of several shrinkages from one eigendecomposition of the within-class covariance."""

from __future__ import annotations

import numpy as np

from decoders.embedding.linear import (
    MAX_DIMENSIONS,
    ClassStatistics,
    LinearEmbedding,
    expand_projection,
    informative_features,
    select_features,
)


class ShrinkagePath:
    """Within-class covariance, decomposed once: shrinkage changes its eigenvalues, not its eigenvectors.

    Parameters
    ----------
    m
        Class statistics of the training features.
    share
        Share of the features that are used (see `decoders.embedding.linear.informative_features`).
    """

    def __init__(self, m: ClassStatistics, share: float = 1.0) -> None:
        self._statistics = m
        self._index = informative_features(m, share) if share < 1 else None
        if self._index is not None:
            m = select_features(m, self._index)
        self._values, self._vectors = np.linalg.eigh(m.within)
        self._mean_variance = float(np.trace(m.within)) / len(m.within)
        self._grand_mean = m.grand_mean
        self._centres = (m.mean[m.observed] - m.grand_mean) @ self._vectors

    def embedding(self, shrinkage: float, max_dimensions: int = MAX_DIMENSIONS) -> LinearEmbedding:
        """Return the embedding that `decoders.embedding.linear.fit_linear` fits.

        Parameters
        ----------
        shrinkage
            Shrinkage of the within-class covariance, 0 to 1.
        max_dimensions
            Largest number of dimensions to keep.
        """
        values = (1 - shrinkage) * self._values + max(shrinkage, 1e-6) * max(self._mean_variance, 1e-12)
        scale = 1 / np.sqrt(np.maximum(values, 1e-12 * values[-1]))
        centres = self._centres * scale
        spread, rotation = np.linalg.eigh(centres.T @ centres)
        rotation = (scale[:, None] * rotation)[:, np.argsort(spread)[::-1][:max_dimensions]]
        projection = self._vectors @ rotation
        embedding = LinearEmbedding(self._grand_mean.astype(np.float32), projection.astype(np.float32))
        return (
            embedding if self._index is None else expand_projection(embedding, self._statistics, self._index)
        )
