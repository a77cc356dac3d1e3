"""Test data with their scenes shuffled: what a decoder reaches without the order that training showed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decoders.data.delays import delay_truth
from decoders.data.play_order import shuffle_scenes, states_are_scenes
from decoders.metrics import Decoded
from decoders.model.model import Model
from stream.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class ShuffledPredictions:
    """Predictions without the playback model for test data with shuffled scenes.

    Attributes
    ----------
    decoded
        Decoded samples.
    frame
        Int32 [time], true states; -1 = no stimulus.
    evidence
        Bool [time], whether any used channel had a valid value.
    """

    decoded: Decoded
    frame: NDArray[np.int32]
    evidence: NDArray[np.bool_]


def predict_shuffled(model: Model, test: Session, seed: int) -> ShuffledPredictions | None:
    """Decode test data with their scenes shuffled; None where training shows no fixed order.

    Parameters
    ----------
    model
        Fitted model.
    test
        Test data with the truth as states.
    seed
        Random seed of the shuffled scenes.
    """
    if not model.card.get("fixed_order") or not test.n_samples:
        return None
    rate_hz = model.rate_hz or 1.0
    state, index = test.frame.astype(np.int64), np.arange(test.n_samples)
    single = states_are_scenes(state, index, rate_hz)
    order = shuffle_scenes(state, index, rate_hz, np.random.default_rng(seed), single=single)
    shuffled = replace(
        test,
        neural=np.asarray(test.neural, np.float32)[order],
        stamps=test.stamps[0] + index / rate_hz,
        frame=test.frame[order],
        segment=np.zeros(test.n_samples, np.int32),
        labels={},
    )
    truth, kept = delay_truth(shuffled, model.n_delay)
    predictions = model.predict(shuffled, forecasts=False)
    decoded = Decoded.of(predictions.posterior_without_playback[kept], truth.frame, model.axis)
    return ShuffledPredictions(decoded, truth.frame, np.isfinite(predictions.novelty[kept]))


def pool_shuffled(parts: list[ShuffledPredictions | None]) -> ShuffledPredictions | None:
    """Concatenate the predictions of several folds; None where one has none.

    Parameters
    ----------
    parts
        Predictions of each fold.
    """
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return ShuffledPredictions(
        Decoded.pooled([part.decoded for part in known]),
        np.concatenate([part.frame for part in known]),
        np.concatenate([part.evidence for part in known]),
    )
