"""Consistency of embeddings between models."""

from __future__ import annotations

import pytest

from decoders.evaluation.consistency import embedding_consistency
from decoders.evaluation.evaluate import EvaluateOptions, Evaluation
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from stream.errors import ShapeMismatch
from stream.session import Session
from tests.decoders.conftest import places_session, watched_session

OPTIONS = EvaluateOptions(repeats=(5, 6), draws=0)


def test_models_of_the_same_recording_are_the_most_consistent(
    evaluation: Evaluation, model: Model, watched: Session
) -> None:
    fit = FitOptions(train_repeats=(0, 1, 2, 3), decoder="cosine", context_s=0.2, seed=1)
    again = fit_model(watched, fit, baselines=False)
    recording = watched_session(8)
    other = fit_model(recording, fit, baselines=False)
    found = embedding_consistency(evaluation, [(again, watched), (other, recording)], OPTIONS)
    assert found["models"] == [model.hash, again.hash, other.hash]
    assert found["r2"][0][0] == 1.0
    assert found["r2"][0][1] > 0.8
    assert found["r2"][0][1] > found["r2"][0][2]
    assert found["chance"] < found["mean"]


def test_models_of_other_frames_are_refused(evaluation: Evaluation, places_evaluation: Evaluation) -> None:
    with pytest.raises(ShapeMismatch, match="frames 0-59 and 0-7"):
        embedding_consistency(evaluation, [(places_evaluation.model, places_session())], OPTIONS)
