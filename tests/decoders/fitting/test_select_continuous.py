"""Selection of how continuous labels are decoded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from decoders.data.training_set import TrainingSet, training_set
from decoders.fitting.fit_emission import SequenceEvidence
from decoders.fitting.select_continuous import MEDIAN, select_continuous
from decoders.fitting.settings import ReadoutSettings, cross_validation_folds, fit_readout
from decoders.fitting.validation_sequences import validation_sequences
from decoders.readouts.continuous import ContinuousReader
from stream.session import Session
from tests.decoders.conftest import N_FRAMES


def selected(data: TrainingSet) -> ContinuousReader:
    settings = ReadoutSettings(4, 0.5, True, 8.0, 0.0)
    everything = np.ones(len(data.state), bool)
    readout = fit_readout(data, everything, settings)
    filtered = []
    for train, test in cross_validation_folds(data):
        for sequence in validation_sequences(data, test, np.random.default_rng(0)):
            posterior = np.eye(data.n_states)[sequence.state]
            filtered.append((SequenceEvidence(train, sequence, posterior), posterior))
    return select_continuous(data, settings, readout, filtered)[0]


def test_a_label_of_the_frame_is_decoded_from_the_posterior(watched: Session) -> None:
    reader = selected(training_set(watched, N_FRAMES, 0.3))
    assert reader.sharpness[0] >= 0
    assert np.isfinite(reader.interval).all()


def test_a_label_of_noise_is_predicted_by_its_median(watched: Session) -> None:
    noise = np.random.default_rng(1).normal(size=(watched.n_samples, 1)).astype(np.float32)
    data = training_set(replace(watched, labels={"noise": noise}), N_FRAMES, 0.3)
    reader = selected(data)
    assert reader.sharpness.tolist() == [MEDIAN.sharpness]
    assert not reader.ridge[:-1].any()
    assert abs(reader.ridge[-1, 0] - np.median(noise)) < 1e-6
