from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.embedding.encoder import start_encoder
from decoders.embedding.linear import class_statistics, fit_linear
from decoders.errors import BadModel
from decoders.readouts.contrastive import ContrastiveDecoder, fit_direction_prototypes

N_CHANNELS, N_STATES = 6, 5


@pytest.fixture(scope="module")
def decoder() -> ContrastiveDecoder:
    rng = np.random.default_rng(0)
    state = np.arange(60) % (N_STATES - 1)
    features = rng.normal(size=(60, N_CHANNELS)).astype(np.float32)
    linear = fit_linear(class_statistics(features, state, N_STATES), 0.5)
    encoder, display = (start_encoder(linear, (4,), n, root=False, seed=0) for n in (5, 3))
    points = encoder.transform(features, np.arange(60) == 0)
    prototypes = fit_direction_prototypes(points, state, N_STATES, np.ones(60, np.float32))
    return ContrastiveDecoder(encoder, prototypes, 3.0, 0.5, np.array([0.1, 0.4]), display)


def test_prototypes_are_mean_directions() -> None:
    points = np.array([[2, 0], [0, 3], [0, 1], [9, 9]], np.float32)
    weight = np.array([1, 1, 1, 0], np.float32)
    fitted = fit_direction_prototypes(points, np.array([0, 1, 1, 1]), 3, weight)
    np.testing.assert_allclose(fitted.prototypes[:, :2].T, [[1, 0], [0, 1]], atol=1e-6)
    assert fitted.bias[2] < -1e6


def test_logits_combine_both_embeddings(decoder: ContrastiveDecoder) -> None:
    similarity, linear = np.array([0.5, -1.0], np.float32), np.array([2.0, 4.0], np.float32)
    np.testing.assert_allclose(decoder.logits(similarity, linear), [2.5, -1.0])
    alone = replace(decoder, linear_weight=0.0)
    np.testing.assert_allclose(alone.logits(similarity, linear), [1.5, -3.0])


def test_a_decoder_survives_the_model_file(decoder: ContrastiveDecoder) -> None:
    arrays = decoder.arrays()
    loaded = ContrastiveDecoder.from_file(arrays, N_CHANNELS, N_STATES)
    assert loaded is not None
    assert {name: array.tolist() for name, array in loaded.arrays().items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    assert loaded.display is not None
    assert loaded.display.n_dimensions == 3
    assert "contrastive.display.projection" not in arrays
    assert ContrastiveDecoder.from_file({}, N_CHANNELS, N_STATES) is None


def test_damaged_arrays_are_refused(decoder: ContrastiveDecoder) -> None:
    arrays = decoder.arrays()
    with pytest.raises(BadModel, match="inconsistent shapes"):
        ContrastiveDecoder.from_file(arrays, N_CHANNELS + 1, N_STATES)
    with pytest.raises(BadModel, match="inconsistent shapes"):
        ContrastiveDecoder.from_file(
            {**arrays, "contrastive.display.last": np.zeros(4, np.float32)}, N_CHANNELS, N_STATES
        )
    with pytest.raises(BadModel, match="incomplete"):
        ContrastiveDecoder.from_file({**arrays, "contrastive.likeness": np.zeros(0)}, N_CHANNELS, N_STATES)
