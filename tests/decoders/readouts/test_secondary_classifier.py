from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from decoders.data.training_set import training_set
from decoders.errors import BadModel
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.fitting.settings import SecondarySettings
from decoders.metrics import accuracy, likeliest
from decoders.model import file as model_file
from decoders.model.model import Model
from decoders.readouts.secondary_classifier import (
    MAX_RANK,
    _low_rank,
    fit_secondary,
    settings_from_card,
)
from stream.session import Session


@pytest.fixture(scope="module")
def fitted(watched: Session) -> Model:
    return fit_model(watched, FitOptions(decoder="blend", train_repeats=(0, 1, 2, 3, 4), context_s=0.2))


def test_each_decoder_is_accurate_and_streams_as_in_batch(
    fitted: Model, watched: Session, tmp_path: Path
) -> None:
    test = watched.select_repeats([5, 6])
    batch = fitted.predict(test)
    assert accuracy(likeliest(batch.posterior_without_playback), test.frame, fitted.axis) > 0.8
    fitted.save(tmp_path / "model.safetensors")
    loaded = Model.load(tmp_path / "model.safetensors")
    assert loaded.hash == fitted.hash
    for index in range(30):
        prediction = loaded.step(np.asarray(test.neural[index], np.float32), float(test.stamps[index]))
        np.testing.assert_allclose(
            prediction.posterior_without_playback, batch.posterior_without_playback[index], atol=1e-5
        )
    assert settings_from_card(loaded.card) is not None


def test_low_rank_weights_give_nearly_the_same_logits(
    monkeypatch: pytest.MonkeyPatch, watched: Session
) -> None:
    data = training_set(watched, 60, 0.2)
    keep = np.ones(len(data.state), bool)
    settings = SecondarySettings(1.0)
    full_rank = fit_secondary(data, 1, keep, settings)
    monkeypatch.setattr("decoders.readouts.secondary_classifier.FULL_RANK", 4)
    low_rank = fit_secondary(data, 1, keep, settings)
    assert low_rank.left.shape[1] > 0
    difference = low_rank.logits(data.clean[:50]) - full_rank.logits(data.clean[:50])
    np.testing.assert_allclose(difference, np.broadcast_to(difference[:, :1], difference.shape), atol=1e-2)


@pytest.mark.parametrize(("n_channels", "n_states"), [(300, 200), (300, 400)])
def test_low_rank_weights_are_the_nearest_of_their_rank(n_channels: int, n_states: int) -> None:
    weights = np.random.default_rng(0).normal(size=(n_channels, n_states)).astype(np.float32)
    left, right = _low_rank(weights, np.ones(n_channels))
    u, s, vt = np.linalg.svd(weights - weights.mean(1, keepdims=True))
    nearest = (u[:, :MAX_RANK] * s[:MAX_RANK]) @ vt[:MAX_RANK]
    # A constant over the states cancels in the posterior.
    product = left @ right
    np.testing.assert_allclose(product - product.mean(1, keepdims=True), nearest, atol=1e-4)


def test_a_damaged_secondary_classifier_is_refused(fitted: Model, tmp_path: Path) -> None:
    secondary = fitted.parts.secondary
    assert secondary is not None
    parts = replace(fitted.parts, secondary=replace(secondary, bias=np.zeros(3, np.float32)))
    model_file.write(tmp_path / "model.safetensors", parts.arrays(), fitted.card)
    with pytest.raises(BadModel, match="secondary classifier"):
        Model.load(tmp_path / "model.safetensors")
