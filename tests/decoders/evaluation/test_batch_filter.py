"""The playback model over whole recordings."""

from __future__ import annotations

import numpy as np

from decoders.evaluation.batch_filter import filter_recording, posteriors
from decoders.model.model import Model
from stream.session import Session


def test_the_filter_restarts_at_every_segment(model: Model, watched: Session) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(watched.n_samples, model.n_frames + 1)).astype(np.float32)
    whole = filter_recording(model.playback, logits, watched)
    second = watched.segment == watched.segment[-1]
    alone = filter_recording(model.playback, logits[second], watched.take(second))
    np.testing.assert_array_equal(whole[second], alone)
    np.testing.assert_allclose(whole.sum(1), 1, atol=1e-5)


def test_posteriors_are_normalised() -> None:
    logits = np.array([[0.0, np.log(3.0)]], np.float32)
    np.testing.assert_allclose(posteriors(logits), [[0.25, 0.75]], rtol=1e-6)
