"""Categories decoded from a simulated fMRI scan: delayed, slow, drifting, with mostly uninformative voxels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from decoders.data.preprocessing import Preprocessor
from decoders.embedding.linear import class_statistics, fit_linear, informative_features
from decoders.errors import BadModel
from decoders.evaluation.evaluate import EvaluateOptions, cross_validate, evaluate
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.metrics import given_shown
from decoders.model.model import Model
from stream.movie import Clip, Movie
from stream.session import Kind, Session

TR_S = 2.0
N_CATEGORIES, N_VOXELS, N_INFORMATIVE = 4, 60, 15
RUN = 112


def scan(seed: int = 0, n_runs: int = 7, *, label_delay: int = 0) -> Session:
    """Simulate runs of blocks in random order; labels are delayed by ``label_delay`` volumes against the stimulus."""
    rng = np.random.default_rng(seed)
    pattern = np.zeros((N_CATEGORIES, N_VOXELS))
    pattern[:, :N_INFORMATIVE] = rng.normal(1.0, 1.0, (N_CATEGORIES, N_INFORMATIVE))
    time_s = np.arange(0, 20, TR_S)
    response = time_s**5 * np.exp(-time_s)  # peaks after 5 s
    response /= response.sum()
    neural, frame = [], []
    for _ in range(n_runs):
        blocks = [np.r_[np.full(6, -1), np.full(8, c)] for c in np.tile(rng.permutation(N_CATEGORIES), 2)]
        shown = np.concatenate(blocks)[:RUN]
        drive = np.where(shown[:, None] >= 0, pattern[shown], 0.0)
        blood = np.stack([np.convolve(column, response)[:RUN] for column in drive.T], 1)
        drift = rng.normal(0, 3, N_VOXELS) + np.linspace(0, 1, RUN)[:, None] * rng.normal(0, 2, N_VOXELS)
        neural.append(1000 + 20 * (blood + 0.1 * drift + rng.normal(0, 1.2, (RUN, N_VOXELS))))
        frame.append(np.r_[np.full(label_delay, -1), shown[: RUN - label_delay]])
    voxels = np.concatenate(neural).astype(np.float32)
    voxels[:, -3:] = 0  # outside the head
    run = np.repeat(np.arange(n_runs), RUN).astype(np.int32)
    return Session(
        neural=voxels,
        stamps=(np.arange(len(run)) + 1) * TR_S + 100.0 * run,
        frame=np.concatenate(frame).astype(np.int32),
        repeat=run,
        segment=run,
        channel_names=tuple(f"voxel {i}" for i in range(N_VOXELS)),
        kind=Kind.BOLD,
        rate_hz=1 / TR_S,
        movie=Movie(tuple(Clip(f"category {i}", i, 1, 0.0) for i in range(N_CATEGORIES))),
    )


@pytest.fixture(scope="module")
def model() -> Model:
    session = scan()
    return fit_model(session.take(session.repeat < 6))


def last_run() -> Session:
    session = scan()
    return session.take(session.repeat == 6)


def test_the_lag_is_estimated_in_training_and_reported(model: Model) -> None:
    assert model.card["lag_ms"] in (4000.0, 6000.0)
    assert model.n_delay in (2, 3)
    result = evaluate(model, last_run(), EvaluateOptions(draws=0))
    assert result["lag_ms"] == model.card["lag_ms"]


@pytest.mark.slow
def test_delayed_labels_reduce_the_lag(model: Model) -> None:
    late = fit_model(scan(label_delay=3), baselines=False)
    assert late.n_delay == max(0, model.n_delay - 3)


def test_a_given_lag_is_used() -> None:
    fitted = fit_model(scan(n_runs=4), FitOptions(lag_s=2.0), baselines=False)
    assert fitted.card["lag_ms"] == 2000.0
    assert fitted.n_delay == 1


def test_the_forecast_bridges_the_lag(model: Model) -> None:
    lag = model.n_delay
    assert model.playback.horizon_ticks[0] == lag  # a quarter of a second adds no volume
    session = last_run()
    result = evaluate(model, session, EvaluateOptions(draws=0))
    forecast = given_shown(model.predict(session).forecast_posterior[0.25])
    # A volume decodes what was shown one lag ago, so its forecast is about what is shown now.
    shown = np.flatnonzero(session.frame >= 0)
    shown = shown[(shown >= lag) & (shown < RUN - lag)]  # scored only where the truth one lag later is known
    at_truth = np.log2(forecast[shown, session.frame[shown]])
    expected = float(at_truth.mean() + np.log2(N_CATEGORIES))
    assert result["forecast"]["0.25"]["log_score_bits"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_categories_are_decoded_and_playback_helps() -> None:
    result = cross_validate(scan(), "repeat", FitOptions(lag_s=4.0), draws=0)
    without, with_playback = (
        result[playback]["accuracy_exact"] for playback in ("without_playback", "with_playback")
    )
    assert without > 0.5  # chance is a quarter
    assert with_playback > without


def test_predictions_do_not_depend_on_the_future(model: Model) -> None:
    whole = last_run()
    neural = whole.neural.copy()
    neural[60:] = np.random.default_rng(1).normal(1000, 50, neural[60:].shape)
    before, after = model.predict(whole), model.predict(replace(whole, neural=neural))
    for name in ("posterior", "posterior_without_playback", "embedding"):
        np.testing.assert_array_equal(getattr(before, name)[:60], getattr(after, name)[:60])
    assert not np.array_equal(before.posterior[60:], after.posterior[60:])


def test_predictions_do_not_depend_on_the_previous_run(model: Model) -> None:
    session = scan()
    both = model.predict(session.take(session.repeat >= 5))
    alone = model.predict(last_run())
    np.testing.assert_array_equal(both.posterior[RUN:], alone.posterior)


def test_a_loaded_model_streams_as_in_batch(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "scan.safetensors")
    loaded = Model.load(tmp_path / "scan.safetensors")
    session = last_run()
    batch = model.predict(session)
    loaded.reset()
    for index, volume in enumerate(session.neural):
        prediction = loaded.step(volume, float(session.stamps[index]))
        np.testing.assert_allclose(prediction.posterior, batch.posterior[index], atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 1.5, "half", None])
def test_an_invalid_channel_share_on_the_card_is_refused(model: Model, tmp_path: Path, share: object) -> None:
    damaged = Model(model.parts, {**model.card, "channel_share": share})
    damaged.save(tmp_path / "damaged.safetensors")
    with pytest.raises(BadModel, match="channel_share"):
        Model.load(tmp_path / "damaged.safetensors")


def test_voxels_outside_the_head_are_unused(model: Model) -> None:
    assert model.card["unused_channels"] == ["voxel 57", "voxel 58", "voxel 59"]


def test_a_volume_without_values_gives_no_decision(model: Model) -> None:
    session = last_run()
    neural = session.neural.copy()
    neural[50] = np.nan
    predictions = model.predict(replace(session, neural=neural))
    assert np.isfinite(predictions.posterior).all()
    assert np.isnan(predictions.novelty[50])


def test_the_offset_of_each_run_is_removed() -> None:
    session = scan(n_runs=2)
    fitted = Preprocessor.fit(session.neural, Kind.BOLD, session.rate_hz)
    boundary = np.r_[True, np.diff(session.segment) > 0]
    shifted = session.neural + np.where(session.segment[:, None] == 1, 30.0, 0.0).astype(np.float32)
    shifted[:, ~fitted.valid] = 0
    clean, moved = fitted.run(session.neural, boundary), fitted.run(shifted, boundary)
    np.testing.assert_array_equal(moved[:RUN], clean[:RUN])
    first, last = (np.abs(moved - clean)[RUN:][at].mean() for at in (slice(0, 5), slice(-20, None)))
    assert last < 0.2 * first


def test_informative_features_have_the_largest_f_ratio() -> None:
    rng = np.random.default_rng(0)
    state = np.arange(400) % 4
    samples = rng.normal(size=(400, 20)).astype(np.float32)
    samples[:, [2, 7, 11]] += 2 * rng.normal(size=(4, 3))[state].astype(np.float32)
    m = class_statistics(samples, state, 5)
    assert informative_features(m, 0.15).tolist() == [2, 7, 11]
    assert len(informative_features(m, 1e-6)) == 1
    embedding = fit_linear(m, 0.3, share=0.15)
    assert np.flatnonzero(np.abs(embedding.projection).sum(1)).tolist() == [2, 7, 11]
