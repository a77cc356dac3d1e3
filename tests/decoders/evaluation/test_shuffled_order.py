"""Test data with shuffled scenes: the same samples and frames in another order."""

from __future__ import annotations

import numpy as np

from decoders.evaluation.shuffled_order import ShuffledPredictions, pool_shuffled, predict_shuffled
from decoders.metrics import Decoded
from decoders.model.model import Model
from stream.session import Session


def test_scenes_are_shuffled_with_their_frames(model: Model, watched: Session) -> None:
    predictions = predict_shuffled(model, watched, seed=0)
    assert predictions is not None
    assert (
        len(predictions.decoded.frame)
        == len(predictions.frame)
        == len(predictions.evidence)
        == watched.n_samples
    )
    assert np.array_equal(np.sort(predictions.frame), np.sort(watched.frame))
    shown = predictions.frame >= 0
    assert np.mean(np.diff(predictions.frame[shown]) == 1) > 0.9  # scenes stay whole
    assert not np.array_equal(predictions.frame, watched.frame)
    right = predictions.decoded.frame[shown] == predictions.frame[shown]
    assert right.mean() > 20 / model.n_frames


def test_without_a_fixed_order_nothing_is_shuffled(model: Model, watched: Session) -> None:
    free = Model(model.parts, model.card | {"fixed_order": False})
    assert predict_shuffled(free, watched, seed=0) is None


def test_folds_are_pooled_only_when_all_have_predictions() -> None:
    decoded = Decoded(np.zeros(2, np.int64), np.ones(2), np.ones(2))
    part = ShuffledPredictions(decoded, np.zeros(2, np.int32), np.ones(2, bool))
    pooled = pool_shuffled([part, part])
    assert pooled is not None
    assert len(pooled.decoded.confidence) == len(pooled.frame) == 4
    assert pool_shuffled([part, None]) is None
