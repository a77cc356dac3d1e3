"""Baseline forecasts and their uniform floors."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.data.training_set import training_set
from decoders.fitting.select_forecast import FLOORS, advance_posterior, mix_uniform, select_forecast
from decoders.fitting.validation_sequences import validation_sequences
from decoders.metrics import FrameAxis
from decoders.playback.transitions import learn_playback
from stream.session import Session
from tests.decoders.conftest import N_FRAMES


def test_posteriors_advance_to_the_end_of_their_clip() -> None:
    axis = FrameAxis(np.array([0, 0, 0, 1, 1]), 1)
    posterior = np.eye(6)
    advanced = advance_posterior(posterior, 2, axis)
    assert advanced.argmax(1).tolist() == [2, 2, 2, 4, 4, 5]  # state 5 is "no stimulus"
    spread = advance_posterior(np.full((1, 6), 1 / 6), 2, axis)
    assert spread.sum() == pytest.approx(1)


def test_a_uniform_floor_bounds_the_probability_of_the_truth() -> None:
    mixed = mix_uniform(np.array([0.0, 1.0]), 0.2, 10)
    np.testing.assert_allclose(mixed, [0.02, 0.82])


def test_the_floor_of_a_correct_forecast_is_small_and_of_persistence_large(watched: Session) -> None:
    data = training_set(watched, N_FRAMES, 0.3)
    transitions = learn_playback(
        data.state, data.ticks, data.boundary, data.n_frames, data.clip_ends, data.scene_starts
    )
    filtered = [
        (sequence, np.eye(data.n_states)[sequence.state])
        for sequence in validation_sequences(data, data.fold == 0, np.random.default_rng(0))
        if sequence.in_order
    ]
    _, jump_ahead, floors = select_forecast(data, filtered, transitions)
    assert floors["persistence"][3] == FLOORS[-1]
    assert floors["advance"][0] < floors["persistence"][0]
    assert 0 < jump_ahead < 1
