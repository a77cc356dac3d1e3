from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.data.training_set import (
    N_FOLDS,
    concatenate_sessions,
    training_set,
    with_repeat_boundaries,
)
from decoders.errors import BadSplit
from stream.errors import BadRecording, ShapeMismatch
from stream.session import Session
from tests.decoders.conftest import N_FRAMES, places_session


def test_states_boundaries_and_ticks(watched: Session) -> None:
    data = training_set(watched, N_FRAMES, 0.2)
    assert np.array_equal(data.state == N_FRAMES, watched.frame < 0)
    assert np.array_equal(np.flatnonzero(data.boundary), np.arange(7) * 72)
    assert np.all(data.ticks[data.boundary] == 0)
    assert np.all(data.ticks[~data.boundary] == 1)
    assert data.clip_ends is not None
    assert data.clip_ends.tolist() == [39, 59]


def test_folds_hold_out_whole_repeats(watched: Session) -> None:
    data = training_set(watched, N_FRAMES, 0.2)
    assert set(data.fold) == set(range(N_FOLDS))
    for block in np.unique(data.block):
        assert len(set(data.fold[data.block == block])) == 1


def test_folds_of_one_stretch_of_time_have_a_gap_between() -> None:
    places = places_session()
    data = training_set(replace(places, segment=np.zeros_like(places.segment)), 8, 0.5)
    assert set(data.fold) == {-1, *range(N_FOLDS)}
    begins = np.flatnonzero(np.diff(data.fold) > 0) + 1
    assert np.all(data.fold[begins - 10] == -1)  # half a second at 20 Hz


def test_concatenated_sessions_keep_segments_and_repeats_apart(watched: Session) -> None:
    both = concatenate_sessions([watched, watched])
    assert both.repeats == tuple(range(14))
    assert concatenate_sessions([watched, watched], renumber=False).repeats == watched.repeats
    assert len(np.unique(with_repeat_boundaries(both).segment)) == 14
    other = replace(watched, channel_names=tuple(f"other-{i}" for i in range(watched.n_channels)))
    with pytest.raises(ShapeMismatch, match="same channels"):
        concatenate_sessions([watched, other])


def test_bad_input(watched: Session) -> None:
    with pytest.raises(BadSplit, match="too few to train on"):
        training_set(watched.take(np.arange(watched.n_samples) < 9), N_FRAMES, 0.2)
    with pytest.raises(BadRecording, match="contain no frame"):
        training_set(replace(watched, frame=np.full_like(watched.frame, -1)), N_FRAMES, 0.2)
