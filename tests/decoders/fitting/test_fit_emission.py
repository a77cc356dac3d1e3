"""Evidence for the playback model."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.data.training_set import training_set
from decoders.fitting.fit_emission import (
    EmissionSettings,
    emission_candidates,
    fit_emission,
    held_out_evidence,
    posterior_emission,
    posterior_evidence,
    sample_evidence,
)
from decoders.fitting.settings import ReadoutSettings, fit_readout
from decoders.readouts.classifiers import UNOBSERVED_LOGIT
from stream.session import Kind, Session
from tests.decoders.conftest import N_FRAMES, places_session, watched_session


@pytest.mark.parametrize("kind", [Kind.SPIKES, Kind.FLUORESCENCE])
def test_a_readout_of_single_samples_is_informative(kind: Kind) -> None:
    data = training_set(watched_session(kind=kind, n_repeats=4), N_FRAMES, 0.3)
    emission = fit_emission(data, np.ones(len(data.state), bool), EmissionSettings(1, 1 / 30))
    decoded = emission.similarity(data.clean).argmax(1)
    shown = data.state < N_FRAMES
    assert np.mean(np.abs(decoded - data.state)[shown] <= 2) > 0.5
    assert not posterior_emission().own_readout


def test_evidence_is_weighted_by_the_fullness_of_the_window(watched: Session) -> None:
    data = training_set(watched, N_FRAMES, 0.3)
    settings = ReadoutSettings(4, 0.5, True, 8.0, 0.0)
    everything = np.ones(len(data.state), bool)
    windows = settings.windows(data.clean, data.boundary)
    logits = fit_readout(data, everything, settings).logits(windows[0])
    evidence = posterior_evidence(data, settings)(everything)(data.clean, data.boundary)
    np.testing.assert_allclose(evidence, logits * windows[1][:, None], rtol=1e-5)


def test_evidence_is_held_out_and_bounded(watched: Session) -> None:
    data = training_set(watched, N_FRAMES, 0.3)
    for each in held_out_evidence(data, sample_evidence(data, EmissionSettings(1, 1 / 30)), 0):
        assert not each.train[each.sequence.index].any()
        assert each.evidence.shape == (len(each.sequence.state), N_FRAMES + 1)
        assert each.evidence.min() >= UNOBSERVED_LOGIT


def test_frames_of_a_movie_and_places_are_smoothed(watched: Session) -> None:
    movie, places = training_set(watched, N_FRAMES, 0.3), training_set(places_session(), 8, 0.3)
    assert [each.smoothing for each in emission_candidates(movie)] == pytest.approx([1 / 30, 0.1, 0.2, 0.4])
    assert 0.0 in [each.smoothing for each in emission_candidates(places)]
    slow = training_set(watched_session(kind=Kind.FLUORESCENCE), N_FRAMES, 0.3)
    assert [each.n_window for each in emission_candidates(slow)] == [1, 1, 1, 1, 10]
