"""The picture of the embedding."""

from __future__ import annotations

import numpy as np
import pytest

from gui.panels.embedding_projection import Basis, rotate, running_mean, splat
from tests.gui.feeds import make_pictures


def trail(n: int = 3_000, k: int = 40) -> np.ndarray:
    """A slow loop in three dimensions, in faster noise that is larger in most others."""
    random = np.random.default_rng(5)
    angle = np.arange(n) / 300
    points = random.normal(0, 0.6, (n, k))
    points[:, :3] = np.column_stack([np.cos(angle), np.sin(angle), np.sin(2 * angle)]) + random.normal(
        0, 0.05, (n, 3)
    )
    return points.astype(np.float32)


def test_the_basis_finds_movement_in_noise() -> None:
    points = trail()
    basis = Basis()
    basis.update(points)
    seen = basis.project(points)
    fit, *_ = np.linalg.lstsq(seen, points[:, :3], rcond=None)
    unexplained = ((points[:, :3] - seen @ fit) ** 2).sum() / (points[:, :3] ** 2).sum()
    assert unexplained < 0.05
    assert np.percentile(np.linalg.norm(seen, axis=1), 95) == pytest.approx(1.0, abs=0.05)


def test_the_basis_does_not_flip_as_the_trail_grows() -> None:
    points = trail()
    basis = Basis()
    basis.update(points[:2_000])
    before = basis.project(points[-100:])
    basis.update(points)
    after = basis.project(points[-100:])
    assert np.mean(np.sum(before * after, axis=1) > 0) > 0.95


def test_three_dimensions_are_drawn_as_they_are() -> None:
    points = trail()[:, :3]
    basis = Basis()
    basis.update(points)
    assert np.array_equal(basis.project(points), points)
    assert basis.explained == 1


def test_it_says_how_much_of_the_variance_is_drawn() -> None:
    basis = Basis()
    points = np.zeros((3_000, 5), np.float32)
    angle = np.arange(3_000) / 50
    for column, size in enumerate((4, 3, 2, 2, 1)):
        points[:, column] = size * np.sin((column + 1) * angle)
    basis.update(points)
    assert basis.explained == pytest.approx((16 + 9 + 4) / (16 + 9 + 4 + 4 + 1), abs=0.03)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_fewer_dimensions_than_three_are_shown_too(k: int) -> None:
    basis = Basis()
    basis.update(trail()[:, :k])
    assert basis.project(trail()[:, :k]).shape == (3_000, 3)


def test_rotation_keeps_lengths() -> None:
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    turned = rotate(points, 0.7, -0.4)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(points, axis=1), rtol=1e-5)
    np.testing.assert_allclose(rotate(points, 0.0, 0.0), points)


def test_nearer_points_cover_farther_ones_and_none_leaves_the_image() -> None:
    points = np.array([[0, 0, 0.5], [0, 0, -0.5], [9, 9, 0], [-9, 0, 0]], np.float32)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 255]], np.uint8)
    image = splat(points, colours, (40, 30), (1, 2, 3), 2)
    assert image.shape == (30, 40, 4)
    assert image[15, 20].tolist() == [255, 0, 0, 255]
    assert np.sum(np.all(image[:, :, :3] == [255, 0, 0], axis=2)) == 4
    assert not np.any(np.all(image[:, :, :3] == [0, 0, 255], axis=2))
    assert image[0, 0].tolist() == [1, 2, 3, 255]


def test_pictures_of_the_feed_differ() -> None:
    pictures = make_pictures()
    assert len(np.unique(pictures.reshape(len(pictures), -1), axis=0)) == len(pictures)


def test_running_mean_looks_back_only() -> None:
    points = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_allclose(
        running_mean(points, 2), [[0, 1, 2], [1.5, 2.5, 3.5], [4.5, 5.5, 6.5], [7.5, 8.5, 9.5]]
    )
    np.testing.assert_allclose(running_mean(points, 9)[-1], points.mean(0))
