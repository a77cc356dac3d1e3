"""Statistics of the training data, summed in pieces by fold, equal those of all samples at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.data.training_set import TrainingSet, training_set
from decoders.data.training_statistics import Layout, training_statistics, training_windows, windows_at
from decoders.embedding.linear import class_statistics
from decoders.embedding.multiscale import multiscale_sums
from decoders.readouts.classifiers import Scaling
from stream.session import Session
from tests.decoders.conftest import N_FRAMES

LAYOUTS = [Layout(1), Layout(7), Layout(12, (1, 4, 12))]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decoders.data.training_statistics.PIECE_VALUES", 1000)


@pytest.fixture
def data(watched: Session) -> TrainingSet:
    return training_set(watched, N_FRAMES, 0.3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pieces_join_to_the_windows_of_the_whole(data: TrainingSet, layout: Layout) -> None:
    sums, fullness = multiscale_sums(data.clean, data.boundary, layout.n_window, layout.spans)
    pieces = list(training_windows(data, layout))
    assert len(pieces) > 5
    np.testing.assert_allclose(np.concatenate([piece[1] for piece in pieces]), sums, atol=1e-4)
    assert np.array_equal(np.concatenate([piece[2] for piece in pieces]), fullness)
    index = np.random.default_rng(0).permutation(len(sums))[:100]
    some, full = windows_at(data, layout, index)
    np.testing.assert_allclose(some, sums[index], atol=1e-4)
    assert np.array_equal(full, fullness[index])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("by_fullness", [True, False])
def test_statistics_of_folds_equal_those_of_their_samples(
    data: TrainingSet, layout: Layout, by_fullness: bool
) -> None:
    scaling = Scaling(layout.n_window, root=True)
    sums, fullness = multiscale_sums(data.clean, data.boundary, layout.n_window, layout.spans)
    features, weight = scaling.features(sums), fullness if by_fullness else np.ones_like(fullness)
    for keep in (data.fold != 0, data.fold == 2, np.ones(len(sums), bool)):
        at_once = class_statistics(features[keep], data.state[keep], data.n_states, weight[keep])
        summed = training_statistics(data, layout, scaling, keep, by_fullness=by_fullness)
        np.testing.assert_allclose(summed.count, at_once.count, rtol=1e-6)
        np.testing.assert_allclose(summed.mean, at_once.mean, atol=1e-4)
        np.testing.assert_allclose(summed.within, at_once.within, atol=1e-4 * np.trace(at_once.within))


def test_one_pass_serves_every_fold_and_a_changed_copy_has_none(data: TrainingSet) -> None:
    scaling, everything = Scaling(7, root=True), np.ones(len(data.state), bool)
    training_statistics(data, Layout(7), scaling, everything)
    assert len(data.cache) == 1
    training_statistics(data, Layout(7), Scaling(7, root=True), data.fold == 1)
    assert len(data.cache) == 1
    assert replace(data, lag_s=1.0).cache == {}


def test_what_is_kept_is_bounded(data: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decoders.data.training_statistics.MAX_STORED_BYTES", 100_000)
    for n_window in range(1, 9):
        training_statistics(data, Layout(n_window), Scaling(n_window, root=True), data.fold == 0)
        assert len(data.cache) <= 3


@pytest.mark.parametrize("by_fullness", [True, False])
def test_of_fewer_samples_than_features_no_covariance_is_made(data: TrainingSet, by_fullness: bool) -> None:
    few = replace(
        data,
        **{
            name: getattr(data, name)[::40]
            for name in ("clean", "boundary", "state", "ticks", "fold", "block")
        },
    )
    layout, scaling = Layout(12, (1, 2, 3, 6, 12)), Scaling(12, root=True)
    assert len(few.clean) < few.clean.shape[1] * 5
    sums, fullness = multiscale_sums(few.clean, few.boundary, layout.n_window, layout.spans)
    features, weight = scaling.features(sums), fullness if by_fullness else np.ones_like(fullness)
    keep = few.fold != 0
    summed = training_statistics(few, layout, scaling, keep, by_fullness=by_fullness)
    assert summed.covariance is None
    at_once = class_statistics(features[keep], few.state[keep], few.n_states, weight[keep])
    np.testing.assert_allclose(summed.mean, at_once.mean, atol=1e-4)
    np.testing.assert_allclose(summed.within, at_once.within, atol=1e-4 * np.trace(at_once.within))
    np.testing.assert_allclose(summed.variance, np.diag(at_once.within), rtol=1e-3, atol=1e-6)
