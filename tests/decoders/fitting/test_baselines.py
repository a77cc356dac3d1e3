"""Baselines: settings in the model's card, and refits from its archived training data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.data.training_set import TrainingSet, training_set
from decoders.data.training_statistics import Layout, windows_at
from decoders.errors import BadModel
from decoders.fitting import baselines
from decoders.fitting.baselines import NAMES, BaselineSettings, fit_baseline, refit_baselines
from decoders.model.model import Model
from decoders.model.training_archive import restore_training
from stream.session import Kind, Session
from tests.decoders.conftest import N_FRAMES, watched_session


@pytest.fixture(scope="module")
def data(watched: Session) -> TrainingSet:
    return training_set(watched, N_FRAMES, 0.3)


def accuracy_on_training(data: TrainingSet, settings: BaselineSettings) -> float:
    sums, _ = windows_at(data, Layout(settings.n_window), np.arange(len(data.state)))
    return float(np.mean(fit_baseline(data, settings).uncalibrated(sums).argmax(1) == data.state))


def test_every_baseline_is_refitted_with_the_settings_of_the_card(model: Model) -> None:
    baselines = list(refit_baselines(model.card, restore_training(model)))
    assert [baseline.settings.name for baseline in baselines] == list(NAMES)
    for baseline in baselines:
        assert baseline.settings.n_window == model.parts.scaling.n_window
        assert baseline.settings.factor == model.card["baselines"][baseline.settings.name]["factor"]


def test_their_accuracy_on_held_out_data_is_on_the_card(model: Model) -> None:
    shares = model.card["baseline_accuracy"]
    assert shares.keys() == model.card["baselines"].keys()
    assert all(0.3 < share <= 1 for share in shares.values())  # chance is below
    assert model.stored_baseline == max(shares.items(), key=lambda item: item[1])


@pytest.mark.parametrize("damaged", [{}, {"lda": {"name": "lda", "colour": 3}}])
def test_a_card_without_usable_settings_is_refused(model: Model, damaged: dict) -> None:
    with pytest.raises(BadModel, match="no usable settings of baseline"):
        list(refit_baselines({**model.card, "baselines": damaged}, restore_training(model)))


def test_naive_bayes_of_spikes_is_the_poisson_likelihood_or_ignores_the_gain(data: TrainingSet) -> None:
    from scipy.stats import poisson

    sums, fullness = windows_at(data, Layout(4), np.arange(len(data.state)))
    rates = np.stack(
        [np.average(sums[data.state == n], 0, fullness[data.state == n]) for n in range(data.n_states)]
    )
    n_samples = np.bincount(data.state, fullness)[:, None]
    rates += 0.05 * (rates * n_samples).mean(0) / n_samples
    tested = np.arange(20, 60)
    expected = poisson.logpmf(sums[tested, None], np.maximum(rates, 1e-9)).sum(2)
    settings = BaselineSettings("naive_bayes", 4, 0.0)
    logits = fit_baseline(data, settings).uncalibrated(sums[tested])
    assert (
        np.corrcoef(
            (logits - logits.mean(1, keepdims=True)).ravel(),
            (expected - expected.mean(1, keepdims=True)).ravel(),
        )[0, 1]
        > 0.999
    )
    steady = fit_baseline(data, replace(settings, steady=True)).uncalibrated
    one, twice = (steady(gain * sums[tested]) for gain in (1, 2))
    np.testing.assert_allclose(twice - twice[:, :1], 2 * (one - one[:, :1]), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("kind", [Kind.SPIKES, Kind.FLUORESCENCE])
@pytest.mark.parametrize(("name", "strength"), [("lda", 0.3), ("naive_bayes", 0.1), ("knn", 5.0)])
def test_estimators_learn_what_is_shown(kind: Kind, name: str, strength: float) -> None:
    data = training_set(watched_session(kind=kind), N_FRAMES, 0.3)
    assert accuracy_on_training(data, BaselineSettings(name, 4, strength)) > 0.8


def test_lda_of_many_channels_uses_principal_components(
    data: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BaselineSettings("lda", 4, 0.3)
    full = accuracy_on_training(data, settings)
    monkeypatch.setattr(baselines, "MAX_COVARIANCE_VALUES", data.n_states * 10**2)
    assert 0.3 < accuracy_on_training(data, settings) < full


def test_one_sample_of_each_state_is_enough(watched: Session) -> None:
    one = training_set(watched.take((watched.repeat == 0) & (watched.frame >= 0)), N_FRAMES, 0.3)
    assert len(one.state) == N_FRAMES
    for name in ("lda", "naive_bayes", "knn"):
        assert accuracy_on_training(one, BaselineSettings(name, 1, 0.3)) > 0.9
