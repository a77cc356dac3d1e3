from __future__ import annotations

import numpy as np
import pytest

from decoders.embedding.linear import (
    ClassStatistics,
    ShrinkagePath,
    class_statistics,
    fit_linear,
    shrink_covariance,
    unit_length,
)


def gaussian_classes(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(6, 6)) * np.array([5, 3, 2, 1, 1, 1])
    state = np.repeat(np.arange(4), 500)
    centres = rng.normal(size=(4, 6)) * 3
    return (centres[state] + rng.normal(size=(2000, 6)) @ mixing).astype(np.float32), state


def test_within_class_covariance_is_the_identity_after_whitening() -> None:
    features, state = gaussian_classes()
    m = class_statistics(features, state, 5)
    points = fit_linear(m, 0.0).project(features)
    residual = points - np.stack([points[state == s].mean(0) for s in range(4)])[state]
    np.testing.assert_allclose(np.cov(residual.T), np.eye(6), atol=0.02)


def test_between_class_variance_decreases_along_the_dimensions() -> None:
    features, state = gaussian_classes()
    m = class_statistics(features, state, 5)
    embedding = fit_linear(m, 0.1)
    spread = ((m.mean[m.observed] - m.grand_mean) @ embedding.projection).var(0)
    assert (np.diff(spread) <= 1e-9).all()
    assert fit_linear(m, 0.1, max_dimensions=2).n_dimensions == 2


def test_states_without_samples_get_the_grand_mean() -> None:
    features, state = gaussian_classes()
    m = class_statistics(features, state, 5)
    assert m.observed.tolist() == [True] * 4 + [False]
    np.testing.assert_allclose(m.mean[4], m.mean[:4].mean(0))


def test_samples_of_negligible_weight_are_ignored() -> None:
    features, state = gaussian_classes()
    weight = np.ones(len(state), np.float32)
    weight[::2] = 1e-6
    np.testing.assert_allclose(
        class_statistics(features, state, 5, weight).mean[:4],
        class_statistics(features[1::2], state[1::2], 5).mean[:4],
        rtol=1e-3,
        atol=1e-3,
    )


def test_shrinkage_preserves_the_trace() -> None:
    covariance = np.diag([1.0, 2.0, 9.0])
    assert np.trace(shrink_covariance(covariance, 0.7)) == pytest.approx(12)
    np.testing.assert_allclose(shrink_covariance(covariance, 1.0), 4 * np.eye(3))


def test_the_covariance_is_shrunk_towards_the_identity_or_its_diagonal() -> None:
    features, state = gaussian_classes()
    m = class_statistics(features, state, 5)
    diagonal = np.diag(np.diag(m.within))
    for shrunk, embedding in (
        (shrink_covariance(m.within, 0.6), fit_linear(m, 0.6)),
        (0.4 * m.within + 0.6 * diagonal, fit_linear(m, 0.6, diagonal=True)),
    ):
        projection = embedding.projection.astype(np.float64)
        np.testing.assert_allclose(projection.T @ shrunk @ projection, np.eye(6), atol=1e-4)


def test_a_feature_that_never_varies_gets_a_finite_weight() -> None:
    features, state = gaussian_classes()
    features[:, 2] = 1.0
    embedding = fit_linear(class_statistics(features, state, 5), 0.5, diagonal=True)
    assert np.isfinite(embedding.projection).all()


def test_unit_length_of_a_zero_vector_is_zero() -> None:
    points = unit_length(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    np.testing.assert_allclose(points, [[0.6, 0.8], [0, 0]], rtol=1e-6)


def directly_fitted(m: ClassStatistics, shrinkage: float) -> np.ndarray:
    """Whiten by the inverse square root of the covariance, then rotate to the principal axes of the class means."""
    values, vectors = np.linalg.eigh(shrink_covariance(m.within, shrinkage))
    whiten = vectors / np.sqrt(values)
    centres = (m.mean[m.observed] - m.grand_mean) @ whiten
    spread, rotation = np.linalg.eigh(centres.T @ centres)
    return whiten @ rotation[:, np.argsort(spread)[::-1][:128]]


@pytest.mark.parametrize(
    ("n_samples", "n_features", "n_states"),
    [(400, 40, 150), (900, 160, 150), (900, 60, 7), (300, 420, 150), (60, 200, 9)],
)
def test_embedding_equals_whitening_and_rotation(n_samples: int, n_features: int, n_states: int) -> None:
    rng = np.random.default_rng(0)
    state = np.arange(n_samples) % n_states
    centres = rng.normal(size=(n_states, n_features))
    features = (centres[state] + rng.normal(size=(n_samples, n_features))).astype(np.float32)
    m = class_statistics(features, state, n_states + 1, rng.uniform(0.5, 1, n_samples).astype(np.float32))
    assert (m.residual is None) == (n_samples >= n_features)
    path = ShrinkagePath(m)
    for shrinkage in (0.05, 0.6):
        expected = directly_fitted(m, shrinkage)
        # With few states, the last axes separate none of them: they are arbitrary, or left out.
        n_axes = min(expected.shape[1], n_states - 1)
        inner = [
            ((m.mean - m.grand_mean) @ p[:, :n_axes]) @ ((features - m.grand_mean) @ p[:, :n_axes]).T
            for p in (path.embedding(shrinkage).projection.astype(np.float64), expected)
        ]
        np.testing.assert_allclose(inner[0], inner[1], atol=1e-6 * np.abs(inner[1]).max())
        solved = np.linalg.solve(shrink_covariance(m.within, shrinkage), (m.mean - m.grand_mean).T)
        np.testing.assert_allclose(
            path.solve(shrinkage), solved[:, m.observed], atol=1e-6 * np.abs(solved).max()
        )


@pytest.mark.parametrize("n_samples", [200, 40])
def test_shrunk_towards_the_diagonal_the_unit_of_a_feature_does_not_matter(n_samples: int) -> None:
    rng = np.random.default_rng(0)
    state = np.arange(n_samples) % 5
    features = (rng.normal(size=(5, 60))[state] + rng.normal(size=(n_samples, 60))).astype(np.float32)
    unit = 2.0 ** rng.integers(-3, 4, 60).astype(np.float32)
    inner = []
    for scale in (np.float32(1), unit):
        m = class_statistics(features * scale, state, 5)
        prototypes = (m.mean - m.grand_mean) @ fit_linear(m, 0.3, diagonal=True).projection
        inner.append(prototypes @ prototypes.T)
    np.testing.assert_allclose(inner[0], inner[1], rtol=1e-4, atol=1e-4)
