from __future__ import annotations

import numpy as np

from decoders.embedding.linear import class_statistics, fit_linear, unit_length
from decoders.embedding.shrinkage_path import ShrinkagePath


def test_embeddings_equal_those_of_fit_linear() -> None:
    rng = np.random.default_rng(0)
    state = np.tile(np.arange(9), 30)
    features = (rng.normal(size=(9, 12))[state] + rng.normal(size=(270, 12))).astype(np.float32)
    m = class_statistics(features, state, 9)
    path = ShrinkagePath(m)
    for shrinkage in (0.1, 0.6):
        embeddings = path.embedding(shrinkage), fit_linear(m, shrinkage)
        from_path, directly = (unit_length(e.project(features)) for e in embeddings)
        # The axes may be rotated, but the angles between points are equal.
        np.testing.assert_allclose(from_path @ from_path.T, directly @ directly.T, atol=1e-3)
