from __future__ import annotations

import numpy as np
import pytest

from decoders.embedding.linear import class_statistics, fit_linear, unit_length
from decoders.readouts.classifiers import (
    UNOBSERVED_LOGIT,
    Scaling,
    calibrate,
    fit_lda,
    fit_poisson,
    fit_prototypes,
    log_posterior,
)


@pytest.fixture
def counts() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    rates = rng.gamma(1.0, 4.0, (6, 15))
    state = np.tile(np.arange(6), 60)
    return rng.poisson(rates[state]).astype(np.float32), state


def test_lda_agrees_with_scikit_learn(counts: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    features, state = np.sqrt(counts[0]), counts[1]
    m = class_statistics(features, state, 7)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3).fit(features, state)
    ours = fit_lda(m, 0.3).similarity(features)
    assert (ours[:, 6] <= UNOBSERVED_LOGIT / 2).all()
    agree = ours.argmax(1) == theirs.predict(features)
    assert agree.mean() > 0.98


def test_prototypes_without_cosine_equal_lda(counts: tuple[np.ndarray, np.ndarray]) -> None:
    features, state = np.sqrt(counts[0]), counts[1]
    m = class_statistics(features, state, 7)
    embedding = fit_linear(m, 0.3)
    prototypes = fit_prototypes(embedding, m, cosine=False)
    ours = log_posterior(prototypes.similarity(embedding.project(features)))
    np.testing.assert_allclose(
        ours[:, :6], log_posterior(fit_lda(m, 0.3).similarity(features))[:, :6], atol=2e-3
    )


def test_cosine_ignores_a_common_gain(counts: tuple[np.ndarray, np.ndarray]) -> None:
    features, state = np.sqrt(counts[0]), counts[1]
    m = class_statistics(features, state, 7)
    embedding = fit_linear(m, 0.3)
    prototypes = fit_prototypes(embedding, m, cosine=True)
    points = embedding.project(features)
    one, other = (prototypes.similarity(unit_length(points * gain)) for gain in (1.0, 3.0))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_poisson_logits_equal_the_poisson_likelihood(counts: tuple[np.ndarray, np.ndarray]) -> None:
    from scipy.stats import poisson

    rates = np.random.default_rng(1).gamma(1.0, 4.0, (4, 15)) + 1
    readout = fit_poisson(rates, np.ones(4, bool), gain_shape=np.inf)
    regularised = np.maximum(rates, 0) + 0.05 * rates.mean(0) + 1e-4
    expected = poisson.logpmf(counts[0][:, None], regularised[None]).sum(2)
    ours = readout.similarity(counts[0])
    np.testing.assert_allclose(ours - ours[:, :1], expected - expected[:, :1], rtol=1e-3, atol=1e-2)


def test_calibration_recovers_the_temperature() -> None:
    rng = np.random.default_rng(0)
    truth_logits = rng.normal(size=(4000, 5)) * 2
    chance = np.exp(truth_logits) / np.exp(truth_logits).sum(1, keepdims=True)
    state = (chance.cumsum(1) > rng.random((4000, 1))).argmax(1)
    inverse_temperature, score = calibrate(
        (truth_logits / 7).astype(np.float32), np.ones(4000, np.float32), state
    )
    assert inverse_temperature == pytest.approx(7, rel=0.1)
    assert score > -np.log(5)


def test_scaling_removes_a_common_gain() -> None:
    scaling = Scaling(1, root=True, total=10.0)
    sums = np.array([[1.0, 3.0, 6.0]], np.float32)
    np.testing.assert_allclose(scaling.features(sums), scaling.features(5 * sums), rtol=1e-5)
