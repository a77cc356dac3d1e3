from __future__ import annotations

import numpy as np

from decoders.readouts.combined import combined
from decoders.readouts.secondary_classifier import LinearSecondary

SIMILARITY = np.array([[0.5, -1.0, 0.0]], np.float32)
SUMS, DIRECTIONS = np.array([[2.0, 1.0]], np.float32), np.zeros((1, 0), np.float32)
SECONDARY = LinearSecondary(
    n_window=1,
    root=False,
    left=np.zeros((2, 0), np.float32),
    weights=np.array([[1, 0, 2], [0, 3, 0]], np.float32),
    bias=np.array([0, 1, 0], np.float32),
    inverse_temperature=0.5,
)


def test_prototypes_alone() -> None:
    np.testing.assert_allclose(combined(SIMILARITY, 2.0, None, SUMS, DIRECTIONS), [[1, -2, 0]])


def test_the_logits_of_prototypes_and_secondary_classifier_are_added() -> None:
    np.testing.assert_allclose(combined(SIMILARITY, 2.0, SECONDARY, SUMS, DIRECTIONS), [[2, 0, 2]])


def test_the_secondary_classifier_alone() -> None:
    np.testing.assert_allclose(combined(SIMILARITY, 0.0, SECONDARY, SUMS, DIRECTIONS), [[1, 2, 2]])
