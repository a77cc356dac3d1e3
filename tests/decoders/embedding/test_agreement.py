from __future__ import annotations

import numpy as np
import pytest

from decoders.embedding.agreement import consistency, consistency_by_label, infonce_loss
from stream.errors import BadUsage, ShapeMismatch


def test_infonce_of_nothing_is_chance_and_of_twins_near_zero() -> None:
    rng = np.random.default_rng(0)
    same = np.zeros((64, 64), bool)
    points = rng.normal(size=(64, 40)).astype(np.float32)
    loss, chance = infonce_loss(points, points, same, 0.1)
    assert chance == pytest.approx(np.log(64))
    assert loss < 0.1
    blind = np.ones((64, 40), np.float32)
    assert infonce_loss(blind, blind, same, 0.1)[0] == pytest.approx(chance)


def test_what_is_no_negative_makes_chance_easier() -> None:
    same = np.zeros((4, 4), bool)
    same[0, 1:] = True
    points = np.ones((4, 3), np.float32)
    assert infonce_loss(points, points, same, 1.0)[1] == pytest.approx(0.75 * np.log(4))


def test_linear_maps_of_each_other_agree_and_noise_does_not() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(500, 4)).astype(np.float32)
    turned = points @ rng.normal(size=(4, 4)).astype(np.float32) + 3
    noise = rng.normal(size=(500, 4)).astype(np.float32)
    r2 = consistency([points, turned, noise])
    assert np.allclose(np.diag(r2), 1)
    assert r2[0, 1] == pytest.approx(1, abs=1e-5)
    assert abs(r2[0, 2]) < 0.05


def test_recordings_are_matched_by_their_label() -> None:
    rng = np.random.default_rng(2)
    labels = [rng.uniform(0, 6, 2000), rng.uniform(0, 6, 3000)]
    points = [np.stack([np.sin(x), np.cos(x)], 1).astype(np.float32) for x in labels]
    assert consistency_by_label(points, labels).min() > 0.99
    with pytest.raises(BadUsage, match="no range in common"):
        consistency_by_label(points, [labels[0], labels[1] + 100])
    with pytest.raises(ShapeMismatch, match="2000 points but 3000"):
        consistency_by_label([points[0], points[1]], [labels[1], labels[0]])


def test_one_embedding_has_nothing_to_agree_with() -> None:
    with pytest.raises(BadUsage, match="at least two"):
        consistency([np.zeros((5, 2), np.float32)])
    with pytest.raises(ShapeMismatch, match="same moments"):
        consistency([np.zeros((5, 2), np.float32), np.zeros((6, 2), np.float32)])
