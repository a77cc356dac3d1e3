"""Validation sequences: held-out samples in order and with shuffled scenes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from decoders.data.play_order import SCENE_S
from decoders.data.training_set import training_set
from decoders.fitting.validation_sequences import validation_sequences
from stream.session import Session
from tests.decoders.conftest import N_FRAMES
from tests.decoders.test_bold import N_CATEGORIES, scan


def test_a_movie_is_also_validated_with_shuffled_scenes(watched: Session) -> None:
    data = training_set(watched, N_FRAMES, 0.3)
    test = data.fold == 0
    in_order, shuffled = validation_sequences(data, test, np.random.default_rng(0))
    assert in_order.in_order
    assert not shuffled.in_order
    assert np.array_equal(in_order.index, np.flatnonzero(test))
    assert np.array_equal(np.sort(shuffled.index), in_order.index)
    assert np.array_equal(shuffled.state, data.state[shuffled.index])
    cuts = np.flatnonzero(np.diff(shuffled.index) != 1) + 1
    lengths = np.diff(np.r_[0, cuts, len(test[test])])
    assert len(lengths) > 1
    assert np.sum(lengths < SCENE_S[0] * data.rate_hz - 1) <= 1  # the last scene may be cut short
    assert np.flatnonzero(shuffled.boundary).tolist() == [0]


def test_with_a_delay_the_truth_of_shuffled_scenes_is_that_of_the_earlier_sample(watched: Session) -> None:
    session = replace(watched, segment=np.zeros_like(watched.segment))
    n_delay = 3
    data = training_set(session, N_FRAMES, 0.3)
    state = np.r_[np.full(n_delay, N_FRAMES), data.state[:-n_delay]]
    delayed = replace(data, state=state, n_delay=n_delay, boundary=np.arange(len(state)) == 0)
    _, shuffled = validation_sequences(delayed, delayed.fold == 1, np.random.default_rng(0))
    assert np.array_equal(shuffled.state[n_delay:], data.state[shuffled.index[:-n_delay]])


def test_still_pictures_are_validated_in_order_only() -> None:
    data = training_set(scan(n_runs=4), N_CATEGORIES, 2.0)
    sequences = validation_sequences(data, data.fold == 0, np.random.default_rng(0))
    assert [sequence.in_order for sequence in sequences] == [True]
