"""Linear embeddings of several shrinkages from one decomposition of the noise."""

from __future__ import annotations

import numpy as np

from decoders.embedding.linear import (
    MAX_DIMENSIONS,
    ClassStatistics,
    LinearEmbedding,
    expand_projection,
    informative_channels,
    select_features,
)


class ShrinkagePath:
    """The noise within states, decomposed once: shrinking it changes its variances and not its directions.

    Parameters
    ----------
    m
        Of the training features.
    share
        How many of the features count, see `decoders.embedding.linear.telling`.
    """

    def __init__(self, m: ClassStatistics, share: float = 1.0) -> None:
        self._whole = m
        self._index = informative_channels(m, share) if share < 1 else None
        if self._index is not None:
            m = select_features(m, self._index)
        self._values, self._vectors = np.linalg.eigh(m.within)
        self._level = float(np.trace(m.within)) / len(m.within)
        self._grand = m.grand_mean
        self._centres = (m.mean[m.observed] - m.grand_mean) @ self._vectors

    def embedding(self, shrinkage: float, max_dimensions: int = MAX_DIMENSIONS) -> LinearEmbedding:
        """Equal to `decoders.embedding.linear.fit_linear`.

        Parameters
        ----------
        shrinkage
            0 to 1.
        max_dimensions
            The most dimensions to keep.
        """
        values = (1 - shrinkage) * self._values + max(shrinkage, 1e-6) * max(self._level, 1e-12)
        scale = 1 / np.sqrt(np.maximum(values, 1e-12 * values[-1]))
        centres = self._centres * scale
        spread, turn = np.linalg.eigh(centres.T @ centres)
        turn = (scale[:, None] * turn)[:, np.argsort(spread)[::-1][:max_dimensions]]
        projection = self._vectors @ turn
        embedding = LinearEmbedding(self._grand.astype(np.float32), projection.astype(np.float32))
        return embedding if self._index is None else expand_projection(embedding, self._whole, self._index)
