"""Selection of the playback model's source of evidence."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.data.training_set import TrainingSet, training_set
from decoders.fitting.fit_emission import DEFAULT_EVIDENCE_WEIGHT
from decoders.fitting.select_playback import PlaybackSelection, select_playback
from decoders.fitting.settings import ReadoutSettings
from decoders.playback.transitions import learn_playback
from stream.session import Kind, Session
from tests.decoders.conftest import N_FRAMES, places_session, watched_session


def selected(data: TrainingSet, windows: tuple[int, ...] = (4,)) -> PlaybackSelection:
    settings = [ReadoutSettings(n_window, 0.5, True, 8.0, 0.0) for n_window in windows]
    transitions = learn_playback(
        data.state, data.ticks, data.boundary, data.n_frames, data.clip_ends, data.scene_starts
    )
    return select_playback(data, settings, transitions, 0)


def test_spikes_and_a_movie_are_filtered_sample_by_sample(watched: Session) -> None:
    selection = selected(training_set(watched, N_FRAMES, 0.3))
    assert selection.emission.own_readout
    assert selection.emission.n_window == 1
    assert selection.emission.evidence_weight > 0
    assert selection.emission.window_weight == 0
    assert len(selection.filtered) == 6  # three folds, each in order and shuffled
    for _, posterior in selection.filtered:
        np.testing.assert_allclose(posterior.sum(1), 1)


def test_the_playback_model_of_a_movie_does_not_choose_the_window_of_the_frame_decoder() -> None:
    data = training_set(watched_session(kind=Kind.FLUORESCENCE), N_FRAMES, 0.3)
    assert selected(data, (20, 2)).settings.n_window == 20


def test_evidence_of_noise_is_ignored() -> None:
    selection = selected(training_set(watched_session(5, signal=0.0), N_FRAMES, 0.3))
    assert selection.emission.evidence_weight == 0


def test_places_may_multiply_window_evidence_in() -> None:
    selection = selected(training_set(places_session(), 8, 0.3))
    evidence, _ = selection.filtered[0]
    assert (evidence.window_evidence is not None) == selection.emission.own_readout
    assert selection.score < 0


@pytest.mark.parametrize("kind", [Kind.SPIKES, Kind.FLUORESCENCE])
def test_without_held_out_data_the_frame_decoder_gives_the_evidence(kind: Kind) -> None:
    selection = selected(training_set(watched_session(kind=kind, n_repeats=1), N_FRAMES, 0.3))
    assert not selection.emission.own_readout
    assert selection.emission.evidence_weight == DEFAULT_EVIDENCE_WEIGHT
    assert np.isnan(selection.score)
    assert selection.filtered == []
