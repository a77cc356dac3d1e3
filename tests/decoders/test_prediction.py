from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from decoders.model.model import Model
from decoders.numerics import softmax
from decoders.prediction import (
    HORIZONS_S,
    N_LIKELIEST,
    PREDICTION_CHANNELS,
    UNSURE_BELOW,
    Prediction,
    Provenance,
    provenance_of,
)
from stream.session import Session


def test_every_channel_of_the_prediction_stream_is_an_attribute() -> None:
    assert set(PREDICTION_CHANNELS) <= {field.name for field in fields(Prediction)}


def test_the_arrays_of_a_prediction_have_the_documented_shapes(model: Model, unseen: Session) -> None:
    model.reset()
    prediction = model.step(unseen.neural[15], 0.0)
    n_states = model.n_frames + 1
    assert prediction.posterior.shape == prediction.logits.shape == (n_states,)
    assert prediction.embedding.shape == (model.n_embedding,)
    assert prediction.forecast.shape == (len(HORIZONS_S), 2 * N_LIKELIEST + 1)
    assert prediction.continuous.shape == (len(model.continuous_channels),)
    np.testing.assert_array_equal(prediction.posterior_without_playback, softmax(prediction.logits))


def test_a_picture_is_the_training_frame_that_was_decoded(model: Model, unseen: Session) -> None:
    model.reset()
    rows = [model.step(sample, index / 30) for index, sample in enumerate(unseen.neural[:30])]
    shown = [row for row in rows if row.frame >= 0]
    assert model.pictures is not None
    assert shown
    for row in shown:
        unsure = row.confidence < UNSURE_BELOW
        assert row.provenance is (Provenance.UNSURE if unsure else Provenance.RETRIEVED)
        if unsure:
            assert row.picture is None
        else:
            np.testing.assert_array_equal(row.picture, model.pictures[row.frame])
    assert any(row.picture is not None for row in shown)
    assert all(row.picture is None for row in rows if row.frame < 0)


@pytest.mark.parametrize(
    ("frame", "confidence", "novelty", "provenance"),
    [
        (3, 0.9, 0.1, Provenance.RETRIEVED),
        (3, UNSURE_BELOW, 0.1, Provenance.RETRIEVED),
        (-1, 0.9, 0.1, Provenance.NO_STIMULUS),
        (3, 0.05, 0.1, Provenance.UNSURE),
        (-1, 0.05, 0.1, Provenance.UNSURE),
        (3, 0.9, np.nan, Provenance.NO_EVIDENCE),
        (-1, 0.05, np.nan, Provenance.NO_EVIDENCE),
    ],
)
def test_three_states_are_told_apart(
    frame: int, confidence: float, novelty: float, provenance: Provenance
) -> None:
    assert provenance_of(frame, confidence, novelty) is provenance


def test_predictions_of_a_session_have_its_length(model: Model, unseen: Session) -> None:
    predictions = model.predict(unseen)
    assert len(predictions) == unseen.n_samples
    assert set(predictions.forecast_posterior) == set(HORIZONS_S)
