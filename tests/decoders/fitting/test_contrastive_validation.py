"""Validation of contrastive training on the last fold."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.data.training_set import TrainingSet, training_set
from decoders.data.training_statistics import Layout, training_statistics
from decoders.embedding.encoder import Encoder, start_encoder
from decoders.embedding.linear import fit_linear
from decoders.errors import BadSplit
from decoders.fitting.contrastive_validation import ContrastiveValidation, encoder_prototypes, last_fold
from decoders.fitting.settings import ReadoutSettings, feature_scaling
from stream.session import Session
from tests.decoders.conftest import N_FRAMES

N_CONTEXT = 4


@pytest.fixture(scope="module")
def data(watched: Session) -> TrainingSet:
    return training_set(watched, N_FRAMES, 0.3)


@pytest.fixture(scope="module")
def validation(data: TrainingSet) -> ContrastiveValidation:
    return last_fold(data, 0)


@pytest.fixture(scope="module")
def encoder(data: TrainingSet, validation: ContrastiveValidation) -> Encoder:
    """An untrained encoder, which equals the linear embedding."""
    scaling = feature_scaling(data, N_CONTEXT)
    linear = fit_linear(training_statistics(data, Layout(N_CONTEXT), scaling, validation.train), 0.5)
    return start_encoder(linear, (N_CONTEXT,), linear.n_dimensions, root=scaling.root, seed=0)


def test_an_untrained_encoder_scores_above_chance(
    validation: ContrastiveValidation, encoder: Encoder
) -> None:
    assert validation.score(encoder) > -np.log(N_FRAMES + 1) / 2


def test_encoder_and_linear_decoder_are_compared_on_the_same_samples(
    validation: ContrastiveValidation, encoder: Encoder
) -> None:
    similarity, fullness, state = validation.similarity(encoder)
    linear = validation.linear_logits(ReadoutSettings(N_CONTEXT, 0.5, True, 8.0, 0.0))
    assert similarity.shape == linear.shape == (len(state), N_FRAMES + 1)
    assert 0 < fullness.min() <= fullness.max() == 1
    full = fullness == 1
    assert np.mean(similarity.argmax(1)[full] == linear.argmax(1)[full]) > 0.95


def test_prototypes_of_an_encoder_decode_its_points(data: TrainingSet, encoder: Encoder) -> None:
    prototypes = encoder_prototypes(encoder, data, np.ones(len(data.state), bool))
    points = encoder.transform(data.clean, data.boundary)
    similarity = prototypes.similarity(points / np.linalg.norm(points, axis=1, keepdims=True))
    assert similarity.shape == (len(points), N_FRAMES + 1)
    assert np.mean(similarity.argmax(1) == data.state) > 0.5


def test_a_single_repeat_cannot_be_validated(watched: Session) -> None:
    single = training_set(watched.select_repeats([0]), N_FRAMES, 0.3)
    with pytest.raises(BadSplit, match="at least two repeats"):
        last_fold(single, 0)
