from __future__ import annotations

import numpy as np
import pytest

from decoders.embedding.agreement import consistency, consistency_by_label, infonce_loss
from stream.errors import BadUsage, ShapeMismatch


def test_infonce_is_chance_for_a_constant_embedding_and_near_zero_for_identical_pairs() -> None:
    rng = np.random.default_rng(0)
    excluded = np.zeros((64, 64), bool)
    points = rng.normal(size=(64, 40)).astype(np.float32)
    loss, chance = infonce_loss(points, points, excluded, 0.1)
    assert chance == pytest.approx(np.log(64))
    assert loss < 0.1
    constant = np.ones((64, 40), np.float32)
    assert infonce_loss(constant, constant, excluded, 0.1)[0] == pytest.approx(chance)


def test_excluded_negatives_lower_the_chance_level() -> None:
    excluded = np.zeros((4, 4), bool)
    excluded[0, 1:] = True
    points = np.ones((4, 3), np.float32)
    assert infonce_loss(points, points, excluded, 1.0)[1] == pytest.approx(0.75 * np.log(4))


def test_consistency_is_one_for_linear_maps_and_zero_for_noise() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(500, 4)).astype(np.float32)
    transformed = points @ rng.normal(size=(4, 4)).astype(np.float32) + 3
    noise = rng.normal(size=(500, 4)).astype(np.float32)
    r2 = consistency([points, transformed, noise])
    assert np.allclose(np.diag(r2), 1)
    assert r2[0, 1] == pytest.approx(1, abs=1e-5)
    assert abs(r2[0, 2]) < 0.05


def test_recordings_are_aligned_by_their_label() -> None:
    rng = np.random.default_rng(2)
    labels = [rng.uniform(0, 6, 2000), rng.uniform(0, 6, 3000)]
    points = [np.stack([np.sin(x), np.cos(x)], 1).astype(np.float32) for x in labels]
    assert consistency_by_label(points, labels).min() > 0.99
    with pytest.raises(BadUsage, match="share no range"):
        consistency_by_label(points, [labels[0], labels[1] + 100])
    with pytest.raises(ShapeMismatch, match="2000 points but 3000"):
        consistency_by_label([points[0], points[1]], [labels[1], labels[0]])


def test_bad_input() -> None:
    with pytest.raises(BadUsage, match="at least two"):
        consistency([np.zeros((5, 2), np.float32)])
    with pytest.raises(ShapeMismatch, match="same samples"):
        consistency([np.zeros((5, 2), np.float32), np.zeros((6, 2), np.float32)])
