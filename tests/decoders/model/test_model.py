from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.metrics import confidence
from decoders.model.decision import Decision
from decoders.model.model import Model
from decoders.prediction import Predictions, Provenance
from decoders.readouts.continuous import KALMAN
from decoders.readouts.kalman import Kalman
from decoders.rolling.refit import refit, repeats_before
from stream.session import Kind, Session
from tests.decoders.conftest import places_session, watched_session


def stepped(model: Model, session: Session) -> list:
    rows = []
    model.reset()
    for index in range(session.n_samples):
        if index and session.segment[index] != session.segment[index - 1]:
            model.reset()
        # The timestamps of a live stream have another origin.
        rows.append(model.step(session.neural[index], float(session.stamps[index]) + 98_765.4321))
    return rows


def test_held_out_repeats_are_decoded(model: Model, unseen: Session) -> None:
    predictions = model.predict(unseen)
    shown = unseen.frame >= 0
    assert np.mean(predictions.frame[shown] == unseen.frame[shown]) > 0.8
    assert np.mean(predictions.frame[~shown] == -1) > 0.6
    ahead = np.mean(np.abs(predictions.next_frame[12:20] - (unseen.frame[12:20] + 30)) <= 2)
    assert ahead > 0.5


def test_streaming_equals_batch(model: Model, unseen: Session) -> None:
    batch = model.predict(unseen)
    rows = stepped(model, unseen)
    for name in ("posterior", "posterior_without_playback", "embedding", "forecast", "continuous"):
        np.testing.assert_allclose(
            np.stack([getattr(r, name) for r in rows]), getattr(batch, name), atol=1e-5
        )
    for name in ("frame", "next_frame", "confidence", "novelty", "entropy_bits"):
        np.testing.assert_allclose([getattr(r, name) for r in rows], getattr(batch, name), atol=1e-5)


def with_kalman(model: Model) -> Model:
    """The model with a Kalman filter for its one label."""
    n, rng = model.parts.embedding.n_dimensions, np.random.default_rng(0)
    observe = rng.normal(size=(n, 2))
    kalman = Kalman(
        np.array([[1.0, 1.0], [0.0, 0.9]]), 0.01 * np.eye(2), observe, observe.T @ observe, np.zeros(n),
        np.zeros(2), np.eye(2),
    )  # fmt: skip
    continuous = replace(model.parts.continuous, sharpness=np.array([KALMAN]))
    return Model(replace(model.parts, kalman=kalman, continuous=continuous), model.card)


def test_every_state_advances_whether_or_not_the_rest_is_wanted(model: Model, unseen: Session) -> None:
    whole, partly = with_kalman(model), with_kalman(model)
    decisions: list[Decision] = []

    def publish(decision: Decision) -> bool:
        decisions.append(decision)
        return len(decisions) % 3 == 0

    for index in range(12, 42):
        expected = whole.step(unseen.neural[index], index / 30)
        got = partly.step(unseen.neural[index], index / 30, publish)
        np.testing.assert_array_equal(decisions[-1].posterior, expected.posterior)
        assert decisions[-1].frame == expected.frame
        assert (got is None) == (len(decisions) % 3 != 0)
        if got is not None:
            np.testing.assert_array_equal(got.continuous, expected.continuous)
    assert len(decisions) == 30


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.FLUORESCENCE, Kind.BOLD, Kind.EEG])
def test_streaming_equals_batch_for_slow_signals(kind: Kind) -> None:
    session = watched_session(2, kind=kind)
    model = fit_model(session, FitOptions(train_repeats=(0, 1, 2, 3)))
    test = session.select_repeats([4, 5])
    batch = model.predict(test)
    rows = stepped(model, test)
    np.testing.assert_allclose(np.stack([r.posterior for r in rows]), batch.posterior, atol=1e-5)
    assert np.mean(batch.frame[test.frame >= 0] == test.frame[test.frame >= 0]) > 0.5


def test_nothing_crosses_a_segment_boundary(model: Model, watched: Session) -> None:
    test = watched.select_repeats([2, 3])
    boundary = int(np.argmax(np.diff(test.segment))) + 1
    whole = model.predict(test)
    after = model.predict(test.take(np.arange(test.n_samples) >= boundary))
    np.testing.assert_array_equal(whole.posterior[boundary:], after.posterior)


def test_posteriors_are_distributions(model: Model, unseen: Session) -> None:
    p: Predictions = model.predict(unseen)
    posteriors = [p.posterior, p.posterior_without_playback, *p.forecast_posterior.values()]
    for posterior in posteriors:
        assert posterior.shape == (unseen.n_samples, model.n_frames + 1)
        assert (posterior >= 0).all()
        np.testing.assert_allclose(posterior.sum(1), 1, atol=1e-4)
    known = p.novelty[np.isfinite(p.novelty)]
    assert ((known >= 0) & (known <= 1)).all()
    np.testing.assert_allclose(p.confidence, confidence(p.posterior, model.axis), atol=1e-5)


def test_a_partial_window_gives_a_flatter_posterior(model: Model, unseen: Session) -> None:
    model.reset()
    first = model.step(unseen.neural[12], 0.0).posterior_without_playback
    for index in range(13, 24):
        last = model.step(unseen.neural[index], index / 30).posterior_without_playback
    assert first.max() < last.max()


def test_a_sample_without_finite_values_gives_no_decision(model: Model, unseen: Session) -> None:
    model.reset()
    for index in range(12, 30):
        model.step(unseen.neural[index], index / 30)
    lost = model.step(np.full(20, np.nan, np.float32), 1.0)
    assert lost.provenance is Provenance.NO_EVIDENCE
    assert np.isnan(lost.novelty)
    assert np.isfinite(lost.posterior).all()


def test_without_the_playback_model_only_the_window_counts(model: Model, unseen: Session) -> None:
    whole = model.predict(unseen)
    model.use_playback = False
    try:
        alone = model.predict(unseen)
    finally:
        model.use_playback = True
    np.testing.assert_array_equal(alone.posterior, whole.posterior_without_playback)
    assert np.any(alone.frame != whole.frame)


def test_a_common_gain_hardly_changes_the_decoded_frames(watched: Session) -> None:
    model = fit_model(watched, FitOptions(train_repeats=(0, 1, 2, 3, 4), decoder="cosine"))
    test = watched.select_repeats([5])
    louder = replace(test, neural=(2 * test.neural).astype(np.float32))
    shown = test.frame >= 0
    assert np.mean(np.abs(model.predict(louder).frame - test.frame)[shown] <= 3) > 0.8


@pytest.mark.slow
def test_places_are_decoded_as_frames() -> None:
    session = places_session()
    model = fit_model(session, FitOptions(train_time=(0, 0.75)))
    test = session.select_time(0.75, 1)
    predictions = model.predict(test)
    assert model.movie_rate_hz == 0
    assert model.tolerance_frames == 0
    assert np.mean(predictions.frame == test.frame) > 0.6
    assert model.continuous_channels == ("position",)
    assert np.median(np.abs(predictions.continuous - test.labels["position"])) < 0.8


@pytest.mark.slow
def test_a_fit_is_reproducible_and_independent_of_test_data(watched: Session, model: Model) -> None:
    options = FitOptions(train_repeats=(0, 1, 2, 3, 4))
    neural = watched.neural.copy()
    unseen = np.isin(watched.repeat_with_blanks(), [5, 6])
    neural[unseen] = np.random.default_rng(9).poisson(3, (int(unseen.sum()), 20))
    frame = watched.frame.copy()
    frame[unseen & (frame >= 0)] = 7
    other = fit_model(replace(watched, neural=neural, frame=frame), options)
    assert other.hash == model.hash
    assert {k: v for k, v in other.card.items() if k != "train_seconds"} == {
        k: v for k, v in model.card.items() if k != "train_seconds"
    }


@pytest.mark.live
def test_decoding_needs_numpy_and_safetensors_only(model: Model, tmp_path) -> None:
    path = tmp_path / "m.safetensors"
    model.save(path)
    code = (
        "import sys, numpy as np; from decoders.model.model import Model; "
        f"m = Model.load({str(path)!r}); m.step(np.zeros(20, np.float32), 0.0); "
        "print([n for n in ('scipy', 'sklearn', 'torch', 'pylsl', 'matplotlib', 'av', 'PyQt5') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_take_over_in_mid_stream_carries_every_state(model: Model, watched: Session) -> None:
    train = repeats_before(watched, 5, 3)
    assert train is not None
    session = watched.select_repeats([5])
    refitted = refit(model, train)
    alone = refit(model, train)
    middle = session.n_samples // 2
    model.reset()
    alone.reset()
    for index in range(middle):
        model.step(session.neural[index], float(session.stamps[index]))
        alone.step(session.neural[index], float(session.stamps[index]))
    alone.playback.take_over(model.playback)
    assert refitted.take_over(model)
    for index in range(middle, session.n_samples):
        expected = alone.step(session.neural[index], float(session.stamps[index]))
        got = refitted.step(session.neural[index], float(session.stamps[index]))
        assert np.allclose(got.posterior, expected.posterior, atol=1e-6)
        assert np.allclose(got.embedding, expected.embedding, atol=1e-5)
    model.reset()


@pytest.mark.slow
def test_take_over_with_other_channels_starts_with_an_empty_window(model: Model, watched: Session) -> None:
    dead = watched.neural.copy()
    dead[:, 0] = 0
    other = fit_model(replace(watched, neural=dead), FitOptions(context_s=0.2))
    model.step(watched.neural[0], float(watched.stamps[0]))
    assert not other.take_over(model)
    assert other._readout.window.n_held == 0
    model.reset()
