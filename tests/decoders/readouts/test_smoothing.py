"""Class means smoothed over a movie's frames, and over places: an animal runs back and forth past place fields."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.data.training_set import TrainingSet, training_set
from decoders.embedding.linear import class_statistics
from decoders.evaluation.evaluate import EvaluateOptions, evaluate
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.model.model import Model
from decoders.readouts.continuous import LOCAL_MEAN
from decoders.readouts.smoothing import MeanSmoother, candidate_smoothings, log_occupancy
from stream.session import Kind, Session
from tests.decoders.conftest import N_FRAMES, watched_session

N_PLACES, LENGTH_M, RATE_HZ = 20, 2.0, 20.0


def track(n_laps: int, seed: int, n_units: int = 24) -> Session:
    """Simulate laps in alternating directions; place fields differ by direction, and so do frames."""
    fields = np.random.default_rng(99)
    centre = fields.uniform(0, LENGTH_M, (2, n_units))
    peak = fields.gamma(2.0, 3.0, (2, n_units))
    rng = np.random.default_rng(seed)
    position, lap = [], []
    for number in range(n_laps):
        speed = rng.uniform(0.3, 0.6)
        along = np.arange(0.0, LENGTH_M, speed / RATE_HZ)
        position.append(along if number % 2 == 0 else LENGTH_M - along - 1e-6)
        lap.append(np.full(len(along), number))
    where, laps = np.concatenate(position), np.concatenate(lap).astype(np.int32)
    way = laps % 2
    rate = 0.5 + peak[way] * np.exp(-0.5 * ((where[:, None] - centre[way]) / 0.15) ** 2)
    place = np.clip((where / LENGTH_M * N_PLACES).astype(np.int32), 0, N_PLACES - 1)
    return Session(
        neural=rng.poisson(rate / RATE_HZ).astype(np.float32),
        stamps=np.arange(1, len(where) + 1) / RATE_HZ,
        frame=place + N_PLACES * way,
        repeat=laps,
        segment=laps,
        channel_names=tuple(f"unit {unit}" for unit in range(n_units)),
        kind=Kind.SPIKES,
        rate_hz=RATE_HZ,
        labels={"position": where[:, None].astype(np.float32)},
        name="simulated track",
    )


@pytest.fixture(scope="module")
def model() -> Model:
    return fit_model(track(24, seed=0), FitOptions(context_s=1.0))


def test_the_kernel_connects_places_that_follow_each_other() -> None:
    data = training_set(track(12, seed=1), 2 * N_PLACES, 1.0)
    kernel = MeanSmoother(data, np.ones(len(data.state), bool)).kernel(1.0)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-9)
    np.testing.assert_allclose(kernel.sum(1), 1.0, atol=1e-6)
    assert kernel[5, 5] > kernel[5, 6] > kernel[5, 8]
    assert kernel[5, 5 + N_PLACES] < 1e-6  # the same place, passed in the other direction
    assert kernel[-1, -1] == pytest.approx(1)  # "no stimulus" has no neighbours


def test_smoothing_brings_class_means_closer_to_the_truth() -> None:
    few, many = (training_set(track(n, seed=2), 2 * N_PLACES, 1.0) for n in (4, 200))
    means = [class_statistics(d.clean, d.state, d.n_states) for d in (few, many)]
    smooth = MeanSmoother(few, np.ones(len(few.state), bool))
    rough, fine = (np.abs(m.mean - means[1].mean)[:-1].mean() for m in (means[0], smooth(means[0], 0.5)))
    assert fine < rough


def movie(n_repeats: int, seed: int = 0) -> TrainingSet:
    return training_set(watched_session(n_repeats=n_repeats, seed=seed), N_FRAMES, 0.3)


def test_frames_of_a_movie_are_smoothed_by_seconds_of_it() -> None:
    few, many = movie(2), movie(40)
    means = [class_statistics(d.clean, d.state, d.n_states) for d in (few, many)]
    smooth = MeanSmoother(few, np.ones(len(few.state), bool))
    none, little = candidate_smoothings(few)[:2]
    rough, fine = (np.abs(smooth(means[0], s).mean - means[1].mean)[:-1].mean() for s in (none, little))
    assert fine < rough


def test_frames_that_were_never_shown_stay_unknown() -> None:
    data = movie(2)
    m = class_statistics(data.clean, np.where(data.state == 5, 6, data.state), data.n_states)
    smoothed = MeanSmoother(data, np.ones(len(data.state), bool))(m, 0.2)
    np.testing.assert_array_equal(smoothed.observed, m.observed)
    assert not smoothed.observed[5]


@pytest.mark.slow
def test_places_are_decoded_from_multiscale_windows(model: Model) -> None:
    assert model.parts.spans == (1, 2, 5, 10, 20)
    assert model.card["windows_ms"] == [50, 100, 250, 500, 1000]
    assert model.card["evening"] > 0


def test_a_saved_model_gives_the_same_posterior(model: Model, tmp_path) -> None:
    test = track(4, seed=3)
    batch = model.predict(test, forecasts=False)
    model.save(tmp_path / "places.safetensors")
    again = Model.load(tmp_path / "places.safetensors")
    assert again.hash == model.hash
    np.testing.assert_allclose(again.predict(test, forecasts=False).posterior, batch.posterior, atol=1e-6)


def test_without_the_playback_model_only_the_window_matters(model: Model) -> None:
    test = track(2, seed=4)
    n_window = model.parts.scaling.n_window
    late = test.take(np.arange(test.n_samples) >= 30)
    whole, part = (model.predict(s, forecasts=False).posterior_without_playback for s in (test, late))
    lap = test.segment == test.segment[0]
    settled = np.flatnonzero(lap)[30 + n_window :]
    np.testing.assert_allclose(whole[settled], part[settled - 30], atol=1e-4)


def test_window_evidence_affects_only_its_own_sample(model: Model) -> None:
    rng = np.random.default_rng(0)
    evidence, window_evidence = rng.normal(0, 1, (2, 3, model.n_frames + 1)).astype(np.float32)
    playback = model.playback
    playback.reset()
    plain = [playback.step(e, 0.05 * i) for i, e in enumerate(evidence)]
    playback.reset()
    combined = [
        playback.step(e, 0.05 * i, window_evidence[i] if i < 2 else None) for i, e in enumerate(evidence)
    ]
    expected = plain[1] * np.exp(window_evidence[1])
    np.testing.assert_allclose(combined[1], expected / expected.sum(), atol=1e-6)
    np.testing.assert_allclose(combined[2], plain[2], atol=1e-6)
    playback.reset()


def test_the_playback_model_uses_single_samples_and_window_evidence(model: Model) -> None:
    test = track(8, seed=5)
    answers = model.predict(test, forecasts=False)
    assert model.parts.emission.own_readout
    assert model.parts.emission.window_weight > 0
    without_playback, with_playback = (
        np.median(np.abs(p[:, :-1].argmax(1) - test.frame))
        for p in (answers.posterior_without_playback, answers.posterior)
    )
    assert with_playback <= without_playback + 1


def test_position_is_decoded_by_the_local_mean_with_calibrated_intervals(model: Model) -> None:
    test = track(20, seed=6)
    answers = model.predict(test, forecasts=False)
    miss = np.abs(answers.continuous - test.labels["position"])
    assert model.parts.continuous.sharpness[0] == LOCAL_MEAN
    assert np.median(miss) < 0.5 * LENGTH_M / N_PLACES
    assert answers.half_width.shape == miss.shape
    assert 0.72 < np.mean(miss <= answers.half_width) < 0.88


def test_the_evaluation_reports_the_coverage_of_the_interval(model: Model) -> None:
    block = evaluate(model, track(6, seed=7), EvaluateOptions(draws=0))["continuous"]["position"]
    assert 0.6 < block["interval_80"]["coverage"] < 0.95
    assert 0 < block["interval_80"]["median_half_width"] < 0.5


def test_the_occupancy_prior_applies_only_without_the_playback_model(model: Model) -> None:
    occupancy = log_occupancy(np.array([0, 0, 0, 1]), 3)
    np.testing.assert_allclose(np.exp(occupancy), [4 / 7, 2 / 7, 1 / 7], rtol=1e-6)
    prior = np.linspace(-1, 0, model.n_frames + 1).astype(np.float32)
    test = track(2, seed=8)
    without, with_prior = (
        Model(replace(model.parts, prior=p), model.card).predict(test, forecasts=False) for p in (None, prior)
    )
    np.testing.assert_array_equal(with_prior.posterior, without.posterior)
    expected = without.posterior_without_playback * np.exp(prior)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(with_prior.posterior_without_playback, expected, atol=1e-6)
