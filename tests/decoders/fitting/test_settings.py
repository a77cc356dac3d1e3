"""Cross-validation folds and the readout fitted with given settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from decoders.data.training_set import training_set
from decoders.fitting.settings import ReadoutSettings, cross_validation_folds, evenly_spaced, fit_readout
from decoders.readouts.secondary_classifier import SecondarySettings
from stream.session import Session
from tests.decoders.conftest import N_FRAMES


def test_folds_hold_out_every_sample_once(watched: Session) -> None:
    data = training_set(watched, N_FRAMES, 0.3)
    folds = list(cross_validation_folds(data))
    assert len(folds) == 3
    for train, test in folds:
        assert not np.any(train & test)
    assert np.array_equal(np.sum([test for _, test in folds], axis=0), data.fold >= 0)


def test_states_that_are_missing_from_a_training_fold_are_not_tested(watched: Session) -> None:
    data = training_set(watched, N_FRAMES, 0.3)
    only_fold = np.where((data.state == 7) & (data.fold != 0), N_FRAMES, data.state)
    data = replace(data, state=only_fold)
    _, test = next(iter(cross_validation_folds(data)))
    assert np.any((data.fold == 0) & (data.state == 7))
    assert not np.any(test & (data.state == 7))


def test_evenly_spaced_indices() -> None:
    mask = np.arange(100) >= 10
    assert np.array_equal(evenly_spaced(mask, 200), np.arange(10, 100))
    assert evenly_spaced(mask, 4).tolist() == [10, 39, 69, 99]


def test_logits_of_a_blend_are_the_sum_of_both_decoders(watched: Session) -> None:
    data = training_set(watched, N_FRAMES, 0.3)
    everything = np.ones(len(data.state), bool)
    blend = ReadoutSettings(4, 0.5, True, 8.0, 0.0, SecondarySettings(1.0, 10.0))
    windows = blend.windows(data.clean, data.boundary)
    readout = fit_readout(data, everything, blend)
    prototypes = fit_readout(data, everything, replace(blend, secondary=None))
    assert readout.secondary is not None
    together = prototypes.logits(windows[0]) + readout.secondary.logits(windows[0])
    np.testing.assert_allclose(readout.logits(windows[0]), together, atol=1e-4)
    assert [each.decoder for each in (blend, replace(blend, secondary=None))] == [
        "cosine + naive_bayes",
        "cosine",
    ]
